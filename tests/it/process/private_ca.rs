//! Endpoints whose certificates only an authority of the operator's own vouches for.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::site::Site;
use crate::harness::{BILLING, TRANSFER};

#[tokio::test]
async fn reaches_private_endpoints_whose_authority_it_knows() {
    let site = Site::new().await;
    let ca = Authority::new();
    let (entra, partner_center) = site.addresses();
    let fronts = [ca.before(entra).await, ca.before(partner_center).await];
    std::fs::write(site.path("ca.crt"), &ca.certificate).unwrap();
    let endpoints = |[(entra, _), (partner_center, _)]: &[Front; 2], more: &str| {
        format!("{{authority: https://{entra}, api: https://{partner_center}{more}}}")
    };
    let known = endpoints(&fronts, &ca_file(&site.path("ca.crt")));
    site.edit(&site.upstream(), &known);
    let gateway = site.start().await;

    let answer = gateway.call(TRANSFER, BILLING).await.unwrap();

    assert_eq!(answer.status, 200);
    assert_eq!(site.sandbox.token_requests().len(), 1);
    assert_eq!(site.sandbox.seen().len(), 1);

    drop(gateway);
    site.edit(&known, &endpoints(&fronts, ""));
    let unknown = site.spawn_with("check", &["--online"]).ended().await;

    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stdout.contains("UnknownIssuer"), "{unknown:?}");
    assert_eq!(site.sandbox.token_requests().len(), 1);
}

/// An address that speaks TLS, for as long as its tasks are kept.
type Front = (SocketAddr, JoinSet<()>);

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Speaks TLS with a certificate of this authority in front of a plain address.
    async fn before(&self, plain: SocketAddr) -> Front {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(carry(acceptor.clone(), stream, plain));
            }
        });
        (address, tasks)
    }
}

/// Carries what comes over TLS on; a peer that does not trust the certificate goes away.
async fn carry(acceptor: TlsAcceptor, stream: TcpStream, plain: SocketAddr) {
    if let Ok(mut stream) = acceptor.accept(stream).await {
        let mut plain = TcpStream::connect(plain).await.unwrap();
        drop(copy_bidirectional(&mut stream, &mut plain).await);
    }
}

fn ca_file(path: &Path) -> String {
    format!(", ca_file: {}", path.display())
}
