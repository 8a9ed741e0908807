//! Entra ID: both token endpoints, discovery and keys.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    answer::{Answer, json as json_answer, typed},
    faults::TokenChange,
    keys,
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
        Entra::Configuration { tenant, .. } if tenant != settings.tenant => unknown_tenant(tenant),
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

/// The form's fields; a secret's value is not shown.
pub(crate) fn shown_form(body: &[u8]) -> Vec<(String, String)> {
    let shown = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        let secret = matches!(
            &*name,
            "client_secret" | "client_assertion" | "refresh_token"
        );
        let value = if secret {
            "(not shown)".to_owned()
        } else {
            value.into_owned()
        };
        (name.into_owned(), value)
    };
    form_urlencoded::parse(body).map(shown).collect()
}

struct Form(Vec<(String, String)>);

impl Form {
    /// The fields; none where the body is not declared to be a form.
    fn of(request: &Request<Bytes>) -> Self {
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

    fn field(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(is, value)| is == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn need(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || {
            let told = format!("The request body must contain the following parameter: '{name}'.");
            refusal(400, "invalid_request", 900_144, &told)
        };
        self.field(name).ok_or_else(missing)
    }

    /// The audience of the token that the form earns.
    fn granted_audience(
        &self,
        settings: &Settings,
        secret: &str,
        version: Version,
    ) -> Result<String, Refusal> {
        if self.need("grant_type")? != "client_credentials" {
            return Err(refusal(
                400,
                "unsupported_grant_type",
                70_003,
                "Unsupported grant type.",
            ));
        }
        if self.need("client_id")? != settings.client_id {
            return Err(refusal(
                401,
                "invalid_client",
                700_016,
                "Application not found.",
            ));
        }
        let shown = self.field("client_secret").ok_or_else(|| {
            refusal(
                401,
                "invalid_client",
                7_000_218,
                "A client_secret or assertion is needed.",
            )
        })?;
        if shown != secret {
            return Err(refusal(
                401,
                "invalid_client",
                7_000_215,
                "Invalid client secret provided.",
            ));
        }
        let resource = match version {
            Version::V1 => self.need("resource")?,
            Version::V2 => self
                .need("scope")?
                .strip_suffix("/.default")
                .ok_or_else(|| {
                    refusal(
                        400,
                        "invalid_scope",
                        70_011,
                        "The scope must end in /.default.",
                    )
                })?,
        };
        if resource != settings.audience && resource != OLD_AUDIENCE {
            return Err(refusal(
                400,
                "invalid_resource",
                500_011,
                "Resource principal not found.",
            ));
        }
        Ok(resource.to_owned())
    }
}

/// Why no token is given.
struct Refusal {
    status: u16,
    error: &'static str,
    code: u64,
    description: String,
}

fn refusal(status: u16, error: &'static str, code: u64, description: &str) -> Refusal {
    Refusal {
        status,
        error,
        code,
        description: description.to_owned(),
    }
}

fn no_such_tenant(tenant: &str) -> Refusal {
    refusal(
        400,
        "invalid_request",
        90_002,
        &format!("Tenant '{tenant}' not found."),
    )
}

impl Refusal {
    fn answer(self, request: &Request<Bytes>) -> Response<Answer> {
        let Self {
            status,
            error,
            code,
            description,
        } = self;
        let correlation = request.headers().get("client-request-id");
        let correlation = correlation
            .and_then(|id| id.to_str().ok())
            .map(ToOwned::to_owned);
        let correlation = correlation.unwrap_or_else(|| Uuid::new_v4().to_string());
        let trace = Uuid::new_v4().to_string();
        let time = humantime::format_rfc3339_seconds(wall_time())
            .to_string()
            .replace('T', " ");
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {description} Trace ID: {trace} Correlation ID: {correlation} \
                 Timestamp: {time}"
            ),
            "error_codes": [code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        no_store(json_answer(
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            &body,
        ))
    }
}

fn unknown_tenant(tenant: &str) -> Response<Answer> {
    let Refusal {
        error,
        code,
        description,
        ..
    } = no_such_tenant(tenant);
    let body = json!({"error": error, "error_description": description, "error_codes": [code]});
    json_answer(StatusCode::BAD_REQUEST, &body)
}

fn no_store(mut response: Response<Answer>) -> Response<Answer> {
    let value = http::HeaderValue::from_static("no-store, no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
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

/// The audience of applications from before 2025, for which tokens are still issued and no longer taken.
const OLD_AUDIENCE: &str = "https://graph.windows.net";
