//! Two gateways that share one refresh token, on a server that forgives nothing.

use sandbox::{Fault, Target};

use super::{AFTERWARDS, is_served, kubernetes::Cluster, passing};

#[tokio::test(start_paused = true)]
async fn refresh_together_a_hundred_times_and_present_no_token_twice() {
    let cluster = Cluster::strict();
    let (one, other) = (cluster.gateway().await, cluster.gateway().await);

    for _ in 0..100 {
        let both = async { tokio::join!(one.reject().send(), other.reject().send()) };
        let (first, second) = passing(both).await;

        is_served(&first);
        is_served(&second);
        cluster.is_current();
        tokio::time::advance(AFTERWARDS).await;
    }

    assert_eq!(cluster.sandbox.refresh_tokens_presented().len(), 200);
}

#[tokio::test(start_paused = true)]
async fn go_on_when_a_third_has_died_after_its_claim() {
    let cluster = Cluster::strict();
    let (one, other) = (cluster.gateway().await, cluster.gateway().await);

    for _ in 0..20 {
        cluster.claim_of_the_dead().await;
        let both = async { tokio::join!(one.reject().send(), other.reject().send()) };
        let (first, second) = passing(both).await;

        is_served(&first);
        is_served(&second);
        cluster.is_current();
        tokio::time::advance(AFTERWARDS).await;
    }

    assert_eq!(cluster.sandbox.refresh_tokens_presented().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn lose_nothing_on_a_server_like_entra_where_an_answer_was_lost() {
    let cluster = Cluster::strict();
    cluster.sandbox.set_rotation(sandbox::Rotation::Entra);
    let (one, other) = (cluster.gateway().await, cluster.gateway().await);
    for _ in 0..5 {
        cluster
            .sandbox
            .push_fault(Target::Token, Fault::CommitThenSilence);
        let lost = passing(one.reject().send()).await;

        let served = passing(other.reject().send()).await;

        super::has_no_token(&lost);
        is_served(&served);
        tokio::time::advance(AFTERWARDS).await;
        is_served(&passing(one.reject().send()).await);
        tokio::time::advance(AFTERWARDS).await;
    }
    assert!(cluster.sandbox.is_current_refresh_token(&cluster.token()));
}
