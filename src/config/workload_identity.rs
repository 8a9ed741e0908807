//! What a cluster's workload identity gives a pod: an application, a tenant, an authority and a token
//! (<https://azure.github.io/azure-workload-identity/docs/concepts.html>).

use std::path::PathBuf;

use http::Uri;

use crate::config::{
    endpoint::base_url, environment::Environment, fault::quoted, section::Section,
};

/// The variables that the cluster's webhook sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkloadIdentity<'a>(&'a Environment);

impl<'a> WorkloadIdentity<'a> {
    /// Looks at an environment.
    pub(crate) fn of(environment: &'a Environment) -> Self {
        Self(environment)
    }

    /// Reads the tenant from its key, or where the key is absent from the pod's identity.
    pub(crate) fn or_tenant<T>(
        ambient: Option<Self>,
        section: &Section<'_>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        Self::or(ambient, TENANT, section, key, read)
    }

    /// Reads the application from its key, or where the key is absent from the pod's identity.
    pub(crate) fn or_client_id<T>(
        ambient: Option<Self>,
        section: &Section<'_>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        Self::or(ambient, CLIENT, section, key, read)
    }

    /// The authority, where there is one, or what is wrong with it; the webhook ends it in a slash.
    pub(crate) fn authority(self) -> Option<Result<Uri, String>> {
        self.0.get(AUTHORITY)?;
        Some(self.value(AUTHORITY, base_url))
    }

    /// The file of the pod's own token.
    pub(crate) fn token_file(self) -> Option<PathBuf> {
        self.0.get(TOKEN_FILE).map(PathBuf::from)
    }

    /// Reads one of the variables, or tells what is wrong with it.
    pub(crate) fn value<T>(
        self,
        variable: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        let Some(value) = self.0.get(variable) else {
            return Err(format!("{variable} is not set"));
        };
        let found = quoted(value);
        read(value).map_err(|accepted| format!("found {found} in {variable}; accepted: {accepted}"))
    }

    /// Reads one of the variables in the place of a key that is absent.
    fn in_place_of<T>(
        self,
        key: &str,
        variable: &str,
        section: &Section<'_>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let refuse = |problem| {
            let problem = match self.0.get(variable) {
                Some(_) => problem,
                None => format!("is missing, and {problem}"),
            };
            section.fault_of_absent(key, problem);
        };
        self.value(variable, read).map_err(refuse).ok()
    }

    fn or<T>(
        ambient: Option<Self>,
        variable: &str,
        section: &Section<'_>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match (section.take(key), ambient) {
            (Some(cursor), _) => cursor.read(read),
            (None, Some(ambient)) => ambient.in_place_of(key, variable, section, read),
            (None, None) => section.required(key, read),
        }
    }
}

/// The application's client ID.
pub(crate) const CLIENT: &str = "AZURE_CLIENT_ID";

/// The application's tenant.
pub(crate) const TENANT: &str = "AZURE_TENANT_ID";

/// Where the token lies that the kubelet renews.
pub(crate) const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// The authority of the cluster's cloud.
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";
