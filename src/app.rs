//! The composition root: the one place that knows every room.
//!
//! [`Gateway`] is everything but sockets, so tests run it in memory; [`bound::Bound`] has its sockets
//! and knows their addresses.

pub mod activity;
pub mod bound;
pub mod build;
mod exporting;
pub mod login;
pub mod online;
mod opening;
pub mod redelivery;
pub mod reload;
mod shipping;
mod witnessing;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::sync::OnceCell;
use tracing::{error, info};

use crate::{
    app::{
        build::{BuildError, accounts, cluster, idempotency, tell_dates, terms},
        exporting::Exporting,
        reload::AtStart,
        shipping::Shipping,
        witnessing::Witnessing,
    },
    audit::journal::Journal,
    authorization::policy::Policy,
    cause,
    clock::{SharedClock, SystemClock},
    config::Config,
    front::{
        admin::{Admin, Watched},
        door::Door,
        handler::Handler,
        searching::{self, Reach},
        settings::{AdminSettings, Settings},
        stack::{self, Stack},
        tls::{Terms, Tls},
    },
    http_client::{Connect, HttpClient},
    identity::Identity,
    shutdown::{Cut, Drain, Tasks},
    telemetry::reloads::Reloads,
    token::keep_alive,
    transfers::{
        Transfers,
        in_force::{InForce, Rules},
        places::Places,
    },
};

/// What the gateway finds outside itself.
#[derive(Clone)]
pub struct Surroundings {
    /// The wall clock.
    pub clock: SharedClock,
    /// Makes the clients that go out.
    pub connect: Arc<Connect>,
}

/// The gateway without sockets.
#[derive(Debug)]
pub struct Gateway {
    stack: Stack,
    admin: Admin,
    transfers: Arc<Transfers>,
    tasks: Tasks,
    drain: Drain,
    shipping: Shipping,
    witnessing: Witnessing,
    exporting: Exporting,
    settled: OnceCell<()>,
    ended: OnceCell<Result<(), Cut>>,
    server: Settings,
    operators: AdminSettings,
    tls: Option<Tls>,
    at_start: AtStart,
    surroundings: Surroundings,
}

impl Surroundings {
    /// The real ones.
    #[must_use]
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            connect: Arc::new(HttpClient::connecting),
        }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Puts the rooms together and starts the journal.
    ///
    /// # Errors
    ///
    /// When a room cannot be set up.
    pub async fn build(config: Config, surroundings: Surroundings) -> Result<Self, BuildError> {
        let Surroundings { clock, connect } = surroundings.clone();
        let at_start = AtStart::of(&config);
        let cluster = cluster(&config);
        let accounts = accounts(&config, (&clock, &*connect), cluster.as_ref())?;
        tell_dates(&config, clock.now());
        let policy = Policy::new(&config.authorization);
        let tls = terms(&config, clock.now())?;
        let vouching = tls.as_ref().and_then(Terms::bundle);
        let identity = Identity::new(config.identity, vouching, &*connect)?;
        let sinks = shipping::destinations(&config.sinks, cluster.as_ref(), &surroundings)?;
        let opened = opening::open(&config.audit, &sinks).await?;
        let now = Arc::clone(&clock);
        let journal = Journal::start(opened, &config.audit, policy.hash(), now).await?;
        let shipping = Shipping::begin(sinks, (&journal, &config.audit), &clock)?;
        let witnessing = Witnessing::begin(cluster.as_ref(), &journal);
        let exporting = Exporting::begin(config.traces, journal.id(), &surroundings)?;
        let shared = (cluster.as_ref(), journal.boot());
        let transfers = Arc::new(Transfers {
            in_force: InForce::new(Rules { identity, policy }),
            accounts,
            journal: journal.clone(),
            clock,
            idempotency: idempotency(&config.idempotency, &config.server, shared),
            places: Places::new(config.server.max_in_flight),
            deadline: config.deadline,
        });
        let (tasks, drain) = (Tasks::default(), Drain::default());
        let handler = Handler::new(&config.server, Arc::clone(&transfers), drain.clone());
        let reach = Reach {
            dir: config.audit.dir,
            takes_anonymous: config.admin.listen.ip().is_loopback(),
        };
        let tls = tls.map(Tls::offering);
        let watched = Watched::of(
            Arc::clone(&transfers),
            (shipping.progress(), witnessing.tally()),
            (tls.clone(), Door::of(config.server.max_connections)),
            exporting.tally(),
        );
        let books = watched.books(exporting.tracer());
        let searching = searching::stack(Arc::clone(&transfers), reach, &books, &tasks);
        Ok(Self {
            stack: stack::stack(&config.server, handler, &books, &tasks),
            admin: Admin::new(watched, searching, drain.clone()),
            transfers,
            tasks,
            drain,
            shipping,
            witnessing,
            exporting,
            settled: OnceCell::new(),
            ended: OnceCell::new(),
            server: config.server,
            operators: config.admin,
            tls,
            at_start,
            surroundings,
        })
    }

    /// The service of the public listener.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.stack.clone()
    }

    /// Tells the gateway to leave, or whether it was told.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// The audit journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.transfers.journal
    }

    /// How often the configuration was read anew.
    pub(in crate::app) fn reloads(&self) -> &Arc<Reloads> {
        self.admin.reloads()
    }

    /// The service of the operator listener.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Gets the issuers' keys and a first token for the default account, so that the first call need
    /// not wait and the replica can become ready.
    pub async fn warm_up(&self) {
        tokio::join!(
            warm_up(&self.transfers),
            self.transfers.idempotency.warm_up()
        );
    }

    /// Keeps the consents of all App+User accounts alive for as long as it is polled.
    pub async fn keep_alive(&self) {
        let accounts = self.transfers.accounts.all();
        join_all(accounts.map(|account| keep_alive::keep_alive(account.tokens()))).await;
    }

    /// Closes the calls that earlier runs left open, as far as that is done before this is dropped.
    pub async fn close_orphans(&self) {
        self.transfers.close_orphans().await;
    }

    /// Has no refresh token presented from now on, and those that were had kept; once, whoever asks.
    pub(in crate::app) async fn settle(&self) {
        let settling = async {
            let accounts = self.transfers.accounts.all();
            join_all(accounts.map(|account| keep_alive::settle(account.tokens()))).await;
        };
        self.settled.get_or_init(|| settling).await;
    }

    /// Lets calls under way end, and cuts off those that do not end in time; once, whoever asks.
    pub(in crate::app) async fn end_calls(&self) -> Result<(), Cut> {
        let ending = async {
            let left = self.drain.left(self.server.drain_timeout);
            self.tasks.finish(left, LAST_RECORD).await
        };
        *self.ended.get_or_init(|| ending).await
    }

    /// Lets calls under way end, then closes the journal and lets the sinks have the rest of it, as far as
    /// there is time.
    ///
    /// # Errors
    ///
    /// When calls had to be cut off after the drain time; what became of them so far is recorded.
    pub async fn finish(self) -> Result<(), Cut> {
        self.drain.begin();
        let (ended, (), ()) = tokio::join!(self.end_calls(), self.settle(), self.witnessing.hush());
        let closing = async {
            let journal = &self.transfers.journal;
            if ended.is_err_and(|cut| cut.unrecorded > 0) {
                // What could not end may still write, so this run has no last record.
                return journal.close().await;
            }
            // Calls that came meanwhile were turned away.
            self.tasks.idle().await;
            journal.stop().await
        };
        match tokio::time::timeout(LAST_RECORD, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(unwritable)) => {
                error!(error = %cause::chain(&unwritable), "last audit record not written");
            }
            Err(_) => error!("last audit record not written in time"),
        }
        let left = self.drain.left(self.server.drain_timeout);
        // Each sink that lacks something has told so, and the next start goes on.
        let (shipped, (), ()) = tokio::join!(
            self.shipping.finish(left),
            self.witnessing.finish(),
            self.exporting.finish()
        );
        shipped.ok();
        ended
    }
}

async fn warm_up(transfers: &Transfers) {
    transfers.in_force.rules().identity.warm_up();
    let Some(account) = transfers.accounts.default_account() else {
        return;
    };
    while let Err(unavailable) = account.tokens().current().await {
        tokio::time::sleep(unavailable.retry_after).await;
    }
    info!(account = %account.name(), "ready to forward");
}

/// A disk that takes longer hangs, and the process must end all the same.
const LAST_RECORD: Duration = Duration::from_secs(5);
