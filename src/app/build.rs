//! Builds the accounts: for each its credentials, its tokens and its connections.

use std::{sync::Arc, time::SystemTime};

use tracing::info_span;

use crate::{
    app::BuildError,
    clock::SharedClock,
    config::Config,
    http_client::{self, Connect},
    partner_center::{
        account::{Account, Accounts},
        retry_budget::RetryBudget,
    },
    token::{cell::TokenCell, certificate::Untimely, grant::Grant, refresh_store},
};

/// Sets up every account.
///
/// # Errors
///
/// When one cannot be set up.
pub(in crate::app) fn accounts(
    config: &Config,
    clock: &SharedClock,
    connect: &Connect,
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
