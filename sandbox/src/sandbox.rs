//! The sandbox itself: its state, and the services over it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};

use crate::{
    answer::{Answer, Dropped},
    entra::{self, client::Registration, consent::Consents, device::Devices, form},
    faults,
    key_vault::{self, Vault},
    kubernetes::{self, secrets::Secrets},
    log::{Log, Seen, TokenRequest, header_list},
    partner_center,
    script::{Fault, Target, Turns},
    settings::Settings,
    time::Watch,
    tokens::Tokens,
    transfers::{Transfer, Transfers},
};

/// Pretend services that share their state; clones are the same sandbox.
#[derive(Clone, Debug)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    state: Mutex<State>,
}

/// What changes while the sandbox runs.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) watch: Watch,
    pub(crate) registration: Registration,
    pub(crate) consents: Consents,
    pub(crate) devices: Devices,
    pub(crate) tokens: Tokens,
    pub(crate) transfers: Transfers,
    pub(crate) enforce_mfa: bool,
    pub(crate) answers: u64,
    token_faults: Turns,
    partner_center_faults: Turns,
    kubernetes_faults: Turns,
    vault_faults: Turns,
    pub(crate) vault: Vault,
    pub(crate) secrets: Secrets,
    pub(crate) seen: Log<Seen>,
    pub(crate) kubernetes_requests: Log<Seen>,
    pub(crate) vault_requests: Log<Seen>,
    token_requests: Log<TokenRequest>,
}

impl Sandbox {
    /// A sandbox that holds the documented transfer.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut transfers = Transfers::default();
        transfers.add(Transfer::documented());
        let state = State {
            watch: Watch::default(),
            registration: Registration::new(&settings),
            consents: Consents::default(),
            devices: Devices::default(),
            tokens: Tokens::default(),
            transfers,
            enforce_mfa: settings.enforce_mfa,
            answers: 0,
            token_faults: settings.script.token.clone(),
            partner_center_faults: settings.script.partner_center.clone(),
            kubernetes_faults: settings.script.kubernetes.clone(),
            vault_faults: settings.script.key_vault.clone(),
            vault: Vault::default(),
            secrets: Secrets::default(),
            seen: Log::default(),
            kubernetes_requests: Log::default(),
            vault_requests: Log::default(),
            token_requests: Log::default(),
        };
        Self(Arc::new(Inner {
            settings,
            state: Mutex::new(state),
        }))
    }

    /// Answers a request to Entra ID.
    ///
    /// # Errors
    ///
    /// [`Dropped`] where a fault closes the connection.
    pub async fn entra(&self, request: Request<Bytes>) -> Result<Response<Answer>, Dropped> {
        if !entra::is_grant(&request) {
            return Ok(entra::documents(&request, self.settings()));
        }
        let (number, fault) = {
            let mut state = self.state();
            if let Some(token) = form::presented(request.body()) {
                state.consents.note(&token);
            }
            let number = state.token_requests.push(TokenRequest {
                path: request.uri().path().to_owned(),
                headers: header_list(request.headers()),
                form: form::shown_form(request.body()),
                assertion: form::shown_assertion(request.body()),
                status: 0,
            });
            (number, state.token_faults.next())
        };
        let answer = faults::token(fault, |change| entra::grant(self, &request, change)).await?;
        if let Some(entry) = self.state().token_requests.get_mut(number) {
            entry.status = answer.status().as_u16();
        }
        Ok(answer)
    }

    /// Answers a request to Partner Center.
    ///
    /// # Errors
    ///
    /// [`Dropped`] where a fault closes the connection.
    pub async fn partner_center(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Answer>, Dropped> {
        let (number, fault) = {
            let mut state = self.state();
            let number = state.seen.note(&request);
            (number, state.partner_center_faults.next())
        };
        let answer = || partner_center::answer(self, &request, number);
        let answer = faults::partner_center(fault, &request, answer).await?;
        self.state().seen.answered(number, &answer);
        Ok(answer)
    }

    /// Answers a request to the Kubernetes API server.
    ///
    /// # Errors
    ///
    /// [`Dropped`] where a fault closes the connection.
    pub async fn kubernetes(&self, request: Request<Bytes>) -> Result<Response<Answer>, Dropped> {
        let (number, fault) = {
            let mut state = self.state();
            let number = state.kubernetes_requests.note(&request);
            (number, state.kubernetes_faults.next())
        };
        let answer = || kubernetes::answer(self, &request, number);
        let answer = faults::kubernetes(fault, answer).await?;
        self.state().kubernetes_requests.answered(number, &answer);
        Ok(answer)
    }

    /// Answers a request to Key Vault.
    ///
    /// # Errors
    ///
    /// [`Dropped`] where a fault closes the connection.
    pub async fn key_vault(&self, request: Request<Bytes>) -> Result<Response<Answer>, Dropped> {
        let (number, fault) = {
            let mut state = self.state();
            let number = state.vault_requests.note(&request);
            (number, state.vault_faults.next())
        };
        let answer = || key_vault::answer(self, &request, number);
        let answer = faults::key_vault(fault, answer).await?;
        self.state().vault_requests.answered(number, &answer);
        Ok(answer)
    }

    /// Adds a transfer, or puts one in another's place.
    pub fn add_transfer(&self, transfer: Transfer) {
        self.state().transfers.add(transfer);
    }

    /// The status of a transfer, if there is one of that ID.
    #[must_use]
    pub fn transfer_status(&self, customer: &str, transfer: &str) -> Option<String> {
        self.state()
            .transfers
            .get(customer, transfer)
            .map(|transfer| transfer.status.clone())
    }

    /// The requests that Partner Center got, in their order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.all()
    }

    /// The requests that the Kubernetes API server got, in their order.
    #[must_use]
    pub fn kubernetes_requests(&self) -> Vec<Seen> {
        self.state().kubernetes_requests.all()
    }

    /// The requests that Key Vault got, in their order.
    #[must_use]
    pub fn key_vault_requests(&self) -> Vec<Seen> {
        self.state().vault_requests.all()
    }

    /// The requests that the token endpoints and the one for device codes got, in their order.
    #[must_use]
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.state().token_requests.all()
    }

    /// Puts a fault behind those that wait already.
    pub fn push_fault(&self, target: Target, fault: Fault) {
        let mut state = self.state();
        match target {
            Target::Token => state.token_faults.push(fault),
            Target::PartnerCenter => state.partner_center_faults.push(fault),
            Target::Kubernetes => state.kubernetes_faults.push(fault),
            Target::KeyVault => state.vault_faults.push(fault),
        }
    }

    /// Has Partner Center refuse users who signed in without MFA, or take them again.
    pub fn set_enforce_mfa(&self, enforce: bool) {
        self.state().enforce_mfa = enforce;
    }

    /// Ends every token that was issued.
    pub fn revoke_tokens(&self) {
        self.state().tokens.revoke_all();
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
