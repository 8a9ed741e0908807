//! The refresh token in a Kubernetes Secret: each of the ways in which a write can go wrong.

use std::{collections::BTreeSet, fs, time::Duration};

use partner_gateway::token::refresh_store::{self, settings::KubernetesSecret};
use sandbox::{Fault, Rotation, Sandbox, Target};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{
    AFTERWARDS, acting_for_a_user, anothers, call, has_no_token, is_served, passing, sandbox,
    status,
};
use crate::harness::{World, log::Log, served::until, tempdir};

#[tokio::test(start_paused = true)]
async fn claims_the_token_first_and_ends_the_claim_with_the_new_one() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;

    let answer = call(&world).await;

    assert_eq!(answer.status, 200);
    let asked = world.sandbox.kubernetes_requests();
    let shown: Vec<_> = asked
        .iter()
        .map(|seen| (seen.method.as_str(), seen.committed, claimed(&seen.body)))
        .collect();
    assert_eq!(
        shown,
        [
            ("GET", false, false),
            ("PUT", true, true),
            ("PUT", true, false)
        ]
    );
    for seen in &asked {
        assert_eq!(
            seen.path,
            "/api/v1/namespaces/partner/secrets/refresh-token"
        );
    }
    cluster.is_current();
    let secret = cluster.secret();
    assert_eq!(
        secret.annotations.keys().collect::<Vec<_>>(),
        ["partner-gateway/renewed"]
    );
    assert!(secret.annotations["partner-gateway/renewed"].starts_with("2026-03-01T00:0"));
}

#[tokio::test(start_paused = true)]
async fn sends_nothing_before_the_new_token_is_kept_and_then_without_a_further_trip() {
    let cluster = Cluster::strict();
    for fault in [Fault::Pass, Fault::Pass, status(503)] {
        cluster.sandbox.push_fault(Target::Kubernetes, fault);
    }
    let world = cluster.gateway().await;

    has_no_token(&call(&world).await);
    let sent = world.sandbox.seen().len();
    tokio::time::advance(Duration::from_mins(2)).await;
    let later = call(&world).await;

    assert_eq!(
        sent, 0,
        "a token was used before its refresh token was kept"
    );
    assert_eq!(later.status, 200);
    assert_eq!(world.sandbox.token_requests().len(), 1);
    cluster.is_current();
}

#[tokio::test(start_paused = true)]
async fn sends_no_token_that_ended_before_its_refresh_token_was_kept() {
    let cluster = Cluster::strict();
    for fault in [Fault::Pass, Fault::Pass, status(503)] {
        cluster.sandbox.push_fault(Target::Kubernetes, fault);
    }
    let world = cluster.gateway().await;
    has_no_token(&call(&world).await);

    tokio::time::advance(AFTERWARDS).await;
    is_served(&call(&world).await);

    assert_eq!(world.sandbox.seen().len(), 1, "an ended token was sent");
    assert_eq!(world.sandbox.token_requests().len(), 2);
    cluster.is_current();
}

#[tokio::test(start_paused = true)]
async fn loses_nothing_whichever_request_to_the_api_server_fails() {
    for at in 0..3 {
        for fault in [
            status(500),
            status(403),
            status(404),
            Fault::DropBefore,
            Fault::CommitThenSilence,
            Fault::CutBody,
            Fault::Html,
        ] {
            let told = format!("{fault:?} at {at}");
            let log = Log::begin();
            let cluster = Cluster::strict();
            for _ in 0..at {
                cluster.sandbox.push_fault(Target::Kubernetes, Fault::Pass);
            }
            cluster.sandbox.push_fault(Target::Kubernetes, fault);
            let world = cluster.gateway().await;

            has_no_token(&call(&world).await);
            tokio::time::advance(Duration::from_mins(2)).await;
            let began = Instant::now();
            let healed = call(&world).await;

            assert_eq!(healed.status, 200, "{told}");
            // A claim or a token of its own whose answer was lost is nobody else's.
            assert!(began.elapsed() < Duration::from_secs(10), "{told}");
            assert!(log.lines(ANOTHER).is_empty(), "{told}");
            assert_eq!(world.sandbox.refresh_tokens_presented().len(), 1, "{told}");
            cluster.is_current();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn presents_nothing_by_a_claim_that_took_too_long_to_write() {
    let cluster = Cluster::strict();
    let slow = || Fault::Delay { ms: 4500 };
    for fault in [Fault::Pass, slow(), slow()] {
        cluster.sandbox.push_fault(Target::Kubernetes, fault);
    }
    let world = cluster.gateway().await;
    let mut calling = Box::pin(world.reject().send());

    // The claim's first request is refused for a token that is replaced while it is under way.
    assert!(futures_util::poll!(&mut calling).is_pending());
    until(|| cluster.sandbox.kubernetes_requests().len() == 2).await;
    cluster.sandbox.rotate_service_account_token();
    cluster.write_service_account_token();
    let late = passing(calling).await;
    let presented = world.sandbox.refresh_tokens_presented().len();
    let claims = cluster.secret().annotations;
    tokio::time::advance(Duration::from_mins(2)).await;
    let later = call(&world).await;

    has_no_token(&late);
    assert_eq!(presented, 0);
    assert!(!claims.contains_key("partner-gateway/claim"), "{claims:?}");
    assert_eq!(later.status, 200);
    cluster.is_current();
}

#[tokio::test(start_paused = true)]
async fn gives_its_claim_back_where_no_new_token_comes() {
    for fault in [status(503), status(400), Fault::DropBefore, anothers()] {
        let told = format!("{fault:?}");
        let cluster = Cluster::strict();
        cluster.sandbox.set_rotation(Rotation::Entra);
        cluster.sandbox.push_fault(Target::Token, fault);
        let world = cluster.gateway().await;

        has_no_token(&call(&world).await);
        let requests = world.sandbox.kubernetes_requests();
        let claims: Vec<_> = requests.iter().map(|seen| claimed(&seen.body)).collect();

        assert_eq!(claims, [false, true, false], "{told}");
        assert!(cluster.secret().annotations.is_empty(), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn claims_no_token_that_was_refused_until_another_is_there() {
    let cluster = Cluster::strict();
    cluster.sandbox.revoke_consent();
    let world = cluster.gateway().await;

    for _ in 0..5 {
        has_no_token(&call(&world).await);
        tokio::time::advance(Duration::from_mins(2)).await;
    }
    let requests = world.sandbox.kubernetes_requests();
    let claims = requests.iter().filter(|seen| claimed(&seen.body)).count();
    cluster.put(&[("refresh-token", &cluster.sandbox.consent(true))]);
    let served = call(&world).await;

    assert_eq!(claims, 2, "the second finds the same token");
    assert_eq!(served.status, 200);
    cluster.is_current();
}

#[tokio::test(start_paused = true)]
async fn writes_again_where_somebody_has_changed_something_else() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;
    let token = cluster.token();

    let answer = cluster
        .meanwhile(&world, || {
            cluster.put(&[("refresh-token", &token), ("other", "x")]);
        })
        .await;

    assert_eq!(answer, 200);
    cluster.is_current();
    assert_eq!(cluster.secret().data["other"], b"x");
    assert_eq!(world.sandbox.refresh_tokens_presented().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn leaves_a_winners_token_where_it_is() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;
    let theirs = cluster.sandbox.consent(true);

    let log = Log::begin();
    let answer = cluster
        .meanwhile(&world, || cluster.put(&[("refresh-token", &theirs)]))
        .await;

    assert_eq!(answer, 200);
    assert_eq!(log.lines(ANOTHER).len(), 1);
    assert_eq!(cluster.token(), theirs);
    tokio::time::advance(AFTERWARDS).await;
    is_served(&call(&world).await);
    cluster.is_current();
}

#[tokio::test(start_paused = true)]
async fn serves_with_the_token_at_hand_while_the_secret_or_the_server_is_gone() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;
    is_served(&call(&world).await);
    let token = cluster.token();
    let presented = world.sandbox.refresh_tokens_presented().len();
    cluster.sandbox.delete_secret("partner", "refresh-token");

    for _ in 0..58 {
        tokio::time::advance(Duration::from_mins(1)).await;
        is_served(&call(&world).await);
    }
    tokio::time::advance(Duration::from_mins(5)).await;
    has_no_token(&call(&world).await);
    let gone = cluster.sandbox.secret("partner", "refresh-token").is_none();
    assert_eq!(world.sandbox.refresh_tokens_presented().len(), presented);
    cluster.put(&[("refresh-token", &token)]);
    tokio::time::advance(Duration::from_mins(2)).await;

    assert!(gone, "the gateway makes no Secret");
    is_served(&call(&world).await);
    cluster.is_current();
}

#[tokio::test(start_paused = true)]
async fn reads_the_service_accounts_token_anew_for_each_request() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;
    is_served(&call(&world).await);

    cluster.sandbox.rotate_service_account_token();
    tokio::time::advance(AFTERWARDS).await;
    has_no_token(&call(&world).await);
    cluster.write_service_account_token();
    tokio::time::advance(Duration::from_mins(2)).await;

    is_served(&call(&world).await);
    cluster.is_current();
}

#[tokio::test(start_paused = true)]
async fn takes_the_place_of_a_holder_that_died_once_its_claim_has_run_out() {
    let cluster = Cluster::strict();
    cluster.claim_of_the_dead().await;
    let world = cluster.gateway().await;
    let began = Instant::now();

    let answer = call(&world).await;

    assert_eq!(answer.status, 200);
    let waited = began.elapsed().as_secs();
    assert!((40..42).contains(&waited), "{waited}");
    cluster.is_current();
}

/// A Secret, the service account that may use it, and the sandbox that holds it.
pub(super) struct Cluster {
    pub(super) sandbox: Sandbox,
    account: TempDir,
}

impl Cluster {
    pub(super) fn strict() -> Self {
        let sandbox = sandbox();
        sandbox.set_rotation(Rotation::Strict);
        let cluster = Self {
            sandbox,
            account: tempdir(),
        };
        cluster.put(&[("refresh-token", &cluster.sandbox.consent(true))]);
        cluster.write_service_account_token();
        cluster
    }

    pub(super) async fn gateway(&self) -> World {
        acting_for_a_user(self.sandbox.clone(), self.store("refresh-token")).await
    }

    /// A key of a Secret of this name.
    pub(super) fn store(&self, name: &str) -> refresh_store::Settings {
        refresh_store::Settings::KubernetesSecret(KubernetesSecret {
            api: "https://kubernetes.test".parse().unwrap(),
            service_account: self.account.path().to_owned(),
            namespace: "partner".to_owned(),
            name: name.to_owned(),
            key: "refresh-token".to_owned(),
        })
    }

    fn write_service_account_token(&self) {
        let token = self.sandbox.service_account_token();
        fs::write(self.account.path().join("token"), token).unwrap();
    }

    pub(super) fn put(&self, entries: &[(&str, &str)]) {
        self.sandbox.put_secret("partner", "refresh-token", entries);
    }

    pub(super) fn secret(&self) -> sandbox::Secret {
        self.sandbox.secret("partner", "refresh-token").unwrap()
    }

    pub(super) fn token(&self) -> String {
        String::from_utf8(self.secret().data["refresh-token"].clone()).unwrap()
    }

    /// Checks that what is kept is the newest token of a consent that lives.
    pub(super) fn is_current(&self) {
        assert!(self.sandbox.is_current_refresh_token(&self.token()));
        let presented = self.sandbox.refresh_tokens_presented();
        let different: BTreeSet<_> = presented.iter().collect();
        assert_eq!(
            different.len(),
            presented.len(),
            "a token was presented twice"
        );
    }

    /// Leaves a claim of a process that is no more.
    pub(super) async fn claim_of_the_dead(&self) {
        let body = r#"{"metadata":{"annotations":{"partner-gateway/claim":"somebody/once"}}}"#;
        let request = http::Request::patch("/api/v1/namespaces/partner/secrets/refresh-token")
            .header(
                "authorization",
                format!("Bearer {}", self.sandbox.service_account_token()),
            )
            .header("content-type", "application/merge-patch+json")
            .body(body.into())
            .unwrap();
        let answer = self.sandbox.kubernetes(request).await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// Makes a call, and does something while its refresh token is with Entra ID.
    async fn meanwhile(&self, world: &World, act: impl FnOnce()) -> u16 {
        self.sandbox
            .push_fault(Target::Token, Fault::Delay { ms: 500 });
        let mut calling = Box::pin(world.reject().send());
        assert!(futures_util::poll!(&mut calling).is_pending());
        until(|| self.sandbox.token_requests().len() == 1).await;
        act();
        passing(calling).await.status
    }
}

fn claimed(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("partner-gateway/claim")
}

/// What the log says where somebody else's token stays.
const ANOTHER: &str = "another refresh token was kept meanwhile, and stays";
