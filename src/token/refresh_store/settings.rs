//! What each kind of store needs from the configuration.

use std::path::PathBuf;

use http::Uri;

/// Where a Kubernetes Secret is, and how the gateway shows itself to the API server.
#[derive(Clone, Debug)]
pub struct KubernetesSecret {
    /// The API server.
    pub api: Uri,
    /// The directory of the pod's own service account: `token` and `ca.crt`.
    pub service_account: PathBuf,
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// The key under which the refresh token stands.
    pub key: String,
}

/// Where a secret of Azure Key Vault is, and how the gateway shows itself to the vault.
#[derive(Clone, Debug)]
pub struct KeyVault {
    /// The vault, such as `https://partner.vault.azure.net`.
    pub vault: Uri,
    /// The secret's name.
    pub secret: String,
    /// The pod's workload identity, with the scope of the vault.
    pub identity: Box<crate::token::Settings>,
}

/// A key of a bucket of the cluster, and what seals what is put there.
#[derive(Clone, Debug)]
pub struct NatsKey {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The file of the keys that seal and open.
    pub encryption_key: PathBuf,
}
