//! The audit journal: whatever the gateway does with its credentials can be told afterwards.
//!
//! [`trail`] gathers the facts of one call, [`record`] gives them their fixed form, [`journal`] makes
//! them durable. This room knows nothing of HTTP and nothing of Partner Center.

pub mod chain;
pub mod journal;
mod members;
pub mod record;
pub mod recovery;
pub mod segment;
pub mod trail;
mod writer;

use std::{path::PathBuf, time::Duration};

/// What the room needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory that holds the journal; made when absent.
    pub dir: PathBuf,
    /// When an answer may leave.
    pub durability: Durability,
}

/// When an answer may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After the record is on the disk.
    Strict,
    /// At once; the disk follows at most this much later.
    Relaxed {
        /// The longest wait between two syncs.
        flush_interval: Duration,
    },
}
