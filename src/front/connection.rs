//! One connection from its handshake to its end.
//!
//! When the gateway leaves, a connection ends with an answer wherever that can be: over HTTP/1 the next
//! answer is the last, and only who stays silent is cut off; over HTTP/2 the peer is told where the end
//! is.

use std::{convert::Infallible, future::pending, net::SocketAddr, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    front::{
        exchange::{Arrival, Peer},
        form::Form,
        heads::{Heads, Watched},
        listener::Limits,
        stray::{Stray, Strays},
        tls::Tls,
    },
    shutdown::Drain,
};

/// What every connection of a listener is served with.
#[derive(Clone, Debug)]
pub struct Connection<A> {
    /// TLS, where it is spoken.
    pub tls: Option<Tls>,
    /// What is granted.
    pub limits: Limits,
    /// Answers calls.
    pub answer: A,
    /// Where bytes that were no request are counted.
    pub strays: Strays,
    /// Says when connections shall come to their end.
    pub drain: Drain,
}

impl<A, F> Connection<A>
where
    A: Fn(Arrival) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    /// Serves a connection until it ends.
    pub async fn run(self, stream: TcpStream, peer: SocketAddr) {
        let known = |certificate| Peer {
            address: peer,
            certificate,
        };
        let Some(tls) = self.tls.clone() else {
            return self.serve(stream, known(None)).await;
        };
        let handshake = timeout(self.limits.header_timeout, tls.accept(stream));
        let shaken = tokio::select! {
            biased;
            shaken = handshake => shaken,
            () = self.lingered() => return,
        };
        match shaken {
            Ok(Ok((stream, certificate))) => self.serve(stream, known(certificate)).await,
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

    async fn serve<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let address = peer.address;
        let begun = CancellationToken::new();
        let stream = Watched::new(stream);
        let heads = stream.heads();
        let service = service_fn(|request: Request<Incoming>| {
            begun.cancel();
            let form = Form::of(&request, &heads);
            let answering = (self.answer)(Arrival::over_wire(request, form.fault, peer.clone()));
            let drain = self.drain.clone();
            async move {
                let answer = answering.await?;
                let form = if drain.has_begun() {
                    form.into_last()
                } else {
                    form
                };
                Ok::<_, Infallible>(form.fit(answer))
            }
        });
        let server = self.server();
        let serving = async {
            let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                biased;
                // First, so that nothing that has come is taken for silence.
                ended = connection.as_mut() => return ended,
                () = self.said_enough(&heads) => {}
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        };
        let stray = tokio::select! {
            ended = serving => ended.err().and_then(|error| {
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

    fn server(&self) -> auto::Builder<TokioExecutor> {
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
        server
    }

    /// Ends when the gateway is leaving and the peer may be told so without losing what it says at that
    /// moment: over HTTP/2 at once, else when it has been silent for a while.
    async fn said_enough(&self, heads: &Heads) {
        self.drain.begun().await;
        let begun = Instant::now();
        while !heads.is_http_2() {
            let end = heads.heard().max(begun) + self.limits.linger;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// Ends when the gateway has been leaving for a while, or for as long as this connection is there.
    async fn lingered(&self) {
        self.drain.begun().await;
        sleep(self.limits.linger).await;
    }
}

/// Ends when no request has come in time; the server's own clock starts only with the first bytes that
/// tell which version of HTTP they are.
async fn silence(begun: &CancellationToken, limit: Duration) {
    if timeout(limit, begun.cancelled()).await.is_ok() {
        pending::<()>().await;
    }
}

/// Room for a token of 16 KiB and everything else that proxies add.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEAD_LIST_BYTES: u32 = 64 * 1024;

/// Calls on one HTTP/2 connection at once.
const MAX_STREAMS: u32 = 256;

/// How often an idle HTTP/2 peer is asked whether it is still there, and how long it may take.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
