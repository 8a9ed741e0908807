//! What is remembered of a call with a key: whose it was, what it asked for and what it was answered.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    command::Operation,
    ids::{CustomerId, RecordId, TransferId},
    transfers::request::IdempotencyKey,
};

/// A key in the hands of its caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who calls.
    pub principal: Arc<str>,
    /// What the caller chose.
    pub value: IdempotencyKey,
}

/// All that a call asks for. Two calls under one key must not differ in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// What is to be done.
    pub operation: Operation,
    /// To which customer.
    pub customer: CustomerId,
    /// To which transfer.
    pub transfer: TransferId,
    /// Through which account, by its name in the configuration.
    pub account: Arc<str>,
    /// The caller's own words.
    pub reason: Option<String>,
}

/// An answer as it left, less what belongs to the one call that it was given to.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// The status answered.
    pub status: StatusCode,
    /// The headers that describe the answer, and none that identify the call.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The gateway's own code, where the gateway spoke.
    pub code: Option<&'static str>,
    /// The outcome record of the call that was answered so.
    pub audit: RecordId,
}

impl Kept {
    /// The same with memory of its own. What was read shares the buffers of its connection, which would
    /// stay as long as the answer does.
    #[must_use]
    pub fn by_itself(mut self) -> Self {
        self.body = Bytes::copy_from_slice(&self.body);
        for value in self.headers.values_mut() {
            if let Ok(own) = HeaderValue::from_bytes(value.as_bytes()) {
                *value = own;
            }
        }
        self
    }

    /// What the answer counts among those that are kept, with what is remembered beside it.
    pub(in crate::transfers) fn weight(&self, key: &Key, fingerprint: &Fingerprint) -> u32 {
        let header = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
        let headers: usize = self.headers.iter().map(header).sum();
        let words = fingerprint.reason.as_ref().map_or(0, String::len);
        let names = key.principal.len() + key.value.as_str().len();
        let bytes = self.body.len() + headers + words + names;
        u32::try_from(bytes.div_ceil(BYTES_OF_ONE).max(1)).unwrap_or(u32::MAX)
    }
}

/// Shows no body: it is the customer's.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("status", &self.status)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// In bytes. Partner Center's answer to a rejection has about one KiB.
const BYTES_OF_ONE: usize = 4096;
