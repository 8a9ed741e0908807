//! What a caller asks for, as far as it could be read.

use std::sync::Arc;

use crate::identity::{certificate::ClientCertificate, credential::Credential};

/// A caller's request with everything in it that later steps judge.
///
/// The arguments may be malformed; that is told only to callers who have proved themselves.
#[derive(Debug)]
pub struct Request<C> {
    /// What the caller presents.
    pub presented: Presented,
    /// What the caller wants.
    pub arguments: Result<Arguments<C>, Malformed>,
    /// Whether the call came after the gateway was told to leave.
    pub too_late: bool,
}

/// What says who calls, not yet looked at.
#[derive(Debug)]
pub struct Presented {
    /// The credential that came with the call.
    pub credential: Credential,
    /// The certificate of the caller's connection, where it has one.
    pub certificate: Option<ClientCertificate>,
}

/// What the caller wants, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments<C> {
    /// The command itself.
    pub command: C,
    /// The account the caller names, if any.
    pub account: Option<String>,
    /// The caller's own words for the audit record.
    pub reason: Option<String>,
    /// What the caller repeats this very call under, if it does.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// What a caller repeats a call under: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// Reads a key, where this is one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let sound =
            (1..=LONGEST_KEY).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        let text = str::from_utf8(bytes).ok().filter(|_| sound)?;
        Some(Self(text.into()))
    }

    /// The key as the caller wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The request cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It can be read in more than one way, or does not say what every request must.
    #[error("the request {0}")]
    Form(&'static str),
    /// There is a query string.
    #[error("the request takes no query string")]
    Query,
    /// The customer's ID is not a GUID.
    #[error("the customer ID is not a GUID of the form 8-4-4-4-12, or is all zero")]
    CustomerId,
    /// The transfer's ID is not a GUID.
    #[error("the transfer ID is not a GUID of the form 8-4-4-4-12, or is all zero")]
    TransferId,
    /// A header has a value it cannot have.
    #[error("the header {0} has a value it cannot have, or stands there twice")]
    Header(&'static str),
    /// The body is not what it may be.
    #[error("the body {0}")]
    Body(&'static str),
    /// There is a body, and it is not declared as JSON.
    #[error("a body must be application/json")]
    MediaType,
}

/// From the HTTP contract, in characters.
pub const LONGEST_KEY: usize = 255;
