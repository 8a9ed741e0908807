//! A whole gateway over the sandbox, without sockets, in a time that stands still.
//!
//! Every answer is checked, whatever the test is about: its headers are the contract's and no others,
//! and the journal holds exactly one outcome record for it with the same status, body and words.

pub(crate) mod authority;
pub(crate) mod call;
pub(crate) mod canary;
pub(crate) mod collector;
pub(crate) mod described;
pub(crate) mod issuer;
pub(crate) mod journal;
pub(crate) mod log;
pub(crate) mod mutual;
pub(crate) mod nats;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod records;
pub(crate) mod served;
pub(crate) mod setting;
pub(crate) mod severed;
pub(crate) mod tls;
pub(crate) mod transport;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, SystemTime},
};

use partner_gateway::{
    app::{self, Gateway},
    audit,
    authorization::{self, Customers, RuleSettings},
    clock::{Clock, SharedClock, SystemClock},
    command::Operation,
    config::Config,
    front,
    http_client::HttpClient,
    identity::{self, token_file::TokenFile},
    partner_center::{self, AccountSettings, breaker},
    secret::SecretSource,
    telemetry,
    token::{
        self, Flow,
        credential::Settings as Credential,
        grant::Grant,
        refresh_store::{self, Surroundings},
    },
    transfers::{self, shared::Without},
};
use sandbox::Sandbox;
use tempfile::TempDir;

use self::{call::Call, journal::Journal, transport::ToSandbox};

/// The customer, transfer and correlation ID of Microsoft's documented example.
pub(crate) const CUSTOMER: &str = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";
pub(crate) const TRANSFER: &str = "ac4a9d22-ba07-444e-890f-cfe084eed498";
pub(crate) const CORRELATION: &str = "efa4c6f5-153a-4f76-e458-1375e181cc14";

/// The token of the caller `billing`, and its SHA-256.
pub(crate) const BILLING: &str = "billing-token-with-32-bytes-of-entropy";

/// A gateway, the sandbox behind it, and the journal it writes.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) sandbox: Sandbox,
    pub(crate) network: ToSandbox,
    pub(crate) dir: TempDir,
    journal: Journal,
    looks: canary::Looks,
    _standstill: Standstill,
    _listening: canary::Listening,
}

impl World {
    /// The usual world: the caller `billing` may reject for the documented customer.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world whose configuration differs from the usual one.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(
            Sandbox::new(sandbox::Settings::default()),
            tempdir(),
            change,
        )
        .await
    }

    /// A world over a given sandbox and journal directory.
    pub(crate) async fn over(
        sandbox: Sandbox,
        dir: TempDir,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let listening = canary::Listening::begin();
        let network = ToSandbox::new(sandbox.clone());
        let mut config = config(&dir);
        change(&mut config);
        canary::assert_not_shown(&config);
        let client = network.clone();
        let clock = StandingClock::default();
        sandbox.set_wall_time(clock.now());
        let surroundings = app::Surroundings {
            clock: Arc::new(clock),
            connect: Arc::new(move |_| Ok(HttpClient::over(client.clone()))),
        };
        let standstill = Standstill::begin();
        let gateway = Gateway::build(config, surroundings).await.expect("gateway");
        Self {
            gateway,
            sandbox,
            network,
            journal: Journal::of(dir.path()),
            dir,
            looks: canary::Looks::default(),
            _standstill: standstill,
            _listening: listening,
        }
    }

    /// The documented call of the caller `billing`, to be changed and sent.
    pub(crate) fn reject(&self) -> Call<'_> {
        Call::to(self, &format!("/transfers/{CUSTOMER}/{TRANSFER}/reject")).token(BILLING)
    }

    /// The journal with everything written so far.
    pub(crate) fn journal(&self) -> &Journal {
        self.journal.read_on();
        &self.journal
    }

    /// Lets the network fail to connect, or connect again.
    pub(crate) fn cut_network(&self, cut: bool) {
        self.network.unreachable.store(cut, Ordering::SeqCst);
    }

    /// Lets the network connect for so many requests to Partner Center and for none after them.
    pub(crate) fn cut_network_after(&self, requests: usize) {
        let (sent, unreachable) = (AtomicUsize::new(0), Arc::clone(&self.network.unreachable));
        self.network.observe(move |headers| {
            if headers.contains_key("ms-requestid")
                && sent.fetch_add(1, Ordering::SeqCst) == requests
            {
                unreachable.store(true, Ordering::SeqCst);
            }
        });
    }

    /// Ends the gateway in good order and gives back what outlives it.
    pub(crate) async fn end(self) -> (Sandbox, TempDir) {
        self.gateway.finish().await.expect("drain");
        (self.sandbox, self.dir)
    }
}

/// A configuration for the usual world.
pub(crate) fn config(dir: &TempDir) -> Config {
    Config {
        cluster: None,
        server: front::settings::Settings {
            listen: "127.0.0.1:0".parse().expect("address"),
            tls: None,
            max_body_bytes: 4096,
            max_connections: 1000,
            max_in_flight: 20_000,
            header_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(25),
            deadline: Duration::from_mins(1),
        },
        admin: front::settings::AdminSettings {
            listen: "127.0.0.1:0".parse().expect("address"),
        },
        accounts: vec![contoso()],
        default_account: "contoso".to_owned(),
        identity: identity::Settings {
            issuers: Vec::new(),
            token_file: Some(TokenFile::parse(&callers()).expect("token file")),
            mtls: false,
            anonymous: false,
        },
        authorization: authorization::Settings {
            rules: vec![billing_rule()],
        },
        upstream: upstream(),
        connect_timeout: Duration::from_secs(3),
        deadline: Duration::from_secs(55),
        retry_budget: 0.2,
        idempotency: transfers::idempotency::Settings {
            ttl: Duration::from_hours(24),
            max_entries: 100_000,
            without_cluster: Without::Refuse,
        },
        audit: audit::Settings {
            dir: dir.path().to_owned(),
            durability: audit::Durability::Strict,
            unauthenticated_rate: 50.try_into().expect("a rate"),
            signing_key_file: None,
            checkpoint_interval: Duration::from_hours(1),
            segment: audit::segment::Bounds {
                bytes: 64 << 20,
                age: Duration::from_hours(1),
            },
            max_bytes: 1 << 30,
            retention: Duration::from_hours(24),
            keep_after_ack: Duration::ZERO,
            required_sinks: Vec::new(),
        },
        sinks: Vec::new(),
        telemetry: telemetry::Settings {
            format: telemetry::Format::Text,
            filter: "info".to_owned(),
        },
        traces: None,
    }
}

fn upstream() -> partner_center::Settings {
    partner_center::Settings {
        application_name: "partner-gateway".parse().expect("value"),
        locale: "en-US".parse().expect("value"),
        attempt_timeout: Duration::from_secs(20),
        max_attempts: 4.try_into().expect("a number"),
        circuit: breaker::Settings {
            failure_ratio: 0.5,
            min_calls: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
        },
        max_response_bytes: 1024 * 1024,
    }
}

/// The account that the sandbox knows.
pub(crate) fn contoso() -> AccountSettings {
    let sandbox = sandbox::Settings::default();
    AccountSettings {
        name: "contoso".to_owned(),
        tenant: sandbox.tenant.clone(),
        api: "https://api.test".parse().expect("address"),
        ca_file: None,
        token: token::Settings {
            authority: "https://login.test".parse().expect("address"),
            tenant: sandbox.tenant,
            client_id: sandbox.client_id,
            scope: format!("{}/.default", sandbox.audience),
            version: token::Version::V2,
            credential: Credential::ClientSecret(SecretSource::Value(sandbox.client_secret.into())),
            flow: Flow::App,
        },
    }
}

/// The rule that lets `billing` reject for the documented customer.
pub(crate) fn billing_rule() -> RuleSettings {
    RuleSettings {
        name: "billing may reject".to_owned(),
        principals: vec!["billing".to_owned()],
        operations: BTreeSet::from([Operation::TransfersReject]),
        customers: Customers::These(BTreeSet::from([CUSTOMER.parse().expect("guid")])),
        accounts: BTreeSet::from(["contoso".to_owned()]),
        rate: None,
    }
}

/// A token file with the callers `billing` and `stranger`; the latter is in no rule.
pub(crate) fn callers() -> String {
    format!(
        "billing:{}\nstranger:{}\n",
        journal::sha256(BILLING),
        journal::sha256("stranger-token")
    )
}

/// A flow for a user who has consented with a second factor; the refresh token lies in the directory.
pub(crate) fn for_a_user(sandbox: &Sandbox) -> (TempDir, Flow) {
    let dir = tempdir();
    let path = dir.path().join("refresh-token");
    std::fs::write(&path, sandbox.consent(true)).expect("a file");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, private).expect("its mode");
    (dir, Flow::AppUser(refresh_store::Settings::File(path)))
}

/// A way to tokens by itself, in wall time.
pub(crate) fn grant(settings: token::Settings, http: HttpClient) -> Grant {
    let clock: SharedClock = Arc::new(SystemClock);
    grant_by(settings, http, &clock)
}

/// A way to tokens by itself, by some clock.
pub(crate) fn grant_by(settings: token::Settings, http: HttpClient, clock: &SharedClock) -> Grant {
    let around = Surroundings {
        connect: &HttpClient::connecting,
        connect_timeout: Duration::from_secs(5),
        clock,
        cluster: None,
    };
    Grant::new(settings, http, around).expect("grant")
}

/// A fresh directory for a journal.
pub(crate) fn tempdir() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// Lets time pass, a second whenever nothing else is left to do, until something is done.
pub(crate) async fn while_time_passes<T>(something: impl Future<Output = T>) -> T {
    let mut something = std::pin::pin!(something);
    loop {
        for _ in 0..100 {
            if let Poll::Ready(done) = futures_util::poll!(something.as_mut()) {
                return done;
            }
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

/// Lets time flow in small steps, each when everything else has come to rest, the journal included, until
/// something is done.
pub(crate) async fn while_time_flows<T>(world: &World, something: impl Future<Output = T>) -> T {
    while_time_flows_by(world, || STEP, something).await
}

/// The same with steps of one's own.
pub(crate) async fn while_time_flows_by<T>(
    world: &World,
    mut step: impl FnMut() -> Duration,
    something: impl Future<Output = T>,
) -> T {
    let mut something = std::pin::pin!(something);
    loop {
        for _ in 0..ROUNDS {
            for _ in 0..YIELDS {
                if let Poll::Ready(done) = futures_util::poll!(something.as_mut()) {
                    return done;
                }
                tokio::task::yield_now().await;
            }
            drop(world.gateway.journal().settle().await);
        }
        tokio::time::advance(step()).await;
    }
}

/// How often the journal is waited for within a step: without time a call writes two records at most.
const ROUNDS: usize = 3;

/// Enough for whatever is under way to come to rest.
const YIELDS: usize = 20;

/// Well under the shortest pause of the gateway that a test measures.
const STEP: Duration = Duration::from_millis(20);

/// Holds the paused time of the runtime still: only the test moves it. A blocking task that is under
/// way keeps tokio from jumping to the next timer while the audit thread works.
pub(crate) struct Standstill {
    _end: std::sync::mpsc::Sender<()>,
}

impl Standstill {
    pub(crate) fn begin() -> Self {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || wait.recv()));
        Self { _end: end }
    }
}

/// A wall clock that moves with the runtime's paused time.
#[derive(Debug)]
pub(crate) struct StandingClock {
    began: tokio::time::Instant,
}

impl Default for StandingClock {
    fn default() -> Self {
        let began = tokio::time::Instant::now();
        Self { began }
    }
}

impl Clock for StandingClock {
    fn now(&self) -> SystemTime {
        // 2026-03-01T00:00:00Z, a time like any other.
        SystemTime::UNIX_EPOCH + Duration::from_hours(492_312) + self.began.elapsed()
    }
}
