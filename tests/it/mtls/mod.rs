//! Callers known by their certificates: over real sockets, and in memory where time must pass.

mod naming;
mod trusting;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::date_time_ymd;
use rustls::{AlertDescription, version::TLS13};
use tokio::task::JoinSet;

use crate::harness::{
    BILLING, CUSTOMER, TRANSFER, World,
    authority::{Authority, GATEWAY, dns, uri},
    mutual::{Mutual, client, everybody},
};

#[tokio::test]
async fn answers_and_records_a_caller_without_a_certificate() {
    let site = Mutual::with(|config| config.identity.token_file = None).await;

    let answer = site.call(None, "").await;

    answer.is_unauthenticated("bearer");
    assert_eq!(site.only_outcome()["decision"], "unauthenticated");
    site.knows_nobody();
}

#[tokio::test]
async fn believes_no_header_about_a_certificate() {
    let site = Mutual::new().await;

    for name in [
        "X-Forwarded-Client-Cert",
        "X_Forwarded_Client_Cert",
        "X-Client-Cert",
        "Client-Cert",
        "X-SSL-Client-S-DN",
    ] {
        let header = format!("{name}: By=spiffe://example.test/gateway;URI={SPIFFE}\r\n");

        let answer = site.call(None, &header).await;

        answer.is_unauthenticated("bearer");
    }
    site.knows_nobody();
}

#[tokio::test]
async fn lets_a_credential_decide_alone_where_one_is_presented() {
    let site = Mutual::new().await;
    let owned = site
        .authority
        .issue(|params| params.subject_alt_names = vec![uri(SPIFFE)]);
    let nameless = site.authority.issue(|_| {});

    let nobodys = "Authorization: Bearer nobodys\r\n";
    let answer = site.call(Some(&owned), nobodys).await;
    answer.is_unauthenticated(r#"bearer error="invalid_token""#);
    for unreadable in [
        "Authorization: Basic eDp5\r\n".to_owned(),
        format!("Authorization: Bearer {BILLING}\r\n").repeat(2),
        "Authorization: \r\n".to_owned(),
    ] {
        let answer = site.call(Some(&owned), &unreadable).await;
        answer.is_unauthenticated(r#"bearer error="invalid_request""#);
    }
    site.knows_nobody();

    for owned in [&owned, &nameless] {
        let answer = site
            .call(Some(owned), &format!("Authorization: Bearer {BILLING}\r\n"))
            .await;
        assert_ne!(answer.status, 401);
        let record = site.outcomes().pop().unwrap();
        assert_eq!(record["principal"], "billing");
        assert_eq!(record["auth"], "token_file");
        assert_eq!(record.get("issuer"), None);
    }
}

#[tokio::test]
async fn knows_each_connection_by_its_own_certificate() {
    let site = Mutual::new().await;
    let callers = ["one.test", "two.test"].map(|name| {
        site.authority
            .issue(|params| params.subject_alt_names = vec![dns(name)])
    });
    let mut connections = JoinSet::new();
    let mut senders = Vec::new();
    for owned in &callers {
        let mut config = client(&site.authority, Some(owned), &[&TLS13]);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TokioIo::new(site.connect(config).await.unwrap());
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (sender, connection) = shaken.await.unwrap();
        connections.spawn(connection);
        senders.push(sender);
    }

    for turn in [0, 1, 0] {
        let path = format!("https://{GATEWAY}/transfers/{CUSTOMER}/{TRANSFER}/reject");
        let request = Request::post(path).body(Empty::<Bytes>::new()).unwrap();
        let answer = senders[turn].send_request(request).await.unwrap();
        drop(answer.into_body().collect().await.unwrap());
    }

    let principals = site.outcomes();
    let principals: Vec<_> = principals
        .iter()
        .map(|record| &record["principal"])
        .collect();
    assert_eq!(principals, ["one.test", "two.test", "one.test"]);
}

#[tokio::test]
async fn asks_for_certificates_that_name_nobody_where_that_is_configured() {
    let site = Mutual::with(|config| config.identity.mtls = false).await;
    let owned = site
        .authority
        .issue(|params| params.subject_alt_names = vec![uri(SPIFFE)]);
    let stranger =
        Authority::named("strangers").issue(|params| params.subject_alt_names = vec![uri(SPIFFE)]);

    let answer = site.call(Some(&owned), "").await;

    answer.is_unauthenticated("bearer");
    site.knows_nobody();
    let alert = site.refusal(&stranger, &TLS13).await;
    assert_eq!(alert, AlertDescription::UnknownCA);
}

#[tokio::test(start_paused = true)]
async fn forgets_a_caller_whose_certificate_expires_on_an_open_connection() {
    let world = World::with(everybody).await;
    let certificate = Authority::new().vouch(|params| {
        params.subject_alt_names = vec![uri(SPIFFE)];
        // The moment at which the world's clock begins.
        params.not_after = date_time_ymd(2026, 3, 1);
    });
    let call = || {
        let call = world.reject().without("authorization");
        call.certificate(certificate.clone())
    };

    let in_time = call().send().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let late = call().send().await;

    assert_eq!(in_time.status, 200);
    late.is_problem(401, "unauthenticated", "no");
    assert_eq!(late.record.get("principal"), None);
    assert_eq!(world.sandbox.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn takes_nobody_with_a_certificate_for_anonymous() {
    let world = World::with(|config| {
        everybody(config);
        config.identity.anonymous = true;
    })
    .await;
    let authority = Authority::new();
    let call = || world.reject().without("authorization");

    let named = authority.vouch(|params| params.subject_alt_names = vec![uri(SPIFFE)]);
    let named = call().certificate(named).send().await;
    let nameless = call().certificate(authority.vouch(|_| {})).send().await;
    let none = call().send().await;

    assert_eq!(named.record["principal"], SPIFFE);
    nameless.is_problem(401, "unauthenticated", "no");
    assert_eq!(nameless.record.get("principal"), None);
    assert_eq!(none.record["principal"], "anonymous");
}

/// Who calls, unless the test is about names.
pub(crate) const SPIFFE: &str = "spiffe://example.test/billing";
