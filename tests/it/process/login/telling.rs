//! Why `login` has stored nothing, in its own words.

use std::sync::Arc;

use rustls_pki_types::PrivatePkcs8KeyDer;
use sandbox::{Decision, Fault, Target};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{KEPT, kept, log_in, shown, site};
use crate::process::site::private;

#[tokio::test]
async fn tells_what_the_person_decided() {
    let site = site().await;
    private(&site.path(KEPT), "1.before\n");
    let mut told = String::new();

    for decision in [Decision::Decline, Decision::Expire] {
        let (process, code) = shown(&site, log_in(&site)).await;
        site.sandbox.decide_device(&code, decision);
        let ended = process.ended().await;

        assert_eq!(ended.code, Some(1), "{ended:?}");
        told.push_str(&without_ids(&ended.stderr));
    }

    assert_eq!(kept(&site), "1.before\n");
    insta::assert_snapshot!(told, @"
    waiting for the code to be entered
    partner-gateway: the sign-in was declined
    mend: run this command again, and accept what the application asks for
    Entra ID said: 400 authorization_declined AADSTS70017, ...
    nothing was stored
    waiting for the code to be entered
    partner-gateway: nobody entered the code in time
    mend: run this command again, and enter the new code while it is good
    Entra ID said: 400 expired_token AADSTS70020, ...
    nothing was stored
    ");
}

#[tokio::test]
async fn tells_why_entra_refuses_and_the_mend() {
    let site = site().await;
    private(&site.path(KEPT), "1.before\n");
    let mut told = String::new();

    for (status, error, code) in REFUSALS {
        let codes: Vec<_> = [code].into_iter().filter(|code| *code > 0).collect();
        let body = json!({ "error": error, "error_codes": codes, "trace_id": "t" }).to_string();
        let fault = Fault::Status {
            status,
            body: Some(body),
            content_type: None,
            retry_after: None,
            headers: Vec::new(),
        };
        site.sandbox.push_fault(Target::Token, fault);
        let ended = log_in(&site).ended().await;

        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        told.push_str(&ended.stderr);
    }

    assert_eq!(kept(&site), "1.before\n");
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn tells_what_is_wrong_with_the_account() {
    let mut told = String::new();

    for (from, to) in [
        ("tenant_id: 3a9a35ce", "tenant_id: 00000001"),
        ("client_id: 4bd8b1a5", "client_id: 00000001"),
        ("/client-secret}", "/wrong-secret}"),
        ("    flow: app_user\n", "    flow: app\n"),
        ("authority: http://", "authority: https://"),
        ("server:", "sevrer:"),
    ] {
        let site = site().await;
        private(&site.path("wrong-secret"), "a-client-secret-that-is-wrong");
        site.edit(from, to);
        if to.contains("flow: app\n") {
            let dir = site.path("");
            let kept = format!(
                "    refresh_token: {{file: {}refresh-token}}\n",
                dir.display()
            );
            site.edit(&kept, "");
        }
        let ended = log_in(&site).ended().await;

        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(!site.path(KEPT).exists());
        let words = ended
            .stderr
            .replace(site.path("").to_str().unwrap(), "DIR/");
        told.push_str(&without_ids(&words));
    }

    insta::assert_snapshot!(told, @r#"
    partner-gateway: Entra ID does not know the tenant, or not in this cloud
    mend: compare the account's tenant_id and cloud with the partner tenant
    Entra ID said: 400 invalid_request AADSTS90002, ...
    nothing was stored
    partner-gateway: the tenant does not know the application
    mend: compare the account's client_id and tenant_id with the application's registration
    Entra ID said: 401 invalid_client AADSTS700016, ...
    nothing was stored
    waiting for the code to be entered
    partner-gateway: the client secret is wrong
    mend: put the secret's value, not its ID, where the account's credential.client_secret points
    Entra ID said: 401 invalid_client AADSTS7000215, ...
    nothing was stored
    partner-gateway: account "contoso" has flow app, for which nobody consents; set accounts.contoso.flow to app_user, and accounts.contoso.refresh_token to where the refresh token is kept
    nothing was stored
    partner-gateway: Entra ID gave no answer
    mend: see that this machine reaches endpoints.authority: its name, its route, and what filters it
    cause: connecting to the host: client error (Connect): received corrupt message of type InvalidContentType
    nothing was stored
    partner-gateway: DIR/gateway.yaml:1: sevrer: unknown key; nearest: server
    nothing was stored
    "#);
}

#[tokio::test]
async fn names_the_nearest_account_for_one_that_is_not_there() {
    let site = site().await;

    let ended = site
        .spawn_with("login", &["--account", "contosso"])
        .ended()
        .await;

    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(site.sandbox.token_requests().len(), 0);
    insta::assert_snapshot!(ended.stderr, @r#"
    partner-gateway: --account: found "contosso"; accepted: the name of an account, the nearest of which is contoso
    nothing was stored
    "#);
}

#[tokio::test]
async fn tells_an_authority_that_is_not_trusted_from_one_that_is_not_there() {
    let site = site().await;
    let pretender = Pretender::listen().await;
    let real = site.upstream();
    let authority = format!("{{authority: https://127.0.0.1:{}, api: ", pretender.port);
    let (_, api) = real.split_once("api: ").unwrap();
    // The machine may have no trust anchors of its own.
    let other = rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap();
    private(&site.path("ca"), &other.cert.pem());
    let api = api.replace('}', &format!(", ca_file: {}}}", site.path("ca").display()));
    site.edit(&real, &format!("{authority}{api}"));

    let distrusted = log_in(&site).ended().await;
    let port = pretender.port;
    pretender.end().await;
    let gone = log_in(&site).ended().await;

    assert_eq!((distrusted.code, gone.code), (Some(1), Some(1)));
    let told = format!("{}{}", distrusted.stderr, gone.stderr).replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(told, @"
    partner-gateway: the certificate of endpoints.authority is not trusted
    mend: install the CA bundle of this machine, or name the authority's CA in endpoints.ca_file; whoever answers there is perhaps not Entra ID
    cause: connecting to the host: client error (Connect): invalid peer certificate: BadSignature
    nothing was stored
    partner-gateway: Entra ID gave no answer
    mend: see that this machine reaches endpoints.authority: its name, its route, and what filters it
    cause: connecting to the host: client error (Connect): tcp connect error: Connection refused (os error 111)
    nothing was stored
    ");
}

/// A server with a certificate that nobody has vouched for.
struct Pretender {
    port: u16,
    serving: JoinSet<()>,
}

impl Pretender {
    async fn listen() -> Self {
        let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![pair.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // The handshake fails, because the client does not trust the certificate.
                drop(acceptor.accept(stream).await);
            }
        });
        Self { port, serving }
    }

    async fn end(mut self) {
        self.serving.shutdown().await;
    }
}

/// What Entra ID names a refusal by is another each time, and so are ports.
fn without_ids(words: &str) -> String {
    let line = |line: &str| match line.split_once(", trace ID") {
        Some((before, _)) => format!("{before}, ...\n"),
        None => format!("{line}\n"),
    };
    words.lines().map(line).collect()
}

/// One of each kind; 0 stands for no number.
const REFUSALS: [(u16, &str, u64); 20] = [
    (400, "authorization_declined", 70_017),
    (400, "expired_token", 70_020),
    (400, "bad_verification_code", 70_018),
    (400, "invalid_grant", 65_001),
    (400, "invalid_resource", 650_057),
    (400, "unauthorized_client", 700_016),
    (400, "invalid_request", 90_002),
    (401, "invalid_client", 7_000_218),
    (401, "invalid_client", 700_025),
    (401, "invalid_client", 7_000_215),
    (401, "invalid_client", 7_000_222),
    (401, "invalid_client", 700_027),
    (401, "invalid_client", 700_024),
    (400, "invalid_grant", 50_076),
    (400, "invalid_grant", 53_003),
    (400, "invalid_resource", 500_011),
    (400, "invalid_request", 1),
    (429, "", 0),
    (503, "temporarily_unavailable", 90_033),
    (404, "", 0),
];
