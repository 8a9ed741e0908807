//! What journal and writer both see.

use std::sync::atomic::AtomicBool;

use crate::{audit::summary::Tally, ids::BootId};

/// What journal and writer both see.
#[derive(Debug)]
pub(in crate::audit) struct Board {
    pub(in crate::audit) boot: BootId,
    pub(in crate::audit) healthy: AtomicBool,
    pub(in crate::audit) tally: Tally,
}
