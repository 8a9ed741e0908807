//! What is not written, and whether it may still be.

use std::{io, sync::Arc};

/// The record is not durable.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the audit journal cannot be written")]
pub struct Unwritable(#[source] Arc<io::Error>);

impl Unwritable {
    /// Tells what the operating system said.
    #[must_use]
    pub fn new(source: io::Error) -> Self {
        Self(Arc::new(source))
    }
}

/// An intent is not durable.
#[derive(Clone, Debug)]
pub enum Broken {
    /// It will never be in the journal.
    Never(Unwritable),
    /// It may still come to be there.
    Perhaps(Unwritable),
}
