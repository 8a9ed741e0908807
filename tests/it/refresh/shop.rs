//! A NATS server with the stores and grants of gateways that share a refresh token there.

use std::{fs, sync::Arc, time::Duration};

use async_nats::jetstream::stream;
use partner_gateway::{
    clock::{SharedClock, SystemClock},
    cluster::Cluster,
    http_client::HttpClient,
    token::{
        Flow,
        grant::Grant,
        refresh_store::{self, RefreshStore, Surroundings, settings::NatsKey},
    },
};
use sandbox::Sandbox;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::harness::{canary, contoso, nats::NatsServer, tempdir, transport::ToSandbox};

/// A server, and a file of keys.
pub(super) struct Shop {
    pub(super) server: NatsServer,
    pub(super) dir: TempDir,
}

impl Shop {
    pub(super) async fn new() -> Self {
        let shop = Self {
            server: NatsServer::start().await,
            dir: tempdir(),
        };
        shop.write_keys(&"a".repeat(64));
        shop
    }

    pub(super) async fn with_a_token() -> Self {
        let shop = Self::new().await;
        shop.store().keep_new_consent(&token()).await.unwrap();
        shop
    }

    pub(super) fn write_keys(&self, keys: &str) {
        fs::write(self.dir.path().join("keys"), keys).unwrap();
    }

    pub(super) fn settings(&self, key: &str) -> refresh_store::Settings {
        refresh_store::Settings::Nats(NatsKey {
            bucket: "partner".to_owned(),
            key: key.to_owned(),
            encryption_key: self.dir.path().join("keys"),
        })
    }

    /// The store of a gateway of its own.
    pub(super) fn store(&self) -> RefreshStore {
        self.store_by(&self.server.cluster())
    }

    pub(super) fn store_by(&self, cluster: &Arc<Cluster>) -> RefreshStore {
        new(&self.settings("token"), cluster)
    }

    /// A claim of a gateway of its own.
    pub(super) async fn claim(&self) -> refresh_store::Claim {
        let claim = self.store().claim(&CancellationToken::new()).await;
        claim.unwrap()
    }

    pub(super) async fn kept(&self) -> String {
        let kept = self.store().look().await.unwrap();
        kept.token.expose_secret().to_owned()
    }

    /// The way to tokens of a gateway of its own.
    pub(super) fn grant(&self, sandbox: &Sandbox) -> Grant {
        let mut settings = contoso().token;
        settings.flow = Flow::AppUser(self.settings("token"));
        let http = HttpClient::over(ToSandbox::new(sandbox.clone()));
        let clock: SharedClock = Arc::new(SystemClock);
        let cluster = self.server.cluster();
        Grant::new(settings, http, around(&clock, &cluster)).unwrap()
    }

    pub(super) async fn stream(&self) -> stream::Stream {
        let operator = self.server.operator().await;
        operator.get_stream("KV_partner").await.unwrap()
    }

    /// What the server has.
    pub(super) async fn value(&self) -> Vec<u8> {
        let bucket = self.server.operator().await.get_key_value("partner").await;
        bucket
            .unwrap()
            .get("token")
            .await
            .unwrap()
            .unwrap()
            .to_vec()
    }
}

pub(super) fn new(settings: &refresh_store::Settings, cluster: &Arc<Cluster>) -> RefreshStore {
    let clock: SharedClock = Arc::new(SystemClock);
    RefreshStore::new(settings, around(&clock, cluster)).unwrap()
}

fn around<'a>(clock: &'a SharedClock, cluster: &'a Arc<Cluster>) -> Surroundings<'a> {
    Surroundings {
        connect: &HttpClient::connecting,
        connect_timeout: Duration::from_secs(5),
        clock,
        cluster: Some(cluster),
    }
}

pub(super) fn token() -> SecretString {
    canary::plant(TOKEN);
    TOKEN.into()
}

pub(super) fn successor() -> SecretString {
    "1.successor".into()
}

/// What is kept.
pub(super) const TOKEN: &str = "0.a-refresh-token-that-nobody-may-see";
