//! The form of a request to Entra ID.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Request, header};
use serde_json::Value;

use super::{
    assertion::Assertion,
    refusal::{Refusal, refusal},
};

/// The form's fields; a secret's value is not shown.
pub(crate) fn shown_form(body: &[u8]) -> Vec<(String, String)> {
    let shown = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
        let value = if SECRET.contains(&&*name) {
            "(not shown)".to_owned()
        } else {
            value.into_owned()
        };
        (name.into_owned(), value)
    };
    form_urlencoded::parse(body).map(shown).collect()
}

/// Header and claims of the form's assertion, unproved; no secret without the signature.
pub(crate) fn shown_assertion(body: &[u8]) -> Option<Value> {
    Some(Assertion::read(&value(body, "client_assertion")?)?.shown())
}

/// The refresh token that a form presents.
pub(crate) fn presented(body: &[u8]) -> Option<String> {
    let renews = value(body, "grant_type").is_some_and(|grant| grant == "refresh_token");
    let shown = value(body, "refresh_token").filter(|_| renews);
    shown.map(Cow::into_owned)
}

fn value<'a>(body: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    let found = form_urlencoded::parse(body).find(|(is, _)| is == name);
    found.map(|(_, value)| value)
}

#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The fields; none where the body is not declared to be a form.
    pub(crate) fn of(request: &Request<Bytes>) -> Self {
        let media = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|it| it.to_str().ok());
        if !media.is_some_and(|media| media.starts_with("application/x-www-form-urlencoded")) {
            return Self(Vec::new());
        }
        Self(
            form_urlencoded::parse(request.body())
                .into_owned()
                .collect(),
        )
    }

    /// A field that is not empty.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(is, value)| is == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || {
            let told = format!("The request body must contain the following parameter: '{name}'.");
            refusal(400, "invalid_request", 900_144, &told)
        };
        self.field(name).ok_or_else(missing)
    }
}

const SECRET: [&str; 5] = [
    "client_secret",
    "client_assertion",
    "refresh_token",
    "device_code",
    "code",
];
