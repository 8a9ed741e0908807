//! Applications that trust the tokens of a cluster.

use std::time::Duration;

use partner_gateway::{secret::SecretSource, token::credential::Settings as Credential};
use sandbox::{Fault, Target};
use tempfile::NamedTempFile;

use super::{field, token};
use crate::harness::World;

#[tokio::test(start_paused = true)]
async fn shows_the_token_of_the_file() {
    let (world, file) = federated().await;
    let shown = world.sandbox.federated_token(HOUR);
    write(&file, &shown);

    let answer = world.reject().send().await;

    assert_eq!(answer.status, 200);
    let asked = world.sandbox.token_requests();
    let [asked] = &asked[..] else {
        panic!("one token request")
    };
    assert_eq!(
        field(asked, "client_assertion_type"),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    assert_eq!(field(asked, "client_secret"), None);
    let assertion = asked.assertion.as_ref().unwrap();
    assert_eq!(assertion["claims"]["aud"][0], "api://AzureADTokenExchange");
}

#[tokio::test(start_paused = true)]
async fn reads_the_file_for_each_request() {
    let (world, file) = federated().await;
    write(&file, &world.sandbox.federated_token(HOUR));
    assert_eq!(world.reject().send().await.status, 200);

    tokio::time::advance(HOUR).await;
    write(&file, &world.sandbox.federated_token(HOUR));
    let answer = world.reject().send().await;

    assert_eq!(
        answer.status, 400,
        "the transfer has ended, and Partner Center says so"
    );
    let asked = world.sandbox.token_requests();
    let statuses: Vec<_> = asked.iter().map(|asked| asked.status).collect();
    assert_eq!(statuses, [200, 200]);
}

#[tokio::test(start_paused = true)]
async fn asks_once_more_with_a_token_that_was_written_since() {
    let (world, file) = federated().await;
    write(&file, &world.sandbox.federated_token(Duration::ZERO));
    world
        .sandbox
        .push_fault(Target::Token, Fault::Delay { ms: 500 });

    let mut call = Box::pin(world.reject().send());
    while world.sandbox.token_requests().is_empty() {
        assert!(futures_util::poll!(&mut call).is_pending());
        tokio::task::yield_now().await;
    }
    write(&file, &world.sandbox.federated_token(HOUR));
    tokio::time::advance(Duration::from_millis(500)).await;
    let answer = call.await;

    assert_eq!(answer.status, 200);
    let asked = world.sandbox.token_requests();
    let statuses: Vec<_> = asked.iter().map(|asked| asked.status).collect();
    assert_eq!(statuses, [401, 200]);
}

#[tokio::test(start_paused = true)]
async fn shows_no_old_token_twice_in_a_row_and_waits_for_the_next() {
    let (world, file) = federated().await;
    write(&file, &world.sandbox.federated_token(Duration::ZERO));

    let refused = world.reject().send().await;
    let asked = world.sandbox.token_requests().len();
    write(&file, &world.sandbox.federated_token(HOUR));
    tokio::time::advance(Duration::from_secs(6)).await;
    let answer = world.reject().send().await;

    refused.is_problem(503, "token_unavailable", "no");
    assert_eq!(asked, 1);
    assert_eq!(answer.status, 200);
    assert_eq!(world.sandbox.token_requests().len(), 2);
}

/// A world whose application trusts the cluster, and the file of its token.
async fn federated() -> (World, NamedTempFile) {
    let file = NamedTempFile::new().unwrap();
    let source = SecretSource::File(file.path().to_owned());
    let world = World::with(|config| {
        token(config).credential = Credential::FederatedToken(source);
    })
    .await;
    (world, file)
}

fn write(file: &NamedTempFile, token: &str) {
    std::fs::write(file.path(), token).unwrap();
}

const HOUR: Duration = Duration::from_hours(1);
