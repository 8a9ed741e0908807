//! What an error of NATS means: whether it passes or needs a person.

use std::error::Error;

use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishError, PublishErrorKind},
    message::StreamMessage,
    stream::{LastRawMessageErrorKind, RawMessageError},
};

use crate::{
    cause,
    cluster::{Connected, bucket_error::advice, link::Away},
    delivery::sink::Setback,
};

/// Runs one step, and breaks it off where no answer can come: the connection was lost, or the server denies something
/// about this.
pub(in crate::delivery::nats) async fn answered<T>(
    connected: &Connected,
    about: &str,
    step: impl Future<Output = Result<T, Setback>>,
) -> Result<T, Setback> {
    let denial = async {
        loop {
            let said = connected.denied().await;
            if said.contains(about) {
                return said;
            }
        }
    };
    tokio::select! {
        biased;
        done = step => done,
        lost = connected.lost() => Err(away(&lost)),
        said = denial => Err(held(&format!("NATS denies: {said}"))),
        // It may have been about this, and then nothing else comes.
        said = connected.said() => Err(passing(&format!("NATS says: {said}"))),
    }
}

pub(in crate::delivery::nats) fn away(away: &Away) -> Setback {
    if away.is_lasting() {
        held(&away.to_string())
    } else {
        passing(&away.to_string())
    }
}

/// No answer, or none that could be read.
pub(in crate::delivery::nats) fn asking(error: &(dyn Error + 'static)) -> Setback {
    passing(&format!("asking NATS: {}", cause::chain(error)))
}

/// A record was not acknowledged; it may be stored all the same.
pub(in crate::delivery::nats) fn publishing(error: &PublishError) -> Setback {
    let source = error.source();
    let said = source.and_then(|source| source.downcast_ref::<jetstream::Error>());
    match (error.kind(), said) {
        // Somebody else wrote to the subject, or a message of before came through after all.
        (PublishErrorKind::WrongLastSequence, _) => {
            passing("the stream has another last record of the journal than it had")
        }
        (PublishErrorKind::MaxPayloadExceeded, _) => held(
            "the NATS server takes no message as long as a record (max_payload); accepted: 16 KiB or more",
        ),
        (_, Some(answer)) => said_of(answer),
        _ => passing(&format!("publishing to NATS: {}", cause::chain(error))),
    }
}

/// A message, if there is one.
pub(in crate::delivery::nats) fn found(
    answer: Result<StreamMessage, RawMessageError>,
) -> Result<Option<StreamMessage>, Setback> {
    match answer {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::JetStream(said) => Err(said_of(&said)),
            _ => Err(asking(&error)),
        },
    }
}

/// An error that `JetStream` answered.
pub(in crate::delivery::nats) fn said(error: &jetstream::Error) -> Setback {
    said_of(error)
}

pub(in crate::delivery::nats) fn passing(why: &str) -> Setback {
    Setback::Passing {
        why: why.to_owned(),
        after: None,
    }
}

pub(in crate::delivery::nats) fn held(why: &str) -> Setback {
    Setback::Held {
        why: why.to_owned(),
    }
}

fn said_of(error: &jetstream::Error) -> Setback {
    let told = format!("JetStream says {error}{}", advice(error));
    if FULL.contains(&error.error_code()) {
        return held(&format!(
            "{told}; the stream or its server is full: make room or raise its limits"
        ));
    }
    // Of its own statuses, 503 is a cluster without a leader or a server that starts.
    if error.code() >= 500 {
        passing(&told)
    } else {
        held(&told)
    }
}

/// What is refused for want of room.
const FULL: [ErrorCode; 6] = [
    ErrorCode::STREAM_STORE_FAILED,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM,
];
