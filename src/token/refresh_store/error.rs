//! What can go wrong around a kept refresh token. No part of a token is in any of it.

use std::{io, path::PathBuf};

use http::StatusCode;

use crate::{
    cluster::bucket_error::BucketError,
    http_client::{HttpError, SetupError},
    secret::SecretError,
    token::{cell::TokenUnavailable, exchange::BadEndpoint, refresh_store::encryption_key::NoKeys},
};

/// The store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody has consented yet.
    #[error("no refresh token is kept in {place}; `partner-gateway login` puts one there")]
    Empty {
        /// The store.
        place: String,
    },
    /// What is kept is not a refresh token.
    #[error("what is kept in {place} is not a refresh token of visible ASCII on one line")]
    Malformed {
        /// The store.
        place: String,
    },
    /// Everyone can read the file.
    #[error("{path:?} can be read by everyone (mode {mode:04o}); close it, such as with mode 0600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no file that a token could be in.
    #[error("{path:?} is {kind}; accepted: a regular file")]
    Kind {
        /// The path.
        path: PathBuf,
        /// What is there.
        kind: &'static str,
    },
    /// Somebody else has put something where the gateway's own files stand.
    #[error("{path:?} is not the gateway's own: {what}; see who put it there, and remove it")]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What is there.
        what: String,
    },
    /// Somebody has written the token after its successor.
    #[error(
        "{next:?} has a whole token in it, but {kept:?} was written later; \
         where that was by hand, remove the former, else the latter"
    )]
    Overtaken {
        /// The successor, which a crash has left.
        next: PathBuf,
        /// The token.
        kept: PathBuf,
    },
    /// The token could not be read again.
    #[error(
        "a new refresh token has {length_bytes} bytes, more than the {limit_bytes} that {path:?} may have"
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The length of the token.
        length_bytes: usize,
        /// What would be read.
        limit_bytes: u64,
    },
    /// A file cannot be read.
    #[error("reading {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("writing {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Somebody else presents the token.
    #[error("another process has the right to present the refresh token and does not end")]
    Busy,
    /// The process is about to end.
    #[error("the gateway is leaving, and presents no refresh token any more")]
    Leaving,
    /// Others write the object all the time.
    #[error("{place} was changed by others at each try to write it")]
    Contended {
        /// The store.
        place: String,
    },
    /// The gateway's own proof towards the store cannot be read.
    #[error("reading the gateway's own token for the store")]
    Proof(#[from] SecretError),
    /// The gateway's own token for the store cannot be had.
    #[error("getting the gateway's own token for the store")]
    Identity(#[from] TokenUnavailable),
    /// The store gave no whole answer.
    #[error("asking {place}")]
    Unreachable {
        /// The store.
        place: String,
        /// What happened.
        source: HttpError,
    },
    /// The store refused.
    #[error("{place} answered {}: {}", .status.as_u16(), advice(*.status))]
    Refused {
        /// The store.
        place: String,
        /// Its answer.
        status: StatusCode,
    },
    /// The store's answer cannot be read.
    #[error("the answer of {place} is not what its API documents: {what}")]
    Odd {
        /// The store.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The bucket cannot be used.
    #[error("using {place}")]
    Bucket {
        /// The store.
        place: String,
        /// What is wrong.
        source: BucketError,
    },
    /// There was a bucket with a token in it.
    #[error(
        "{place} is gone, with the refresh token that was in it; restore the bucket, or have a user consent again with \
         `partner-gateway login`, which makes it"
    )]
    Gone {
        /// The store.
        place: String,
    },
    /// What is kept was not written by a gateway of this version.
    #[error(
        "what is kept in {place} is not in the form of this version; remove it, and run `partner-gateway login`"
    )]
    Unsealed {
        /// The store.
        place: String,
    },
    /// The file has other keys than the one that is needed.
    #[error(
        "what is kept in {place} was sealed with a key that is not in {path:?}; put that key there, behind the new one \
         where keys change, or remove what is kept, and run `partner-gateway login`"
    )]
    OtherKey {
        /// The store.
        place: String,
        /// The file of keys.
        path: PathBuf,
    },
    /// What is kept is not what was sealed.
    #[error(
        "what is kept in {place} was changed since it was sealed with the key in {path:?}, or was sealed for another \
         place; see who wrote it, remove it, and run `partner-gateway login`"
    )]
    Tampered {
        /// The store.
        place: String,
        /// The file of keys.
        path: PathBuf,
    },
    /// The file of keys cannot be read.
    #[error("reading the key that seals the refresh token")]
    EncryptionKey(#[source] SecretError),
    /// The file holds no keys.
    #[error("reading keys from {path:?}")]
    NoKeys {
        /// The file.
        path: PathBuf,
        /// What is accepted.
        source: NoKeys,
    },
}

impl StoreError {
    /// Whether a person has to mend something first.
    pub(in crate::token) fn is_permanent(&self) -> bool {
        match self {
            Self::Empty { .. }
            | Self::Malformed { .. }
            | Self::Exposed { .. }
            | Self::Kind { .. }
            | Self::Foreign { .. }
            | Self::Overtaken { .. }
            | Self::TooLong { .. }
            | Self::Gone { .. }
            | Self::Unsealed { .. }
            | Self::OtherKey { .. }
            | Self::Tampered { .. }
            | Self::NoKeys { .. } => true,
            Self::Refused { status, .. } => FOR_A_PERSON.contains(status),
            Self::Proof(error) | Self::EncryptionKey(error) => !error.is_passing(),
            Self::Bucket { source, .. } => source.is_lasting(),
            Self::Identity(unavailable) => unavailable.cause.is_permanent(),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Busy
            | Self::Leaving
            | Self::Contended { .. }
            | Self::Unreachable { .. }
            | Self::Odd { .. } => false,
        }
    }
}

/// What an account gets its tokens by cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupFault {
    /// Its connections.
    #[error("setting up connections to the store of the refresh token")]
    Connections(#[from] SetupError),
    /// A token endpoint.
    #[error(transparent)]
    Endpoint(#[from] BadEndpoint),
    /// A store in a cluster that is not there.
    #[error("the refresh token is kept in the cluster, and there is none; accepted: cluster.nats")]
    NoCluster,
}

/// What a person can do about an answer.
fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "the gateway's own token is not taken",
        StatusCode::FORBIDDEN => "the gateway may not do this; see the roles in README.md",
        StatusCode::NOT_FOUND => "it does not exist; create it",
        _ => "the store cannot serve now",
    }
}

/// Answers that stay what they are until somebody changes a role or makes what is missing.
const FOR_A_PERSON: [StatusCode; 3] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_a_person_must_mend_from_what_may_pass() {
        let place = || "a place".to_owned();
        let path = || PathBuf::from("/file");
        let source = || io::Error::from(io::ErrorKind::TimedOut);
        let refused = |status| StoreError::Refused {
            place: place(),
            status,
        };
        for (error, permanent) in [
            (StoreError::Empty { place: place() }, true),
            (StoreError::Malformed { place: place() }, true),
            (
                StoreError::Exposed {
                    path: path(),
                    mode: 0o644,
                },
                true,
            ),
            (refused(StatusCode::UNAUTHORIZED), true),
            (refused(StatusCode::FORBIDDEN), true),
            (refused(StatusCode::NOT_FOUND), true),
            (refused(StatusCode::SERVICE_UNAVAILABLE), false),
            (SecretError::Empty { path: path() }.into(), true),
            (
                SecretError::Read {
                    path: path(),
                    source: source(),
                }
                .into(),
                false,
            ),
            (
                StoreError::Write {
                    path: path(),
                    source: source(),
                },
                false,
            ),
            (StoreError::Busy, false),
            (StoreError::Gone { place: place() }, true),
            (StoreError::Unsealed { place: place() }, true),
            (
                StoreError::Bucket {
                    place: place(),
                    source: BucketError::Unanswered(String::new()),
                },
                false,
            ),
            (
                StoreError::Bucket {
                    place: place(),
                    source: BucketError::Denied(String::new()),
                },
                true,
            ),
        ] {
            assert_eq!(error.is_permanent(), permanent, "{error}");
        }
    }

    #[test]
    fn leaves_to_a_person_what_stands_in_the_way_of_a_file() {
        let path = || PathBuf::from("/file");
        for error in [
            StoreError::Kind {
                path: path(),
                kind: "a pipe",
            },
            StoreError::Foreign {
                path: path(),
                what: "a pipe".to_owned(),
            },
            StoreError::Overtaken {
                next: path(),
                kept: path(),
            },
            StoreError::TooLong {
                path: path(),
                length_bytes: 2,
                limit_bytes: 1,
            },
        ] {
            assert!(error.is_permanent(), "{error}");
        }
    }
}
