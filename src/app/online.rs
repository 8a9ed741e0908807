//! Tries what the gateway would use outside itself, for a person to see what comes of it.

use std::sync::Arc;

use crate::{
    app::{BuildError, Surroundings, accounts},
    config::Config,
    identity::{self, Identity, key_source::KeyError},
    token::cell::TokenUnavailable,
};

/// Gets one token for each account, and tells by the account's name what came of it.
///
/// # Errors
///
/// When an account cannot be set up.
pub async fn try_accounts(
    config: &Config,
    surroundings: &Surroundings,
) -> Result<Vec<(Arc<str>, Result<(), TokenUnavailable>)>, BuildError> {
    let Surroundings { clock, connect } = surroundings;
    let accounts = accounts(config, clock, &**connect)?;
    let mut tried = Vec::new();
    for account in accounts.all() {
        let token = account.tokens().current().await;
        tried.push((Arc::clone(account.name()), token.map(drop)));
    }
    tried.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(tried)
}

/// Fetches the keys of each issuer, and tells by its name how many there are.
///
/// # Errors
///
/// When an issuer cannot be set up.
pub async fn try_issuers(
    settings: identity::Settings,
    surroundings: &Surroundings,
) -> Result<Vec<(String, Result<usize, KeyError>)>, BuildError> {
    let identity = Identity::new(settings, None, &*surroundings.connect)?;
    Ok(identity.try_keys().await)
}
