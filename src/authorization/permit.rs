//! A permit: the proof that policy allowed one command; and an admission: that there was room for it.

use std::sync::Arc;

use crate::authorization::rate::{Allowances, OverRate};

/// Says that policy allows this command through this account.
///
/// Only [`crate::authorization::policy::Policy`] makes one; it cannot be copied, and whoever acts on
/// it takes it by value.
///
/// ```compile_fail
/// let permit = partner_gateway::authorization::permit::Permit { command: (), account: "".into(), rule: "".into() };
/// ```
#[derive(Debug)]
pub struct Permit<C> {
    command: C,
    account: Arc<str>,
    rule: Arc<str>,
    principal: Arc<str>,
    allowances: Option<Arc<Allowances>>,
}

/// Says that the caller's rate had room for what a permit allows.
///
/// Only [`Permit::admit`] makes one, out of a permit, so that neither question can be forgotten.
///
/// ```compile_fail
/// let admission = partner_gateway::authorization::permit::Admission { command: (), account: "".into() };
/// ```
#[derive(Debug)]
pub struct Admission<C> {
    command: C,
    account: Arc<str>,
}

impl<C: Copy> Permit<C> {
    pub(in crate::authorization) fn new(
        command: C,
        account: &Arc<str>,
        rule: &Arc<str>,
        principal: &Arc<str>,
        allowances: Option<&Arc<Allowances>>,
    ) -> Self {
        Self {
            command,
            account: Arc::clone(account),
            rule: Arc::clone(rule),
            principal: Arc::clone(principal),
            allowances: allowances.cloned(),
        }
    }

    /// The name of the rule that decided.
    #[must_use]
    pub fn rule(&self) -> &Arc<str> {
        &self.rule
    }

    /// Takes one call from the caller's allowance under the rule that decided.
    ///
    /// # Errors
    ///
    /// When the allowance is used up.
    pub fn admit(self) -> Result<Admission<C>, OverRate> {
        if let Some(allowances) = &self.allowances {
            allowances.take(&self.principal)?;
        }
        Ok(Admission {
            command: self.command,
            account: self.account,
        })
    }
}

impl<C: Copy> Admission<C> {
    /// What is allowed.
    #[must_use]
    pub fn command(&self) -> C {
        self.command
    }

    /// Whose credentials may be used.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }
}
