//! The composition root: the one place that knows every room.
//!
//! [`Gateway`] is everything but sockets, so tests run it in memory; [`Bound`] has its sockets and
//! knows their addresses.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tracing::{error, info};

use crate::{
    audit::journal::{Journal, StartError},
    authorization::policy::Policy,
    cause,
    clock::{SharedClock, SystemClock},
    config::Config,
    front::{
        admin::Admin,
        exchange::Arrival,
        handler::Handler,
        listener::{Limits, Listener},
        settings::{AdminSettings, Settings},
        stack::{self, Stack},
        tls::{self, TlsError},
    },
    http_client::{self, HttpClient, SetupError},
    identity::Identity,
    partner_center::account::{Account, Accounts},
    shutdown::{Cut, Drain, Tasks},
    token::{
        cell::TokenCell,
        grant::{BadEndpoint, Grant},
    },
    transfers::reject::Transfers,
};

/// What the gateway finds outside itself.
pub struct Surroundings {
    /// The wall clock.
    pub clock: SharedClock,
    /// Makes the clients that go out.
    pub connect: Box<Connect>,
}

/// Makes a client that goes out.
pub type Connect = dyn Fn(&http_client::Settings) -> Result<HttpClient, SetupError> + Send;

/// The gateway without sockets.
#[derive(Debug)]
pub struct Gateway {
    stack: Stack,
    admin: Admin,
    transfers: Arc<Transfers>,
    tasks: Tasks,
    drain: Drain,
    server: Settings,
    operators: AdminSettings,
}

/// The gateway with its sockets.
pub struct Bound {
    gateway: Gateway,
    callers: Listener,
    operators: Listener,
    tls: Option<TlsAcceptor>,
}

/// The gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An account's connections.
    #[error("setting up the connections of account {account:?}")]
    Connections {
        /// The account.
        account: String,
        /// What is wrong.
        source: SetupError,
    },
    /// An account's token endpoint.
    #[error("setting up the token endpoint of account {account:?}")]
    TokenEndpoint {
        /// The account.
        account: String,
        /// What is wrong.
        source: Box<BadEndpoint>,
    },
    /// The audit journal.
    #[error("starting the audit journal")]
    Journal(#[from] StartError),
}

/// The gateway cannot have its sockets.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address.
    #[error("listening on {address}; is another process there, or is `{key}` not this machine's?")]
    Address {
        /// The address asked for.
        address: SocketAddr,
        /// The key that sets it.
        key: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// TLS.
    #[error("setting up TLS")]
    Tls(#[from] TlsError),
}

impl Surroundings {
    /// The real ones.
    #[must_use]
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            connect: Box::new(HttpClient::connecting),
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

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("gateway", &self.gateway)
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
        let Surroundings { clock, connect } = surroundings;
        let accounts = accounts(&config, &clock, &connect)?;
        let policy = Policy::new(&config.authorization);
        let journal = Journal::start(&config.audit, policy.hash(), Arc::clone(&clock)).await?;
        let transfers = Arc::new(Transfers {
            identity: Identity::new(config.identity),
            policy,
            accounts,
            journal: journal.clone(),
            clock,
        });
        let (tasks, drain) = (Tasks::default(), Drain::default());
        let handler = Handler::new(&config.server, Arc::clone(&transfers), drain.clone());
        Ok(Self {
            stack: stack::stack(&config.server, handler, &journal, &tasks),
            admin: Admin::new(Arc::clone(&transfers), drain.clone()),
            transfers,
            tasks,
            drain,
            server: config.server,
            operators: config.admin,
        })
    }

    /// The service of the public listener.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.stack.clone()
    }

    /// The service of the operator listener.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Gets a first token for the default account, so that the first call need not wait and the
    /// replica can become ready.
    pub async fn warm_up(&self) {
        warm_up(&self.transfers).await;
    }

    /// Lets calls under way end, then closes the journal.
    ///
    /// # Errors
    ///
    /// When calls are still under way after the drain time.
    pub async fn finish(self) -> Result<(), Cut> {
        self.drain.begin();
        let finished = self.tasks.finish(self.server.drain_timeout).await;
        if let Err(unwritable) = self.transfers.journal.stop().await {
            error!(error = %cause::chain(&unwritable), "last audit record not written");
        }
        finished
    }

    /// Takes the sockets.
    ///
    /// # Errors
    ///
    /// When an address cannot be had or TLS cannot be offered.
    pub async fn bind(self) -> Result<Bound, BindError> {
        let tls = self.server.tls.as_ref().map(tls::acceptor).transpose()?;
        let limits = |max_connections| Limits {
            max_connections,
            header_timeout: self.server.header_timeout,
        };
        let callers = bind(
            self.server.listen,
            "server.listen",
            limits(self.server.max_connections),
        )
        .await?;
        let operators = bind(
            self.operators.listen,
            "admin.listen",
            limits(OPERATOR_CONNECTIONS),
        )
        .await?;
        Ok(Bound {
            gateway: self,
            callers,
            operators,
            tls,
        })
    }
}

impl Bound {
    /// Where callers connect.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.callers.address()
    }

    /// Where operators connect.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.operators.address()
    }

    /// Tells the gateway to leave; [`Bound::serve`] returns when it has.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.gateway.drain.clone()
    }

    /// Serves until the drain begins, then leaves in good order.
    ///
    /// # Errors
    ///
    /// When calls are still under way after the drain time.
    pub async fn serve(self) -> Result<(), Cut> {
        let Self {
            gateway,
            callers,
            operators,
            tls,
        } = self;
        let stack = gateway.stack();
        let admin = gateway.admin.clone();
        let gone = Drain::default();
        let limit = gateway.server.drain_timeout;
        let operating = operators.serve(
            None,
            move |request, _| {
                let admin = admin.clone();
                async move { admin.answer(&request.into_parts().0).await }
            },
            gone.clone(),
            limit,
        );
        let calling = callers.serve(
            tls,
            move |request, peer| stack.clone().oneshot(arrival(request, peer)),
            gateway.drain.clone(),
            limit,
        );
        let working = async {
            tokio::join!(calling, async {
                tokio::select! {
                    () = warm_up(&gateway.transfers) => {}
                    () = gateway.drain.begun() => {}
                }
            });
            let finished = gateway.finish().await;
            // Probes are answered until the very end.
            gone.begin();
            finished
        };
        let (finished, ()) = tokio::join!(working, operating);
        finished
    }
}

async fn bind(
    address: SocketAddr,
    key: &'static str,
    limits: Limits,
) -> Result<Listener, BindError> {
    Listener::bind(address, limits)
        .await
        .map_err(|source| BindError::Address {
            address,
            key,
            source,
        })
}

async fn warm_up(transfers: &Transfers) {
    let Some(account) = transfers.accounts.find(None) else {
        return;
    };
    while let Err(unavailable) = account.tokens().current().await {
        tokio::time::sleep(unavailable.retry_after).await;
    }
    info!(account = %account.name(), "ready to forward");
}

fn arrival(request: Request<Incoming>, peer: SocketAddr) -> Arrival {
    let (head, body) = request.into_parts();
    Arrival {
        head,
        body: body.map_err(io::Error::other).boxed_unsync(),
        peer,
    }
}

fn accounts(
    config: &Config,
    clock: &SharedClock,
    connect: &Connect,
) -> Result<Accounts, BuildError> {
    let mut accounts = Vec::new();
    for settings in &config.accounts {
        let outgoing = |to: &http::Uri| {
            connect(&http_client::Settings {
                connect_timeout: config.connect_timeout,
                ca_file: settings.ca_file.clone(),
                plain_http: to.scheme() == Some(&http::uri::Scheme::HTTP),
            })
            .map_err(|source| BuildError::Connections {
                account: settings.name.clone(),
                source,
            })
        };
        let grant = Grant::new(
            settings.token.clone(),
            outgoing(&settings.token.authority)?,
            SharedClock::clone(clock),
        )
        .map_err(|source| BuildError::TokenEndpoint {
            account: settings.name.clone(),
            source: Box::new(source),
        })?;
        let tokens = TokenCell::new(settings.name.as_str().into(), grant);
        let api = outgoing(&settings.api)?;
        accounts.push(Account::new(settings, config.upstream.clone(), tokens, api));
    }
    Ok(Accounts::new(accounts, &config.default_account))
}

/// Probes, scrapes and a few people.
const OPERATOR_CONNECTIONS: usize = 64;
