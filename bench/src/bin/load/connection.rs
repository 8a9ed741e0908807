//! Connections to whom is called.

use std::{error::Error, fs, net::SocketAddr, path::Path, sync::Arc};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, version::TLS13};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::spawn_local,
};
use tokio_rustls::TlsConnector;

use crate::call::Calls;

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Connector {
    to: SocketAddr,
    tls: Option<TlsConnector>,
}

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

/// Why there was no answer.
pub(crate) type CallError = Box<dyn Error>;

impl Connector {
    pub(crate) fn new(to: SocketAddr, ca: Option<&Path>) -> Result<Self, CallError> {
        let Some(ca) = ca else {
            return Ok(Self { to, tls: None });
        };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&fs::read(ca)?)?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Some(TlsConnector::from(Arc::new(config)));
        Ok(Self { to, tls })
    }

    /// Opens one, handshake included.
    pub(crate) async fn connect(&self) -> Result<Connection, CallError> {
        let stream = TcpStream::connect(self.to).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return kept(stream).await;
        };
        let name = ServerName::from(self.to.ip());
        kept(tls.connect(name, stream).await?).await
    }
}

impl Connection {
    /// Makes the next call and reads the whole answer.
    pub(crate) async fn call(&mut self, calls: &Calls) -> Result<StatusCode, CallError> {
        let request = calls.next()?;
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        Ok(status)
    }
}

async fn kept(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> Result<Connection, CallError> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end is told to whoever calls next.
    drop(spawn_local(connection));
    Ok(Connection(sender))
}
