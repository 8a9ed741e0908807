//! Gateways that leave while a refresh token is in use.

use std::time::Duration;

use sandbox::{Fault, Target};
use tokio::time::Instant;

use super::{call, has_no_token, is_served, kubernetes::Cluster, passing, status};
use crate::harness::{World, log::Log, served::until};

#[tokio::test(start_paused = true)]
async fn keep_what_was_had_however_often_that_takes() {
    let cluster = Cluster::strict();
    let down = || status(503);
    for fault in [Fault::Pass, Fault::Pass, down(), down(), down()] {
        cluster.sandbox.push_fault(Target::Kubernetes, fault);
    }
    let log = Log::begin();
    let world = cluster.gateway().await;
    has_no_token(&call(&world).await);

    passing(world.end()).await;

    cluster.is_current();
    assert!(log.lines(LOST).is_empty());
}

#[tokio::test(start_paused = true)]
async fn tell_that_a_token_is_lost_where_it_cannot_be_kept() {
    let cluster = Cluster::strict();
    cluster.sandbox.push_fault(Target::Kubernetes, Fault::Pass);
    cluster.sandbox.push_fault(Target::Kubernetes, Fault::Pass);
    for _ in 0..60 {
        cluster.sandbox.push_fault(Target::Kubernetes, status(503));
    }
    let log = Log::begin();
    let world = cluster.gateway().await;
    has_no_token(&call(&world).await);
    let began = Instant::now();

    passing(world.end()).await;

    let took = began.elapsed().as_secs();
    assert!((30..32).contains(&took), "{took}");
    assert_eq!(log.lines(LOST).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_slow_answer_and_keep_what_it_brings() {
    let cluster = Cluster::strict();
    let log = Log::begin();
    let world = cluster.gateway().await;
    is_served(&call(&world).await);
    // The token is due and good: the call is served with it, and a new one is had beside the call.
    tokio::time::advance(Duration::from_mins(52)).await;
    let slow = Fault::Delay { ms: 9000 };
    cluster.sandbox.push_fault(Target::Token, slow);
    is_served(&call(&world).await);
    until(|| cluster.sandbox.token_requests().len() == 2).await;
    let before = cluster.token();

    passing(world.end()).await;

    assert_ne!(cluster.token(), before);
    cluster.is_current();
    assert!(log.lines(LOST).is_empty());
}

#[tokio::test(start_paused = true)]
async fn wait_for_no_claim_of_somebody_elses() {
    let cluster = Cluster::strict();
    cluster.claim_of_the_dead().await;
    let log = Log::begin();
    let world = cluster.gateway().await;
    let asked = cluster.sandbox.kubernetes_requests().len();
    begun(&world, || {
        cluster.sandbox.kubernetes_requests().len() > asked
    })
    .await;
    let began = Instant::now();

    passing(world.end()).await;

    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(cluster.sandbox.refresh_tokens_presented().is_empty());
    assert!(log.lines(LOST).is_empty());
}

#[tokio::test(start_paused = true)]
async fn present_nothing_that_they_have_claimed_since() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;
    let network = world.network.clone();
    network.hang("kubernetes.test");
    begun(&world, || network.waiting() > 0).await;
    let mut ending = Box::pin(world.end());
    assert!(futures_util::poll!(&mut ending).is_pending());

    network.resume("kubernetes.test");
    passing(ending).await;

    assert!(cluster.sandbox.refresh_tokens_presented().is_empty());
    let claim = "partner-gateway/claim";
    assert!(!cluster.secret().annotations.contains_key(claim));
}

/// Makes a call whose caller hangs up once something holds; the call goes on.
async fn begun(world: &World, holds: impl Fn() -> bool) {
    let mut calling = Box::pin(world.reject().send());
    assert!(futures_util::poll!(&mut calling).is_pending());
    until(holds).await;
}

const LOST: &str = "refresh token lost: it could not be kept";
