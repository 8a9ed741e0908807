//! The use case, free of HTTP.
//!
//! [`reject`] reads top to bottom: who calls, what is asked, may they, write it down, do it, find out what
//! became of it. [`read`] is the same with less at the end. [`orphans`] are calls that an earlier run did not
//! get to the end of. [`two_sides`] holds what the journal tells against what Partner Center has on record.

mod across;
pub mod auditing;
pub mod board;
pub mod claim;
mod entering;
mod find_out;
mod hold;
pub mod idempotency;
pub mod in_force;
pub mod kept;
mod noting;
pub mod orphans;
pub mod places;
pub mod read;
pub mod refusal;
pub mod reject;
pub mod request;
pub mod shared;
pub mod two_sides;
pub mod value;
pub mod verdict;

use std::time::Duration;

use crate::{
    audit::journal::Journal,
    clock::SharedClock,
    partner_center::account::Accounts,
    transfers::{idempotency::Idempotency, in_force::InForce, places::Places},
};

/// Everything that dealing with transfers needs.
#[derive(Debug)]
pub struct Transfers {
    /// Who is known and what they may do.
    pub in_force: InForce,
    /// The ways to Partner Center.
    pub accounts: Accounts,
    /// Where it is written down.
    pub journal: Journal,
    /// The wall clock.
    pub clock: SharedClock,
    /// What was answered under callers' keys.
    pub idempotency: Idempotency,
    /// A place for each call that may be in flight at once.
    pub places: Places,
    /// How long a call may take upstream, from its first byte on.
    pub deadline: Duration,
}
