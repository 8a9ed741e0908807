//! The access tokens that were issued.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::keys;

/// What a token is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) version: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) life: Duration,
}

/// Every token that may still be shown.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, Issued>,
}

#[derive(Debug)]
struct Issued {
    audience: String,
    ends: Instant,
}

impl Tokens {
    /// Issues a token; it ends by the runtime's time, which tests can pause.
    pub(crate) fn issue(&mut self, wanted: Wanted<'_>) -> Option<String> {
        let now = Instant::now();
        self.issued.retain(|_, issued| issued.ends > now);
        let token = keys::sign(&claims(wanted))?;
        let issued = Issued {
            audience: wanted.audience.to_owned(),
            ends: now + wanted.life,
        };
        self.issued.insert(token.clone(), issued);
        Some(token)
    }

    /// The audience of a token that is still good.
    pub(crate) fn audience(&self, token: &str) -> Option<&str> {
        let issued = self.issued.get(token)?;
        (issued.ends > Instant::now()).then_some(issued.audience.as_str())
    }

    pub(crate) fn revoke_all(&mut self) {
        self.issued.clear();
    }
}

fn claims(wanted: Wanted<'_>) -> serde_json::Value {
    let now = unix_seconds();
    json!({
        "aud": wanted.audience,
        "iss": wanted.issuer,
        "iat": now,
        "nbf": now,
        "exp": now + wanted.life.as_secs(),
        "appid": wanted.client_id,
        "appidacr": "1",
        "idtyp": "app",
        "oid": OBJECT_ID,
        "sub": OBJECT_ID,
        "tid": wanted.tenant,
        "uti": Uuid::new_v4().simple().to_string(),
        "ver": wanted.version,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "claims are in wall time, whatever tests do to timers"
)]
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

fn unix_seconds() -> u64 {
    let since = wall_time().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The service principal's object ID, which Entra ID makes the subject of an application's token.
const OBJECT_ID: &str = "8e0a7d1c-6f43-4d0a-9a55-0c2f1b7e9d34";
