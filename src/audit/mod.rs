//! The audit journal: whatever the gateway does with its credentials can be told afterwards.
//!
//! [`trail`] gathers the facts of one call, [`record`] gives them their fixed form, [`journal`] makes
//! them durable, [`checkpoint`] has the end of their chain signed, [`orphans`] are intents that a run left
//! without an outcome, `summary` counts what has no record of its own, [`verify`] proves what stands there,
//! and [`evidence`] what it says of one transfer. [`doubts`] gathers the calls of which it does not say how they
//! ended. [`recovery`] opens what an earlier run has left; [`low_water`] and [`cursor`] say how far it must
//! reach; [`search`] finds records, and [`reader`] reads them on in order; a [`fork`] ends a journal and begins another;
//! [`refused`] are those that a sink would not take, and [`witness`] what the journal says of others. This room knows
//! nothing of HTTP and nothing of Partner Center.

mod batch;
mod beginning;
mod board;
pub mod chain;
pub mod checkpoint;
pub mod cursor;
pub mod doubts;
mod durable;
mod encoder;
pub mod evidence;
mod fitting;
pub mod fork;
mod forward;
mod identity;
pub mod journal;
mod link;
pub mod low_water;
mod members;
pub mod orphans;
mod pace;
mod pen;
pub mod public_key;
mod queue;
pub mod reader;
pub mod record;
pub mod recovery;
pub mod refused;
pub mod rejections;
pub mod retention;
mod room;
pub mod search;
pub mod segment;
pub mod signing;
pub mod start_error;
mod summary;
pub mod trail;
mod unsynced;
pub mod unwritable;
mod upkeep;
pub mod verify;
pub mod vitals;
pub mod witness;
mod writer;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

/// What the room needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory that holds the journal; made when absent.
    pub dir: PathBuf,
    /// When an answer may leave.
    pub durability: Durability,
    /// Records a second of answers to callers that are not known; those beyond it are summed up.
    pub unauthenticated_rate: NonZeroU32,
    /// The file of the key that signs checkpoints; one is made in `dir` where none is named.
    pub signing_key_file: Option<PathBuf>,
    /// How often the chain's head is signed.
    pub checkpoint_interval: Duration,
    /// When a segment is closed, and the next one begun.
    pub segment: segment::Bounds,
    /// What the whole journal may take; beyond it, it is like a full disk.
    pub max_bytes: u64,
    /// How long segments are kept at least.
    pub retention: Duration,
    /// How long segments are kept at least after every required sink has acknowledged them.
    pub keep_after_ack: Duration,
    /// The names of the sinks that must have acknowledged a segment before it may go.
    pub required_sinks: Vec<String>,
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
