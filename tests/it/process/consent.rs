//! A user's consent at an OpenID provider that forgives nothing, through restarts and kills.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};

use super::site::{Site, private};
use crate::harness::{
    canary,
    process::{Process, within},
    provider::Provider,
};

#[tokio::test]
async fn outlives_fifty_rotations_and_ten_kills_in_their_middle() {
    let provider = Provider::start().await;
    let relay = Relay::before(provider.address()).await;
    let site = for_a_user(&provider, &relay).await;
    let mut held = 0;

    for start in 0..50 {
        let before = kept(&site);
        match (start % 5, start / 5 % 3) {
            (4, 0) => {
                killed_before_the_provider_has_the_token(&site, &relay).await;
                held += 1;
                assert_eq!(kept(&site), before, "start {start}");
            }
            (4, 1) => killed_once(&site, || successor(&site) || kept(&site) != before).await,
            (4, _) => killed_once(&site, || kept(&site) != before).await,
            _ => {
                drop(site.start().await);
                assert_ne!(kept(&site), before, "start {start}");
            }
        }
        assert!(!provider.has_revoked(), "start {start}");
    }
    let last = site.start().await;

    assert_eq!(provider.refreshed(), 50 - held + 1);
    assert!(!provider.has_revoked());
    drop(last);
}

async fn killed_before_the_provider_has_the_token(site: &Site, relay: &Relay) {
    let before = relay.held.load(Ordering::SeqCst);
    relay.holds.store(true, Ordering::SeqCst);
    let process = site.spawn("serve");
    within(async || relay.held.load(Ordering::SeqCst) > before).await;
    drop(process);
    relay.holds.store(false, Ordering::SeqCst);
}

/// Looks as often as can be, because what is looked for lasts for microseconds.
async fn killed_once(site: &Site, holds: impl Fn() -> bool) {
    let process: Process = site.spawn("serve");
    let seen = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_mins(1), seen).await;
    assert!(seen.is_ok(), "{}", process.stdout());
    drop(process);
}

/// Whether the new token stands complete beside the old one.
fn successor(site: &Site) -> bool {
    let next = fs::read_to_string(site.path("refresh-token.next"));
    next.is_ok_and(|next| next.contains('\n'))
}

fn kept(site: &Site) -> String {
    let kept = fs::read_to_string(site.path("refresh-token")).expect("a token");
    canary::plant(&kept);
    kept
}

async fn for_a_user(provider: &Provider, relay: &Relay) -> Site {
    let site = Site::new().await;
    let store: PathBuf = site.path("refresh-token");
    private(&store, &provider.consent(CLIENT, SCOPE).await);
    private(
        &site.path("client-secret"),
        &format!("the-secret-of-{CLIENT}"),
    );
    let upstream = site.upstream();
    let (_, api) = upstream.split_once(", ").expect("two endpoints");
    let relayed = format!("{{authority: http://{}, {api}", relay.address);
    site.edit(&upstream, &relayed);
    let user = format!(
        "flow: app_user\n    refresh_token: {{file: {}}}\n    credential:",
        store.display()
    );
    site.edit("credential:", &user);
    site
}

/// Stands between the gateway and the provider, and holds requests back when told to.
struct Relay {
    address: SocketAddr,
    holds: Arc<AtomicBool>,
    held: Arc<AtomicUsize>,
}

impl Relay {
    #[expect(clippy::disallowed_methods, reason = "a test drains nothing")]
    async fn before(provider: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let relay = Self {
            address: listener.local_addr().expect("address"),
            holds: Arc::default(),
            held: Arc::default(),
        };
        let (holds, held) = (Arc::clone(&relay.holds), Arc::clone(&relay.held));
        tokio::spawn(async move {
            while let Ok((gateway, _)) = listener.accept().await {
                let (holds, held) = (Arc::clone(&holds), Arc::clone(&held));
                tokio::spawn(relayed(gateway, provider, holds, held));
            }
        });
        relay
    }
}

async fn relayed(
    mut gateway: TcpStream,
    provider: SocketAddr,
    holds: Arc<AtomicBool>,
    held: Arc<AtomicUsize>,
) {
    gateway.readable().await.expect("a request");
    if holds.load(Ordering::SeqCst) {
        held.fetch_add(1, Ordering::SeqCst);
        // Until the gateway is no more.
        drop(tokio::io::copy(&mut gateway, &mut tokio::io::sink()).await);
        return;
    }
    let mut provider = TcpStream::connect(provider).await.expect("provider");
    drop(tokio::io::copy_bidirectional(&mut gateway, &mut provider).await);
}

const CLIENT: &str = "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01";

const SCOPE: &str = "https://api.partnercenter.microsoft.com/.default";
