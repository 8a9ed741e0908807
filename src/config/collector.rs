//! Reads what is posted to an OpenTelemetry collector with.

use std::path::PathBuf;

use http::{Uri, uri::Scheme};

use crate::{
    config::{
        endpoint::is_loopback,
        environment::Environment,
        headers::{self, Header},
        node::Value,
        secret_file,
        section::{Cursor, Section},
    },
    delivery::otlp,
};

/// What is posted.
pub(crate) struct Posted {
    /// The key that says where to.
    pub(crate) key: &'static str,
    /// Reads the URL.
    pub(crate) read: fn(&str) -> Result<Uri, String>,
    /// What goes there, in words.
    pub(crate) what: &'static str,
}

/// Reads where something is posted to, with its headers and trust.
pub(crate) fn collector(
    section: &Section<'_>,
    posted: &Posted,
    environment: &Environment,
) -> Option<otlp::Settings> {
    let endpoint = section.need(posted.key);
    let uri = endpoint
        .as_ref()
        .and_then(|cursor| posted_to(cursor, posted.read));
    let headers = match section.take("headers") {
        Some(cursor) => headers::headers(&cursor, environment),
        None => Some(Vec::new()),
    };
    let authority = section.take("ca_file");
    let ca_file = authority.as_ref().map(|cursor| certificates(cursor));
    if let Some((endpoint, uri)) = endpoint.as_ref().zip(uri.as_ref())
        && uri.scheme() == Some(&Scheme::HTTP)
    {
        if let Some(authority) = authority {
            authority.fault("has no meaning for http://; accepted: an https:// endpoint".into());
        }
        let has_secrets = headers
            .as_ref()
            .is_some_and(|headers| headers.iter().any(|header| header.is_secret));
        look_at_plain_http(endpoint, uri, has_secrets, posted.what);
    }
    Some(otlp::Settings {
        endpoint: uri?,
        headers: headers?.into_iter().map(Header::into_pair).collect(),
        ca_file: ca_file.map_or(Some(None), |file| file.map(Some))?,
    })
}

/// A query may hold a key, so it is not quoted.
fn posted_to(cursor: &Cursor<'_>, read: fn(&str) -> Result<Uri, String>) -> Option<Uri> {
    if let Value::Scalar(text) = cursor.value()
        && text.contains('?')
    {
        let accepted = "a URL without one, and what is secret in headers";
        cursor.refuse("a URL with a query (not shown)", accepted);
        return None;
    }
    cursor.read(read)
}

/// Collectors in a cluster often speak plain HTTP. Records may travel so, a credential may not.
fn look_at_plain_http(endpoint: &Cursor<'_>, uri: &Uri, has_secrets: bool, what: &str) {
    if uri.host().is_some_and(is_loopback) {
        return;
    }
    if has_secrets {
        endpoint.fault(
            "found http:// beside headers that hold secrets; accepted: https://, or http:// on loopback"
                .to_owned(),
        );
    } else {
        endpoint.notice(&format!("{what} over the network unencrypted"));
    }
}

/// Reads the path of a file with certificates.
pub(crate) fn certificates(cursor: &Cursor<'_>) -> Option<PathBuf> {
    let (path, _) = secret_file::certificates(cursor)?;
    Some(path)
}
