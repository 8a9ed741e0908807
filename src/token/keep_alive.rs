//! Keeps a user's consent alive where no calls do: Entra ID forgets a refresh token that nobody used
//! for 90 days (<https://learn.microsoft.com/entra/identity-platform/refresh-tokens>).
//!
//! Nothing here stands in the way of calls: the token cell fetches, one at a time, as it does for them.

use std::time::Duration;

use tracing::{error, info, warn};

use crate::{
    cause,
    token::{
        cell::TokenCell,
        refresh::{Refresh, Unsettled},
    },
};

/// Renews the refresh token whenever it is a week old, for as long as it is polled; ends at once for a
/// credential that has none.
pub async fn keep_alive(tokens: &TokenCell) {
    let Some(refresh) = tokens.grant().refresh() else {
        return;
    };
    // Replicas share the token, and one of them is enough.
    let due = WEEK.mul_f64(1.0 + SPREAD * fastrand::f64());
    let mut failures = 0_u32;
    // Accounts that are all overdue do not ask all at once.
    tokio::time::sleep(FIRST_LOOK.mul_f64(fastrand::f64())).await;
    loop {
        let wait = if let Some(left) = left(tokens, refresh, due).await {
            failures = 0;
            left.min(LONGEST_SLEEP)
        } else {
            failures = failures.saturating_add(1);
            let grown = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.min(8)));
            grown.min(LONGEST_RETRY)
        };
        tokio::time::sleep(wait).await;
    }
}

/// Has no refresh token presented any more, and what could not be kept before kept, before the process
/// ends; it takes no longer than a presentation.
pub async fn settle(tokens: &TokenCell) {
    let Some(refresh) = tokens.grant().refresh() else {
        return;
    };
    let account = tokens.account();
    match refresh.settle(PRESENTATION).await {
        Ok(()) => {}
        Err(Unsettled::Unkept(error)) => {
            let error = cause::chain(&error);
            error!(account = %account, error, "refresh token lost: it could not be kept");
        }
        Err(Unsettled::UnderWay) => {
            error!(account = %account, "refresh token in use when the process ended, and perhaps lost");
        }
    }
}

/// Renews where that is due, and tells how long nothing will be; nothing where it failed.
async fn left(tokens: &TokenCell, refresh: &Refresh, due: Duration) -> Option<Duration> {
    let account = tokens.account();
    let age = match refresh.look().await {
        Ok(age) => age,
        Err(error) => {
            let error = cause::chain(&error);
            warn!(account = %account, error, "age of the refresh token not known");
            return None;
        }
    };
    if let Some(left) = age
        .and_then(|age| due.checked_sub(age))
        .filter(|it| !it.is_zero())
    {
        return Some(left);
    }
    match tokens.renew().await {
        Ok(()) => {
            info!(account = %account, "refresh token renewed before its time");
            Some(due)
        }
        Err(unavailable) => {
            let error = cause::chain(&unavailable);
            warn!(account = %account, error, "refresh token not renewed");
            None
        }
    }
}

/// Far from 90 days, so that weeks of outages do no harm.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// The share of the week by which replicas are spread.
const SPREAD: f64 = 0.1;

/// By when the store is first looked at.
const FIRST_LOOK: Duration = Duration::from_mins(1);

/// Others may have renewed it, or a person put another one there.
const LONGEST_SLEEP: Duration = Duration::from_hours(24);

/// There is time: the token cell tries on its own when calls come.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// The longest time between two tries.
const LONGEST_RETRY: Duration = Duration::from_hours(1);

/// The token endpoint has 10 s, twice where an assertion was too old, and a disk 10 s for what it gave.
const PRESENTATION: Duration = Duration::from_secs(30);
