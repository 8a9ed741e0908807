//! A refresh token as a secret in Azure Key Vault
//! (<https://learn.microsoft.com/rest/api/keyvault/secrets/>).
//!
//! A vault keeps every version and compares nothing, so nobody can claim anything in it: what is there
//! is read again right before it is replaced, and one replica alone should use it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    http_client::{self, HttpClient},
    token::{
        cell::TokenCell,
        grant::Grant,
        refresh_store::{
            Kept, Stored, Surroundings,
            error::{SetupFault, StoreError},
            place::{Place, Within, base},
            same,
            settings::KeyVault,
            well_formed,
        },
    },
};

/// The way to one secret.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct KeyVaultStore {
    url: String,
    place: Place,
    http: HttpClient,
    identity: TokenCell,
}

/// A secret bundle, as far as it is read.
#[derive(Deserialize)]
struct Bundle {
    #[serde(deserialize_with = "secret")]
    value: SecretString,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
struct Attributes {
    /// When the version was made, in seconds since 1970.
    created: Option<u64>,
}

#[derive(Serialize)]
struct NewVersion<'a> {
    value: &'a str,
}

impl KeyVaultStore {
    pub(in crate::token::refresh_store) fn new(
        settings: &KeyVault,
        around: Surroundings<'_>,
    ) -> Result<Self, SetupFault> {
        let outgoing = |to: &Uri| {
            (around.connect)(&http_client::Settings {
                connect_timeout: around.connect_timeout,
                ca_file: None,
                plain_http: to.scheme() == Some(&http::uri::Scheme::HTTP),
            })
        };
        let identity = Grant::new(
            (*settings.identity).clone(),
            outgoing(&settings.identity.authority)?,
            around,
        )?;
        Ok(Self {
            http: outgoing(&settings.vault)?,
            url: format!(
                "{}/secrets/{}?api-version=7.4",
                base(&settings.vault),
                settings.secret
            ),
            place: Place(format!(
                "secret {} of vault {}",
                settings.secret,
                settings.vault.host().unwrap_or_default()
            )),
            identity: TokenCell::new("key vault".into(), identity),
        })
    }

    pub(in crate::token::refresh_store) async fn look(&self) -> Result<Kept, StoreError> {
        let (status, body) = self.ask(Method::GET, Bytes::new()).await?;
        match status {
            StatusCode::OK => self.kept(&body),
            StatusCode::NOT_FOUND => Err(self.place.empty()),
            status => Err(self.place.refused(status)),
        }
    }

    pub(in crate::token::refresh_store) async fn keep(
        &self,
        presented: &SecretString,
        token: &SecretString,
    ) -> Result<Stored, StoreError> {
        let there = self.look().await?.token;
        if same(&there, token) && !same(token, presented) {
            // A version whose answer was lost.
            return Ok(Stored::Ours);
        }
        if !same(&there, presented) {
            return Ok(Stored::Another);
        }
        self.put(token).await.map(|()| Stored::Ours)
    }

    /// Makes a new version, whatever the latest is.
    pub(in crate::token::refresh_store) async fn put(
        &self,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        let value = token.expose_secret();
        let body = serde_json::to_vec(&NewVersion { value }).unwrap_or_default();
        match self.ask(Method::PUT, body.into()).await? {
            (StatusCode::OK, _) => Ok(()),
            (status, _) => Err(self.place.refused(status)),
        }
    }

    fn kept(&self, body: &[u8]) -> Result<Kept, StoreError> {
        // The parser's own error could quote the value.
        let bundle: Bundle =
            serde_json::from_slice(body).map_err(|_| self.place.odd("it is no secret bundle"))?;
        let text = bundle.value.expose_secret();
        let token = well_formed(text).ok_or_else(|| self.place.malformed())?;
        let since_1970 = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Ok(Kept {
            token,
            renewed: bundle.attributes.created.and_then(since_1970),
        })
    }

    /// A token that the vault refuses is replaced, once.
    async fn ask(&self, method: Method, body: Bytes) -> Result<(StatusCode, Bytes), StoreError> {
        let shown = self.identity.current().await?;
        let first = self
            .ask_once(method.clone(), body.clone(), shown.authorization())
            .await?;
        if first.0 != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        self.identity.invalidate(&shown);
        let shown = self.identity.current().await?;
        self.ask_once(method, body, shown.authorization()).await
    }

    async fn ask_once(
        &self,
        method: Method,
        body: Bytes,
        authorization: &http::HeaderValue,
    ) -> Result<(StatusCode, Bytes), StoreError> {
        let request = Request::builder()
            .method(method)
            .uri(&self.url)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|_| self.place.odd("no request can be made for it"))?;
        self.place.ask(&self.http, request, WITHIN).await
    }
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    String::deserialize(from).map(SecretString::from)
}

/// A vault answers in tens of milliseconds, and its secrets have 25 KB at most.
const WITHIN: Within = Within {
    time: Duration::from_secs(5),
    bytes: 128 * 1024,
};
