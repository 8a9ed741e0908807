//! The grants: what a form earns, and how that is written.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Map, Value, json};

use super::{
    Endpoint,
    consent::Redeemed,
    device::Approved,
    form::Form,
    refusal::{Refusal, invalid_client, no_such_tenant, refusal},
    scope::{self, Scopes},
};
use crate::{
    faults::TokenChange,
    routes::Version,
    sandbox::{Sandbox, State},
    settings::Settings,
    time::unix_seconds,
    tokens::{Proof, Subject, Wanted, id_token},
};

/// Issues a token.
pub(super) fn token(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    endpoint: &Endpoint<'_>,
    change: TokenChange,
) -> Result<Value, Refusal> {
    let settings = sandbox.settings();
    is_for_us(request, endpoint.tenant, settings)?;
    let form = Form::of(request);
    let mut state = sandbox.state();
    let mut earned = earn(&mut state, &form, settings, endpoint)?;
    if let Some(audience) = change.audience.clone() {
        earned.audience = audience;
    }
    let wanted = Wanted {
        issuer: &endpoint.issuer(),
        tenant: endpoint.tenant,
        client_id: &settings.client_id,
        audience: &earned.audience,
        life: Duration::from_secs(settings.expires_in),
        proof: earned.proof,
        subject: earned.subject,
    };
    let broken = || refusal(500, "server_error", 90_033, "A transient error.");
    let access_token = state.tokens.issue(wanted).ok_or_else(broken)?;

    let mut body = body(endpoint.version, &earned, settings.expires_in);
    body.insert("access_token".to_owned(), access_token.into());
    if earned.openid {
        body.insert("id_token".to_owned(), id_token(wanted).into());
    }
    if let Some(refresh_token) = earned.refresh_token {
        body.insert("refresh_token".to_owned(), refresh_token.into());
    }
    change.apply(&mut body, settings.expires_in);
    Ok(Value::Object(body))
}

/// Gives out a device code.
pub(super) fn device_code(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    tenant: &str,
) -> Result<Value, Refusal> {
    let settings = sandbox.settings();
    is_for_us(request, tenant, settings)?;
    let form = Form::of(request);
    if form.need("client_id")? != settings.client_id {
        return Err(invalid_client(700_016, "Application not found."));
    }
    form.need("scope")?;
    let scopes = scope::of_user(&form, settings, Version::V2)?;
    Ok(sandbox.state().devices.start(scopes, settings))
}

fn is_for_us(request: &Request<Bytes>, tenant: &str, settings: &Settings) -> Result<(), Refusal> {
    if request.method() != Method::POST {
        let told = "The endpoint only accepts POST requests.";
        return Err(refusal(400, "invalid_request", 900_561, told));
    }
    if tenant != settings.tenant {
        return Err(no_such_tenant(tenant));
    }
    Ok(())
}

/// What a form is worth.
struct Earned {
    audience: String,
    subject: Subject,
    proof: Proof,
    refresh_token: Option<String>,
    openid: bool,
}

fn earn(
    state: &mut State,
    form: &Form,
    settings: &Settings,
    endpoint: &Endpoint<'_>,
) -> Result<Earned, Refusal> {
    let grant = form.need("grant_type")?;
    if ![CLIENT_CREDENTIALS, REFRESH_TOKEN, DEVICE_CODE].contains(&grant) {
        let told = "Unsupported grant type.";
        return Err(refusal(400, "unsupported_grant_type", 70_003, told));
    }
    let proof = state
        .registration
        .prove(form, &settings.client_id, endpoint)?;
    match grant {
        // The application allows public flows, and no public client has a secret to show.
        DEVICE_CODE => polled(state, form, settings, proof),
        _ if proof == Proof::Nothing => Err(invalid_client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or \
             'client_secret'.",
        )),
        REFRESH_TOKEN => renewed(state, form, settings, endpoint.version, proof),
        _ => Ok(Earned {
            audience: scope::of_application(form, settings, endpoint.version)?,
            subject: Subject::Application,
            proof,
            refresh_token: None,
            openid: false,
        }),
    }
}

fn polled(
    state: &mut State,
    form: &Form,
    settings: &Settings,
    proof: Proof,
) -> Result<Earned, Refusal> {
    let device_code = form.need("device_code")?;
    let Approved { mfa, scopes } = state.devices.poll(device_code, settings.device_approval)?;
    let refresh_token = scopes.offline_access.then(|| state.consents.add(mfa));
    Ok(of_user(scopes, Redeemed { mfa, refresh_token }, proof))
}

fn renewed(
    state: &mut State,
    form: &Form,
    settings: &Settings,
    version: Version,
    proof: Proof,
) -> Result<Earned, Refusal> {
    let shown = form.need("refresh_token")?;
    let scopes = scope::of_user(form, settings, version)?;
    let renews = version == Version::V1 || scopes.offline_access;
    let redeemed = state.consents.redeem(shown, renews)?;
    Ok(of_user(scopes, redeemed, proof))
}

fn of_user(scopes: Scopes, redeemed: Redeemed, proof: Proof) -> Earned {
    let Redeemed { mfa, refresh_token } = redeemed;
    Earned {
        audience: scopes.audience,
        subject: Subject::User { mfa },
        proof,
        refresh_token,
        openid: scopes.openid,
    }
}

/// The fields beside the token: numbers on v2, strings on v1.
fn body(version: Version, earned: &Earned, life: u64) -> Map<String, Value> {
    let Earned {
        audience, subject, ..
    } = earned;
    let now = unix_seconds();
    let fields = match version {
        Version::V2 => json!({
            "token_type": "Bearer",
            "expires_in": life,
            "ext_expires_in": life,
        }),
        Version::V1 => json!({
            "token_type": "Bearer",
            "expires_in": life.to_string(),
            "ext_expires_in": life.to_string(),
            "expires_on": (now + life).to_string(),
            "not_before": now.to_string(),
            "resource": audience,
        }),
    };
    let mut fields = fields.as_object().cloned().unwrap_or_default();
    if matches!(subject, Subject::User { .. }) {
        let scope = match version {
            Version::V1 => "user_impersonation".to_owned(),
            Version::V2 => format!("{audience}/user_impersonation {audience}/.default"),
        };
        fields.insert("scope".to_owned(), scope.into());
    }
    fields
}

const CLIENT_CREDENTIALS: &str = "client_credentials";

const REFRESH_TOKEN: &str = "refresh_token";

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Endpoint, claims, post, refused, with_secret};

    #[tokio::test]
    async fn gives_the_application_tokens_for_what_it_may_use() {
        let sandbox = Sandbox::new(Settings::default());
        for audience in [
            "https://api.partnercenter.microsoft.com",
            "https://graph.windows.net",
            "https://vault.azure.net",
        ] {
            let scope = format!("{audience}/.default");
            let form = [("grant_type", CLIENT_CREDENTIALS), ("scope", &scope)];

            let (status, body) = with_secret(&sandbox, &form).await;

            assert_eq!(status, 200, "{body}");
            assert_eq!(body.get("scope").or(body.get("refresh_token")), None);
            let claims = claims(&body["access_token"]);
            assert_eq!(
                (&claims["aud"], &claims["idtyp"]),
                (&json!(audience), &json!("app"))
            );
            assert_eq!(claims.get("scp").or(claims.get("amr")), None);
        }
    }

    #[tokio::test]
    async fn refuses_grants_and_scopes_that_do_not_exist() {
        let sandbox = Sandbox::new(Settings::default());
        for (grant, scope, wanted) in [
            ("password", "x", (400, "unsupported_grant_type", 70_003)),
            (CLIENT_CREDENTIALS, "", (400, "invalid_request", 900_144)),
            (CLIENT_CREDENTIALS, "x", (400, "invalid_scope", 70_011)),
            (
                CLIENT_CREDENTIALS,
                "a/.default b/.default",
                (400, "invalid_scope", 70_011),
            ),
            (
                CLIENT_CREDENTIALS,
                "x/.default",
                (400, "invalid_resource", 500_011),
            ),
            (REFRESH_TOKEN, "", (400, "invalid_request", 900_144)),
        ] {
            let told = with_secret(&sandbox, &[("grant_type", grant), ("scope", scope)]).await;

            assert_eq!(refused(&told), wanted, "{grant} {scope}");
        }
    }

    #[tokio::test]
    async fn wants_a_proof_for_a_refresh_token() {
        let sandbox = Sandbox::new(Settings::default());
        let token = sandbox.consent(true);
        let form = [("grant_type", REFRESH_TOKEN), ("refresh_token", &token)];

        let told = post(&sandbox, Endpoint::V1, &form).await.unwrap();

        assert_eq!(refused(&told), (401, "invalid_client", 7_000_218));
    }

    #[tokio::test]
    async fn shows_every_field_and_no_secret() {
        let sandbox = Sandbox::new(Settings::default());
        let form = [
            ("grant_type", REFRESH_TOKEN),
            ("refresh_token", "r"),
            ("scope", "s"),
        ];
        with_secret(&sandbox, &form).await;

        let seen = sandbox.token_requests();

        let shown: Vec<_> = seen[0]
            .form
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let client_id = Settings::default().client_id;
        assert_eq!(
            shown,
            [
                ("client_id", client_id.as_str()),
                ("client_secret", "(not shown)"),
                ("grant_type", "refresh_token"),
                ("refresh_token", "(not shown)"),
                ("scope", "s"),
            ]
        );
        assert_eq!(seen[0].assertion, None);
    }
}
