//! The sandbox itself: its state, and the services over it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, request::Parts};

use crate::{
    activity::Activity,
    answer::{Answer, Dropped},
    entra::{self, client::Registration, consent::Consents, device::Devices, form},
    faults,
    key_vault::{self, Vault},
    kubernetes::{self, secrets::Secrets},
    log::{Log, Seen, TokenRequest, header_list},
    partner_center::{self, Serving},
    routes,
    script::{Fault, Script, Target},
    settings::Settings,
    time::Watch,
    tokens::Tokens,
    transfers::{History, Transfer, Transfers},
    turns::{Turn, Turns},
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
    pub(crate) activities: Vec<Activity>,
    pub(crate) enforce_mfa: bool,
    pub(crate) answers: u64,
    /// The turns that no request has taken yet.
    script: Script,
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
            activities: Vec::new(),
            enforce_mfa: settings.enforce_mfa,
            answers: 0,
            script: settings.script.clone(),
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
            let fault = state.script.token.next(request.method(), None);
            (number, fault)
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
            (number, state.met_at_partner_center(&request))
        };
        let answer = |late_by| {
            let serving = Serving { number, late_by };
            partner_center::answer(self, &request, serving)
        };
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
            (number, state.script.kubernetes.next(request.method(), None))
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
            (number, state.script.key_vault.next(request.method(), None))
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

    /// What Partner Center was asked about a transfer, if there is one of that ID.
    #[must_use]
    pub fn transfer_history(&self, customer: &str, transfer: &str) -> Option<History> {
        self.state().transfers.history(customer, transfer).cloned()
    }

    /// The requests that Partner Center got, in their order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.all()
    }

    /// Forgets the requests that Partner Center got, for tests that make very many; the histories of the
    /// transfers stay.
    pub fn forget_seen(&self) {
        self.state().seen.forget();
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

    /// Puts a fault for the next request behind those that wait already.
    pub fn push_fault(&self, target: Target, fault: Fault) {
        self.push_turn(target, Turn::of(fault));
    }

    /// Puts a turn behind those that wait already.
    ///
    /// Only requests to Partner Center are for a transfer: other services give a turn of one to nobody.
    pub fn push_turn(&self, target: Target, turn: Turn) {
        self.state().script.turns(target).push(turn);
    }

    /// Forgets the turns that no request has taken yet.
    pub fn forget_turns(&self, target: Target) {
        *self.state().script.turns(target) = Turns::default();
    }

    /// Has Partner Center refuse users who signed in without MFA, or take them again.
    pub fn set_enforce_mfa(&self, enforce: bool) {
        self.state().enforce_mfa = enforce;
    }

    /// Ends every token that was issued.
    pub fn revoke_tokens(&self) {
        self.state().tokens.revoke_all();
    }

    /// Whether Partner Center is to break a request off before its body; if so, the request is noted and
    /// its turn taken.
    pub(crate) fn breaks_off(&self, head: &Parts) -> bool {
        let mut state = self.state();
        let transfer = routes::lower_case_transfer(head.uri.path());
        let transfer = transfer.as_ref().map(|(_, id)| id.as_str());
        let waiting = state.script.partner_center.waiting(&head.method, transfer);
        let breaks_off = matches!(waiting, Some(Fault::ResetInTheMiddle));
        if breaks_off {
            let request = Request::from_parts(head.clone(), Bytes::new());
            state.seen.note(&request);
            state.met_at_partner_center(&request);
        }
        breaks_off
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a request to its transfer's history and takes the fault that it meets.
    fn met_at_partner_center(&mut self, request: &Request<Bytes>) -> Fault {
        let method = request.method();
        let Some((customer, id)) = routes::lower_case_transfer(request.uri().path()) else {
            return self.script.partner_center.next(method, None);
        };
        let request_id = request.headers().get("ms-requestid");
        let request_id = request_id.and_then(|value| value.to_str().ok());
        self.transfers
            .note(&customer, &id, method, request_id.unwrap_or_default());
        self.script.partner_center.next(method, Some(&id))
    }
}
