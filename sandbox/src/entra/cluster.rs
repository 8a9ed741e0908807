//! The Kubernetes cluster whose service accounts the application trusts.

use std::time::Duration;

use serde_json::json;

use crate::{
    keys::{self, Signer},
    sandbox::Sandbox,
};

impl Sandbox {
    /// A token that the cluster gave to the gateway's service account; with a life of zero, one that has
    /// expired already. Its end is in wall time.
    #[must_use]
    pub fn federated_token(&self, life: Duration) -> String {
        let now = self.state().watch.unix_seconds();
        let claims = json!({
            "aud": [AUDIENCE],
            "iss": ISSUER,
            "sub": SUBJECT,
            "iat": now,
            "nbf": now,
            "exp": now + life.as_secs(),
        });
        keys::sign(Signer::Cluster, &claims).unwrap_or_default()
    }
}

pub(super) const ISSUER: &str = "https://cluster.example/";

pub(super) const SUBJECT: &str = "system:serviceaccount:partner:gateway";

pub(super) const AUDIENCE: &str = "api://AzureADTokenExchange";
