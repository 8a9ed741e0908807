//! What a sandbox is like when it starts.

use crate::script::Script;

/// What the sandbox is like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tenant's GUID.
    pub tenant: String,
    /// The application's GUID.
    pub client_id: String,
    /// The application's secret; a pretend one, so it is no secret.
    pub client_secret: String,
    /// The certificates that are registered for the application, each as DER.
    pub certificates: Vec<Vec<u8>>,
    /// The audience that Partner Center accepts.
    pub audience: String,
    /// The life of a token in seconds.
    pub expires_in: u64,
    /// The seconds that Entra ID wants between two polls for a device code.
    pub device_interval: u64,
    /// Whether a device code is approved by itself, at the third poll; if so, whether with MFA.
    pub device_approval: Option<bool>,
    /// Whether Partner Center refuses users who signed in without MFA.
    pub enforce_mfa: bool,
    /// Whether TLS ends before the sandbox, so that the addresses it tells begin with `https`.
    pub behind_tls: bool,
    /// What goes wrong.
    pub script: Script,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant: "3a9a35ce-d5be-4814-ab58-4451c36fe157".to_owned(),
            client_id: "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01".to_owned(),
            client_secret: "sandbox-client-secret".to_owned(),
            certificates: Vec::new(),
            audience: "https://api.partnercenter.microsoft.com".to_owned(),
            expires_in: 3600,
            device_interval: 5,
            device_approval: None,
            enforce_mfa: false,
            behind_tls: false,
            script: Script::default(),
        }
    }
}
