//! The gateway with its sockets, until it leaves.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{Gateway, reload::Replaceable},
    front::{
        connection::Connection,
        door::Door,
        exchange::Arrival,
        listener::{Limits, Listener},
        stack,
        stray::Strays,
    },
    shutdown::{Cut, Drain},
};

/// The gateway with its sockets.
pub struct Bound {
    gateway: Gateway,
    callers: Listener,
    operators: Listener,
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
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Takes the sockets.
    ///
    /// # Errors
    ///
    /// When an address cannot be had.
    pub async fn bind(self) -> Result<Bound, BindError> {
        let limits = |door, linger| Limits {
            door,
            header_timeout: self.server.header_timeout,
            linger,
        };
        let callers = bind(
            self.server.listen,
            "server.listen",
            limits(
                Arc::clone(self.admin.door()),
                LINGER.min(self.server.drain_timeout),
            ),
        )
        .await?;
        let operators = bind(
            self.operators.listen,
            "admin.listen",
            limits(Arc::new(Door::of(OPERATOR_CONNECTIONS)), Duration::ZERO),
        )
        .await?;
        Ok(Bound {
            gateway: self,
            callers,
            operators,
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

    /// What of the gateway can be replaced while it runs.
    #[must_use]
    pub fn replaceable(&self) -> Replaceable {
        self.gateway.replaceable()
    }

    /// Serves until the drain begins, then leaves in good order.
    ///
    /// # Errors
    ///
    /// When calls had to be cut off after the drain time; what became of them so far is recorded.
    pub async fn serve(self) -> Result<(), Cut> {
        let Self {
            gateway,
            callers,
            operators,
        } = self;
        let stack = gateway.stack();
        let admin = gateway.admin.clone();
        let gone = Drain::default();
        let probed = Connection {
            tls: None,
            limits: operators.limits(),
            answer: move |arrival: Arrival| {
                let admin = admin.clone();
                async move { admin.take(arrival).await }
            },
            strays: Strays::Untold,
            drain: gone.clone(),
        };
        let called = Connection {
            tls: gateway.tls.clone(),
            limits: callers.limits(),
            answer: move |arrival| stack::answer(stack.clone(), arrival),
            strays: Strays::Told(gateway.transfers.journal.clone()),
            drain: gateway.drain.clone(),
        };
        let linger = callers.limits().linger;
        let no_more_calls = CancellationToken::new();
        let parting = async {
            no_more_calls.cancelled().await;
            sleep(PARTING).await;
        };
        let calling = callers.serve(called, parting);
        let working = async {
            tokio::join!(calling, gateway.leave(linger, &no_more_calls));
            let finished = gateway.finish().await;
            // Probes are answered until the very end.
            gone.begin();
            finished
        };
        // A sleep counts from when it is made, not from when it is first waited for.
        let parting = async { sleep(PARTING).await };
        let (finished, ()) = tokio::join!(working, operators.serve(probed, parting));
        finished
    }
}

impl Gateway {
    /// Does what is done beside the calls, and once the drain has begun, ends both.
    async fn leave(&self, linger: Duration, no_more_calls: &CancellationToken) {
        let ending = async {
            self.drain.begun().await;
            // So long calls still come.
            sleep(linger).await;
            // Those that are cut off are told of at the very end.
            self.end_calls().await.ok();
            no_more_calls.cancel();
        };
        let beside = async {
            tokio::select! {
                ((), (), (), ()) = async {
                    tokio::join!(
                        self.warm_up(),
                        self.keep_alive(),
                        self.close_orphans(),
                        self.transfers.idempotency.keep_sharing()
                    )
                } => {}
                () = self.drain.begun() => {}
            }
            // Together with the calls under way it has the time of one.
            self.settle().await;
        };
        tokio::join!(ending, beside);
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

/// How long callers still find the gateway once it has been told to leave: longer than one who has
/// just been answered takes to ask again on a busy machine, and than a connection under way takes to come;
/// too short to matter to whoever waits for the gateway's end.
const LINGER: Duration = Duration::from_secs(1);

/// How long connections may take to close once no call is under way on them.
const PARTING: Duration = Duration::from_secs(1);

/// Probes, scrapes and a few people.
const OPERATOR_CONNECTIONS: usize = 64;
