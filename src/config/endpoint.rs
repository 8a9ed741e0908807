//! Readers of URLs: a scheme and a host that the gateway may send a credential to.

use std::net::IpAddr;

use http::Uri;

/// Reads a base URL: scheme, host and perhaps a port; plain HTTP only on loopback.
pub(crate) fn base_url(text: &str) -> Result<Uri, String> {
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    parsed(trimmed).ok_or_else(|| {
        "https:// (http:// only on loopback), a host and perhaps a port, nothing else".to_owned()
    })
}

/// Reads the URL of a document that may be fetched: HTTPS, or plain HTTP on loopback; with a path.
pub(crate) fn document_url(text: &str) -> Result<Uri, String> {
    document(text).ok_or_else(|| "an https:// URL (http:// only on loopback)".to_owned())
}

/// The URL of an issuer's discovery document, where its name is a URL
/// (<https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig>).
pub(crate) fn issuer_url(issuer: &str) -> Option<Uri> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    document(&format!("{base}/.well-known/openid-configuration"))
}

/// Reads a scope of the client credentials grant, which Entra ID wants to end in `/.default`
/// (<https://learn.microsoft.com/entra/identity-platform/scopes-oidc#the-default-scope>).
pub(crate) fn scope(text: &str) -> Result<String, String> {
    let resource = text.strip_suffix("/.default").unwrap_or_default();
    let sound = !resource.is_empty() && resource.bytes().all(|byte| byte.is_ascii_graphic());
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "one scope that ends in /.default".to_owned())
}

/// Reads the URL that records are posted to, path included.
pub(crate) fn logs_url(text: &str) -> Result<Uri, String> {
    collector_url(text, "logs")
}

/// Reads the URL that spans are posted to; one without a path gets the usual one, as OpenTelemetry's own exporters
/// have it (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>).
pub(crate) fn traces_url(text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().ok();
    let is_bare = uri.is_some_and(|uri| uri.host().is_some() && uri.path() == "/");
    if is_bare && !text.contains(['?', '#']) {
        let base = text.strip_suffix('/').unwrap_or(text);
        return collector_url(&format!("{base}/v1/traces"), "traces");
    }
    collector_url(text, "traces")
}

/// The URL of a collector needs no encryption.
fn collector_url(text: &str, what: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        let named = uri.host().is_some_and(|host| !host.is_empty());
        web && named && uri.path().len() > 1 && !text.contains(['@', '?', '#'])
    });
    uri.ok_or_else(|| format!("a URL with its path, such as https://collector:4318/v1/{what}"))
}

fn document(text: &str) -> Option<Uri> {
    let (scheme, rest) = text.split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    parsed(&format!("{scheme}://{host}"))?;
    let plain = !path.contains(['?', '#']);
    plain.then(|| text.parse().ok()).flatten()
}

fn parsed(text: &str) -> Option<Uri> {
    let (scheme, host) = text.split_once("://")?;
    let bare = !host.contains(['/', '?', '#', '@']);
    let uri: Uri = text.parse().ok()?;
    let name = uri.host().filter(|name| bare && !name.is_empty())?;
    let named_port = host.strip_prefix(name)?;
    let port = named_port.is_empty() || uri.port_u16().is_some_and(|port| port != 0);
    let encrypted = scheme == "https" || (scheme == "http" && is_loopback(name));
    (port && encrypted).then_some(uri)
}

/// Whether a URL's host is this machine's loopback: 127.0.0.0/8, `[::1]` or `localhost`.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address = bracketed.unwrap_or(host).parse::<IpAddr>();
    address.map_or_else(
        |_| host.eq_ignore_ascii_case("localhost"),
        |address| address.is_loopback(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_scheme_and_a_host() {
        for (text, read) in [
            (
                "https://api.partnercenter.microsoft.com",
                "https://api.partnercenter.microsoft.com/",
            ),
            (
                "https://login.microsoftonline.us/",
                "https://login.microsoftonline.us/",
            ),
            ("https://localhost:8443", "https://localhost:8443/"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://127.9.9.9:8080", "http://127.9.9.9:8080/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("http://LOCALHOST", "http://LOCALHOST/"),
        ] {
            assert_eq!(
                base_url(text).map(|url| url.to_string()).as_deref(),
                Ok(read),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_every_other_url() {
        for text in [
            "",
            "/",
            "api.partnercenter.microsoft.com",
            "http://api.partnercenter.microsoft.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://",
            "https://host/v1",
            "https://host//",
            "https://host?x=1",
            "https://host#x",
            "https://user:password@host",
            "https://user@127.0.0.1",
            "https://host:",
            "https://host:0",
            "https://host:99999",
            "https://ho st",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn wants_the_default_scope() {
        let sound = "https://api.partnercenter.microsoft.com/.default";
        assert_eq!(scope(sound).as_deref(), Ok(sound));
        for text in [
            "",
            "/.default",
            ".default",
            "https://host/user",
            "a b/.default",
        ] {
            assert!(scope(text).is_err(), "{text}");
        }
    }
}
