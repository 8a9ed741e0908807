//! What Partner Center has on record of one account, for a person to hold against the journal.

use std::time::SystemTime;

use crate::{
    app::{
        Surroundings,
        build::{BuildError, accounts, cluster},
    },
    config::Config,
    partner_center::activity::{Activities, Unavailable},
    token::keep_alive,
};

/// What came of asking: the records, or why there are none.
pub type Asked = Result<Activities, Unavailable>;

/// Reads what was done, by whomever, to the transfers of an account's partner, unless told to stop before. A
/// refresh token that came on the way is kept all the same.
///
/// # Errors
///
/// When the account cannot be set up, or what told to stop.
pub async fn read<S>(
    config: &Config,
    name: &str,
    since: SystemTime,
    surroundings: &Surroundings,
    stop: impl Future<Output = S>,
) -> Result<Result<Asked, S>, BuildError> {
    let Surroundings { clock, connect } = surroundings;
    let cluster = cluster(config);
    let accounts = accounts(config, (clock, &**connect), cluster.as_ref())?;
    let Some(account) = accounts.all().find(|it| **it.name() == *name) else {
        return Ok(Ok(Err(Unavailable::NoAccount)));
    };
    let asked = tokio::select! {
        asked = account.activities(since, clock) => Ok(asked),
        signal = stop => Err(signal),
    };
    // What could not be kept is kept now or never: the process is about to end.
    keep_alive::settle(account.tokens()).await;
    Ok(asked)
}
