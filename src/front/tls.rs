//! TLS on the public listener.

use std::{
    fmt, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    front::settings::TlsFiles,
    identity::{
        authorities::{Authorities, BadAuthorities, Bundle},
        certificate::ClientCertificate,
    },
    validity,
};

/// TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file cannot be read.
    #[error("reading {path:?}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not make a server.
    #[error("using the certificate and key of the public listener")]
    Pair(#[from] rustls::Error),
    /// The authorities of callers are none.
    #[error("using {path:?} as the certificate authorities of callers")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BadAuthorities,
    },
    /// Nothing can verify callers' certificates.
    #[error("setting up the verification of callers' certificates")]
    Verifier(#[from] VerifierBuilderError),
}

/// The listener's own certificate is not good now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server.tls.certificate_file is good from {from} until {until} only")]
pub struct Untimely {
    /// RFC 3339.
    pub from: String,
    /// RFC 3339.
    pub until: String,
}

/// TLS as the public listener offers it at present; clones are of the same.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ArcSwap<Terms>>);

/// What is offered to a connection.
pub struct Terms {
    acceptor: TlsAcceptor,
    validity: Option<RangeInclusive<SystemTime>>,
    authorities: Option<Authorities>,
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("authorities", &self.authorities)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Offers these terms until there are others.
    #[must_use]
    pub fn offering(terms: Terms) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(terms)))
    }

    /// Offers other terms from the next handshake on.
    pub fn replace(&self, terms: Terms) {
        self.0.store(Arc::new(terms));
    }

    /// Whether callers can believe the listener's own certificate at a time.
    ///
    /// # Errors
    ///
    /// When it has expired, or is not good yet.
    pub fn good_at(&self, now: SystemTime) -> Result<(), Untimely> {
        self.0.load().good_at(now)
    }

    /// When the listener's own certificate expires, where that can be read.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        let terms = self.0.load();
        terms.validity.as_ref().map(|validity| *validity.end())
    }

    /// Shakes hands; what comes out is the caller's certificate where it has presented one.
    ///
    /// # Errors
    ///
    /// When the two do not come to terms, or the caller's certificate is not to be trusted.
    pub async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<ClientCertificate>)> {
        self.0.load_full().accept(stream).await
    }
}

impl Terms {
    /// Offers HTTP/2 and HTTP/1.1 over TLS, and asks callers for certificates where their authorities
    /// are known.
    ///
    /// A caller without a certificate is let in, so that it gets an answer and a record; one with a
    /// certificate that none of the authorities vouches for is not.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or certificate and key do not belong together.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.private_key)
            .map_err(|source| pem(&files.private_key, source))?;
        let validity = chain.first().and_then(|leaf| validity::of(leaf));
        let authorities = files.client_ca.as_deref().map(authorities).transpose()?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = match &authorities {
            Some(authorities) => WebPkiClientVerifier::builder_with_provider(
                authorities.roots(),
                Arc::clone(&provider),
            )
            .allow_unauthenticated()
            .build()?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if authorities.is_some() {
            // A resumed session would bring its certificate along without its being verified again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            validity,
            authorities,
        })
    }

    /// The authorities that vouch for callers, where any do.
    #[must_use]
    pub fn bundle(&self) -> Option<Bundle> {
        self.authorities.as_ref().map(Authorities::bundle)
    }

    /// Whether callers can believe the listener's own certificate at a time.
    ///
    /// # Errors
    ///
    /// When it has expired, or is not good yet.
    pub fn good_at(&self, now: SystemTime) -> Result<(), Untimely> {
        match &self.validity {
            Some(validity) if validity.contains(&now) => Ok(()),
            Some(validity) => Err(Untimely {
                from: humantime::format_rfc3339_seconds(*validity.start()).to_string(),
                until: humantime::format_rfc3339_seconds(*validity.end()).to_string(),
            }),
            None => Ok(()),
        }
    }

    async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<ClientCertificate>)> {
        let stream = self.acceptor.accept(stream).await?;
        let (_, session) = stream.get_ref();
        let certificate = self
            .authorities
            .as_ref()
            .zip(session.peer_certificates())
            .and_then(|(authorities, chain)| authorities.certificate(chain));
        Ok((stream, certificate))
    }
}

fn authorities(path: &Path) -> Result<Authorities, TlsError> {
    Authorities::new(&certificates(path)?).map_err(|source| TlsError::Authorities {
        path: path.to_owned(),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|source| pem(path, source))
}

fn pem(path: &Path, source: rustls_pki_types::pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        source,
    }
}
