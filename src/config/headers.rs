//! Reads headers that requests carry: a value, or a reference to a secret.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;

use crate::{
    config::{environment::Environment, node::Value, secret_file, section::Cursor},
    secret::SecretSource,
};

/// A header of each request.
pub(crate) struct Header {
    name: HeaderName,
    value: SecretSource,
    /// Whether its value is a reference to a secret.
    pub(crate) is_secret: bool,
}

impl Header {
    pub(crate) fn into_pair(self) -> (HeaderName, SecretSource) {
        (self.name, self.value)
    }
}

/// Reads headers by their names.
pub(crate) fn headers(cursor: &Cursor<'_>, environment: &Environment) -> Option<Vec<Header>> {
    if let Value::Nothing = cursor.value() {
        return Some(Vec::new());
    }
    let entries = cursor.named()?;
    let (count, mut names) = (entries.len(), HashSet::new());
    let mut headers = Vec::new();
    for (name, value) in entries {
        headers.extend(header(name, &value, &mut names, environment));
    }
    (headers.len() == count).then_some(headers)
}

fn header(
    name: &str,
    value: &Cursor<'_>,
    names: &mut HashSet<HeaderName>,
    environment: &Environment,
) -> Option<Header> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
    let Some(name) = parsed.filter(|name| !OURS.contains(&name.as_str())) else {
        let accepted = "the name of a header that the sink does not set itself";
        value.fault(format!(
            "not a header that can be set; accepted: {accepted}"
        ));
        return None;
    };
    if !names.insert(name.clone()) {
        value.fault("stands there twice; accepted: each header once".to_owned());
        return None;
    }
    let is_secret = matches!(value.value(), Value::Map(_)) || carries_a_credential(&name);
    let source = if is_secret {
        secret_file::secret(value, environment)?
    } else {
        SecretSource::Value(SecretString::from(value.read(plain_value)?))
    };
    Some(Header {
        name,
        value: source,
        is_secret,
    })
}

fn plain_value(text: &str) -> Result<String, String> {
    let sound = !text.is_empty() && HeaderValue::from_str(text).is_ok();
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "the value of a header, or {file: PATH} or {env: NAME}".to_owned())
}

/// Whether a header by its name is one that proves something; its value is never written in the file.
fn carries_a_credential(name: &HeaderName) -> bool {
    let name = name.as_str();
    CREDENTIALS.iter().any(|word| name.contains(word)) || name.ends_with("key")
}

/// Headers that say what the request is.
const OURS: [&str; 7] = [
    "host",
    "connection",
    "transfer-encoding",
    "content-length",
    "content-type",
    "content-encoding",
    "accept-encoding",
];

/// What the names of headers have in them that hold credentials.
const CREDENTIALS: [&str; 8] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "password",
    "credential",
    "api-key",
    "apikey",
];
