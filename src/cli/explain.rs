//! `check --explain`: which rule decides a call, and what its caller would be told.
//!
//! The decision is the service's own, as are the words for it; nothing is decided here.

use std::{
    io::{self, Write},
    time::Duration,
};

use crate::{
    authorization::{
        Wish,
        policy::{Policy, Rule},
        rate::OverRate,
    },
    command::Operation,
    config::{fault::quoted, load::Loaded},
    front::problem::Problem,
    ids::CustomerId,
    transfers::refusal::Refusal,
};

/// A call, as far as policy is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who calls.
    pub principal: String,
    /// What is to be done.
    pub operation: Operation,
    /// To whom.
    pub customer: CustomerId,
    /// The account that the caller names.
    pub account: Option<String>,
}

/// What policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A rule grants it.
    Allowed,
    /// No rule grants it.
    Denied,
}

/// Tells how the policy of a configuration decides.
///
/// # Errors
///
/// When it cannot be written.
pub fn run(question: &Question, loaded: &Loaded, out: &mut dyn Write) -> io::Result<Decision> {
    let config = &loaded.config;
    let named = question.account.as_deref();
    let account = named.unwrap_or(&config.default_account);
    writeln!(out, "account: {}", quoted(account))?;
    if !config.accounts.iter().any(|known| known.name == account) {
        return denied(Refusal::Account, "there is no such account", out);
    }
    let policy = Policy::new(&config.authorization);
    let wish = Wish {
        principal: &question.principal,
        operation: question.operation,
        customer: Some(question.customer),
        account,
    };
    match policy.decide(&wish) {
        Ok(rule) => allowed(rule, loaded, out),
        Err(denial) => denied(Refusal::of(denial, named), &denial.to_string(), out),
    }
}

fn allowed(rule: &Rule, loaded: &Loaded, out: &mut dyn Write) -> io::Result<Decision> {
    writeln!(out, "decision: allowed")?;
    let place = loaded.rules.get(rule.place()).map_or("", String::as_str);
    writeln!(out, "rule: {} at {place}", quoted(rule.name()))?;
    if let Some(rate) = rule.rate() {
        let retry_after = Duration::ZERO;
        let beyond = code(OverRate { retry_after }.into());
        writeln!(out, "rate: {rate}; beyond it {beyond}")?;
    }
    writeln!(out, "code: none of policy's")?;
    Ok(Decision::Allowed)
}

fn denied(refusal: Refusal, reason: &str, out: &mut dyn Write) -> io::Result<Decision> {
    writeln!(out, "decision: denied")?;
    writeln!(out, "rule: none")?;
    writeln!(out, "reason: {reason}")?;
    writeln!(out, "code: {}", code(refusal))?;
    Ok(Decision::Denied)
}

/// What a caller is told who is refused.
fn code(refusal: Refusal) -> String {
    let row = Problem::from(refusal).row();
    format!("{} {}", row.status.as_u16(), row.code)
}
