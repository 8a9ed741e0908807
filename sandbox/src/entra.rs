//! Entra ID: both token endpoints, discovery and keys.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, json as json_answer, typed},
    faults::TokenChange,
    form::Form,
    keys,
    refusal::{Refusal, no_store, no_such_tenant, refusal},
    routes::{Entra, Version, entra},
    sandbox::{Sandbox, Settings},
    tokens::{Wanted, wall_time},
};

pub(crate) fn is_token_request(request: &Request<Bytes>) -> bool {
    matches!(entra(request.uri().path()), Entra::Token { .. })
}

/// Everything of Entra ID but the token endpoints.
pub(crate) fn documents(request: &Request<Bytes>, settings: &Settings) -> Response<Answer> {
    match entra(request.uri().path()) {
        Entra::Configuration { tenant, .. } if tenant != settings.tenant => {
            no_such_tenant(tenant).answer(request)
        }
        Entra::Configuration { tenant, version } => {
            let base = format!("{}/{tenant}", base(request));
            json_answer(
                StatusCode::OK,
                &json!({
                    "issuer": issuer(&base, tenant, version),
                    "token_endpoint": match version {
                        Version::V1 => format!("{base}/oauth2/token"),
                        Version::V2 => format!("{base}/oauth2/v2.0/token"),
                    },
                    "jwks_uri": format!("{base}/discovery/v2.0/keys"),
                    "id_token_signing_alg_values_supported": ["RS256"],
                }),
            )
        }
        Entra::Keys => json_answer(StatusCode::OK, &keys::jwks()),
        Entra::Token { .. } | Entra::Unknown => typed(StatusCode::NOT_FOUND, "", ""),
    }
}

/// Issues a token, or says why not.
pub(crate) fn token(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    change: TokenChange,
) -> Response<Answer> {
    let Entra::Token { tenant, version } = entra(request.uri().path()) else {
        return typed(StatusCode::NOT_FOUND, "", "");
    };
    match granted(sandbox, request, (tenant, version), change) {
        Ok(body) => no_store(json_answer(StatusCode::OK, &body)),
        Err(refusal) => refusal.answer(request),
    }
}

fn granted(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    (tenant, version): (&str, Version),
    change: TokenChange,
) -> Result<Value, Refusal> {
    let settings = sandbox.settings();
    if request.method() != Method::POST {
        return Err(refusal(
            400,
            "invalid_request",
            900_561,
            "The endpoint only accepts POST requests.",
        ));
    }
    if tenant != settings.tenant {
        return Err(no_such_tenant(tenant));
    }
    let form = Form::of(request);
    let secret = sandbox.state().client_secret.clone();
    let audience = form.granted_audience(settings, &secret, version)?;
    let life = Duration::from_secs(settings.expires_in);
    let audience = change.audience.unwrap_or(audience);
    let base = format!("{}/{tenant}", base(request));
    let token = sandbox.state().tokens.issue(Wanted {
        issuer: &issuer(&base, tenant, version),
        version: "1.0",
        tenant,
        client_id: &settings.client_id,
        audience: &audience,
        life,
    });
    let token = token.ok_or_else(|| refusal(500, "server_error", 90_033, "A transient error."))?;

    let mut body = body(version, &audience, settings.expires_in);
    body.insert("access_token".to_owned(), token.into());
    if let Some(value) = change.expires_in {
        body.insert("expires_in".to_owned(), value);
    }
    if let Some(value) = change.token_type {
        body.insert("token_type".to_owned(), value.into());
    }
    if change.refresh_in {
        body.insert("refresh_in".to_owned(), (settings.expires_in / 2).into());
    }
    Ok(Value::Object(body))
}

/// The fields beside the token: numbers on v2, strings on v1.
fn body(version: Version, audience: &str, life: u64) -> Map<String, Value> {
    let fields = match version {
        Version::V2 => json!({
            "token_type": "Bearer",
            "expires_in": life,
            "ext_expires_in": life,
        }),
        Version::V1 => {
            let now = wall_time().duration_since(std::time::UNIX_EPOCH);
            let now = now.map_or(0, |now| now.as_secs());
            json!({
                "token_type": "Bearer",
                "expires_in": life.to_string(),
                "ext_expires_in": life.to_string(),
                "expires_on": (now + life).to_string(),
                "not_before": now.to_string(),
                "resource": audience,
            })
        }
    };
    fields.as_object().cloned().unwrap_or_default()
}

/// Scheme and host as the request named them.
fn base(request: &Request<Bytes>) -> String {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    match (request.uri().authority(), host) {
        (Some(authority), _) => format!("http://{authority}"),
        (None, host) => format!("http://{}", host.unwrap_or("localhost")),
    }
}

fn issuer(base: &str, tenant: &str, version: Version) -> String {
    match version {
        Version::V1 => format!("https://sts.windows.net/{tenant}/"),
        Version::V2 => format!("{base}/v2.0"),
    }
}
