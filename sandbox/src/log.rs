//! What the pretend services saw.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

/// A request that Partner Center got, faulty turns included.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Every byte as it came over the connection; `None` in memory and over HTTP/2.
    pub raw: Option<Bytes>,
    /// Whether it changed a transfer.
    pub committed: bool,
    /// The body it was answered with, where it was answered with a whole one.
    pub answered: Option<Bytes>,
}

/// A request that the token endpoint got, or the one for device codes.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The path.
    pub path: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The form's fields; of a secret only that it was there.
    pub form: Vec<(String, String)>,
    /// Of the client assertion, where there is one, `header` and `claims`, whether it is a good one or not.
    pub assertion: Option<Value>,
    /// The status it was answered with; 0 where no answer was given.
    pub status: u16,
}

/// The latest requests, each with the number it came as.
#[derive(Debug)]
pub(crate) struct Log<T> {
    entries: VecDeque<T>,
    forgotten: usize,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            forgotten: 0,
        }
    }
}

impl<T: Clone> Log<T> {
    /// Adds an entry and returns its number.
    pub(crate) fn push(&mut self, entry: T) -> usize {
        if self.entries.len() == REMEMBERED {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.entries.push_back(entry);
        self.forgotten + self.entries.len() - 1
    }

    /// The entry of a number, unless it is forgotten.
    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.entries.get_mut(number.checked_sub(self.forgotten)?)
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.entries.iter().cloned().collect()
    }
}

pub(crate) fn header_list(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
        .collect()
}

/// How many requests are kept: enough for any test, and no leak in a sandbox that runs for months.
const REMEMBERED: usize = 65_536;
