//! A new consent in the stores: tried beforehand, and kept whatever was there.

use std::{path::Path, time::Duration};

use partner_gateway::{
    clock::{SharedClock, SystemClock},
    http_client::{HttpClient, Settings as Http, SetupError},
    token::refresh_store::{self, RefreshStore, Surroundings, error::StoreError},
};
use sandbox::Sandbox;

use super::{kept, kubernetes::Cluster, read, sandbox, vault::vault};
use crate::harness::transport::ToSandbox;

#[tokio::test]
async fn takes_the_place_of_what_is_in_a_file() {
    let (dir, settings) = kept("old");
    let store = store(&settings, &sandbox());

    store.rehearse().await.unwrap();
    assert_eq!(read(&dir), "old");
    store.keep_new_consent(&"new".into()).await.unwrap();

    assert_eq!(read(&dir), "new");
}

#[tokio::test]
async fn is_the_first_in_a_file_that_is_not_there() {
    let (dir, settings) = kept("old");
    std::fs::remove_file(dir.path().join("refresh-token")).unwrap();
    let store = store(&settings, &sandbox());

    store.rehearse().await.unwrap();
    assert!(!dir.path().join("refresh-token").exists());
    store.keep_new_consent(&"new".into()).await.unwrap();

    assert_eq!(read(&dir), "new");
}

#[tokio::test]
async fn finds_beforehand_that_a_file_cannot_be_written() {
    let settings = refresh_store::Settings::File(Path::new("/proc/refresh-token").to_owned());

    let error = store(&settings, &sandbox()).rehearse().await.unwrap_err();

    assert!(matches!(error, StoreError::Write { .. }), "{error}");
}

#[tokio::test]
async fn takes_the_place_of_what_is_in_a_kubernetes_secret() {
    let cluster = Cluster::strict();
    cluster.claim_of_the_dead().await;
    let before = cluster.secret();
    let store = store(&cluster.store("refresh-token"), &cluster.sandbox);

    store.rehearse().await.unwrap();
    assert_eq!(cluster.secret().resource_version, before.resource_version);
    store.keep_new_consent(&"new".into()).await.unwrap();

    assert_eq!(cluster.token(), "new");
    let annotations = cluster.secret().annotations;
    assert!(!annotations.contains_key("partner-gateway/claim"));
    assert!(annotations.contains_key("partner-gateway/renewed"));
}

#[tokio::test]
async fn is_the_first_in_a_kubernetes_secret_that_is_empty() {
    let cluster = Cluster::strict();
    cluster.put(&[]);
    let store = store(&cluster.store("refresh-token"), &cluster.sandbox);

    store.rehearse().await.unwrap();
    store.keep_new_consent(&"new".into()).await.unwrap();

    assert_eq!(cluster.token(), "new");
}

#[tokio::test]
async fn finds_beforehand_that_a_kubernetes_secret_cannot_be_written() {
    let cluster = Cluster::strict();

    let store = store(&cluster.store("another"), &cluster.sandbox);

    let error = store.rehearse().await.unwrap_err();
    let told = error.to_string();
    assert!(
        matches!(error, StoreError::Refused { status, .. } if status == 403),
        "{told}"
    );
    assert!(told.contains("Secret partner/another"), "{told}");
}

#[tokio::test]
async fn is_a_new_version_in_a_vault() {
    let sandbox = sandbox();
    let store = store(&vault(), &sandbox);

    store.rehearse().await.unwrap();
    assert_eq!(sandbox.vault_secret("refresh-token"), None);
    for token in ["first", "second"] {
        store.keep_new_consent(&token.into()).await.unwrap();

        assert_eq!(
            sandbox.vault_secret("refresh-token").as_deref(),
            Some(token)
        );
    }
}

fn store(settings: &refresh_store::Settings, sandbox: &Sandbox) -> RefreshStore {
    let network = ToSandbox::new(sandbox.clone());
    let connect =
        move |_: &Http| -> Result<_, SetupError> { Ok(HttpClient::over(network.clone())) };
    let clock: SharedClock = std::sync::Arc::new(SystemClock);
    let around = Surroundings {
        connect: &connect,
        connect_timeout: Duration::from_secs(1),
        clock: &clock,
        cluster: None,
    };
    RefreshStore::new(settings, around).unwrap()
}
