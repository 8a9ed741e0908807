//! Why a journal could not be started.

use std::io;

use crate::audit::{recovery::OpenError, signing::KeyError, verify::Unreadable};

/// The journal could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be held against what a sink has.
    #[error(transparent)]
    Compare(#[from] Unreadable),
    /// The key that signs its checkpoints cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its segments cannot be read.
    #[error("reading the segments of the audit journal")]
    Read(#[source] io::Error),
    /// Its thread cannot be started.
    #[error("starting the audit writer")]
    Thread(#[source] io::Error),
}
