//! The access tokens that were issued.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    keys::{self, Signer},
    time::unix_seconds,
};

/// What a token is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) life: Duration,
    pub(crate) proof: Proof,
    pub(crate) subject: Subject,
}

/// Whom a token speaks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Subject {
    Application,
    /// The application on behalf of a user, who signed in with MFA or without.
    User {
        mfa: bool,
    },
}

/// How the application proved itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proof {
    /// Not at all, as public clients do.
    Nothing,
    Secret,
    Assertion,
}

/// Every token that may still be shown.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, Issued>,
}

#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) audience: String,
    pub(crate) subject: Subject,
    ends: Instant,
}

impl Tokens {
    /// Issues a token; it ends by the runtime's time, which tests can pause.
    pub(crate) fn issue(&mut self, wanted: Wanted<'_>) -> Option<String> {
        let now = Instant::now();
        self.issued.retain(|_, issued| issued.ends > now);
        let token = keys::sign(Signer::Entra, &claims(wanted))?;
        let issued = Issued {
            audience: wanted.audience.to_owned(),
            subject: wanted.subject,
            ends: now + wanted.life,
        };
        self.issued.insert(token.clone(), issued);
        Some(token)
    }

    /// What is known of a token that is still good.
    pub(crate) fn good(&self, token: &str) -> Option<&Issued> {
        let issued = self.issued.get(token)?;
        (issued.ends > Instant::now()).then_some(issued)
    }

    pub(crate) fn revoke_all(&mut self) {
        self.issued.clear();
    }
}

/// The ID token that comes beside a user's access token where `openid` was asked for.
pub(crate) fn id_token(wanted: Wanted<'_>) -> Option<String> {
    let now = unix_seconds();
    let claims = json!({
        "aud": wanted.client_id,
        "iss": wanted.issuer,
        "iat": now,
        "nbf": now,
        "exp": now + wanted.life.as_secs(),
        "name": "Adele Vance",
        "oid": USER_OBJECT_ID,
        "preferred_username": USER_NAME,
        "sub": USER_SUBJECT,
        "tid": wanted.tenant,
        "ver": "2.0",
    });
    keys::sign(Signer::Entra, &claims)
}

/// The claims of a token of version 1.0, which is what Partner Center's resource asks for on both endpoints.
fn claims(wanted: Wanted<'_>) -> Value {
    let now = unix_seconds();
    let mut claims = json!({
        "aud": wanted.audience,
        "iss": wanted.issuer,
        "iat": now,
        "nbf": now,
        "exp": now + wanted.life.as_secs(),
        "appid": wanted.client_id,
        "appidacr": match wanted.proof {
            Proof::Nothing => "0",
            Proof::Secret => "1",
            Proof::Assertion => "2",
        },
        "tid": wanted.tenant,
        "uti": Uuid::new_v4().simple().to_string(),
        "ver": "1.0",
    });
    let more = match wanted.subject {
        Subject::Application => json!({"idtyp": "app", "oid": OBJECT_ID, "sub": OBJECT_ID}),
        Subject::User { mfa } => json!({
            "amr": if mfa { json!(["pwd", "mfa"]) } else { json!(["pwd"]) },
            "name": "Adele Vance",
            "oid": USER_OBJECT_ID,
            "scp": "user_impersonation",
            "sub": USER_SUBJECT,
            "unique_name": USER_NAME,
            "upn": USER_NAME,
        }),
    };
    if let (Value::Object(claims), Value::Object(more)) = (&mut claims, more) {
        claims.extend(more);
    }
    claims
}

/// The service principal's object ID, which Entra ID makes the subject of an application's token.
const OBJECT_ID: &str = "8e0a7d1c-6f43-4d0a-9a55-0c2f1b7e9d34";

const USER_OBJECT_ID: &str = "5a1c7e90-3b0f-4c55-8f27-94d1f0b2c6e8";

/// Of a user, the subject differs from application to application.
const USER_SUBJECT: &str = "Zk3yVbq9wD1mXo8sTtN5cRf0uLhJpE2aGi7QdW6xYzM";

pub(crate) const USER_NAME: &str = "adele.vance@contoso.example";

/// The audience of tokens for Azure Key Vault, which is the same for every vault.
pub(crate) const VAULT_AUDIENCE: &str = "https://vault.azure.net";
