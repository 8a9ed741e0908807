//! Why a bucket could not be used.

use std::error::Error;

use async_nats::jetstream::{self, ErrorCode};

use crate::{cause, cluster::link::Away};

/// A bucket could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// There is no connection, or it was lost before the answer came.
    #[error(transparent)]
    Away(#[from] Away),
    /// There is no such bucket.
    #[error("there is no bucket {0}")]
    Absent(String),
    /// The bucket could lose what is put into it.
    #[error("the bucket {bucket} has another shape than is needed: {faults}")]
    Shape {
        /// The bucket.
        bucket: String,
        /// How its shape differs.
        faults: String,
    },
    /// The server says that this may not be done.
    #[error("NATS denies: {0}")]
    Denied(String),
    /// A value is larger than the server or the bucket takes.
    #[error("the value is larger than NATS takes: {0}")]
    TooLarge(String),
    /// `JetStream` says no.
    #[error("JetStream says {0}{advice}", advice = advice(.0))]
    Refused(jetstream::Error),
    /// No answer, or none that can be read.
    #[error("asking NATS: {0}")]
    Unanswered(String),
}

impl BucketError {
    /// Whether a person has to mend something.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Away(away) => away.is_lasting(),
            Self::Absent(_) | Self::Shape { .. } | Self::Denied(_) | Self::TooLarge(_) => true,
            // Of its own statuses, 503 is a cluster without a leader or a server that starts.
            Self::Refused(said) => said.code() < 500,
            Self::Unanswered(_) => false,
        }
    }
}

/// Which key of the configuration an error of `JetStream` is about, where it is about one.
#[must_use]
pub fn advice(said: &jetstream::Error) -> &'static str {
    if said.error_code() == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED {
        "; look at cluster.nats.replicas: one server alone keeps one copy"
    } else {
        ""
    }
}

pub(in crate::cluster) fn unanswered(error: &(dyn Error + 'static)) -> BucketError {
    BucketError::Unanswered(cause::chain(error))
}
