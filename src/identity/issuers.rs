//! The issuers whose tokens are taken, and the tokens that were verified a moment ago.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use moka::sync::Cache;

use crate::{
    http_client::{Connect, SetupError},
    identity::{
        caller::Caller,
        issuer::{Believed, Issuer, IssuerSettings},
        jwt::Presented,
        key_source::KeyError,
        keys::Fetches,
    },
};

/// Tells callers by their JWTs.
#[derive(Debug)]
pub(in crate::identity) struct Issuers {
    by_name: HashMap<String, Issuer>,
    /// By the hash of the token. What counts is the time in the value, which our own clock is held
    /// against; the cache only bounds how many there are.
    verified: Cache<[u8; SHA256_OUTPUT_LEN], Believed>,
}

/// An issuer cannot be gone to.
#[derive(Debug, thiserror::Error)]
#[error("setting up the connections to issuer {name:?}")]
pub struct IssuerSetupError {
    /// What operators call it.
    pub name: String,
    /// What is wrong.
    pub source: SetupError,
}

impl Issuers {
    /// # Errors
    ///
    /// When a client that goes to one of them cannot be made.
    pub(in crate::identity) fn new(
        settings: Vec<IssuerSettings>,
        connect: &Connect,
    ) -> Result<Self, IssuerSetupError> {
        let mut by_name = HashMap::new();
        for settings in settings {
            let (name, issuer) = (settings.name.clone(), settings.issuer.clone());
            let made = Issuer::new(settings, connect)
                .map_err(|source| IssuerSetupError { name, source })?;
            by_name.insert(issuer, made);
        }
        Ok(Self {
            by_name,
            verified: Cache::new(MOST_VERIFIED),
        })
    }

    /// Takes over the keys of older issuers that have them from the same place.
    pub(in crate::identity) fn with_keys_of(self, old: &Self) -> Self {
        let taking_over = |(url, issuer): (String, Issuer)| {
            let issuer = match old.by_name.get(&url) {
                Some(old) => issuer.with_keys_of(old),
                None => issuer,
            };
            (url, issuer)
        };
        Self {
            by_name: self.by_name.into_iter().map(taking_over).collect(),
            ..self
        }
    }

    /// Finds out whom a token names; nobody where anything about it is wrong.
    ///
    /// Who issued it is looked up before any key is, so that nobody can send us to places that the
    /// operator did not name.
    pub(in crate::identity) async fn verify(&self, token: &str, now: SystemTime) -> Option<Caller> {
        if self.by_name.is_empty() {
            return None;
        }
        let hash = sha256(token)?;
        if let Some(believed) = self.verified.get(&hash).filter(|known| now < known.until) {
            return Some(believed.caller);
        }
        let presented = Presented::read(token)?;
        let issuer = self.by_name.get(presented.issuer())?;
        let believed = issuer.verify(&presented, now).await?;
        self.verified.insert(hash, believed.clone());
        Some(believed.caller)
    }

    /// Begins to fetch the keys of all.
    pub(in crate::identity) fn warm_up(&self) {
        self.by_name.values().for_each(Issuer::warm_up);
    }

    /// How old the keys of each are, where there are any, by its name.
    pub(in crate::identity) fn key_ages(&self) -> impl Iterator<Item = (&str, Duration)> {
        let issuers = self.by_name.values();
        issuers.filter_map(|issuer| Some((issuer.name(), issuer.key_age()?)))
    }

    /// How often the keys of each were fetched, by its name.
    pub(in crate::identity) fn key_fetches(&self) -> impl Iterator<Item = (&str, Fetches)> {
        let issuers = self.by_name.values();
        issuers.map(|issuer| (issuer.name(), issuer.key_fetches()))
    }

    /// Fetches the keys of each, and tells by its name what came of it.
    pub(in crate::identity) async fn try_keys(&self) -> Vec<(String, Result<usize, KeyError>)> {
        let mut tried = Vec::new();
        for issuer in self.by_name.values() {
            tried.push((issuer.name().to_owned(), issuer.try_keys().await));
        }
        tried.sort_by(|one, other| one.0.cmp(&other.0));
        tried
    }
}

fn sha256(token: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    digest(&SHA256, token.as_bytes()).as_ref().try_into().ok()
}

/// A few MiB at most.
const MOST_VERIFIED: u64 = 10_000;
