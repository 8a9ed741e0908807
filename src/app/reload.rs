//! Puts a changed configuration into force, as far as that needs no restart.

use std::{fmt, net::SocketAddr, sync::Arc};

use crate::{
    app::{Gateway, Surroundings},
    authorization::policy::Policy,
    config::Config,
    front::tls::{Terms, Tls, TlsError},
    identity::{Identity, issuers::IssuerSetupError},
    transfers::{in_force::Rules, reject::Transfers},
};

/// The parts of a running gateway that can be replaced: who is known, what they may do, and TLS.
pub struct Replaceable {
    transfers: Arc<Transfers>,
    surroundings: Surroundings,
    tls: Option<Tls>,
    listen: SocketAddr,
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
        "callers.anonymous is true, and the gateway still listens on {listen}, which others can reach; restart it"
    )]
    Reachable {
        /// The public listener's address in force.
        listen: SocketAddr,
    },
}

impl fmt::Debug for Replaceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaceable")
            .field("listen", &self.listen)
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
            listen: self.server.listen,
        }
    }
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
        if config.identity.anonymous && !self.listen.ip().to_canonical().is_loopback() {
            return Err(ReplaceError::Reachable {
                listen: self.listen,
            });
        }
        let old = self.transfers.in_force.rules();
        let connect = &*self.surroundings.connect;
        let policy = Policy::succeeding(&config.authorization, &old.policy);
        let identity = Identity::succeeding(config.identity, connect, &old.identity)?;
        let terms = config.server.tls.as_ref().map(Terms::read).transpose()?;

        identity.warm_up();
        self.transfers.in_force.replace(Rules { identity, policy });
        if let (Some(tls), Some(terms)) = (&self.tls, terms) {
            tls.replace(terms);
        }
        Ok(())
    }

    /// The hash by which audit records name the policy in force.
    #[must_use]
    pub fn policy_hash(&self) -> Box<str> {
        self.transfers.in_force.rules().policy.hash().into()
    }
}
