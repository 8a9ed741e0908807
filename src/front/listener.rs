//! Accepts connections within limits and serves them until told to stop.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    front::{
        exchange::{Arrival, Peer},
        form::Form,
        heads::Watched,
        stray::{Stray, Strays},
        tls::Tls,
    },
    shutdown::Drain,
};

/// A bound socket with its limits.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: Limits,
}

/// What one listener grants.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections held at once.
    pub max_connections: usize,
    /// How long a request's head may take, and a TLS handshake.
    pub header_timeout: Duration,
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

    /// Serves connections until the drain begins, then lets those that are open finish what they
    /// have begun, until `cutoff`, which is polled from then on. What was no request is counted among
    /// `strays`.
    pub async fn serve<A, F>(
        self,
        tls: Option<Tls>,
        answer: A,
        strays: Strays,
        drain: Drain,
        cutoff: impl Future<Output = ()>,
    ) where
        A: Fn(Arrival) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
    {
        let connections = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.limits.max_connections));
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.begun() => break,
                accepted = self.accept(&places) => accepted,
            };
            let Some((place, stream, peer)) = accepted else {
                continue;
            };
            let serving = Connection {
                tls: tls.clone(),
                limits: self.limits.clone(),
                watcher: connections.watcher(),
                strays: strays.clone(),
            };
            // Whoever waits for connections to end waits until what they were is counted, too.
            let counted = connections.watcher();
            let answer = answer.clone();
            let drain = drain.clone();
            spawn(async move {
                // A handshake that is still under way when the drain begins has no request to lose.
                serving.run(stream, peer, answer, &drain).await;
                drop((place, counted));
            });
        }
        drop(self.socket);
        tokio::select! {
            () = connections.shutdown() => {}
            () = cutoff => warn!("connections were still open at the end of the drain"),
        }
    }

    /// Accepts the next connection once there is a place for it.
    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> Option<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(error = %error, "connection already gone");
                }
                Some((place, stream, peer))
            }
            Err(error) => {
                warn!(error = %error, "connection not accepted");
                // Out of descriptors, most likely: give connections time to end.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

/// What one connection needs.
struct Connection {
    tls: Option<Tls>,
    limits: Limits,
    watcher: Watcher,
    strays: Strays,
}

impl Connection {
    async fn run<A, F>(self, stream: TcpStream, peer: SocketAddr, answer: A, drain: &Drain)
    where
        A: Fn(Arrival) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
    {
        let known = |certificate| Peer {
            address: peer,
            certificate,
        };
        let Some(tls) = self.tls.clone() else {
            return self.serve(stream, known(None), answer).await;
        };
        let handshake = tokio::time::timeout(self.limits.header_timeout, tls.accept(stream));
        let shaken = tokio::select! {
            () = drain.begun() => return,
            shaken = handshake => shaken,
        };
        match shaken {
            Ok(Ok((stream, certificate))) => self.serve(stream, known(certificate), answer).await,
            Ok(Err(error)) => {
                debug!(error = %error, address = %peer, "TLS handshake failed");
                self.strays.note(Stray::in_handshake(&error), peer);
            }
            Err(_) => {
                debug!(address = %peer, "TLS handshake too slow");
                self.strays.note(Some(Stray::TlsHandshake), peer);
            }
        }
    }

    async fn serve<S, A, F>(self, stream: S, peer: Peer, answer: A)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: Fn(Arrival) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
    {
        let address = peer.address;
        let begun = CancellationToken::new();
        let heard = begun.clone();
        let stream = Watched::new(stream);
        let heads = stream.heads();
        let service = service_fn(move |request: Request<Incoming>| {
            heard.cancel();
            let form = Form::of(&request, &heads);
            let answering = answer(Arrival::over_wire(request, form.fault, peer.clone()));
            async move { Ok::<_, Infallible>(form.fit(answering.await?)) }
        });
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .half_close(false);
        server
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD_LIST_BYTES)
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        let connection = server
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let stray = tokio::select! {
            ended = self.watcher.watch(connection) => ended.err().and_then(|error| {
                debug!(error = %error, address = %address, "connection ended early");
                if begun.is_cancelled() {
                    Stray::at_any_time(&*error)
                } else {
                    Stray::before_any_call(&*error)
                }
            }),
            () = silence(&begun, self.limits.header_timeout) => {
                debug!(address = %address, "connection without a request in time");
                Some(Stray::HeaderTimeout)
            }
        };
        self.strays.note(stray, address);
    }
}

/// Ends when no request has come in time; the server's own clock starts only with the first bytes that
/// tell which version of HTTP they are.
async fn silence(begun: &CancellationToken, limit: Duration) {
    if tokio::time::timeout(limit, begun.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "connections are drained by their own watcher; calls by their tasks"
)]
fn spawn(connection: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(connection);
}

/// Room for a token of 16 KiB and everything else that proxies add.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEAD_LIST_BYTES: u32 = 64 * 1024;

/// Calls on one HTTP/2 connection at once.
const MAX_STREAMS: u32 = 256;

/// How often an idle HTTP/2 peer is asked whether it is still there, and how long it may take.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
