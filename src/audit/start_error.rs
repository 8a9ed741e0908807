//! Why a journal could not be started.

use std::io;

use crate::audit::{recovery::OpenError, signing::KeyError, unwritable::Unwritable};

/// The journal could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key that signs its checkpoints cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its first record cannot be written.
    #[error(
        "the first audit record cannot be written; a disk that is full needs room, and a journal that is needs a larger audit.max_bytes or a shorter audit.retention"
    )]
    First(#[source] Unwritable),
    /// Its segments cannot be read.
    #[error("reading the segments of the audit journal")]
    Read(#[source] io::Error),
    /// Its thread cannot be started.
    #[error("starting the audit writer")]
    Thread(#[source] io::Error),
}
