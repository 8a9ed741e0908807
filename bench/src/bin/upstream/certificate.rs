//! A certificate authority for one run, and the upstream's certificate.

use std::{error::Error, fs, net::Ipv4Addr, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    SanType,
};
use rustls::{ServerConfig, crypto::aws_lc_rs, version::TLS13};
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

/// Writes `ca.pem`, and makes what speaks TLS 1.3 with a certificate of it.
pub(crate) fn issue(dir: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let mut params = named("bench authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    fs::write(dir.join("ca.pem"), authority.pem())?;

    let key = KeyPair::generate()?;
    let mut params = named("bench upstream");
    let loopback = SanType::IpAddress(Ipv4Addr::LOCALHOST.into());
    params.subject_alt_names = vec![SanType::DnsName("localhost".try_into()?), loopback];
    let leaf = params.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A certificate that has its issuer's name looks self-signed to OpenSSL.
fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
