//! TLS in front of a plain listener on loopback: what comes is decrypted and passed on as it is.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::NamedTempFile;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
};

/// A front for `localhost`; it ends, connections and all, when this is dropped.
pub(crate) struct TlsFront {
    address: SocketAddr,
    anchor: NamedTempFile,
    _passing: JoinSet<()>,
}

impl TlsFront {
    /// Listens before another listener.
    pub(crate) async fn before(plain: SocketAddr) -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("key");
        let anchor = NamedTempFile::new().expect("file");
        std::fs::write(anchor.path(), own.cert.pem()).expect("file");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let address = listener.local_addr().expect("address");
        let mut passing = JoinSet::new();
        passing.spawn(pass_on(
            listener,
            plain,
            acceptor(own.cert.der().clone(), key),
        ));
        Self {
            address,
            anchor,
            _passing: passing,
        }
    }

    /// Scheme, host and port.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The file of the trust anchor.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.anchor.path().to_owned()
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let terms = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    TlsAcceptor::from(Arc::new(terms.expect("terms")))
}

async fn pass_on(listener: TcpListener, plain: SocketAddr, acceptor: TlsAcceptor) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            let (Ok(mut outside), Ok(mut inside)) = (
                acceptor.accept(stream).await,
                TcpStream::connect(plain).await,
            ) else {
                return;
            };
            // Whoever closes first ends it; that is no fault of the test.
            drop(copy_bidirectional(&mut outside, &mut inside).await);
        });
    }
}
