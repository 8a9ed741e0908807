//! Tries what the gateway would use outside itself, for a person to see what comes of it.

use std::{fmt, sync::Arc, time::SystemTime};

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{
    app::{
        Surroundings,
        build::{BuildError, accounts, cluster},
    },
    clock::SharedClock,
    config::Config,
    identity::{self, Identity, key_source::KeyError},
    partner_center::account::Account,
    token::{cell::TokenUnavailable, claims::Said, keep_alive},
};

/// A token that was had, as far as a person may want to know; never the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obtained {
    said: Option<Said>,
    expires_at: SystemTime,
    needs_mfa: bool,
}

impl fmt::Display for Obtained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |claim: fn(&Said) -> Option<&String>| match &self.said {
            None => "opaque",
            Some(said) => claim(said).map_or("not told", String::as_str),
        };
        let mfa = match self.said.as_ref().and_then(|said| said.multi_factor) {
            _ if !self.needs_mfa => "not needed",
            Some(true) => "yes",
            Some(false) => "no",
            None => "does not say",
        };
        write!(
            f,
            "audience {}, tenant {}, application {}, expires {}, MFA {mfa}",
            told(|said| said.audience.as_ref()),
            told(|said| said.tenant.as_ref()),
            told(|said| said.application.as_ref()),
            humantime::format_rfc3339_seconds(self.expires_at),
        )
    }
}

/// What came of trying each account, by its name.
pub type Tried = Vec<(Arc<str>, Result<Obtained, TokenUnavailable>)>;

/// Gets one token for each account, unless told to stop before all are there. What has been had by then
/// and is to be kept is kept all the same.
///
/// # Errors
///
/// When an account cannot be set up, or what told to stop.
pub async fn try_accounts<S>(
    config: &Config,
    surroundings: &Surroundings,
    stop: impl Future<Output = S>,
) -> Result<Result<Tried, S>, BuildError> {
    let Surroundings { clock, connect } = surroundings;
    let cluster = cluster(config);
    let accounts = accounts(config, (clock, &**connect), cluster.as_ref())?;
    let trying = join_all(accounts.all().map(|account| obtain(account, clock)));
    let tried = tokio::select! {
        tried = trying => Ok(tried),
        signal = stop => Err(signal),
    };
    // What could not be kept is kept now or never: the process is about to end.
    join_all(accounts.all().map(|it| keep_alive::settle(it.tokens()))).await;
    Ok(tried.map(|mut tried| {
        tried.sort_by(|one, other| one.0.cmp(&other.0));
        tried
    }))
}

async fn obtain(
    account: &Account,
    clock: &SharedClock,
) -> (Arc<str>, Result<Obtained, TokenUnavailable>) {
    let token = account.tokens().current().await;
    let obtained = token.map(|token| Obtained {
        said: token.claims(),
        expires_at: clock.now() + token.left(Instant::now()),
        needs_mfa: account.needs_mfa(),
    });
    (Arc::clone(account.name()), obtained)
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
