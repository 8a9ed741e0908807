//! What stands in an entry that replicas share: JSON, of a version. Its name tells neither caller nor key, and it holds
//! no credential; it does hold what Partner Center answered.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::{
    partner_center::wire,
    transfers::kept::{Fingerprint, Kept, Key},
};

/// An entry.
#[derive(Debug, Deserialize, Serialize)]
pub(in crate::transfers) struct Value {
    v: u8,
    /// What the first call asked for.
    pub(in crate::transfers) fingerprint: String,
    /// How it stands.
    pub(in crate::transfers) state: State,
}

/// How the call under a key stands.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::transfers) enum State {
    /// Somebody is at it.
    UnderWay {
        /// A run of a replica, and one call of it.
        holder: String,
        /// How long after it was written it may still act.
        lease_ms: u64,
    },
    /// It was answered.
    Answered(Answered),
}

/// An answer.
#[derive(Deserialize, Serialize)]
pub(in crate::transfers) struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    /// In base64.
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    audit: String,
}

impl Value {
    /// Reads an entry, where it is in the form of this version.
    pub(in crate::transfers) fn read(bytes: &[u8]) -> Option<Self> {
        let value: Self = serde_json::from_slice(bytes).ok()?;
        (value.v == VERSION && value.state.is_of_a_gateway()).then_some(value)
    }

    /// An entry that says who is at it.
    pub(in crate::transfers) fn under_way(
        fingerprint: &str,
        holder: &str,
        lease: Duration,
    ) -> Bytes {
        let state = State::UnderWay {
            holder: holder.to_owned(),
            lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
        };
        written(fingerprint, state)
    }

    /// An entry that says what was answered, unless that is too large or cannot be written as text.
    pub(in crate::transfers) fn answered(fingerprint: &str, kept: &Kept) -> Option<Bytes> {
        let answered = Answered::of(kept)?;
        // What another replica could not tell again would stand in its way.
        answered.to_kept()?;
        let value = written(fingerprint, State::Answered(answered));
        (value.len() <= LARGEST_BYTES).then_some(value)
    }
}

impl State {
    /// Whether a gateway could have written it; whoever else may write to the bucket must not choose how long keys are
    /// held.
    fn is_of_a_gateway(&self) -> bool {
        match self {
            Self::UnderWay { holder, lease_ms } => {
                let lease = Duration::from_millis(*lease_ms);
                holder.len() <= LONGEST_HOLDER && lease <= LONGEST_LEASE
            }
            Self::Answered(_) => true,
        }
    }
}

impl Answered {
    fn of(kept: &Kept) -> Option<Self> {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        };
        Some(Self {
            status: kept.status.as_u16(),
            headers: kept.headers.iter().map(header).collect::<Option<_>>()?,
            body: STANDARD.encode(&kept.body),
            code: kept.code.map(ToOwned::to_owned),
            audit: kept.audit.to_string(),
        })
    }

    /// The answer, where all of it can be told again: whoever else may write to the bucket must not choose what our
    /// answers are made of.
    pub(in crate::transfers) fn to_kept(&self) -> Option<Kept> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_str(value).ok()?);
        }
        if headers != wire::passed_on(&headers) {
            return None;
        }
        let code = match &self.code {
            Some(code) => Some(*CODES.iter().find(|known| *known == code)?),
            None => None,
        };
        Some(Kept {
            status: status(self.status)?,
            headers,
            body: STANDARD.decode(&self.body).ok()?.into(),
            code,
            audit: self.audit.parse().ok()?,
        })
    }
}

/// A status that an answer with a body may have.
fn status(number: u16) -> Option<StatusCode> {
    let status = StatusCode::from_u16(number).ok()?;
    let is_final = (200..600).contains(&number);
    let bodiless = [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::NOT_MODIFIED,
    ];
    (is_final && !bodiless.contains(&status)).then_some(status)
}

/// Shows no body: it is the customer's.
impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answered")
            .field("status", &self.status)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// The name of the entry for a key, which tells neither the caller nor the key.
pub(in crate::transfers) fn name(key: &Key) -> Arc<str> {
    hash(&[key.principal.as_bytes(), key.value.as_str().as_bytes()]).into()
}

/// What a call asks for, in so few bytes that nothing can be read out of it.
pub(in crate::transfers) fn digest(fingerprint: &Fingerprint) -> String {
    let Fingerprint {
        operation,
        customer,
        transfer,
        account,
        reason,
    } = fingerprint;
    let (customer, transfer) = (customer.to_string(), transfer.to_string());
    let always = [operation.as_str(), &customer, &transfer, account];
    let parts = always.into_iter().chain(reason.as_deref());
    hash(&parts.map(str::as_bytes).collect::<Vec<_>>())
}

/// Each part stands behind its length, so that no two lists of parts are alike.
fn hash(parts: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        context.update(&length.to_be_bytes());
        context.update(part);
    }
    let digits = |byte: &u8| format!("{byte:02x}");
    context.finish().as_ref().iter().map(digits).collect()
}

fn written(fingerprint: &str, state: State) -> Bytes {
    let value = Value {
        v: VERSION,
        fingerprint: fingerprint.to_owned(),
        state,
    };
    // Serialising strings and numbers into memory cannot fail.
    serde_json::to_vec(&value).unwrap_or_default().into()
}

const VERSION: u8 = 1;

/// A server takes a message of 1 MiB unless told otherwise; an answer to a rejection has about one KiB.
const LARGEST_BYTES: usize = 256 << 10;

/// A run and a number: 53 characters.
const LONGEST_HOLDER: usize = 64;

/// Longer than any call may act.
const LONGEST_LEASE: Duration = Duration::from_hours(2);

/// The gateway's own codes that an answer of Partner Center's may have led to; no other is kept.
pub const CODES: [&str; 4] = [
    "upstream_invalid",
    "upstream_unauthorized",
    "upstream_unconfirmed",
    "audit_incomplete",
];

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn tells_again_what_a_gateway_answered_and_nothing_that_another_made_up() {
        let told = |change: fn(&mut Json)| {
            let mut answered = json!({
                "status": 200,
                "headers": [["content-type", "application/json"], ["retry-after", "1"], ["x-locale", "en-US"]],
                "body": "e30=",
                "audit": "01980000-0000-7000-8000-000000000002",
            });
            change(&mut answered);
            let value = json!({"v": 1, "fingerprint": "", "state": {"answered": answered}});
            match Value::read(value.to_string().as_bytes())?.state {
                State::Answered(answered) => answered.to_kept(),
                State::UnderWay { .. } => None,
            }
        };

        let kept = told(|_| {}).unwrap();
        assert_eq!((kept.status.as_u16(), kept.headers.len()), (200, 3));
        assert!(told(|it| it["status"] = json!(599)).is_some());
        let hostile: [fn(&mut Json); 14] = [
            |it| it["status"] = json!(101),
            |it| it["status"] = json!(199),
            |it| it["status"] = json!(204),
            |it| it["status"] = json!(205),
            |it| it["status"] = json!(304),
            |it| it["status"] = json!(600),
            |it| it["headers"] = json!([["set-cookie", "a=b"]]),
            |it| it["headers"] = json!([["location", "https://a.example"]]),
            |it| it["headers"] = json!([["transfer-encoding", "chunked"]]),
            |it| it["headers"] = json!([["gateway-audit-id", "a"]]),
            |it| it["headers"] = json!([["x-locale", "a"], ["x-locale", "b"]]),
            |it| it["body"] = json!("!"),
            |it| it["code"] = json!("made_up"),
            |it| it["audit"] = json!("a"),
        ];
        for (number, change) in hostile.into_iter().enumerate() {
            assert!(told(change).is_none(), "{number}");
        }
    }

    #[test]
    fn believes_no_hold_that_is_longer_than_any_call() {
        let read = |holder: &str, lease_ms: u64| {
            let state = json!({"under_way": {"holder": holder, "lease_ms": lease_ms}});
            let value = json!({"v": 1, "fingerprint": "", "state": state});
            Value::read(value.to_string().as_bytes()).is_some()
        };

        assert!(read("a", 7_200_000));
        assert!(!read("a", 7_200_001));
        assert!(!read("a", u64::MAX));
        assert!(!read(&"a".repeat(65), 0));
    }

    #[test]
    fn writes_nothing_that_it_would_not_read() {
        let kept = |status| Kept {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            code: None,
            audit: "01980000-0000-7000-8000-000000000002".parse().unwrap(),
        };

        assert!(Value::answered("", &kept(StatusCode::OK)).is_some());
        assert!(Value::answered("", &kept(StatusCode::NO_CONTENT)).is_none());
    }
}
