//! Proofs as an OpenID provider sees them that nobody here wrote.

use std::time::Duration;

use http::StatusCode;
use partner_gateway::{
    http_client::{self, HttpClient},
    secret::SecretSource,
    token::{
        access_token::AccessToken,
        assertion::Algorithm,
        credential::Settings as Credential,
        grant::{Grant, GrantError},
    },
};

use super::{Certified, Pair};
use crate::harness::{
    self, config,
    provider::{Provider, part},
    tempdir,
};

#[tokio::test]
async fn is_known_by_its_secret() {
    let provider = Provider::start().await;
    let secret =
        |secret: &str| Credential::ClientSecret(SecretSource::Value(secret.to_owned().into()));
    let right = grant(&provider, "application", secret("se+cr/et &=%"));
    let wrong = grant(&provider, "application", secret("se cr/et &=%"));

    let had = right.mint().await;
    let refused = wrong.mint().await;

    is_for(&had, "application");
    is_refused(refused);
}

#[tokio::test]
async fn is_known_by_its_certificate_in_either_algorithm() {
    let files = Certified::with(&Pair::new());
    let provider = Provider::knowing(&files.path("tls.crt")).await;

    for (client, algorithm) in [
        ("certified-PS256", Algorithm::Ps256),
        ("certified-RS256", Algorithm::Rs256),
    ] {
        let grant = grant(&provider, client, files.credential(algorithm));

        let first = grant.mint().await;
        let second = grant.mint().await;

        is_for(&first, client);
        // It takes each assertion once.
        is_for(&second, client);
    }
}

#[tokio::test]
async fn is_refused_with_another_key_or_algorithm_than_agreed() {
    let files = Certified::with(&Pair::new());
    let other = Certified::with(&Pair::new());
    let provider = Provider::knowing(&files.path("tls.crt")).await;

    for (client, credential) in [
        ("certified-PS256", other.credential(Algorithm::Ps256)),
        ("certified-PS256", files.credential(Algorithm::Rs256)),
        ("certified-RS256", files.credential(Algorithm::Ps256)),
        ("unknown", files.credential(Algorithm::Ps256)),
    ] {
        let refused = grant(&provider, client, credential).mint().await;

        is_refused(refused);
    }
}

/// A grant of one of the provider's clients, over real connections.
fn grant(provider: &Provider, client: &str, credential: Credential) -> Grant {
    let mut settings = config(&tempdir()).accounts.remove(0).token;
    settings.authority = provider.issuer().parse().unwrap();
    "contoso.test".clone_into(&mut settings.tenant);
    client.clone_into(&mut settings.client_id);
    settings.credential = credential;
    let http = HttpClient::connecting(&http_client::Settings {
        connect_timeout: Duration::from_secs(5),
        ca_file: None,
        plain_http: true,
    });
    harness::grant(settings, http.unwrap())
}

fn is_for(had: &Result<AccessToken, GrantError>, client: &str) {
    let token = had.as_ref().expect("a token").authorization();
    assert!(token.is_sensitive());
    let token = token.to_str().unwrap().trim_start_matches("Bearer ");
    let claims = part(token, 1);
    assert_eq!(claims["client_id"], client);
    assert_eq!(claims["aud"], "https://api.partnercenter.microsoft.com");
}

fn is_refused(refused: Result<AccessToken, GrantError>) {
    let error = refused.expect_err("a refusal");
    let GrantError::Refused(refusal) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refusal.error, "invalid_client");
    assert!(error.is_permanent());
}
