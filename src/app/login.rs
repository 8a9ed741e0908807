//! What a consent needs of the rooms: a device code of one account, and the store that keeps what comes
//! of it.

use std::sync::Arc;

use secrecy::SecretString;

use crate::{
    app::{
        Surroundings,
        build::{BuildError, cluster},
    },
    config::Config,
    http_client,
    partner_center::AccountSettings,
    token::{
        consent::Consent,
        device::{ConsentError, DeviceFlow, Invitation},
        grant::GrantError,
        refresh_store::{
            self, RefreshStore,
            error::{SetupFault, StoreError},
        },
    },
};

/// One account's way to a consent.
#[derive(Debug)]
pub struct Login {
    flow: DeviceFlow,
    store: RefreshStore,
}

impl Login {
    /// Puts the account's rooms together; nothing is read or sent yet.
    ///
    /// # Errors
    ///
    /// When a room cannot be set up.
    pub fn prepare(
        account: &AccountSettings,
        store: &refresh_store::Settings,
        config: &Config,
        surroundings: &Surroundings,
    ) -> Result<Self, BuildError> {
        let Surroundings { clock, connect } = surroundings;
        let authority = &account.token.authority;
        let http = connect(&http_client::Settings {
            connect_timeout: config.connect_timeout,
            ca_file: account.ca_file.clone(),
            plain_http: authority.scheme() == Some(&http::uri::Scheme::HTTP),
        })
        .map_err(|source| BuildError::Connections {
            account: account.name.clone(),
            source,
        })?;
        let unsettled = |fault: SetupFault| BuildError::Tokens {
            account: account.name.clone(),
            source: Box::new(fault),
        };
        let cluster = cluster(config);
        let around = refresh_store::Surroundings {
            connect: &**connect,
            connect_timeout: config.connect_timeout,
            clock,
            cluster: cluster.as_ref(),
        };
        let flow = DeviceFlow::new(account.token.clone(), http, Arc::clone(clock));
        Ok(Self {
            flow: flow.map_err(|bad| unsettled(bad.into()))?,
            store: RefreshStore::new(store, around).map_err(unsettled)?,
        })
    }

    /// Tries whether the store can be used, before anybody is asked for anything.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub async fn try_store(&self) -> Result<(), StoreError> {
        self.store.rehearse().await
    }

    /// Gets a code for a person to enter.
    ///
    /// # Errors
    ///
    /// Each way in which there is none.
    pub async fn invite(&self) -> Result<Invitation, GrantError> {
        self.flow.invite().await
    }

    /// Waits for the person.
    ///
    /// # Errors
    ///
    /// Each way in which no consent comes of it.
    pub async fn consent(&self, invitation: &Invitation) -> Result<Consent, ConsentError> {
        self.flow.consent(invitation).await
    }

    /// Keeps what the consent earned, whatever was kept before.
    ///
    /// # Errors
    ///
    /// When it cannot be kept.
    pub async fn keep(&self, token: &SecretString) -> Result<(), StoreError> {
        self.store.keep_new_consent(token).await
    }
}
