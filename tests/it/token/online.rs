//! What `check --online` tells of a token.

use std::sync::Arc;

use partner_gateway::{
    app::{Surroundings, online},
    http_client::HttpClient,
};
use sandbox::{Fault, Sandbox, Settings, Target};
use serde_json::json;

use crate::harness::{
    StandingClock, config, for_a_user, issuer::base64, tempdir, transport::ToSandbox,
};

#[tokio::test(start_paused = true)]
async fn shows_what_a_token_says_and_never_the_token() {
    let opaque = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"an-opaque-token"}"#;

    for (for_user, body, told) in [
        (
            false,
            None,
            "audience https://api.partnercenter.microsoft.com, tenant 3a9a35ce-d5be-4814-ab58-4451c36fe157, application 4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01, expires 2026-03-01T01:00:00Z, MFA not needed",
        ),
        (
            true,
            None,
            "audience https://api.partnercenter.microsoft.com, tenant 3a9a35ce-d5be-4814-ab58-4451c36fe157, application 4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01, expires 2026-03-01T01:00:00Z, MFA yes",
        ),
        (
            true,
            Some(opaque.to_owned()),
            "audience opaque, tenant opaque, application opaque, expires 2026-03-01T01:00:00Z, MFA does not say",
        ),
        (
            true,
            Some(with_methods(r#"["pwd","mfa"]"#)),
            "audience not told, tenant not told, application not told, expires 2026-03-01T01:00:00Z, MFA yes",
        ),
        (
            true,
            Some(with_methods(r#"["pwd"]"#)),
            "audience not told, tenant not told, application not told, expires 2026-03-01T01:00:00Z, MFA no",
        ),
    ] {
        let sandbox = Sandbox::new(Settings::default());
        if let Some(body) = body {
            let content_type = Some("application/json".to_owned());
            sandbox.push_fault(
                Target::Token,
                Fault::Body {
                    status: 200,
                    content_type,
                    body,
                },
            );
        }
        let mut config = config(&tempdir());
        let (_store, flow) = for_a_user(&sandbox);
        if for_user {
            config.accounts[0].token.flow = flow;
        }
        let network = ToSandbox::new(sandbox);
        let surroundings = Surroundings {
            clock: Arc::new(StandingClock::default()),
            connect: Arc::new(move |_| Ok(HttpClient::over(network.clone()))),
        };

        let tried = online::try_accounts(&config, &surroundings, std::future::pending::<()>())
            .await
            .unwrap()
            .unwrap();

        let shown = tried[0].1.as_ref().unwrap().to_string();
        assert_eq!((&*tried[0].0, shown.as_str()), ("contoso", told));
    }
}

/// An answer with a token that is a JWT and says this of how its person signed in.
fn with_methods(methods: &str) -> String {
    let claims = base64(format!(r#"{{"amr":{methods}}}"#));
    let header = base64(r#"{"alg":"RS256","typ":"JWT"}"#);
    let token = format!("{header}.{claims}.c2ln");
    json!({"token_type": "Bearer", "expires_in": 3600, "access_token": token}).to_string()
}
