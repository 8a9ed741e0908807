//! Reads `accounts.*.credential`.

use crate::{
    config::{
        environment::Environment,
        secret_file,
        section::{Cursor, Section},
        workload_identity::{TOKEN_FILE, WorkloadIdentity},
    },
    secret::SecretSource,
    token::credential::Settings,
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
    let (certificate_file, private_key_file) = secret_file::key_pair(section)?;
    Some(Settings::Certificate {
        certificate_file,
        private_key_file,
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
