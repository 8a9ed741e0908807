//! The gateway with its sockets, until it leaves.

use std::{fmt, io, net::SocketAddr, time::Duration};

use crate::{
    app::{Gateway, reload::Replaceable},
    front::{
        listener::{Limits, Listener},
        stack,
        stray::Strays,
    },
    shutdown::{Cut, Drain, Tasks},
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
    /// When calls are still under way after the drain time.
    pub async fn serve(self) -> Result<(), Cut> {
        let Self {
            gateway,
            callers,
            operators,
        } = self;
        let stack = gateway.stack();
        let admin = gateway.admin.clone();
        let gone = Drain::default();
        let drain_timeout = gateway.server.drain_timeout;
        let operating = operators.serve(
            None,
            move |arrival| {
                let admin = admin.clone();
                async move { admin.answer(&arrival.head).await }
            },
            Strays::Untold,
            gone.clone(),
            async { tokio::time::sleep(PARTING).await },
        );
        let calling = callers.serve(
            gateway.tls.clone(),
            move |arrival| stack::answer(stack.clone(), arrival),
            Strays::Told(gateway.transfers.journal.clone()),
            gateway.drain.clone(),
            no_more_calls(gateway.tasks.clone(), gateway.drain.clone(), drain_timeout),
        );
        let working = async {
            let beside = async {
                tokio::select! {
                    ((), ()) = async { tokio::join!(gateway.warm_up(), gateway.keep_alive()) } => {}
                    () = gateway.drain.begun() => {}
                }
                // Beside the calls under way: together the two have the time of one.
                gateway.settle().await;
            };
            tokio::join!(calling, beside);
            let finished = gateway.finish().await;
            // Probes are answered until the very end.
            gone.begin();
            finished
        };
        let (finished, ()) = tokio::join!(working, operating);
        finished
    }
}

/// Ends when no call is under way and connections had a moment to close, or when the drain is over.
async fn no_more_calls(tasks: Tasks, drain: Drain, drain_timeout: Duration) {
    let parting = async {
        tasks.idle().await;
        tokio::time::sleep(PARTING).await;
    };
    drop(tokio::time::timeout(drain.left(drain_timeout), parting).await);
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

/// How long connections may take to close once no call is under way on them.
const PARTING: Duration = Duration::from_secs(1);

/// Probes, scrapes and a few people.
const OPERATOR_CONNECTIONS: usize = 64;
