//! A key-value bucket of the cluster, key by key: read from the stream's leader, written under the revision that was read.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    HeaderMap, HeaderValue, header,
    jetstream::{
        self, ErrorCode,
        context::{CreateStreamErrorKind, GetStreamErrorKind, PublishError, PublishErrorKind},
        stream::{Config, LastRawMessageErrorKind, Stream},
    },
};
use bytes::Bytes;

use crate::{
    cause,
    cluster::{
        Cluster, Connected,
        bucket_error::{BucketError, unanswered},
        entry::{Entry, OPERATION, Written, is_deletion},
        past::Past,
        shape::Shape,
    },
};

/// One bucket.
#[derive(Debug)]
pub struct Bucket {
    cluster: Arc<Cluster>,
    name: String,
    shape: Shape,
    /// The connection over which it was last made or found.
    made: AtomicU64,
    past: Past,
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
            made: AtomicU64::new(NEVER),
            past: Past::default(),
        }
    }

    /// The same, whose entries go once they are so old.
    #[must_use]
    pub fn passing(cluster: Arc<Cluster>, name: String, max_age: Duration) -> Self {
        let replicas = cluster.settings().replicas;
        Self {
            shape: Shape::passing(replicas, max_age),
            ..Self::new(cluster, name)
        }
    }

    /// Reads what stands under a key.
    ///
    /// # Errors
    ///
    /// When the bucket is not there, has another shape, or cannot be asked.
    pub async fn read(&self, key: &str) -> Result<Entry, BucketError> {
        let connected = self.cluster.connected().await?;
        self.answered(&connected, self.find(&connected)).await?;
        self.peek(key).await
    }

    /// Reads what stands under a key, without a look at the bucket's shape.
    ///
    /// # Errors
    ///
    /// When the bucket is not there, or cannot be asked.
    pub async fn peek(&self, key: &str) -> Result<Entry, BucketError> {
        let connected = self.cluster.connected().await?;
        self.answered(&connected, async {
            let found = connected.jetstream.get_stream_no_info(self.stream());
            let stream = found.await.map_err(|error| unanswered(&error))?;
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
        self.publish(key, value, revision, HeaderMap::new()).await
    }

    /// Removes a value, if the key still has the revision that was read.
    ///
    /// # Errors
    ///
    /// When the bucket is not there or does not answer; the value may be gone all the same.
    pub async fn remove(&self, key: &str, revision: u64) -> Result<Written, BucketError> {
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, "DEL");
        self.publish(key, Bytes::new(), revision, headers).await
    }

    async fn publish(
        &self,
        key: &str,
        value: Bytes,
        revision: u64,
        mut headers: HeaderMap,
    ) -> Result<Written, BucketError> {
        let connected = self.cluster.connected().await?;
        let expected = HeaderValue::from(revision);
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected);
        headers.insert(header::NATS_EXPECTED_STREAM, self.stream());
        let before = self.past.highest();
        let publishing = async {
            let context = &connected.jetstream;
            let sent = context.publish_with_headers(self.subject(key), headers, value);
            match async { sent.await?.await }.await {
                Ok(acknowledged) => {
                    let sequence = acknowledged.sequence;
                    self.past.wrote(&self.name, sequence, before);
                    Ok(Written::At(sequence))
                }
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
                // Another may have made it first.
                Ok(_) => self.find(&connected).await.map(drop),
                Err(error) => match error.kind() {
                    CreateStreamErrorKind::JetStream(said) => Err(BucketError::Refused(said)),
                    _ => Err(unanswered(&error)),
                },
            }
        })
        .await
    }

    /// The same, once for each time that the connection stood, and once more where the bucket was lost.
    ///
    /// # Errors
    ///
    /// As [`make`](Self::make).
    pub async fn make_once(&self) -> Result<(), BucketError> {
        let times = self.cluster.connected().await?.times;
        if self.made.load(Ordering::Relaxed) != times {
            self.make().await?;
            self.made.store(times, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether entries were lost in this run that would still stand: one that is absent may have been there.
    pub fn has_lost(&self) -> bool {
        self.past.has_lost(self.shape.max_age())
    }

    /// How often this run has noticed that entries of this bucket were lost.
    pub fn losses(&self) -> u64 {
        self.past.losses()
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
        let info = stream.cached_info();
        self.past.found(&self.name, info.created);
        let faults = self.shape.faults(&info.config);
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

    fn absent(&self) -> BucketError {
        self.made.store(NEVER, Ordering::Relaxed);
        BucketError::Absent(self.name.clone())
    }

    fn refused(&self, said: jetstream::Error) -> BucketError {
        if said.error_code() == ErrorCode::STREAM_NOT_FOUND {
            self.absent()
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
            (PublishErrorKind::StreamNotFound, _) => self.absent(),
            (PublishErrorKind::MaxPayloadExceeded, _) => BucketError::TooLarge(cause::chain(error)),
            (_, Some(said)) if said.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
                BucketError::TooLarge(said.to_string())
            }
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

/// Connections are counted from 1 on.
const NEVER: u64 = 0;
