//! May they, and how often: policy, deny by default.
//!
//! A decision is a [`permit::Permit`] or a [`policy::Denial`]. Only this room can make a permit, and
//! the upstream client takes one by value, admitted, so an operation that forgets the check does not
//! compile.

mod index;
pub mod permit;
pub mod policy;
pub mod rate;
pub mod review;

use std::{collections::BTreeSet, fmt, num::NonZeroU32};

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
    /// How often each caller may; without it, as often as it likes.
    pub rate: Option<Rate>,
}

/// The customers a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Customers {
    /// Every customer, written `*`.
    Any,
    /// These and no others.
    These(BTreeSet<CustomerId>),
}

/// How often one caller may do what a rule grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls a second in the long run.
    pub per_second: NonZeroU32,
    /// Calls at once after a pause.
    pub burst: NonZeroU32,
}

/// What policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Who calls.
    pub principal: &'a str,
    /// What is to be done.
    pub operation: Operation,
    /// To whom; without one, to every customer.
    pub customer: Option<CustomerId>,
    /// With whose credentials.
    pub account: &'a str,
}

impl Customers {
    /// Whether all that are meant are among them: one, or every customer.
    #[must_use]
    pub fn include_all_of(&self, meant: Option<CustomerId>) -> bool {
        match meant {
            Some(customer) => self.include(customer),
            None => *self == Self::Any,
        }
    }

    /// Whether a customer is one of them.
    #[must_use]
    pub fn include(&self, customer: CustomerId) -> bool {
        match self {
            Self::Any => true,
            Self::These(these) => these.contains(&customer),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} a second, {} at once", self.per_second, self.burst)
    }
}
