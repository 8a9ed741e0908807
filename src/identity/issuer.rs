//! One issuer of callers' tokens: whose keys count, and for which tokens.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tracing::debug;

use crate::{
    http_client::{Connect, SetupError},
    identity::{
        algorithm::SigningAlgorithm,
        caller::{Auth, Caller},
        credibility::{Case, Demands},
        jwt::Presented,
        key_source::{KeyError, KeySource, KeySourceSettings},
        keys::{Fetches, KeyRing, Wanted},
    },
};

/// What an issuer is known by and what its tokens must be like.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// What operators call it.
    pub name: String,
    /// The `iss` of its tokens, letter for letter.
    pub issuer: String,
    /// Where its keys come from.
    pub keys: KeySourceSettings,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// Its tokens are signed with one of these.
    pub algorithms: Vec<SigningAlgorithm>,
    /// The claim that names the caller.
    pub principal_claim: String,
    /// What else its tokens must say.
    pub demands: Demands,
}

/// An issuer whose tokens are taken.
#[derive(Debug)]
pub(in crate::identity) struct Issuer {
    settings: IssuerSettings,
    /// Its `iss`, for the callers it vouches for.
    url: Arc<str>,
    keys: KeyRing,
}

/// A caller whom a token names, for as long as the token is believed without another look.
#[derive(Clone, Debug)]
pub(in crate::identity) struct Believed {
    /// Who calls.
    pub(in crate::identity) caller: Caller,
    /// Until when.
    pub(in crate::identity) until: SystemTime,
}

impl Issuer {
    /// # Errors
    ///
    /// When a client that goes to it cannot be made.
    pub(in crate::identity) fn new(
        settings: IssuerSettings,
        connect: &Connect,
    ) -> Result<Self, SetupError> {
        let url: Arc<str> = settings.issuer.as_str().into();
        let source = KeySource::new(Arc::clone(&url), &settings.keys, connect)?;
        let keys = KeyRing::new(Arc::clone(&url), source);
        Ok(Self {
            settings,
            url,
            keys,
        })
    }

    /// Takes over the keys of an older one, where they come from the same place.
    pub(in crate::identity) fn with_keys_of(self, old: &Self) -> Self {
        Self {
            keys: self.keys.with_keys_of(&old.keys),
            ..self
        }
    }

    /// What operators call it.
    pub(in crate::identity) fn name(&self) -> &str {
        &self.settings.name
    }

    /// How old its keys are, where there are any.
    pub(in crate::identity) fn key_age(&self) -> Option<Duration> {
        self.keys.age()
    }

    /// How often its keys were fetched, and what came of it.
    pub(in crate::identity) fn key_fetches(&self) -> Fetches {
        self.keys.fetches()
    }

    /// Begins to fetch its keys.
    pub(in crate::identity) fn warm_up(&self) {
        self.keys.warm_up();
    }

    /// Fetches its keys and tells how many there are.
    ///
    /// # Errors
    ///
    /// When there are none to be had now.
    pub(in crate::identity) async fn try_keys(&self) -> Result<usize, KeyError> {
        self.keys.try_fetch().await
    }

    /// Finds out whom a token of this issuer names; nobody where anything about it is wrong.
    pub(in crate::identity) async fn verify(
        &self,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Option<Believed> {
        let algorithm = presented.algorithm();
        if !self.settings.algorithms.contains(&algorithm) {
            return self.refuse("the algorithm is not one of the issuer's");
        }
        let wanted = Wanted {
            id: presented.key_id().map(str::to_owned),
            algorithm,
        };
        let Some(key) = self.keys.find(wanted).await else {
            return self.refuse("the issuer has no such key");
        };
        let Some(claims) = presented.signed_by(&key, &self.settings.audiences) else {
            return self.refuse("the signature, iss, aud, exp or sub is not what it must be");
        };
        let case = Case {
            claims: &claims,
            kind: presented.kind(),
            issuer: &self.url,
            principal_claim: &self.settings.principal_claim,
            demands: &self.settings.demands,
            now,
        };
        let credible = match case.judge() {
            Ok(credible) => credible,
            Err(incredible) => return self.refuse(&incredible.to_string()),
        };
        let issuer = Some(Arc::clone(&self.url));
        Some(Believed {
            caller: Caller::new(&credible.principal.into(), issuer, Auth::Jwt),
            until: credible.expires.min(now + BELIEVED),
        })
    }

    /// A caller is told no reason; whoever reads the log may need one.
    fn refuse(&self, reason: &str) -> Option<Believed> {
        debug!(issuer = %self.url, reason, "token refused");
        None
    }
}

/// For so long a key that was withdrawn may still be of use to somebody.
const BELIEVED: Duration = Duration::from_mins(1);
