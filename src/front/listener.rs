//! Accepts connections within limits until told to stop, and loses none on leaving.
//!
//! A connection that the kernel has completed and nobody has accepted is reset when the socket closes,
//! and its caller may have sent a request by then. So the listener goes on for a while, then has the
//! kernel complete no more connections, and accepts what is left before it closes.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::front::{connection::Connection, door::Door, exchange::Arrival};

/// A bound socket with its limits.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: Limits,
}

/// What one listener grants.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections held at once, and how many there are.
    pub door: Arc<Door>,
    /// How long a request's head may take, and a TLS handshake.
    pub header_timeout: Duration,
    /// How long connections are accepted once the drain has begun, and how long one must then be silent
    /// before it is closed.
    pub linger: Duration,
}

impl Listener {
    /// Binds a socket.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    pub async fn bind(address: SocketAddr, limits: Limits) -> io::Result<Self> {
        Ok(Self {
            socket: TcpListener::bind(address).await?,
            limits,
        })
    }

    /// The address that was had.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What the listener grants.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits.clone()
    }

    /// Serves connections until the drain begins and a while longer, then lets those that are open
    /// finish what they have begun, until `cutoff`, which is polled from the drain's begin on.
    pub async fn serve<A, F>(self, connection: Connection<A>, cutoff: impl Future<Output = ()>)
    where
        A: Fn(Arrival) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
    {
        let open = Open::through(&self.limits.door);
        let take = |accepted| open.take(accepted, &connection);
        tokio::select! {
            biased;
            () = connection.drain.begun() => {}
            () = self.accept_all(&open, take) => {}
        }
        let leaving = async {
            self.linger(&open, take).await;
            open.ended().await;
        };
        tokio::select! {
            biased;
            // First, or chance would decide whether connections that have all ended were cut off.
            () = leaving => {}
            () = cutoff => {
                warn!("connections were still open at the end of the drain");
                open.abandon().await;
            }
        }
    }

    /// Accepts connections as long as callers may not have heard that the gateway is leaving, then those
    /// that have come by then, and closes the socket.
    async fn linger(self, open: &Open, take: impl Fn(Accepted)) {
        let last_handshakes = self.limits.linger / LAST_PART;
        let usual = self.limits.linger.saturating_sub(last_handshakes);
        drop(timeout(usual, self.accept_all(open, &take)).await);
        if !self.limits.linger.is_zero() {
            turn_newcomers_away(&self.socket);
        }
        drop(timeout(last_handshakes, self.accept_all(open, &take)).await);
        if let Err(error) = self.accept_waiting(open, take).await {
            warn!(error = %error, "connections may be lost");
        }
    }

    /// Accepts one connection after the other, each once there is a place for it.
    async fn accept_all(&self, open: &Open, take: impl Fn(Accepted)) {
        while let Some(place) = open.place().await {
            match self.socket.accept().await {
                Ok((stream, peer)) => take(Accepted {
                    place,
                    stream,
                    peer,
                }),
                Err(error) => pause(&self.limits.door, &error).await,
            }
        }
    }

    /// Accepts what waits, then closes the socket. The system is asked itself, because the runtime
    /// knows only of connections whose event it has seen.
    async fn accept_waiting(self, open: &Open, take: impl Fn(Accepted)) -> io::Result<()> {
        let Self { socket, limits } = self;
        let socket = socket.into_std()?;
        while let Some(place) = open.place().await {
            match socket.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    take(Accepted {
                        place,
                        stream: TcpStream::from_std(stream)?,
                        peer,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => pause(&limits.door, &error).await,
            }
        }
        Ok(())
    }
}

/// A connection with its place.
struct Accepted {
    place: OwnedSemaphorePermit,
    stream: TcpStream,
    peer: SocketAddr,
}

/// The connections that are open.
struct Open {
    door: Arc<Door>,
    abandoned: CancellationToken,
}

impl Open {
    fn through(door: &Arc<Door>) -> Self {
        Self {
            door: Arc::clone(door),
            abandoned: CancellationToken::new(),
        }
    }

    /// Waits for a place; there is always one in the end.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.door.place().await
    }

    fn take<A, F>(&self, accepted: Accepted, connection: &Connection<A>)
    where
        A: Fn(Arrival) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
    {
        let Accepted {
            place,
            stream,
            peer,
        } = accepted;
        if let Err(error) = stream.set_nodelay(true) {
            debug!(error = %error, "connection already gone");
        }
        let serving = connection.clone().run(stream, peer);
        let abandoned = self.abandoned.clone();
        self.door.running().spawn(async move {
            if abandoned.run_until_cancelled(serving).await.is_none() {
                debug!(address = %peer, "connection cut off");
            }
            drop(place);
        });
    }

    /// Waits until none is open and what they were is counted.
    async fn ended(&self) {
        self.door.running().close();
        self.door.running().wait().await;
    }

    /// Closes those that are open, whatever they are doing.
    async fn abandon(&self) {
        self.abandoned.cancel();
        self.ended().await;
    }
}

/// Has the kernel pass over requests for new connections, which their senders repeat after a second;
/// by then they are refused, or another process is there. Handshakes under way come to their end.
#[cfg(target_os = "linux")]
fn turn_newcomers_away(socket: &TcpListener) {
    use socket2::SockFilter;

    // In the language of the kernel's socket filters: load the byte of the TCP header that has the
    // flags; where SYN is among them, keep nothing of the packet, else all.
    // https://www.kernel.org/doc/html/latest/networking/filter.html and RFC 9293 section 3.1.
    let filter = [
        SockFilter::new(0x30, 0, 0, 13),
        SockFilter::new(0x45, 0, 1, 0x02),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(socket).attach_filter(&filter) {
        debug!(error = %error, "newcomers are accepted until the socket closes");
    }
}

/// Elsewhere a connection that is completed in the moment before the socket closes may be reset.
#[cfg(not(target_os = "linux"))]
fn turn_newcomers_away(_: &TcpListener) {}

/// Gives others time to end after a connection was not accepted: most likely the process is out of descriptors.
async fn pause(door: &Door, error: &io::Error) {
    door.failed(error);
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Of the linger, the part at its end in which handshakes under way come to their end and no new ones
/// begin: of a second, as long as a handshake takes half way around the world.
const LAST_PART: u32 = 10;

/// The pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
