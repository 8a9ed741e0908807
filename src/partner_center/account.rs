//! One set of credentials with its own way to Partner Center.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::warn;

use crate::{
    authorization::permit::Admission,
    command::OnTransfer,
    http_client::{Answer, HttpClient},
    partner_center::{
        AccountSettings, Settings,
        breaker::Breaker,
        grounds::Grounds,
        retry_budget::RetryBudget,
        tally::Tally,
        throttle::Gate,
        way::Way,
        wire::{self, request::Template},
    },
    token::cell::TokenCell,
};

/// One set of credentials with its own connections.
#[derive(Debug)]
pub struct Account {
    name: Arc<str>,
    tenant: Arc<str>,
    flow: &'static str,
    template: Template,
    settings: Settings,
    tokens: TokenCell,
    http: HttpClient,
    gate: Gate,
    breaker: Breaker,
    budget: Arc<RetryBudget>,
    /// Whether Partner Center is asked for a second factor, and what it said last.
    mfa: Option<Mutex<Option<bool>>>,
    tally: Tally,
}

/// All accounts of the configuration.
#[derive(Debug)]
pub struct Accounts {
    by_name: HashMap<Arc<str>, Account>,
    default: Arc<str>,
}

impl Account {
    /// Puts an account together.
    #[must_use]
    pub fn new(
        account: &AccountSettings,
        settings: Settings,
        tokens: TokenCell,
        http: HttpClient,
        budget: &Arc<RetryBudget>,
    ) -> Self {
        let flow = &account.token.flow;
        Self {
            name: account.name.as_str().into(),
            tenant: account.tenant.as_str().into(),
            flow: flow.as_str(),
            template: Template::new(&account.api, &settings, flow.needs_mfa()),
            gate: Gate::default(),
            breaker: Breaker::new(account.name.as_str().into(), settings.circuit),
            budget: Arc::clone(budget),
            settings,
            tokens,
            http,
            mfa: flow.needs_mfa().then(Mutex::default),
            tally: Tally::default(),
        }
    }

    /// The name in the configuration.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The partner's tenant.
    #[must_use]
    pub fn tenant(&self) -> &Arc<str> {
        &self.tenant
    }

    /// On whose behalf its calls are made, by the name that audit records carry.
    #[must_use]
    pub fn flow(&self) -> &'static str {
        self.flow
    }

    /// The only way to this account's tokens.
    #[must_use]
    pub fn tokens(&self) -> &TokenCell {
        &self.tokens
    }

    /// Whether Partner Center found a second factor in the account's token when it last said so.
    #[must_use]
    pub fn mfa_compliant(&self) -> Option<bool> {
        *self
            .mfa
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Partner Center is asked whether a second factor stands behind the account's tokens.
    #[must_use]
    pub fn needs_mfa(&self) -> bool {
        self.mfa.is_some()
    }

    /// Notes what an answer says of a second factor.
    pub(in crate::partner_center) fn note_mfa(&self, answer: &Answer) {
        let (Some(mfa), Some(compliant)) = (&self.mfa, wire::mfa_compliance(answer)) else {
            return;
        };
        let before = mfa
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(compliant);
        if !compliant && before != Some(false) {
            warn!(account = %self.name, "Partner Center finds no second factor in the account's token");
        }
    }

    /// What came of its requests.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The circuit breaker of the account's calls.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// The customers about whom Partner Center wants to be left alone.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The retry budget, which all accounts share.
    #[must_use]
    pub fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    pub(in crate::partner_center) fn template(&self) -> &Template {
        &self.template
    }

    pub(in crate::partner_center) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(in crate::partner_center) fn http(&self) -> &HttpClient {
        &self.http
    }
}

impl Accounts {
    /// Gathers the accounts; `default` is the one used where a caller names none.
    #[must_use]
    pub fn new(accounts: Vec<Account>, default: &str) -> Self {
        let by_name = accounts
            .into_iter()
            .map(|account| (Arc::clone(&account.name), account))
            .collect();
        Self {
            by_name,
            default: default.into(),
        }
    }

    /// The name of an account as the configuration spells it, or the default one's.
    #[must_use]
    pub fn name<'a>(&'a self, wanted: Option<&str>) -> Option<&'a Arc<str>> {
        let found = self.by_name.get(wanted.unwrap_or(&self.default))?;
        Some(&found.name)
    }

    /// The account used where a caller names none.
    #[must_use]
    pub fn default_account(&self) -> Option<&Account> {
        self.by_name.get(&self.default)
    }

    pub(in crate::partner_center) fn named(&self, name: &str) -> Option<&Account> {
        self.by_name.get(name)
    }

    /// Every account, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Account> {
        self.by_name.values()
    }

    /// The account that an admission is for.
    #[must_use]
    pub fn through<C: OnTransfer>(&self, admission: Admission<C>) -> Option<Way<'_, C>> {
        let account = self.by_name.get(admission.account())?;
        let grounds = Grounds::of(admission);
        Some(Way { account, grounds })
    }
}
