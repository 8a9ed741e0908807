//! What the pretend services saw.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use serde_json::Value;

use crate::answer::Answer;

/// A request that a service got, faulty turns included.
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
    /// When its first byte came, or where that is not known, all of it. By the clock that all processes of a machine
    /// share and no test can hold still.
    pub at: Instant,
    /// Every byte as it came over the connection; `None` in memory and over HTTP/2.
    pub raw: Option<Bytes>,
    /// Whether it changed what the service holds.
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

/// The bytes of a request as they came, carried in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) bytes: Bytes,
    /// When the first of them came.
    pub(crate) began: Instant,
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

    pub(crate) fn forget(&mut self) {
        self.forgotten += self.entries.len();
        self.entries.clear();
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.entries.iter().cloned().collect()
    }
}

impl Log<Seen> {
    /// Notes a request as it came.
    pub(crate) fn note(&mut self, request: &Request<Bytes>) -> usize {
        let path = request.uri().path_and_query();
        let raw = request.extensions().get::<Raw>();
        self.push(Seen {
            method: request.method().clone(),
            path: path.map_or("/", |path| path.as_str()).to_owned(),
            headers: header_list(request.headers()),
            body: request.body().clone(),
            at: raw.map_or_else(moment, |raw| raw.began),
            raw: raw.map(|raw| raw.bytes.clone()),
            committed: false,
            answered: None,
        })
    }

    /// Notes that a request changed what the service holds.
    pub(crate) fn committed(&mut self, number: usize) {
        if let Some(seen) = self.get_mut(number) {
            seen.committed = true;
        }
    }

    /// Notes what a request was answered with.
    pub(crate) fn answered(&mut self, number: usize, answer: &Response<Answer>) {
        if let Some(seen) = self.get_mut(number) {
            seen.answered = answer.body().bytes();
        }
    }
}

/// The moment that it is.
#[expect(
    clippy::disallowed_methods,
    reason = "it is compared with what other processes did, and nothing waits for it"
)]
pub(crate) fn moment() -> Instant {
    Instant::now()
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
