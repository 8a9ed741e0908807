//! A permit: the proof that policy allowed one command.

use std::sync::Arc;

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
}

impl<C: Copy> Permit<C> {
    pub(in crate::authorization) fn new(command: C, account: Arc<str>, rule: Arc<str>) -> Self {
        Self {
            command,
            account,
            rule,
        }
    }

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

    /// The name of the rule that decided.
    #[must_use]
    pub fn rule(&self) -> &Arc<str> {
        &self.rule
    }
}
