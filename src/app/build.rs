//! Builds the accounts: for each its credentials, its tokens and its connections.

use std::{sync::Arc, time::SystemTime};

use tracing::{error, info_span};

use crate::{
    audit::start_error::StartError,
    clock::SharedClock,
    cluster::{Cluster, bucket::Bucket},
    config::Config,
    file::Disk,
    front::{
        self,
        tls::{Terms, TlsError},
    },
    http_client::{self, BoxError, Connect, SetupError},
    identity::issuers::IssuerSetupError,
    ids::BootId,
    partner_center::{
        account::{Account, Accounts},
        retry_budget::RetryBudget,
    },
    token::{
        cell::TokenCell,
        certificate::Untimely,
        grant::Grant,
        refresh_store::{self, error::SetupFault},
    },
    transfers::{
        idempotency::{self, Idempotency},
        shared::Shared,
    },
};

/// The gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An account's connections.
    #[error("setting up the connections of account {account:?}")]
    Connections {
        /// The account.
        account: String,
        /// What is wrong.
        source: SetupError,
    },
    /// What an account gets its tokens by.
    #[error("setting up the tokens of account {account:?}")]
    Tokens {
        /// The account.
        account: String,
        /// What is wrong.
        source: Box<SetupFault>,
    },
    /// An issuer's connections.
    #[error(transparent)]
    Issuer(#[from] IssuerSetupError),
    /// TLS of the public listener.
    #[error("setting up TLS")]
    Tls(#[from] TlsError),
    /// The audit journal.
    #[error("starting the audit journal")]
    Journal(#[from] StartError),
    /// Where traces go.
    #[error("setting up the export of traces")]
    Traces(#[source] SetupError),
    /// A sink of the audit journal.
    #[error("setting up the audit sink {sink:?}")]
    Sink {
        /// The sink.
        sink: String,
        /// What is wrong.
        source: BoxError,
    },
}

/// The connection to the cluster, where there is one; nothing is sent yet.
pub(in crate::app) fn cluster(config: &Config) -> Option<Arc<Cluster>> {
    let settings = config.cluster.clone()?;
    Some(Arc::new(Cluster::new(settings, Disk::default())))
}

/// What becomes of calls with a key: among this replica's, and those of all replicas where there is a
/// cluster.
pub(in crate::app) fn idempotency(
    settings: &idempotency::Settings,
    server: &front::settings::Settings,
    (cluster, boot): (Option<&Arc<Cluster>>, BootId),
) -> Idempotency {
    let shared = cluster.map(|cluster| {
        let stream = &cluster.settings().stream;
        let installation = stream.strip_suffix("_AUDIT").unwrap_or(stream);
        let name = format!("{installation}_IDEMPOTENCY");
        let max_age = Shared::max_age(settings.ttl, server.deadline);
        let bucket = Bucket::passing(Arc::clone(cluster), name, max_age);
        let without = settings.without_cluster;
        Arc::new(Shared::new(Box::new(bucket), boot, without))
    });
    Idempotency::new(settings, server.most_at_once(), shared)
}

/// Sets up every account.
///
/// # Errors
///
/// When one cannot be set up.
pub(in crate::app) fn accounts(
    config: &Config,
    (clock, connect): (&SharedClock, &Connect),
    cluster: Option<&Arc<Cluster>>,
) -> Result<Accounts, BuildError> {
    let mut accounts = Vec::new();
    let budget = Arc::new(RetryBudget::new(config.retry_budget));
    for settings in &config.accounts {
        let outgoing = |to: &http::Uri| {
            connect(&http_client::Settings {
                connect_timeout: config.connect_timeout,
                ca_file: settings.ca_file.clone(),
                plain_http: to.scheme() == Some(&http::uri::Scheme::HTTP),
            })
            .map_err(|source| BuildError::Connections {
                account: settings.name.clone(),
                source,
            })
        };
        let grant = Grant::new(
            settings.token.clone(),
            outgoing(&settings.token.authority)?,
            refresh_store::Surroundings {
                connect,
                connect_timeout: config.connect_timeout,
                clock,
                cluster,
            },
        )
        .map_err(|source| BuildError::Tokens {
            account: settings.name.clone(),
            source: Box::new(source),
        })?;
        let tokens = TokenCell::new(settings.name.as_str().into(), grant);
        let api = outgoing(&settings.api)?;
        let upstream = config.upstream.clone();
        accounts.push(Account::new(settings, upstream, tokens, api, &budget));
    }
    Ok(Accounts::new(accounts, &config.default_account))
}

/// Tells of certificates that are not good now or not for long. Entra ID decides whether one is taken,
/// and it may be replaced while the gateway runs.
pub(in crate::app) fn tell_dates(config: &Config, now: SystemTime) {
    for account in &config.accounts {
        let span = info_span!("account", account = %account.name);
        let untimely = account.token.credential.untimely(now);
        span.in_scope(|| untimely.iter().for_each(Untimely::log));
    }
}

/// The terms of the public listener's TLS, if it has any; it is told where callers cannot believe them now.
pub(in crate::app) fn terms(config: &Config, now: SystemTime) -> Result<Option<Terms>, TlsError> {
    let terms = config.server.tls.as_ref().map(Terms::read).transpose()?;
    if let Some(Err(untimely)) = terms.as_ref().map(|terms| terms.good_at(now)) {
        // It may be renewed while the gateway runs.
        error!(error = %untimely, "callers cannot believe the listener's certificate");
    }
    Ok(terms)
}
