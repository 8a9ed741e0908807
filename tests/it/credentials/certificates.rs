//! Applications with a certificate.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use partner_gateway::{
    http_client::HttpClient,
    token::{Version, assertion::Algorithm, grant::Grant},
};
use sandbox::{Fault, Sandbox, Settings, Target};
use serde_json::{Value, json};

use super::{Certified, Pair, field, token};
use crate::harness::{self, World, config, tempdir, transport::ToSandbox};

#[tokio::test(start_paused = true)]
async fn shows_an_assertion_that_its_certificate_signed() {
    let pair = Pair::new();
    let (world, _files) = certified(&pair).await;

    let answer = world.reject().send().await;

    assert_eq!(answer.status, 200);
    let asked = world.sandbox.token_requests();
    let [asked] = &asked[..] else {
        panic!("one token request")
    };
    assert_eq!(asked.status, 200);
    let names: Vec<_> = asked.form.iter().map(|(name, _)| name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "client_assertion",
            "client_assertion_type",
            "client_id",
            "grant_type",
            "scope"
        ]
    );
    assert_eq!(
        field(asked, "client_assertion_type"),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    let assertion = asked.assertion.as_ref().unwrap();
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &pair.der));
    assert_eq!(
        assertion["header"],
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint})
    );
    are_the_claims_of_now(&assertion["claims"]);
}

#[tokio::test(start_paused = true)]
async fn signs_an_assertion_of_its_own_for_each_request() {
    let (world, _files) = certified(&Pair::new()).await;
    let outage = || Fault::Status {
        status: 503,
        body: None,
        content_type: None,
        retry_after: Some("1".to_owned()),
        headers: vec![],
    };
    for fault in [outage(), Fault::DropBefore, outage()] {
        world.sandbox.push_fault(Target::Token, fault);
    }

    for _ in 0..3 {
        let refused = world.reject().send().await;
        refused.is_problem(503, "token_unavailable", "no");
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    let answer = world.reject().send().await;

    assert_eq!(answer.status, 200);
    let asked = world.sandbox.token_requests();
    assert_eq!(asked.len(), 4);
    let mut ids: Vec<_> = asked
        .iter()
        .map(|asked| claim(asked.assertion.as_ref(), "jti"))
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "an assertion was used again");
}

#[tokio::test(start_paused = true)]
async fn names_the_newer_endpoint_as_its_audience_whichever_is_asked() {
    let pair = Pair::new();
    let files = Certified::with(&pair);
    let world = World::with(|config| {
        token(config).version = Version::V1;
        token(config).credential = files.credential(Algorithm::Ps256);
    })
    .await;
    world.sandbox.register_certificate(&pair.der);

    let answer = world.reject().send().await;

    assert_eq!(answer.status, 200);
    let asked = world.sandbox.token_requests();
    assert!(
        asked[0].path.ends_with("/oauth2/token"),
        "{}",
        asked[0].path
    );
    are_the_claims_of_now(&asked[0].assertion.as_ref().unwrap()["claims"]);
}

#[tokio::test(start_paused = true)]
async fn takes_a_replaced_certificate_without_a_restart() {
    let (world, files) = certified(&Pair::new()).await;
    assert_eq!(world.reject().send().await.status, 200);
    let next = Pair::new();
    world.sandbox.register_certificate(&next.der);

    files.write_certificate(&next);
    files.write_key(&next.key.serialize_pem());
    world.sandbox.revoke_tokens();
    let answer = world.reject().send().await;

    assert_eq!(
        answer.status, 400,
        "the transfer has ended, and Partner Center says so"
    );
    let asked = world.sandbox.token_requests();
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &next.der));
    let shown = asked.last().unwrap().assertion.as_ref().unwrap();
    assert_eq!(shown["header"]["x5t#S256"], thumbprint.as_str());
}

#[tokio::test(start_paused = true)]
async fn waits_out_a_rotation_that_is_half_done() {
    let (pair, next) = (Pair::new(), Pair::new());
    let (world, files) = certified(&pair).await;
    world.sandbox.register_certificate(&next.der);

    files.write_certificate(&next);
    let between = world.reject().send().await;
    files.write_key(&next.key.serialize_pem());
    tokio::time::advance(Duration::from_secs(6)).await;
    let after = world.reject().send().await;

    between.is_problem(503, "token_unavailable", "no");
    assert!(
        between
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            <= 6
    );
    assert_eq!(after.status, 200);
    assert_eq!(world.sandbox.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn takes_a_key_in_the_older_form() {
    let pair = Pair::new();
    let (world, files) = certified(&pair).await;
    // What stands before the key itself in PKCS#8 has this length for RSA keys of 2048 bits.
    let inner = pem("RSA PRIVATE KEY", &pair.key.serialize_der()[26..]);

    files.write_key(&inner);

    assert_eq!(world.reject().send().await.status, 200);
    assert_eq!(world.sandbox.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn leaves_it_to_entra_whether_an_expired_certificate_is_taken() {
    let pair = Pair::with(|params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let (world, _files) = certified(&pair).await;

    let answer = world.reject().send().await;

    assert_eq!(answer.status, 200);
    assert_eq!(world.sandbox.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn knows_when_the_certificate_expires() {
    let until = |year| Pair::with(|params| params.not_after = rcgen::date_time_ymd(year, 1, 1));
    let old = until(2050);
    let files = Certified::with(&old);
    let sandbox = Sandbox::new(Settings::default());
    let (grant, secret) = (grant(&sandbox, Some(&files)), grant(&sandbox, None));
    let at_start = grant.expires_at();
    let mark = grant.marks().await;

    let new = until(2060);
    sandbox.register_certificate(&new.der);
    files.write_certificate(&new);
    files.write_key(&new.key.serialize_pem());
    let minted = grant.mint().await;

    assert!(minted.is_ok(), "{minted:?}");
    assert_eq!(at_start, Some(at("2050-01-01T00:00:00Z")));
    assert_eq!(grant.expires_at(), Some(at("2060-01-01T00:00:00Z")));
    assert_eq!(secret.expires_at(), None);
    assert!(mark.is_some());
    assert_ne!(mark, grant.marks().await);
    assert_eq!(grant.marks().await, grant.marks().await);
}

#[tokio::test(start_paused = true)]
async fn names_the_files_and_nothing_of_the_key_where_they_do_not_fit() {
    let (pair, other) = (Pair::new(), Pair::new());
    let files = Certified::with(&pair);
    let sandbox = Sandbox::new(Settings::default());
    let grant = grant(&sandbox, Some(&files));
    files.write_key(&other.key.serialize_pem());

    let error = grant.mint().await.unwrap_err();

    let told = partner_gateway::cause::chain(&error);
    let dir = files.dir.path().display();
    assert_eq!(
        told,
        format!(
            "preparing the credential: reading the certificate \"{dir}/tls.crt\" and the key \
             \"{dir}/tls.key\": certificate and key do not belong together"
        )
    );
    assert!(!error.is_permanent());
    assert!(sandbox.token_requests().is_empty());
}

/// A world whose application has a certificate, and its files.
async fn certified(pair: &Pair) -> (World, Certified) {
    let files = Certified::with(pair);
    let credential = files.credential(Algorithm::Ps256);
    let world = World::with(|config| token(config).credential = credential).await;
    world.sandbox.register_certificate(&pair.der);
    (world, files)
}

/// A grant by itself.
fn grant(sandbox: &Sandbox, files: Option<&Certified>) -> Grant {
    let mut settings = config(&tempdir()).accounts.remove(0).token;
    if let Some(files) = files {
        settings.credential = files.credential(Algorithm::Ps256);
    }
    let http = HttpClient::over(ToSandbox::new(sandbox.clone()));
    harness::grant(settings, http)
}

fn are_the_claims_of_now(claims: &Value) {
    let settings = Settings::default();
    let number = |name: &str| claims[name].as_u64().expect("an integer");
    let keys: Vec<_> = claims.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 7, "{keys:?}");
    assert_eq!(
        claims["aud"],
        format!("https://login.test/{}/oauth2/v2.0/token", settings.tenant)
    );
    assert_eq!(claims["iss"], settings.client_id);
    assert_eq!(claims["sub"], settings.client_id);
    assert!(uuid_like(claims["jti"].as_str().unwrap()));
    assert_eq!(number("nbf"), number("iat") - 30);
    assert_eq!(number("exp"), number("iat") + 300);
}

fn uuid_like(id: &str) -> bool {
    let lengths: Vec<_> = id.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
}

fn claim(assertion: Option<&Value>, name: &str) -> String {
    assertion.unwrap()["claims"][name].to_string()
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = base64::prelude::BASE64_STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn at(moment: &str) -> SystemTime {
    humantime::parse_rfc3339(moment).unwrap()
}
