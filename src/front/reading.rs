//! Reads a request's parts into the words of the use case, without judging who sent it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Version, header, request::Parts, uri::Authority};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer};

use crate::{
    command::{OnTransfer, Operation},
    front::{exchange::Body, heads::Fault, names, problem::Problem, route::Path},
    identity::credential::Credential,
    transfers::request::{Arguments, IdempotencyKey, Malformed},
};

/// Reads a whole body, or finds that it breaks off, which is told only to callers who are known.
///
/// # Errors
///
/// When it is too large, declared or real, or does not come in time.
pub async fn body(
    head: &Parts,
    body: Body,
    limit_bytes: usize,
    within: Duration,
) -> Result<Result<Bytes, Malformed>, Problem> {
    let declared = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let declared = declared.and_then(|text| text.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit_bytes) {
        return Err(Problem::BodyTooLarge { limit_bytes });
    }
    let reading = Limited::new(body, limit_bytes).collect();
    match tokio::time::timeout(within, reading).await {
        Ok(Ok(whole)) => Ok(Ok(whole.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::BodyTooLarge { limit_bytes })
        }
        Ok(Err(_)) => Ok(Err(Malformed::Body("broke off"))),
        Err(_) => Err(Problem::RequestTimeout),
    }
}

/// Reads what the caller presents.
#[must_use]
pub fn credential(headers: &HeaderMap) -> Credential {
    Credential::read(headers.get_all(header::AUTHORIZATION).iter())
}

/// A request that has been read whole, and not yet understood.
#[derive(Debug)]
pub struct Read<'a> {
    /// Method, target and headers.
    pub head: &'a Parts,
    /// What the bytes of the head had wrong.
    pub fault: Option<Fault>,
    /// Whether the caller's own `MS-CorrelationId` could not be used.
    pub bad_correlation: bool,
    /// The body, as far as it came.
    pub body: Result<Bytes, Malformed>,
}

impl Read<'_> {
    /// Reads what the caller wants, telling the first thing that is wrong with it.
    ///
    /// # Errors
    ///
    /// In the order of the request: its form, target, headers, body.
    pub fn arguments<C: OnTransfer>(self, path: Path<'_>) -> Result<Arguments<C>, Malformed> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        host(self.head)?;
        if self.head.uri.query().is_some() {
            return Err(Malformed::Query);
        }
        let customer = path.customer.parse().map_err(|_| Malformed::CustomerId)?;
        let transfer = path.transfer.parse().map_err(|_| Malformed::TransferId)?;
        if self.bad_correlation {
            return Err(Malformed::Header(names::CORRELATION_ID));
        }
        let headers = &self.head.headers;
        let rejects = C::OPERATION == Operation::TransfersReject;
        let idempotency_key = if rejects {
            idempotency_key(headers)?
        } else {
            None
        };
        let account = account(headers)?;
        let reason = match self.body? {
            body if rejects => reason(headers, &body)?,
            body if body.is_empty() => None,
            _ => return Err(Malformed::Body("has no place in this request")),
        };
        Ok(Arguments {
            command: C::of(customer, transfer),
            account,
            reason,
            idempotency_key,
        })
    }
}

/// Checks that a request names one host: RFC 9112 section 3.2 and RFC 9113 section 8.3.1.
fn host(head: &Parts) -> Result<(), Malformed> {
    let mut values = head.headers.get_all(header::HOST).iter();
    let (named, another) = (values.next(), values.next());
    let sound = match (named, head.uri.authority()) {
        _ if another.is_some() => false,
        (Some(value), Some(authority)) => {
            let (value, authority) = (value.as_bytes(), authority.as_str().as_bytes());
            value.eq_ignore_ascii_case(authority) && !authority.contains(&b'@')
        }
        (Some(value), None) => is_host(value),
        (None, Some(authority)) => !authority.as_str().contains('@'),
        (None, None) => head.version < Version::HTTP_11,
    };
    if sound {
        Ok(())
    } else {
        Err(Malformed::Form("does not name exactly one host"))
    }
}

/// Whether this names a host, with or without a port, or, by being empty, none on purpose.
fn is_host(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    value.is_empty() || (!value.contains(&b'@') && Authority::try_from(value).is_ok())
}

/// Reads `Idempotency-Key`.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Malformed> {
    let name = names::IDEMPOTENCY_KEY;
    let read =
        |value: &HeaderValue| IdempotencyKey::read(value.as_bytes()).ok_or(Malformed::Header(name));
    single(headers, name)?.map(read).transpose()
}

/// Reads `Partner-Account`; text that cannot be an account's name is left for the look-up to miss.
fn account(headers: &HeaderMap) -> Result<Option<String>, Malformed> {
    let value = single(headers, names::ACCOUNT)?;
    Ok(value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()))
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a HeaderValue>, Malformed> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        Err(Malformed::Header(name))
    } else {
        Ok(first)
    }
}

impl From<Fault> for Malformed {
    fn from(fault: Fault) -> Self {
        Self::Form(fault.as_str())
    }
}

/// The one body that a caller may send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default, deserialize_with = "present")]
    reason: Option<String>,
}

fn reason(headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, Malformed> {
    if body.is_empty() {
        return Ok(None);
    }
    if !is_json(headers) {
        return Err(Malformed::MediaType);
    }
    // An array would otherwise be taken for the members in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed::Body("is not a JSON object"));
    }
    let wish: Wish = serde_json::from_slice(body).map_err(|_| {
        Malformed::Body(r#"is neither {} nor {"reason": "text"}, or has something behind it"#)
    })?;
    match wish.reason {
        Some(reason) if !(1..=LONGEST_REASON).contains(&reason.chars().count()) => Err(
            Malformed::Body("has a reason that is empty or over 512 characters"),
        ),
        reason => Ok(reason),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Ok(Some(kind)) = single(headers, "content-type") else {
        return false;
    };
    let essence = kind.to_str().ok().and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Refuses `null`, which an `Option` alone would take for an absent member.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    String::deserialize(from).map(Some)
}

/// From the HTTP contract, in characters.
pub const LONGEST_REASON: usize = 512;
