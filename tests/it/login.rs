//! A consent by device code, in memory: what is sent to Entra ID, when, and what is made of its answers.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use partner_gateway::{
    app::{Surroundings, login::Login},
    clock::SystemClock,
    config::Config,
    http_client::HttpClient,
    token::{
        Flow, Version,
        assertion::Algorithm,
        device::ConsentError,
        grant::GrantError,
        refresh_store::{self, Settings as Store},
    },
};
use sandbox::{Decision, Fault, Sandbox, Settings, Target, TokenRequest};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::credentials::{Certified, Pair};
use crate::harness::{World, canary, config, tempdir, transport::ToSandbox};

#[tokio::test(start_paused = true)]
async fn asks_entra_as_documented() {
    for version in [Version::V1, Version::V2] {
        let site = Site::with(|config| config.accounts[0].token.version = version);
        let invitation = site.login.invite().await.unwrap();
        site.approve();

        site.login.consent(&invitation).await.unwrap();

        let tenant = &Settings::default().tenant;
        let asked = site.sandbox.token_requests();
        let [begun, polled] = &asked[..] else {
            panic!("two requests: {asked:?}")
        };
        assert_eq!(begun.path, format!("/{tenant}/oauth2/v2.0/devicecode"));
        assert_eq!(polled.path, format!("/{tenant}/oauth2/v2.0/token"));
        let scope =
            "https://api.partnercenter.microsoft.com/.default offline_access openid profile";
        assert_eq!(field(begun, "scope"), scope);
        assert_eq!(names(begun), ["client_id", "scope"]);
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        assert_eq!(field(polled, "grant_type"), grant);
        assert_eq!(
            names(polled),
            ["client_id", "client_secret", "device_code", "grant_type"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn polls_at_the_interval_and_slower_when_told() {
    let site = Site::new();
    let invitation = site.login.invite().await.unwrap();
    let began = Instant::now();
    site.push(&[refused(400, "slow_down", 70_016), Fault::Pass, Fault::Pass]);
    let mut polls = Vec::new();

    let consenting = site.login.consent(&invitation);
    let mut consenting = std::pin::pin!(consenting);
    while polls.len() < 4 {
        let seen = site.sandbox.token_requests().len();
        tokio::select! {
            biased;
            done = &mut consenting => panic!("nobody has consented: {done:?}"),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        if site.sandbox.token_requests().len() > seen {
            polls.push(began.elapsed().as_secs());
        }
    }
    site.approve();
    let consent = consenting.await.unwrap();

    // The interval is 5 s, and 10 s from the second poll on, which is told to slow down.
    assert_eq!(polls, [0, 10, 20, 30]);
    assert_eq!(consent.multi_factor, Some(true));
}

#[tokio::test(start_paused = true)]
async fn goes_on_after_setbacks_that_pass() {
    let site = Site::new();
    let invitation = site.login.invite().await.unwrap();
    let began = Instant::now();
    let throttled = Fault::Status {
        status: 429,
        body: None,
        content_type: None,
        retry_after: Some("60".to_owned()),
        headers: Vec::new(),
    };
    site.push(&[
        Fault::DropBefore,
        refused(503, "temporarily_unavailable", 90_033),
        throttled,
    ]);
    site.approve();

    let consent = site.login.consent(&invitation).await.unwrap();

    assert!(
        began.elapsed() >= Duration::from_mins(1),
        "sooner than asked for"
    );
    assert!(
        site.sandbox
            .is_current_refresh_token(consent.refresh_token.expose_secret())
    );
    assert_eq!(consent.by.as_deref(), Some("adele.vance@contoso.example"));
    canary::assert_not_shown(&consent);
}

#[tokio::test(start_paused = true)]
async fn signs_an_assertion_of_its_own_for_each_poll() {
    let pair = Pair::new();
    let files = Certified::with(&pair);
    let site = Site::with(|config| {
        config.accounts[0].token.credential = files.credential(Algorithm::Ps256);
    });
    site.sandbox.register_certificate(&pair.der);
    let invitation = site.login.invite().await.unwrap();
    let pending = refused(400, "authorization_pending", 70_016);
    site.push(&[Fault::Pass, pending, Fault::Pass]);

    let consenting = site.login.consent(&invitation);
    let approving = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        site.approve();
    };
    let (consent, ()) = tokio::join!(consenting, approving);

    consent.unwrap();
    let asked = site.sandbox.token_requests();
    let polls = &asked[1..];
    assert_eq!(polls.len(), 3);
    let ids: BTreeSet<_> = polls
        .iter()
        .map(|poll| poll.assertion.as_ref().unwrap()["claims"]["jti"].to_string())
        .collect();
    assert_eq!(ids.len(), 3, "an assertion was shown twice");
    for poll in polls {
        assert_eq!(field(poll, "client_assertion_type"), JWT_BEARER);
        assert!(!names(poll).contains(&"client_secret"));
    }
}

#[tokio::test(start_paused = true)]
async fn gives_up_when_the_code_has_had_its_time() {
    let site = Site::new();
    let invitation = site.login.invite().await.unwrap();
    site.network.unreachable.store(true, Ordering::SeqCst);
    let began = Instant::now();

    let error = site.login.consent(&invitation).await.unwrap_err();

    assert_eq!(began.elapsed(), Duration::from_mins(15));
    assert!(
        matches!(
            error,
            ConsentError::RanOut(Some(GrantError::Unreachable(_)))
        ),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn takes_no_answer_that_is_not_the_one_asked_for() {
    let with = |name: &str, value: Value| Fault::TokenField {
        name: name.to_owned(),
        value,
    };
    for (fault, told) in [
        (
            Fault::Audience {
                value: "https://graph.windows.net".to_owned(),
            },
            "another \"aud\"",
        ),
        (
            Fault::TokenType {
                value: "pop".to_owned(),
            },
            "not Bearer",
        ),
        (Fault::Html, "not JSON"),
        (Fault::WrongJson, "not what was asked for"),
        (with("refresh_token", Value::Null), "no refresh token"),
        (with("refresh_token", json!("")), "no refresh token"),
        (
            with("refresh_token", json!("two\nlines")),
            "not visible ASCII",
        ),
    ] {
        let site = Site::new();
        let invitation = site.login.invite().await.unwrap();
        site.push(&[fault]);
        site.approve();

        let error = site.login.consent(&invitation).await.unwrap_err();

        assert!(error.to_string().contains(told), "{told}: {error}");
        canary::assert_not_shown(&error);
        assert_eq!(site.sandbox.token_requests().len(), 2, "{told}: asked on");
    }
}

#[tokio::test(start_paused = true)]
async fn blames_no_earlier_setback_where_an_answer_cannot_be_used() {
    let site = Site::new();
    let invitation = site.login.invite().await.unwrap();
    let passing = Fault::Status {
        status: 503,
        body: None,
        content_type: None,
        retry_after: None,
        headers: Vec::new(),
    };
    site.push(&[passing, Fault::WrongJson]);
    site.approve();

    let error = site.login.consent(&invitation).await.unwrap_err();

    let told = error.to_string();
    assert!(told.contains("it is not what was asked for"), "{told}");
    assert_eq!(site.sandbox.token_requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn invites_nobody_to_what_a_terminal_should_not_show() {
    for (code, page) in [
        ("A\u{1b}[2JB", "https://microsoft.com/devicelogin"),
        ("ABCD", "javascript:alert(1)"),
    ] {
        let site = Site::new();
        let body = json!({
            "device_code": "d", "user_code": code, "verification_uri": page, "expires_in": 900,
        });
        site.push(&[Fault::Body {
            status: 200,
            content_type: Some("application/json".to_owned()),
            body: body.to_string(),
        }]);

        let error = site.login.invite().await.unwrap_err();

        assert!(matches!(error, GrantError::Malformed(_)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_runs_serves_again_after_a_new_consent() {
    let sandbox = Sandbox::new(Settings::default());
    let kept = tempdir();
    let file = kept.path().join("refresh-token");
    std::fs::write(&file, sandbox.consent(true)).unwrap();
    close(&file);
    let settings = Store::File(file);
    let flow = Flow::AppUser(settings.clone());
    let world = World::over(sandbox.clone(), tempdir(), |config| {
        config.accounts[0].token.flow = flow;
    })
    .await;
    sandbox.revoke_consent();
    let before = world.reject().send().await;

    let login = login(&world.network, &settings, |_| {});
    let invitation = login.invite().await.unwrap();
    approve(&sandbox);
    let consent = login.consent(&invitation).await.unwrap();
    login.keep(&consent.refresh_token).await.unwrap();
    let after = world.reject().send().await;

    assert_eq!((before.status, after.status), (503, 200));
}

/// A login without sockets, in paused time.
struct Site {
    login: Login,
    sandbox: Sandbox,
    network: ToSandbox,
    _kept: TempDir,
}

impl Site {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let sandbox = Sandbox::new(Settings::default());
        let network = ToSandbox::new(sandbox.clone());
        let kept = tempdir();
        let store = Store::File(kept.path().join("refresh-token"));
        Self {
            login: login(&network, &store, change),
            sandbox,
            network,
            _kept: kept,
        }
    }

    fn push(&self, faults: &[Fault]) {
        for fault in faults {
            self.sandbox.push_fault(Target::Token, fault.clone());
        }
    }

    fn approve(&self) {
        approve(&self.sandbox);
    }
}

fn login(
    network: &ToSandbox,
    store: &refresh_store::Settings,
    change: impl FnOnce(&mut Config),
) -> Login {
    let client = network.clone();
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        connect: Arc::new(move |_| Ok(HttpClient::over(client.clone()))),
    };
    let mut config = config(&tempdir());
    change(&mut config);
    let login = Login::prepare(&config.accounts[0], store, &config, &surroundings).unwrap();
    canary::assert_not_shown(&login);
    login
}

fn approve(sandbox: &Sandbox) {
    for code in sandbox.device_user_codes() {
        sandbox.decide_device(&code, Decision::Approve { mfa: true });
    }
}

/// What Entra ID says when it refuses.
fn refused(status: u16, error: &str, code: u64) -> Fault {
    Fault::Status {
        status,
        body: Some(json!({ "error": error, "error_codes": [code] }).to_string()),
        content_type: None,
        retry_after: None,
        headers: Vec::new(),
    }
}

fn field<'a>(request: &'a TokenRequest, name: &str) -> &'a str {
    let found = request.form.iter().find(|(is, _)| is == name);
    found.map_or("", |(_, value)| value)
}

fn names(request: &TokenRequest) -> Vec<&str> {
    let mut names: Vec<_> = request.form.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

fn close(file: &PathBuf) {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
