//! Whom TLS trusts on the way out, whatever is spoken over it.

use std::{io, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::http_client::{BoxError, SetupError};

/// Trusts the machine's trust anchors and those of a file; blocks while it reads them.
///
/// # Errors
///
/// When the file cannot be read, or nobody would be trusted.
pub fn beside_the_machines(ca_file: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let mut anchors = RootCertStore::empty();
    anchors.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    add(&mut anchors, ca_file)?;
    if anchors.is_empty() {
        return Err(SetupError::NoAnchors);
    }
    config(anchors)
}

/// Trusts the anchors of a file alone, or nobody; blocks while it reads them.
///
/// # Errors
///
/// When the file cannot be read.
pub fn only(ca_file: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let mut anchors = RootCertStore::empty();
    add(&mut anchors, ca_file)?;
    config(anchors)
}

fn add(anchors: &mut RootCertStore, ca_file: Option<&Path>) -> Result<(), SetupError> {
    let Some(path) = ca_file else { return Ok(()) };
    let unreadable = |source: BoxError| SetupError::Anchor {
        path: path.to_owned(),
        source,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(error.into()))?;
    if certificates.is_empty() {
        return Err(unreadable(
            io::Error::from(io::ErrorKind::InvalidData).into(),
        ));
    }
    for certificate in certificates {
        anchors
            .add(certificate)
            .map_err(|error| unreadable(error.into()))?;
    }
    Ok(())
}

fn config(anchors: RootCertStore) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(anchors)
        .with_no_client_auth())
}
