//! How accounts stand, as operators see it.

use std::{collections::BTreeMap, fs, time::Duration};

use http::Request;
use http_body_util::BodyExt as _;
use partner_gateway::{
    clock::Clock as _,
    token::{assertion::Algorithm, credential::Settings as Credential},
};
use sandbox::{Fault, Sandbox, Settings, Target};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    credentials::{Certified, Pair},
    harness::{StandingClock, World, canary, for_a_user, log::Log, served::until, tempdir},
};

#[tokio::test(start_paused = true)]
async fn tells_how_each_account_stands_and_stays_ready_whatever_that_is() {
    let world = World::new().await;
    let before = account(&world).await;

    world.reject().send().await;
    tokio::time::advance(Duration::from_secs(188)).await;
    let good = account(&world).await;
    world.sandbox.revoke_tokens();
    push(
        &world,
        Target::Token,
        400,
        r#"{"error":"invalid_grant","error_codes":[50076]}"#,
    );
    world.reject().send().await;
    let unwilling = account(&world).await;

    let told = |detail: &str| json!({"check": "account", "account": "contoso", "ready": true, "detail": detail});
    assert_eq!(before, told("no token yet"));
    assert_eq!(good, told("token good for 3412 s"));
    // Nobody can consent to what the application has in its own right.
    assert_eq!(
        unwilling,
        told("no token; the last attempt at a new one failed: AADSTS50076")
    );
}

#[tokio::test(start_paused = true)]
async fn tells_that_a_person_must_consent_for_the_first_time_or_again() {
    for never in [true, false] {
        let log = Log::begin();
        let (world, store) = acting_for_a_user().await;
        if never {
            fs::remove_file(store.path().join("refresh-token")).unwrap();
        } else {
            let unmet = r#"{"error":"invalid_grant","error_codes":[50076]}"#;
            push(&world, Target::Token, 400, unmet);
        }

        world.reject().send().await;

        let code = if never { "" } else { ": AADSTS50076" };
        let told = format!(
            "consent_required: a person must sign in and consent again; no token yet{code}"
        );
        assert_eq!(account(&world).await["detail"], told);
        let (_, page) = ask(&world, "/metrics").await;
        let number = r#"partner_gateway_consent_required{account="contoso"} 1"#;
        assert!(page.lines().any(|line| line == number), "{page}");
        let lines = log.lines("no token obtained");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["level"], "ERROR");
        assert_eq!(lines[0]["token.obstacle"], "consent_required");
    }
}

#[tokio::test(start_paused = true)]
async fn counts_what_the_readme_lists() {
    let pair = Pair::with(|params| params.not_after = rcgen::date_time_ymd(2030, 1, 1));
    let files = Certified::with(&pair);
    let (world, _store) = acting_for_a_user_with(Some(files.credential(Algorithm::Ps256))).await;
    world.sandbox.register_certificate(&pair.der);
    compliant(&world, "true");
    world.reject().send().await;
    world.sandbox.revoke_tokens();
    push(&world, Target::Token, 429, "");
    world.reject().send().await;

    let (kind, page) = ask(&world, "/metrics").await;

    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let samples: BTreeMap<_, _> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .collect();
    let counted = COUNTED.map(|(sample, _)| (sample, samples.get(sample).copied()));
    assert_eq!(
        counted,
        COUNTED.map(|(sample, value)| (sample, Some(value)))
    );
    let listed = listed();
    for (sample, _) in COUNTED {
        assert!(listed.contains(&documented(sample)), "{sample}");
    }
}

#[tokio::test(start_paused = true)]
async fn counts_how_old_an_ended_consent_is() {
    let (world, store) = acting_for_a_user().await;
    let kept = fs::File::open(store.path().join("refresh-token")).unwrap();
    let ten_days_ago = StandingClock::default().now() - Duration::from_hours(240);
    kept.set_modified(ten_days_ago).unwrap();
    let expired = r#"{"error":"invalid_grant","error_codes":[700082]}"#;
    push(&world, Target::Token, 400, expired);

    let refused = world.reject().send().await;

    refused.is_problem(503, "token_unavailable", "no");
    let (_, page) = ask(&world, "/metrics").await;
    for (name, labels, value) in [
        ("consent_required", "", "1"),
        ("refresh_token_age_seconds", "", "864000"),
        (
            "token_refreshes_total",
            r#",result="consent_required""#,
            "1",
        ),
        ("token_refreshes_total", r#",result="failed""#, "0"),
    ] {
        let line = format!("partner_gateway_{name}{{account=\"contoso\"{labels}}} {value}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn counts_who_waits_and_how_long_a_token_without_a_second_factor_lives_on() {
    let (world, _store) = acting_for_a_user().await;
    compliant(&world, "false");
    world.network.hang("login.test");
    let mut waiting = Box::pin(world.reject().send());
    assert!(futures_util::poll!(&mut waiting).is_pending());
    until(|| world.network.waiting() == 1).await;

    let (_, before) = ask(&world, "/metrics").await;
    world.network.resume("login.test");
    waiting.await;
    tokio::time::advance(Duration::from_secs(100)).await;
    let (_, after) = ask(&world, "/metrics").await;

    let of = |name: &str, value| format!("partner_gateway_{name}{{account=\"contoso\"}} {value}\n");
    assert!(before.contains(&of("token_waiters", "1")), "{before}");
    for (name, value) in [
        ("token_waiters", "0"),
        ("mfa_compliant", "0"),
        ("token_seconds_to_expiry", "3500"),
        ("refresh_token_age_seconds", "100"),
    ] {
        assert!(after.contains(&of(name, value)), "{name} {value}: {after}");
    }
}

/// The numbers that the README lists, in the order of their names.
pub(crate) fn listed() -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let mut listed: Vec<_> = readme
        .as_ref()
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `partner_gateway_")?.split('`').next())
        .map(|name| format!("partner_gateway_{name}"))
        .collect();
    listed.sort();
    listed
}

#[tokio::test(start_paused = true)]
async fn asks_for_a_second_factor_and_tells_operators_alone() {
    let log = Log::begin();
    let (world, _store) = acting_for_a_user().await;
    for said in ["true", "false", "False", "perhaps", "true", "false"] {
        compliant(&world, said);
        let answer = world.reject().send().await;

        assert_eq!(answer.header("ismfacompliant"), None);
    }

    let asked = |name: &str| {
        let seen = world.sandbox.seen();
        seen.iter().all(|seen| {
            seen.headers
                .iter()
                .any(|(is, value)| is == name && value == "true")
        })
    };
    assert!(asked("validatemfa"));
    let lines = log.lines("Partner Center finds no second factor in the account's token");
    assert_eq!(lines.len(), 2, "once for each change: {lines:?}");
    assert_eq!(
        (&lines[0]["level"], &lines[0]["account"]),
        (&"WARN".into(), &"contoso".into())
    );
}

#[tokio::test(start_paused = true)]
async fn takes_a_refusal_for_want_of_a_second_factor_at_its_word() {
    let (world, _store) = acting_for_a_user().await;
    push(&world, Target::PartnerCenter, 401, r#"{"code":900421}"#);

    let answer = world.reject().send().await;

    answer.is_problem(502, "upstream_unauthorized", "yes");
    let (_, page) = ask(&world, "/metrics").await;
    let told = r#"partner_gateway_mfa_compliant{account="contoso"} 0"#;
    assert!(page.lines().any(|line| line == told), "{page}");
}

#[tokio::test(start_paused = true)]
async fn asks_for_no_second_factor_where_the_application_stands_for_itself() {
    let world = World::new().await;
    compliant(&world, "false");

    world.reject().send().await;

    assert!(
        world.sandbox.seen()[0]
            .headers
            .iter()
            .all(|(name, _)| name != "validatemfa")
    );
    assert!(!ask(&world, "/metrics").await.1.contains("mfa_compliant"));
}

/// The name and labels of a sample, as the README has them.
pub(crate) fn documented(sample: &str) -> String {
    let Some((name, labels)) = sample.split_once('{') else {
        return sample.to_owned();
    };
    let labels = labels.trim_end_matches('}').split(',');
    let labels: Vec<_> = labels
        .map(|label| label.split('=').next().unwrap())
        .collect();
    format!("{name}{{{}}}", labels.join(","))
}

fn compliant(world: &World, said: &str) {
    let fault = Fault::Status {
        status: 400,
        body: Some("{}".to_owned()),
        content_type: None,
        retry_after: None,
        headers: vec![("isMfaCompliant".to_owned(), said.to_owned())],
    };
    world.sandbox.push_fault(Target::PartnerCenter, fault);
}

fn push(world: &World, target: Target, status: u16, body: &str) {
    let fault = Fault::Body {
        status,
        content_type: Some("application/json".to_owned()),
        body: body.to_owned(),
    };
    world.sandbox.push_fault(target, fault);
}

/// A world whose account acts for a user, and the directory of the refresh token.
async fn acting_for_a_user() -> (World, TempDir) {
    acting_for_a_user_with(None).await
}

/// The same with another credential than the usual.
async fn acting_for_a_user_with(credential: Option<Credential>) -> (World, TempDir) {
    let sandbox = Sandbox::new(Settings::default());
    let (dir, flow) = for_a_user(&sandbox);
    let world = World::over(sandbox, tempdir(), |config| {
        let token = &mut config.accounts[0].token;
        token.flow = flow;
        token.credential = credential.unwrap_or_else(|| token.credential.clone());
    });
    (world.await, dir)
}

async fn account(world: &World) -> Value {
    let (_, body) = ask(world, "/readyz?verbose").await;
    let checks: Value = serde_json::from_str(&body).unwrap();
    checks.as_array().unwrap().last().unwrap().clone()
}

pub(crate) async fn ask(world: &World, target: &str) -> (String, String) {
    let (head, ()) = Request::get(target).body(()).unwrap().into_parts();
    let answer = world.gateway.admin().answer(&head).await.unwrap();
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    canary::assert_untold(target, &body);
    (kind, String::from_utf8(body.to_vec()).unwrap())
}

/// What is counted of an account that acts for a user, whose token was replaced in vain.
const COUNTED: [(&str, &str); 14] = [
    (
        r#"partner_gateway_credential_expiry_timestamp_seconds{account="contoso"}"#,
        "1893456000",
    ),
    (
        r#"partner_gateway_refresh_token_age_seconds{account="contoso"}"#,
        "0",
    ),
    (
        r#"partner_gateway_consent_required{account="contoso"}"#,
        "0",
    ),
    (r#"partner_gateway_mfa_compliant{account="contoso"}"#, "1"),
    (
        r#"partner_gateway_circuit_breaker_state{account="contoso"}"#,
        "0",
    ),
    (
        r#"partner_gateway_throttled_customers{account="contoso"}"#,
        "0",
    ),
    (r#"partner_gateway_retries_total{result="granted"}"#, "0"),
    (r#"partner_gateway_retries_total{result="refused"}"#, "0"),
    (
        r#"partner_gateway_token_refreshes_total{account="contoso",result="consent_required"}"#,
        "0",
    ),
    (
        r#"partner_gateway_token_refreshes_total{account="contoso",result="failed"}"#,
        "0",
    ),
    (
        r#"partner_gateway_token_refreshes_total{account="contoso",result="obtained"}"#,
        "1",
    ),
    (
        r#"partner_gateway_token_refreshes_total{account="contoso",result="throttled"}"#,
        "1",
    ),
    (
        r#"partner_gateway_token_seconds_to_expiry{account="contoso"}"#,
        "0",
    ),
    (r#"partner_gateway_token_waiters{account="contoso"}"#, "0"),
];
