//! Callers who have their tokens from an OpenID provider that nobody here wrote.

use std::time::Duration;

use super::{
    site::{Answer, Running, Site},
    transfers,
};
use crate::harness::{
    TRANSFER,
    process::asking_every,
    provider::{Provider, part},
};

#[tokio::test]
async fn knows_a_client_whatever_its_token_is_signed_with() {
    let provider = Provider::start().await;
    let site = trusting(&provider, "").await;
    let gateway = site.start().await;
    let algorithms = ["RS256", "PS256", "ES256", "EdDSA"];

    for (algorithm, transfer) in algorithms.into_iter().zip(transfers(&site, "0001", 4)) {
        let token = provider.token("billing", algorithm).await;
        let answer = gateway.call(&transfer, &token).await.unwrap();

        assert_eq!(part(&token, 0)["alg"], algorithm);
        assert_eq!(part(&token, 0)["typ"], "at+jwt");
        assert_eq!(answer.status, 200, "{algorithm}");
        let record = site.journal().outcome(&answer.audit_id);
        assert_eq!(record["principal"], "billing", "{algorithm}");
        assert_eq!(record["issuer"], provider.issuer(), "{algorithm}");
        assert_eq!(record["auth"], "jwt", "{algorithm}");
        assert_eq!(record["decision"], "allowed", "{algorithm}");
        let sent = format!("{:?}", site.sandbox.seen());
        assert!(!sent.contains(&token), "the caller's token was passed on");
    }
    assert_eq!(site.sandbox.seen().len(), 4);
}

#[tokio::test]
async fn refuses_what_the_provider_made_for_another_use() {
    let provider = Provider::start().await;
    let site = trusting(&provider, "").await;
    let gateway = site.start().await;
    let elsewhere = provider.token_for_another("billing").await;
    let opaque = provider.opaque_token("billing").await;
    let identity = provider.id_token("billing", "billing").await;

    for token in [&elsewhere, &opaque, &identity] {
        let answer = gateway.call(TRANSFER, token).await.unwrap();

        is_nobody(&site, &answer);
    }

    assert_eq!(site.sandbox.seen().len(), 0);
    assert_eq!(part(&elsewhere, 1)["sub"], "billing");
    assert_eq!(part(&elsewhere, 1)["aud"], "urn:elsewhere");
    assert!(!opaque.contains('.'), "{opaque}");
    assert_eq!(part(&identity, 1)["sub"], "billing");
    assert!(part(&identity, 1)["at_hash"].is_string());
    assert_eq!(rejects(&gateway, &provider, "billing").await.status, 200);
}

#[tokio::test]
async fn denies_a_client_whom_no_rule_names() {
    let provider = Provider::start().await;
    let site = trusting(&provider, "").await;
    let gateway = site.start().await;

    let answer = rejects(&gateway, &provider, "other").await;

    assert_eq!(answer.status, 403);
    assert_eq!(answer.body["code"], "policy_denied");
    let record = site.journal().outcome(&answer.audit_id);
    assert_eq!(record["decision"], "denied");
    assert_eq!(record["principal"], "other");
    assert_eq!(record["issuer"], provider.issuer());
    assert_eq!(record["auth"], "jwt");
    assert_eq!(site.sandbox.seen().len(), 0);
}

#[tokio::test]
async fn takes_tokens_of_authorized_clients_only() {
    let provider = Provider::start().await;
    let demands = ", principal_claim: client_id, authorized_parties: [billing]";
    let site = trusting(&provider, demands).await;
    site.edit("principals: [billing]", "principals: ['*']");
    let gateway = site.start().await;

    let other = rejects(&gateway, &provider, "other").await;
    let sent = site.sandbox.seen().len();
    let billing = rejects(&gateway, &provider, "billing").await;

    is_nobody(&site, &other);
    assert_eq!(sent, 0);
    assert_eq!(billing.status, 200);
    let record = site.journal().outcome(&billing.audit_id);
    assert_eq!(record["principal"], "billing");
}

#[tokio::test]
async fn follows_the_provider_to_new_keys() {
    let provider = Provider::start().await;
    let site = trusting(&provider, "").await;
    let gateway = site.start().await;
    let transfer = transfers(&site, "0001", 1).remove(0);
    let withdrawn = provider.token("billing", "RS256").await;
    assert_eq!(rejects(&gateway, &provider, "billing").await.status, 200);

    provider.rotate().await;
    let token = provider.token("billing", "RS256").await;
    let mut answer = gateway.call(&transfer, &token).await.unwrap();
    // The gateway asks for keys at most every 30 s, and has asked when it started.
    asking_every(
        Duration::from_millis(250),
        Duration::from_mins(1),
        async || {
            answer = gateway.call(&transfer, &token).await.unwrap();
            answer.status != 401
        },
    )
    .await;
    let refused = gateway.call(TRANSFER, &withdrawn).await.unwrap();

    assert_eq!(answer.status, 200);
    let record = site.journal().outcome(&answer.audit_id);
    assert_eq!(record["principal"], "billing");
    assert_ne!(part(&withdrawn, 0)["kid"], part(&token, 0)["kid"]);
    is_nobody(&site, &refused);
}

#[tokio::test]
async fn checks_whether_the_keys_of_the_provider_can_be_had() {
    let provider = Provider::start().await;
    let site = trusting(&provider, "").await;
    let issuer = provider.issuer();

    let there = site.spawn_with("check", &["--online"]).ended().await;
    drop(provider);
    let gone = site.spawn_with("check", &["--online"]).ended().await;

    assert_eq!(there.code, Some(0), "{there:?}");
    let told = there.stdout.lines().last();
    assert_eq!(told, Some("issuer provider: 3 usable keys were had"));
    assert_eq!(gone.code, Some(1), "{gone:?}");
    let told = gone.stdout.lines().last().unwrap();
    let document = format!("{issuer}/.well-known/openid-configuration");
    let tried = format!("issuer provider: fetching {document}: connecting to the host: ");
    assert!(told.starts_with(&tried), "{told}");
    assert!(told.contains("Connection refused"), "{told}");
}

/// A site whose gateway takes the provider's tokens, with more said of them.
async fn trusting(provider: &Provider, more: &str) -> Site {
    let site = Site::new().await;
    let issuer = provider.issuer();
    let callers = format!(
        "callers: {{issuers: [{{name: provider, issuer: '{issuer}', jwks: {{discovery: true}}, \
         audiences: [partner-gateway], algorithms: [RS256, PS256, ES256, EdDSA]{more}}}], "
    );
    site.edit("callers: {", &callers);
    site
}

/// Makes the documented call with a fresh token of a client.
async fn rejects(gateway: &Running, provider: &Provider, client: &str) -> Answer {
    let token = provider.token(client, "RS256").await;
    gateway.call(TRANSFER, &token).await.expect("an answer")
}

/// Checks that a call was refused and recorded as nobody's.
fn is_nobody(site: &Site, answer: &Answer) {
    assert_eq!(answer.status, 401);
    assert_eq!(answer.body["code"], "unauthenticated");
    assert_eq!(answer.body["forwarded"], "no");
    let record = site.journal().outcome(&answer.audit_id);
    assert_eq!(record["decision"], "unauthenticated");
    for key in ["principal", "issuer", "auth"] {
        assert_eq!(record.get(key), None);
    }
}
