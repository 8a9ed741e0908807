//! A key-value bucket of the cluster, one key at a time: read from the stream's leader, written under the revision that
//! was read.

use std::{error::Error, sync::Arc};

use async_nats::{
    HeaderMap, HeaderValue, header,
    jetstream::{
        self, ErrorCode,
        context::{CreateStreamErrorKind, GetStreamErrorKind, PublishError, PublishErrorKind},
        message::StreamMessage,
        stream::{Config, LastRawMessageErrorKind, Stream},
    },
};
use bytes::Bytes;

use crate::{
    cause,
    cluster::{Cluster, Connected, link::Away, shape::Shape},
};

/// One bucket.
#[derive(Debug)]
pub struct Bucket {
    cluster: Arc<Cluster>,
    name: String,
    shape: Shape,
}

/// What stands under a key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The value; nothing where there is none, or it was deleted.
    pub value: Option<Bytes>,
    /// What the next write has to name; 0 where nothing ever stood there.
    pub revision: u64,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It stands under this revision.
    At(u64),
    /// Somebody else has written since.
    Conflict,
}

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
    /// `JetStream` says no.
    #[error("JetStream says {0}")]
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
            Self::Absent(_) | Self::Shape { .. } | Self::Denied(_) => true,
            // Of its own statuses, 503 is a cluster without a leader or a server that starts.
            Self::Refused(said) => said.code() < 500,
            Self::Unanswered(_) => false,
        }
    }
}

impl Bucket {
    /// A bucket of this name; nothing is asked yet.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, name: String) -> Self {
        let shape = Shape::lasting(cluster.settings().replicas);
        Self {
            cluster,
            name,
            shape,
        }
    }

    /// Reads what stands under a key.
    ///
    /// # Errors
    ///
    /// When the bucket is not there, has another shape, or cannot be asked.
    pub async fn read(&self, key: &str) -> Result<Entry, BucketError> {
        let connected = self.cluster.connected().await?;
        self.answered(&connected, async {
            let stream = self.find(&connected).await?;
            let subject = self.subject(key);
            match stream.get_last_raw_message_by_subject(&subject).await {
                Ok(message) => Ok(Entry {
                    revision: message.sequence,
                    value: (!is_deletion(&message)).then_some(message.payload),
                }),
                Err(error) => match error.kind() {
                    LastRawMessageErrorKind::NoMessageFound => Ok(Entry {
                        value: None,
                        revision: 0,
                    }),
                    LastRawMessageErrorKind::JetStream(said) => Err(self.refused(said)),
                    _ => Err(unanswered(&error)),
                },
            }
        })
        .await
    }

    /// Writes a value, if the key still has the revision that was read.
    ///
    /// # Errors
    ///
    /// When the bucket is not there or does not answer; the value may stand there all the same.
    pub async fn write(
        &self,
        key: &str,
        value: Bytes,
        revision: u64,
    ) -> Result<Written, BucketError> {
        let connected = self.cluster.connected().await?;
        let mut headers = HeaderMap::new();
        let expected = HeaderValue::from(revision);
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected);
        headers.insert(header::NATS_EXPECTED_STREAM, self.stream());
        let publishing = async {
            let context = &connected.jetstream;
            let sent = context.publish_with_headers(self.subject(key), headers, value);
            match async { sent.await?.await }.await {
                Ok(acknowledged) => Ok(Written::At(acknowledged.sequence)),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    Ok(Written::Conflict)
                }
                Err(error) => Err(self.unpublished(&error)),
            }
        };
        self.answered(&connected, publishing).await
    }

    /// Makes the bucket where it is absent. Of several that begin at once each may: the server makes one.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or one of another shape is there.
    pub async fn make(&self) -> Result<(), BucketError> {
        let connected = self.cluster.connected().await?;
        self.answered(&connected, async {
            match self.find(&connected).await {
                Err(BucketError::Absent(_)) => {}
                found => return found.map(drop),
            }
            match connected.jetstream.create_stream(self.config()).await {
                Ok(_) => Ok(()),
                Err(error) => match error.kind() {
                    CreateStreamErrorKind::JetStream(said) => Err(BucketError::Refused(said)),
                    _ => Err(unanswered(&error)),
                },
            }
        })
        .await
    }

    async fn find(&self, connected: &Connected) -> Result<Stream, BucketError> {
        let stream = match connected.jetstream.get_stream(self.stream()).await {
            Ok(stream) => stream,
            Err(error) => {
                return Err(match error.kind() {
                    GetStreamErrorKind::JetStream(said) => self.refused(said),
                    _ => unanswered(&error),
                });
            }
        };
        let faults = self.shape.faults(&stream.cached_info().config);
        if faults.is_empty() {
            return Ok(stream);
        }
        Err(BucketError::Shape {
            bucket: self.name.clone(),
            faults: faults.join(", "),
        })
    }

    /// Runs one step, and breaks it off where no answer can come.
    async fn answered<T>(
        &self,
        connected: &Connected,
        step: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        let denial = async {
            loop {
                let said = connected.denied().await;
                if said.contains(&self.name) {
                    return said;
                }
            }
        };
        tokio::select! {
            biased;
            done = step => done,
            away = connected.lost() => Err(away.into()),
            said = denial => Err(BucketError::Denied(said)),
        }
    }

    fn refused(&self, said: jetstream::Error) -> BucketError {
        if said.error_code() == ErrorCode::STREAM_NOT_FOUND {
            BucketError::Absent(self.name.clone())
        } else {
            BucketError::Refused(said)
        }
    }

    fn unpublished(&self, error: &PublishError) -> BucketError {
        let said = error
            .source()
            .and_then(|source| source.downcast_ref::<jetstream::Error>());
        match (error.kind(), said) {
            // Nobody listens on the subject.
            (PublishErrorKind::StreamNotFound, _) => BucketError::Absent(self.name.clone()),
            (_, Some(said)) => self.refused(said.clone()),
            _ => unanswered(error),
        }
    }

    /// A bucket is a stream of this name
    /// (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-8.md>).
    fn stream(&self) -> String {
        format!("KV_{}", self.name)
    }

    fn subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.name)
    }

    fn config(&self) -> Config {
        self.shape.config(self.stream(), self.subject(">"))
    }
}

/// A key that was deleted has a message without a value that says so.
fn is_deletion(message: &StreamMessage) -> bool {
    let operation = message.headers.get("KV-Operation");
    operation.is_some_and(|operation| matches!(operation.as_str(), "DEL" | "PURGE"))
}

fn unanswered(error: &(dyn Error + 'static)) -> BucketError {
    BucketError::Unanswered(cause::chain(error))
}
