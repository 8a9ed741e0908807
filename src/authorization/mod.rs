//! May they: policy, deny by default.
//!
//! A decision is a [`permit::Permit`] or a [`policy::Denial`]. Only this room can make a permit, and
//! the upstream client takes one by value, so an operation that forgets the check does not compile.

pub mod permit;
pub mod policy;

use std::collections::BTreeSet;

use crate::{command::Operation, ids::CustomerId};

/// What the room needs from the configuration.
#[derive(Debug, Default)]
pub struct Settings {
    /// The rules in the order of the file.
    pub rules: Vec<RuleSettings>,
}

/// One rule: grants principals a set of operations on customers through accounts.
#[derive(Clone, Debug)]
pub struct RuleSettings {
    /// The name that audit records carry.
    pub name: String,
    /// Exact principals, or prefixes ending in `*`.
    pub principals: Vec<String>,
    /// What is granted.
    pub operations: BTreeSet<Operation>,
    /// For which customers.
    pub customers: Customers,
    /// Names of accounts whose credentials may be used.
    pub accounts: BTreeSet<String>,
}

/// The customers a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Customers {
    /// Every customer, written `*`.
    Any,
    /// These and no others.
    These(BTreeSet<CustomerId>),
}
