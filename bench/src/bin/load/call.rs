//! What is asked: each call is about a transfer that no call was about before.

use std::{cell::Cell, net::SocketAddr};

use bytes::Bytes;
use clap::ValueEnum;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header, uri::InvalidUri};
use http_body_util::Full;

/// How a rejection is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Kind {
    /// As the gateway's callers do
    Post,
    /// As the gateway itself does
    Patch,
}

/// Calls, one after another.
#[derive(Debug)]
pub(crate) struct Calls {
    kind: Kind,
    has_body: bool,
    headers: Vec<HeaderMap>,
    /// Tells this run's transfers from those of others.
    run: u32,
    made: Cell<usize>,
}

impl Calls {
    pub(crate) fn new(
        kind: Kind,
        has_body: bool,
        to: SocketAddr,
        tokens: Vec<String>,
    ) -> Result<Self, header::InvalidHeaderValue> {
        let host = HeaderValue::from_str(&to.to_string())?;
        let json = HeaderValue::from_static("application/json");
        let has_body = has_body || kind == Kind::Patch;
        let mut headers = Vec::new();
        for token in tokens {
            let mut of_one = HeaderMap::new();
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
            of_one.insert(header::HOST, host.clone());
            of_one.insert(header::AUTHORIZATION, bearer);
            if has_body {
                of_one.insert(header::CONTENT_TYPE, json.clone());
            }
            headers.push(of_one);
        }
        Ok(Self {
            kind,
            has_body,
            // Anywhere in the list, so that tokens that are to be shown once are not those of the last run.
            made: Cell::new(fastrand::usize(..=headers.len())),
            headers,
            run: fastrand::u32(..),
        })
    }

    /// The next call.
    pub(crate) fn next(&self) -> Result<Request<Full<Bytes>>, InvalidUri> {
        let made = self.made.get();
        self.made.set(made + 1);
        let transfer = format!("{:08x}-0000-4000-8000-{made:012x}", self.run);
        let (method, uri) = match self.kind {
            Kind::Post => (
                Method::POST,
                format!("/transfers/{CUSTOMER}/{transfer}/reject"),
            ),
            Kind::Patch => (
                Method::PATCH,
                format!("/v1/customers/{CUSTOMER}/transfers/{transfer}"),
            ),
        };
        let mut body = Bytes::new();
        if self.has_body {
            body = format!(r#"{{"id":"{transfer}","status":"reject"}}"#).into();
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse::<Uri>()?;
        if let Some(headers) = self.headers.get(made % self.headers.len().max(1)) {
            request.headers_mut().clone_from(headers);
        }
        Ok(request)
    }
}

const CUSTOMER: &str = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";
