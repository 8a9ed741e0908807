//! Gateways that share a refresh token over a real NATS server, as processes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use partner_gateway::{
    clock::{SharedClock, SystemClock},
    http_client::HttpClient,
    token::refresh_store::{RefreshStore, Settings, Surroundings, settings::NatsKey},
};
use sandbox::{Decision, Rotation};
use secrecy::ExposeSecret as _;

use super::site::{Site, private};
use crate::harness::{
    TRANSFER, canary,
    nats::NatsServer,
    process::{Process, within},
};

#[tokio::test]
async fn lose_no_consent_through_forty_rotations_though_they_are_killed() {
    let (server, site) = shared().await;
    log_in(&site).await;
    site.sandbox.set_rotation(Rotation::Strict);
    let operator = server.operator().await;

    for round in 0..20 {
        let mut stream = operator.get_stream("KV_partner").await.unwrap();
        let before = stream.info().await.unwrap().state.last_sequence;
        let both = [site.spawn("serve"), site.spawn_beside("serve")];
        if round % 2 == 0 {
            for process in both {
                site.listening(process).await.ready().await;
            }
        } else {
            // Each writes a claim and a new token, and has not been told of the last one yet, or just so.
            within(async || stream.info().await.unwrap().state.last_sequence >= before + 4).await;
            drop(both);
        }
        let kept = kept(&server, &site).await;
        assert!(site.sandbox.is_current_refresh_token(&kept), "{round}");
    }

    let presented = site.sandbox.refresh_tokens_presented();
    assert_eq!(presented.len(), 40);
    assert_eq!(presented.iter().collect::<BTreeSet<_>>().len(), 40);
}

#[tokio::test]
async fn store_what_login_had_and_begin_without_the_server() {
    let (mut server, site) = shared().await;
    log_in(&site).await;
    let kept = kept(&server, &site).await;
    assert!(site.sandbox.is_current_refresh_token(&kept));
    server.kill();

    let gateway = site.listening(site.spawn("serve")).await;
    within(async || gateway.process.stderr().contains("NATS is away")).await;
    let presented = site.sandbox.refresh_tokens_presented().len();
    server.restart().await;
    let gateway = gateway.ready().await;
    let answer = gateway.reject(TRANSFER).await;

    assert_eq!((presented, answer.status), (0, 200));
}

/// A server, and a site whose account's refresh token is kept there.
async fn shared() -> (NatsServer, Site) {
    let server = NatsServer::start().await;
    let site = Site::over(sandbox::Settings {
        device_interval: 0,
        ..sandbox::Settings::default()
    })
    .await;
    private(&site.path("keys"), &"a".repeat(64));
    let store = format!(
        "    flow: app_user\n    refresh_token: {{nats: {{bucket: partner, key: token, \
         encryption_key: {{file: {}}}}}}}\n    endpoints:",
        site.path("keys").display()
    );
    site.edit("    endpoints:", &store);
    let cluster = format!(
        "cluster: {{nats: {{url: 'nats://{}', replicas: 1}}}}\nserver:",
        server.address()
    );
    site.edit("server:", &cluster);
    (server, site)
}

async fn log_in(site: &Site) {
    let process: Process = site.spawn_with("login", &["--account", "contoso"]);
    let mut code = None;
    within(async || {
        code = site.sandbox.device_user_codes().pop();
        code.is_some()
    })
    .await;
    let approved = Decision::Approve { mfa: true };
    site.sandbox.decide_device(&code.unwrap(), approved);
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let place = "the refresh token is stored in key token of NATS bucket partner";
    assert!(ended.stdout.contains(place), "{ended:?}");
}

async fn kept(server: &NatsServer, site: &Site) -> String {
    let settings = Settings::Nats(NatsKey {
        bucket: "partner".to_owned(),
        key: "token".to_owned(),
        encryption_key: site.path("keys"),
    });
    let clock: SharedClock = Arc::new(SystemClock);
    let around = Surroundings {
        connect: &HttpClient::connecting,
        connect_timeout: Duration::from_secs(5),
        clock: &clock,
        cluster: Some(&server.cluster()),
    };
    let store = RefreshStore::new(&settings, around).unwrap();
    let kept = store.look().await.unwrap().token.expose_secret().to_owned();
    canary::plant(&kept);
    kept
}
