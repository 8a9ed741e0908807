//! Puts a changed configuration into force, as far as that needs no restart.

use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc};

use tokio::sync::watch;

use crate::{
    app::{Gateway, Surroundings},
    authorization::policy::Policy,
    config::Config,
    front::tls::{Terms, Tls, TlsError, Untimely},
    identity::{Identity, issuers::IssuerSetupError},
    partner_center::AccountSettings,
    telemetry::reloads::Reloads,
    token::{Flow, refresh_store::Settings as Store},
    transfers::{Transfers, in_force::Rules},
};

/// The parts of a running gateway that can be replaced: who is known, what they may do, and TLS.
pub struct Replaceable {
    transfers: Arc<Transfers>,
    surroundings: Surroundings,
    tls: Option<Tls>,
    at_start: AtStart,
    /// How often that was done, and how often it could not be.
    pub reloads: Arc<Reloads>,
    hurry: watch::Sender<()>,
}

/// What a configuration said at the start that holds until a restart, and that others rely on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct AtStart {
    listen: SocketAddr,
    default_account: String,
    /// What each account stands for, by its name.
    accounts: BTreeMap<String, [String; 6]>,
}

/// A sound configuration that cannot take the place of the one in force. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// An issuer's connections.
    #[error(transparent)]
    Issuer(#[from] IssuerSetupError),
    /// TLS of the public listener.
    #[error("setting up TLS")]
    Tls(#[from] TlsError),
    /// The listener is where it was at the start, whatever the file says now.
    #[error(
        "callers.anonymous is true, and the gateway still listens on {listen}, which others can \
         reach; restart it"
    )]
    Reachable {
        /// The public listener's address in force.
        listen: SocketAddr,
    },
    /// There is no TLS to show certificates in.
    #[error("callers.mtls is true, and the gateway still listens without TLS; restart it")]
    Plain,
    /// A rule would be about another account than the one that its author had in mind.
    #[error(
        "policy has changed together with {key}, and the gateway still uses the accounts that it \
         started with; restart it"
    )]
    OtherAccounts {
        /// What else has changed.
        key: String,
    },
    /// Nobody would believe the listener any more.
    #[error(transparent)]
    Untimely(#[from] Untimely),
}

impl fmt::Debug for Replaceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaceable")
            .field("at_start", &self.at_start)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// What of this gateway can be replaced while it runs.
    #[must_use]
    pub fn replaceable(&self) -> Replaceable {
        Replaceable {
            transfers: Arc::clone(&self.transfers),
            surroundings: self.surroundings.clone(),
            tls: self.tls.clone(),
            at_start: self.at_start.clone(),
            reloads: Arc::clone(self.reloads()),
            hurry: self.shipping.hurry(),
        }
    }
}

impl AtStart {
    pub(in crate::app) fn of(config: &Config) -> Self {
        let account = |account: &AccountSettings| {
            let token = &account.token;
            let stands_for = [
                account.tenant.clone(),
                account.api.to_string(),
                token.authority.to_string(),
                token.client_id.clone(),
                token.scope.clone(),
                acting_for(&token.flow),
            ];
            (account.name.clone(), stands_for)
        };
        Self {
            listen: config.server.listen,
            default_account: config.default_account.clone(),
            accounts: config.accounts.iter().map(account).collect(),
        }
    }

    /// What of the accounts in force another configuration means something else by.
    fn differing_account(&self, other: &Self) -> Option<String> {
        let differs = |(name, stands_for): &(&String, &[String; 6])| {
            other
                .accounts
                .get(*name)
                .is_some_and(|it| it != *stands_for)
        };
        let account = self.accounts.iter().find(differs);
        let default = self.default_account != other.default_account;
        account
            .map(|(name, _)| format!("accounts.{name}"))
            .or_else(|| default.then(|| "default_account".to_owned()))
    }
}

/// Whom calls are made for: the application itself, or whoever's consent is kept where that says.
fn acting_for(flow: &Flow) -> String {
    let store = match flow {
        Flow::App => String::new(),
        Flow::AppUser(Store::File(path)) => path.display().to_string(),
        Flow::AppUser(Store::KubernetesSecret(it)) => {
            format!("{}/{}/{}", it.namespace, it.name, it.key)
        }
        Flow::AppUser(Store::KeyVault(it)) => format!("{}{}", it.vault, it.secret),
        Flow::AppUser(Store::Nats(it)) => format!("{}/{}", it.bucket, it.key),
    };
    format!("{} {store}", flow.as_str())
}

impl Replaceable {
    /// Puts the replaceable parts of a configuration into force: all of them, or none.
    ///
    /// Calls that have begun go on by the rules that they began with.
    ///
    /// # Errors
    ///
    /// When a part cannot be set up; what was in force stays.
    pub fn replace(&self, config: Config) -> Result<(), ReplaceError> {
        self.relies_on_nothing_new(&config)?;
        let old = self.transfers.in_force.rules();
        let connect = &*self.surroundings.connect;
        let policy = Policy::succeeding(&config.authorization, &old.policy);
        let differing = self.at_start.differing_account(&AtStart::of(&config));
        if let Some(key) = differing.filter(|_| policy.hash() != old.policy.hash()) {
            return Err(ReplaceError::OtherAccounts { key });
        }
        let terms = config.server.tls.as_ref().map(Terms::read).transpose()?;
        let vouching = terms.as_ref().and_then(Terms::bundle);
        self.keeps_believed(terms.as_ref())?;
        let identity = Identity::succeeding(config.identity, vouching, connect, &old.identity)?;

        identity.warm_up();
        self.transfers.in_force.replace(Rules { identity, policy });
        if let (Some(tls), Some(terms)) = (&self.tls, terms) {
            tls.replace(terms);
        }
        Ok(())
    }

    /// Whether callers that can believe the listener's certificate still can with other terms.
    fn keeps_believed(&self, terms: Option<&Terms>) -> Result<(), Untimely> {
        let now = self.surroundings.clock.now();
        let believed = self
            .tls
            .as_ref()
            .is_some_and(|tls| tls.good_at(now).is_ok());
        match terms.filter(|_| believed) {
            Some(terms) => terms.good_at(now),
            None => Ok(()),
        }
    }

    /// Whether what is replaced goes with what holds until a restart.
    fn relies_on_nothing_new(&self, config: &Config) -> Result<(), ReplaceError> {
        let listen = self.at_start.listen;
        if config.identity.anonymous && !listen.ip().to_canonical().is_loopback() {
            return Err(ReplaceError::Reachable { listen });
        }
        if config.identity.mtls && self.tls.is_none() {
            return Err(ReplaceError::Plain);
        }
        Ok(())
    }

    /// Has every sink tried at once that is left alone for now.
    pub fn hurry_sinks(&self) {
        self.hurry.send_replace(());
    }

    /// The hash by which audit records name the policy in force.
    #[must_use]
    pub fn policy_hash(&self) -> Box<str> {
        self.transfers.in_force.rules().policy.hash().into()
    }
}
