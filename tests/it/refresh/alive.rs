//! Consents that nobody uses for weeks.

use std::{task::Poll, time::Duration};

use sandbox::{Fault, Target};

use super::{call, is_served, kubernetes::Cluster, status};
use crate::harness::served::until;

#[tokio::test(start_paused = true)]
async fn renews_a_token_of_a_week_without_any_call() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;
    is_served(&call(&world).await);
    let mut idle = Box::pin(world.gateway.keep_alive());

    let mut renewed = Vec::new();
    for _ in 0..=16 {
        settled(&mut idle).await;
        renewed.push(cluster.sandbox.refresh_tokens_presented().len());
        tokio::time::advance(DAY).await;
    }

    assert_eq!(renewed[..=6], [1; 7], "{renewed:?}");
    assert_eq!(renewed[8..=14], [2; 7], "{renewed:?}");
    assert_eq!(renewed[16], 3, "{renewed:?}");
    cluster.is_current();
}

#[tokio::test(start_paused = true)]
async fn tries_again_where_a_renewal_failed() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;
    is_served(&call(&world).await);
    tokio::time::advance(8 * DAY).await;
    for _ in 0..5 {
        cluster.sandbox.push_fault(Target::Token, status(503));
    }
    cluster
        .sandbox
        .push_fault(Target::Kubernetes, Fault::DropBefore);
    let mut idle = Box::pin(world.gateway.keep_alive());

    for _ in 0..12 {
        settled(&mut idle).await;
        tokio::time::advance(Duration::from_mins(30)).await;
    }

    let asked = cluster.sandbox.token_requests();
    let statuses: Vec<_> = asked.iter().map(|asked| asked.status).collect();
    assert_eq!(statuses, [200, 503, 503, 503, 503, 503, 200]);
    assert!(cluster.sandbox.is_current_refresh_token(&cluster.token()));
}

#[tokio::test(start_paused = true)]
async fn looks_at_no_store_beside_a_renewal() {
    let cluster = Cluster::strict();
    let world = cluster.gateway().await;
    let slow = Fault::Delay { ms: 500 };
    cluster.sandbox.push_fault(Target::Token, slow);
    let mut calling = Box::pin(world.reject().send());
    assert!(futures_util::poll!(&mut calling).is_pending());
    until(|| cluster.sandbox.token_requests().len() == 1).await;
    let asked = cluster.sandbox.kubernetes_requests().len();
    let mut idle = Box::pin(world.gateway.keep_alive());

    settled(&mut idle).await;

    assert_eq!(cluster.sandbox.kubernetes_requests().len(), asked);
}

/// Lets the task and the files it waits for come to rest.
async fn settled(idle: &mut (impl Future<Output = ()> + Unpin)) {
    for _ in 0..20_000 {
        assert_eq!(futures_util::poll!(&mut *idle), Poll::Pending);
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

const DAY: Duration = Duration::from_hours(24);
