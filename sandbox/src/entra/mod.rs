//! Entra ID: token endpoints, device codes, discovery and keys.

mod assertion;
pub(crate) mod client;
mod cluster;
pub(crate) mod consent;
pub(crate) mod device;
pub(crate) mod form;
mod grant;
mod refusal;
mod scope;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::json;

use self::refusal::{no_store, no_such_tenant};
use crate::{
    answer::{Answer, json as json_answer, typed},
    faults::TokenChange,
    keys,
    routes::{Entra, Version, entra},
    sandbox::Sandbox,
    settings::Settings,
};

/// Whether a request asks for tokens, or for a device code that will earn some.
pub(crate) fn is_grant(request: &Request<Bytes>) -> bool {
    matches!(
        entra(request.uri().path()),
        Entra::Token { .. } | Entra::DeviceCode { .. }
    )
}

/// Everything of Entra ID but the grants.
pub(crate) fn documents(request: &Request<Bytes>, settings: &Settings) -> Response<Answer> {
    match entra(request.uri().path()) {
        Entra::Configuration { tenant, .. } if tenant != settings.tenant => {
            no_such_tenant(tenant).answer(request)
        }
        Entra::Configuration { tenant, version } => {
            let base = base(request, settings, tenant);
            configuration(&base, tenant, version)
        }
        Entra::Keys => json_answer(StatusCode::OK, &keys::jwks()),
        Entra::Token { .. } | Entra::DeviceCode { .. } | Entra::Unknown => {
            typed(StatusCode::NOT_FOUND, "", "")
        }
    }
}

/// Gives a token or a device code, or says why not.
pub(crate) fn grant(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    change: TokenChange,
) -> Response<Answer> {
    let given = match entra(request.uri().path()) {
        Entra::Token { tenant, version } => {
            let endpoint = Endpoint::of(sandbox, request, tenant, version);
            grant::token(sandbox, request, &endpoint, change)
        }
        Entra::DeviceCode { tenant } => grant::device_code(sandbox, request, tenant),
        _ => return typed(StatusCode::NOT_FOUND, "", ""),
    };
    match given {
        Ok(body) => no_store(json_answer(StatusCode::OK, &body)),
        Err(refusal) => refusal.answer(request),
    }
}

/// A tenant's token endpoint, as a request reached it.
#[derive(Debug)]
pub(crate) struct Endpoint<'a> {
    /// Scheme, host and tenant.
    base: String,
    tenant: &'a str,
    version: Version,
    /// The seconds of wall time by which assertions are judged.
    now: u64,
}

impl<'a> Endpoint<'a> {
    fn of(sandbox: &Sandbox, request: &Request<Bytes>, tenant: &'a str, version: Version) -> Self {
        Self {
            base: base(request, sandbox.settings(), tenant),
            tenant,
            version,
            now: sandbox.state().watch.unix_seconds(),
        }
    }

    fn issuer(&self) -> String {
        issuer(&self.base, self.tenant, self.version)
    }

    /// Whether an assertion for this audience is for this endpoint: a token URL of either version, or the
    /// issuer. The scheme does not count, because whatever ends TLS before the sandbox hides it.
    fn is_named_by(&self, audience: &str) -> bool {
        let named = without_scheme(audience);
        let Some(base) = without_scheme(&self.base) else {
            return false;
        };
        ["/oauth2/v2.0/token", "/oauth2/token", "/v2.0"]
            .iter()
            .any(|path| named.and_then(|named| named.strip_suffix(path)) == Some(base))
    }
}

fn without_scheme(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://");
    rest.or_else(|| url.strip_prefix("http://"))
}

fn configuration(base: &str, tenant: &str, version: Version) -> Response<Answer> {
    json_answer(
        StatusCode::OK,
        &json!({
            "issuer": issuer(base, tenant, version),
            "token_endpoint": match version {
                Version::V1 => format!("{base}/oauth2/token"),
                Version::V2 => format!("{base}/oauth2/v2.0/token"),
            },
            "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "id_token_signing_alg_values_supported": ["RS256"],
        }),
    )
}

/// Scheme and host as the request named them, and the tenant.
fn base(request: &Request<Bytes>, settings: &Settings, tenant: &str) -> String {
    let named = request.headers().get(header::HOST);
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => named.and_then(|it| it.to_str().ok()).unwrap_or("localhost"),
    };
    let scheme = if settings.behind_tls { "https" } else { "http" };
    format!("{scheme}://{host}/{tenant}")
}

fn issuer(base: &str, tenant: &str, version: Version) -> String {
    match version {
        Version::V1 => format!("https://sts.windows.net/{tenant}/"),
        Version::V2 => format!("{base}/v2.0"),
    }
}
