//! Connections, which are kept open for as long as clients like.

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::answer::Upstream;

/// Listens on a free port of loopback.
pub(crate) fn at_any_port() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

/// Serves whoever connects, without TLS.
pub(crate) async fn plain(listener: TcpListener, upstream: &Arc<Upstream>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = accept(&listener, &mut connections).await;
        connections.spawn(serve(stream, Arc::clone(upstream)));
    }
}

/// Serves whoever connects, over TLS.
pub(crate) async fn secure(listener: TcpListener, acceptor: TlsAcceptor, upstream: &Arc<Upstream>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = accept(&listener, &mut connections).await;
        let (acceptor, upstream) = (acceptor.clone(), Arc::clone(upstream));
        connections.spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, upstream).await;
            }
        });
    }
}

/// The next connection; those that have ended are forgotten meanwhile.
async fn accept(listener: &TcpListener, connections: &mut JoinSet<()>) -> TcpStream {
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                // An answer that waits for the rest of a packet would be measured as the subject's.
                drop(stream.set_nodelay(true));
                return stream;
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, upstream: Arc<Upstream>) {
    let service = service_fn(|request| {
        let upstream = Arc::clone(&upstream);
        async move { Ok::<_, Infallible>(upstream.answer(request).await) }
    });
    // A connection ends in an error whenever a client breaks it off.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

/// Thousands of connections at once must not wait for a second try of the handshake.
const BACKLOG: u32 = 4_096;
