//! Reads `accounts.*.credential`.

use crate::{
    config::{
        environment::Environment,
        scalar, secret_file,
        section::{Cursor, Section},
        workload_identity::{TOKEN_FILE, WorkloadIdentity},
    },
    secret::SecretSource,
    token::{
        assertion::Algorithm,
        certificate::{Certificate, Unfit},
        credential::Settings,
    },
};

/// Reads the one credential that an account has.
pub(crate) fn credential(section: &Section<'_>, environment: &Environment) -> Option<Settings> {
    let kinds = ["client_secret", "certificate", "federated_token"];
    let given = section.exactly_one(&kinds)?;
    match given.key() {
        "client_secret" => secret_file::secret(&given, environment).map(Settings::ClientSecret),
        "certificate" => given.section(certificate),
        _ => federated_token(&given, environment),
    }
}

fn certificate(section: &Section<'_>) -> Option<Settings> {
    let certificate = section.need("certificate_file");
    let key = section.need("private_key_file");
    let certificate = certificate.and_then(|cursor| {
        let path = cursor.read(scalar::path)?;
        let pem = secret_file::contents(&cursor, &path)?;
        Some((cursor, path, pem))
    });
    let key = key.and_then(|cursor| {
        let path = secret_file::secret_file(&cursor)?;
        let pem = secret_file::contents(&cursor, &path)?;
        Some((cursor, path, pem))
    });
    let ((certificate, certificate_file, chain), (key, private_key_file, pem)) =
        (certificate?, key?);
    if let Err(unfit) = Certificate::read(&chain, &pem) {
        let (cursor, path) = match unfit {
            Unfit::NoCertificate => (certificate, certificate_file),
            Unfit::NoKey | Unfit::Encrypted | Unfit::NotRsa | Unfit::Short | Unfit::Mismatch => {
                (key, private_key_file)
            }
        };
        let (path, accepted) = (secret_file::shown(&path), unfit.accepted());
        cursor.fault(format!("{path}: {unfit}; accepted: {accepted}"));
        return None;
    }
    Some(Settings::Certificate {
        certificate_file,
        private_key_file,
        algorithm: Algorithm::default(),
    })
}

/// Without a file of its own it is the pod's.
fn federated_token(cursor: &Cursor<'_>, environment: &Environment) -> Option<Settings> {
    let file = cursor.section(|section| {
        if let Some(file) = section.take("file") {
            return secret_file::secret_file(&file);
        }
        let Some(path) = WorkloadIdentity::of(environment).token_file() else {
            section.fault_of_absent("file", format!("is missing, and {TOKEN_FILE} is not set"));
            return None;
        };
        secret_file::secret_file_at(cursor, path)
    })?;
    Some(Settings::FederatedToken(SecretSource::File(file)))
}
