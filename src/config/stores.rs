//! Whose each store of a refresh token is: a store that two accounts shared would mix their tokens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::{
    config::{
        node::{Node, Value},
        report::Report,
        section::Cursor,
        watch::Read,
    },
    token::refresh_store::Settings,
};

/// The stores come by so far, each with the name of its account.
#[derive(Debug, Default)]
pub(crate) struct Stores(BTreeMap<Store, String>);

/// What one account needs for itself, however the configuration spells it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Store {
    File(PathBuf),
    /// Whatever its keys: the claim to present a token stands in the Secret, and so does its age.
    KubernetesSecret {
        namespace: String,
        name: String,
    },
    KeyVault {
        vault: (String, u16),
        secret: String,
    },
    Nats {
        bucket: String,
        key: String,
    },
}

impl Stores {
    /// Notes whose a store is; one that another account has is a fault.
    pub(crate) fn note(&mut self, settings: &Settings, account: &str, cursor: &Cursor<'_>) {
        let store = Store::of(settings);
        let Some(other) = self.0.get(&store) else {
            self.0.insert(store, account.to_owned());
            return;
        };
        let accepted = match store {
            Store::File(_) => "a file of its own",
            Store::KubernetesSecret { .. } => "a Secret of its own, whatever the key",
            Store::KeyVault { .. } => "a vault's secret of its own",
            Store::Nats { .. } => "a key of its own, in the same bucket or another",
        };
        cursor.fault(format!(
            "keeps the refresh token of accounts.{other}, too; accepted: {accepted}"
        ));
    }
}

/// Reports each store that is a file in which the gateway reads something else: the first new token
/// would take its place.
pub(crate) fn report_files_of_others(tree: &Node, read: &Read, report: &Report) {
    let others: BTreeSet<PathBuf> = read.keys().map(|path| real(path)).collect();
    for (key, node) in tree.select("accounts.*.refresh_token.file") {
        if let Value::Scalar(path) = &node.value
            && others.contains(&real(Path::new(path)))
        {
            let problem =
                "the gateway reads something else from this file; accepted: a file of its own";
            report.fault(&node.place, &key, problem.to_owned());
        }
    }
}

impl Store {
    fn of(settings: &Settings) -> Self {
        match settings {
            Settings::File(path) => Self::File(real(path)),
            Settings::KubernetesSecret(secret) => Self::KubernetesSecret {
                namespace: secret.namespace.clone(),
                name: secret.name.clone(),
            },
            // A vault's host and names mean the same in either case
            // (<https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>).
            Settings::KeyVault(it) => Self::KeyVault {
                vault: (
                    it.vault.host().unwrap_or_default().to_ascii_lowercase(),
                    it.vault.port_u16().unwrap_or(HTTPS),
                ),
                secret: it.secret.to_ascii_lowercase(),
            },
            Settings::Nats(it) => Self::Nats {
                bucket: it.bucket.clone(),
                key: it.key.clone(),
            },
        }
    }
}

/// Where a path leads to. The file need not be there yet; a directory that is not there stays as it is
/// spelt.
fn real(path: &Path) -> PathBuf {
    let in_directory = || {
        let directory = match path.parent()? {
            here if here.as_os_str().is_empty() => Path::new("."),
            directory => directory,
        };
        Some(fs::canonicalize(directory).ok()?.join(path.file_name()?))
    };
    let real = fs::canonicalize(path).ok().or_else(in_directory);
    real.unwrap_or_else(|| path.to_owned())
}

/// The port of a vault that names none.
const HTTPS: u16 = 443;
