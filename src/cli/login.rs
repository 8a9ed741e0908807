//! `login`: a person consents by device code, and the account's store has a refresh token.
//!
//! What is to be done and what came of it go to stdout; what went wrong, and the waiting, to stderr. No
//! terminal is needed.

mod advice;
mod waiting;

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use self::advice::advice;
use crate::{
    app::{Surroundings, build::BuildError, login::Login},
    cause,
    config::{Config, environment::Environment, fault::quoted, load::load, nearest::one_of_names},
    partner_center::AccountSettings,
    shutdown,
    token::{
        Flow,
        consent::Consent,
        device::{ConsentError, Invitation},
        grant::GrantError,
        refresh_store::{self, error::StoreError},
    },
};

/// Has a person consent for an account; returns the process's exit code.
#[must_use]
pub fn run(config: &Path, account: &str, environment: &Environment) -> u8 {
    let loaded = match load(config, environment) {
        Ok(loaded) => loaded,
        Err(faults) => return told(&faults, NOT_STORED),
    };
    match log_in(&loaded.config, account) {
        Ok(()) => STORED,
        Err(failure @ Failure::Interrupted(_)) => told(&failure, INTERRUPTED),
        Err(failure @ Failure::NotKept(_)) => told_alone(&failure, NOT_STORED),
        Err(failure) => told(&failure, NOT_STORED),
    }
}

/// Nothing was stored, but perhaps where a store did not say.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("--account: found {}; accepted: {accepted}", quoted(.found))]
    Unknown { found: String, accepted: String },
    #[error(
        "account {} has flow app, for which nobody consents; set accounts.{account}.flow to app_user, \
         and accounts.{account}.refresh_token to where the refresh token is kept",
        quoted(.account)
    )]
    NotForUsers { account: String },
    #[error("{}", cause::chain(.0))]
    Build(#[from] BuildError),
    #[error("{}", cause::chain(.0))]
    System(#[from] io::Error),
    #[error("the store of the refresh token cannot be used, so nobody was asked to consent: {}", cause::chain(.0))]
    Store(StoreError),
    #[error("{}", advice(.0))]
    Consent(#[from] ConsentError),
    #[error("the consent was given, and its refresh token is not known to be stored: {}\nit may be stored all the same, where only the store's answer was lost\nmend: see to the store, and run this command again", cause::chain(.0))]
    NotKept(StoreError),
    #[error("{0} received")]
    Interrupted(&'static str),
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        Self::Consent(error.into())
    }
}

fn log_in(config: &Config, name: &str) -> Result<(), Failure> {
    let (account, store) = account(config, name)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let logged_in = runtime.block_on(async {
        let stop = shutdown::asked_to_stop()?;
        let login = Login::prepare(account, store, config, &Surroundings::real())?;
        // A trial that is cut short would leave its traces in the store; it ends in its own time, too.
        login.try_store().await.map_err(Failure::Store)?;
        let consent = tokio::select! {
            signal = stop => return Err(Failure::Interrupted(signal)),
            consent = ask(&login, account) => consent?,
        };
        // From here on a signal is too late: what the store has begun to write it ends in its own time.
        let kept = login.keep(&consent.refresh_token).await;
        kept.map_err(Failure::NotKept)?;
        Ok(consent)
    });
    // A disk that hangs must not keep the process.
    runtime.shutdown_background();
    let consent = logged_in?;
    // It is stored, whether or not anybody reads so.
    drop(tell(&consent, store));
    Ok(())
}

fn account<'a>(
    config: &'a Config,
    name: &str,
) -> Result<(&'a AccountSettings, &'a refresh_store::Settings), Failure> {
    let Some(account) = config.accounts.iter().find(|known| known.name == name) else {
        let names: Vec<_> = config.accounts.iter().map(|it| it.name.clone()).collect();
        return Err(Failure::Unknown {
            found: name.to_owned(),
            accepted: one_of_names(name, &names).err().unwrap_or_default(),
        });
    };
    match &account.token.flow {
        Flow::AppUser(store) => Ok((account, store)),
        Flow::App => Err(Failure::NotForUsers {
            account: name.to_owned(),
        }),
    }
}

async fn ask(login: &Login, account: &AccountSettings) -> Result<Consent, Failure> {
    let invitation = login.invite().await?;
    show(&invitation, account)?;
    let consent = waiting::during(invitation.lasts(), login.consent(&invitation)).await?;
    Ok(consent)
}

fn show(invitation: &Invitation, account: &AccountSettings) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "To consent for account {}, open this page in any browser:\n\n  {}\n\n\
         and enter this code, which is good for {}:\n\n  {}\n\n\
         Sign in with a second factor, as a user of tenant {}.",
        quoted(&account.name),
        invitation.page(),
        minutes(invitation.lasts()),
        invitation.user_code(),
        account.tenant,
    )?;
    out.flush()
}

fn minutes(time: Duration) -> String {
    match time.as_secs().div_ceil(60) {
        1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

fn tell(consent: &Consent, store: &refresh_store::Settings) -> io::Result<()> {
    let by = consent.by.as_deref().unwrap_or("a user without a name");
    writeln!(
        io::stdout(),
        "{by} consented; the refresh token is stored in {}",
        Place(store)
    )?;
    let lacking = match consent.multi_factor {
        Some(true) => return Ok(()),
        Some(false) => "the user signed in without a second factor",
        None => "the token does not say whether the user signed in with a second factor",
    };
    writeln!(
        io::stderr(),
        "warning: {lacking} (no mfa in its amr claim). Partner Center refuses calls on behalf of such \
         users with 401 and code 900421. Have MFA demanded of this user, and run this command again."
    )
}

/// Where a refresh token is kept, in the words of the configuration.
struct Place<'a>(&'a refresh_store::Settings);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            refresh_store::Settings::File(path) => write!(f, "file {}", path.display()),
            refresh_store::Settings::KubernetesSecret(it) => write!(
                f,
                "key {} of Kubernetes Secret {}/{}",
                it.key, it.namespace, it.name
            ),
            refresh_store::Settings::KeyVault(it) => {
                write!(f, "secret {} of key vault {}", it.secret, it.vault)
            }
            refresh_store::Settings::Nats(it) => {
                write!(f, "key {} of NATS bucket {}", it.key, it.bucket)
            }
        }
    }
}

/// Tells why nothing was stored; where stderr is gone, the exit code tells.
fn told(why: &dyn fmt::Display, code: u8) -> u8 {
    told_alone(&format_args!("{why}\nnothing was stored"), code)
}

fn told_alone(why: &dyn fmt::Display, code: u8) -> u8 {
    let said = writeln!(io::stderr(), "partner-gateway: {why}");
    said.map_or(code, |()| code)
}

const STORED: u8 = 0;
const NOT_STORED: u8 = 1;

/// As a shell tells of a process that SIGINT has ended.
const INTERRUPTED: u8 = 130;
