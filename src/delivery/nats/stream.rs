//! The stream: made once, and looked at before anything is put into it.

use std::time::Duration;

use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream},
};

use crate::{
    cluster::{Connected, Settings},
    delivery::{
        nats::trouble::{self, held},
        sink::Setback,
    },
    ids::JournalId,
};

/// Where records of a journal go.
pub(in crate::delivery::nats) fn subject(journal: JournalId) -> String {
    format!("{SUBJECT}.{journal}")
}

/// Where records of all journals go.
pub(in crate::delivery::nats) fn all_subjects() -> String {
    format!("{SUBJECT}.>")
}

/// The stream, if it is there, in a shape that keeps what it is given.
///
/// # Errors
///
/// When it has another shape.
pub(in crate::delivery::nats) async fn find(
    connected: &Connected,
    settings: &Settings,
) -> Result<Option<Stream>, Setback> {
    let found = trouble::answered(connected, &settings.stream, async {
        Ok(connected.jetstream.get_stream(&settings.stream).await)
    });
    let stream = match found.await? {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                GetStreamErrorKind::JetStream(said)
                    if said.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                GetStreamErrorKind::JetStream(said) => Err(trouble::said(&said)),
                _ => Err(trouble::asking(&error)),
            };
        }
    };
    let faults = faults(&stream.cached_info().config, settings);
    if faults.is_empty() {
        return Ok(Some(stream));
    }
    Err(held(&format!(
        "the stream {} has another shape than audit records need: {}",
        settings.stream,
        faults.join(", ")
    )))
}

/// Makes the stream where it is absent. Of several gateways that begin at once each may: the server makes one.
pub(in crate::delivery::nats) async fn make(
    connected: &Connected,
    settings: &Settings,
) -> Result<(), Setback> {
    if find(connected, settings).await?.is_some() {
        return Ok(());
    }
    let made = trouble::answered(connected, &settings.stream, async {
        Ok(connected.jetstream.create_stream(shape(settings)).await)
    });
    match made.await? {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            CreateStreamErrorKind::JetStream(said) => Err(held(&format!(
                "the stream {} is absent and cannot be made: {said}",
                settings.stream
            ))),
            _ => Err(trouble::asking(&error)),
        },
    }
}

/// The stream was there, and is not any more.
pub(in crate::delivery::nats) fn gone(settings: &Settings) -> Setback {
    held(&format!(
        "the stream {} is gone, with the records that were in it; restore it, or make it again with the subject \
         {SUBJECT}.>, and the records that the journal still has are sent again",
        settings.stream
    ))
}

/// Keeps everything for ever, and refuses what has no room.
fn shape(settings: &Settings) -> Config {
    Config {
        name: settings.stream.clone(),
        description: Some("Audit records of partner-gateway".to_owned()),
        subjects: vec![all_subjects()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        num_replicas: settings.replicas,
        duplicate_window: DUPLICATES,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    }
}

/// Every way in which a stream could lose, change or refuse a record.
fn faults(found: &Config, settings: &Settings) -> Vec<String> {
    let takes = |subject: &String| {
        [
            all_subjects(),
            format!("{SUBJECT}.*"),
            "partner_gateway.>".to_owned(),
        ]
        .contains(subject)
    };
    let replicas = format!("fewer than {} replicas", settings.replicas);
    let all = [
        (
            !found.subjects.iter().any(takes),
            "subjects without partner_gateway.audit.>",
        ),
        (
            found.storage != StorageType::File,
            "storage other than file",
        ),
        (
            found.retention != RetentionPolicy::Limits,
            "retention other than limits",
        ),
        (
            found.discard != DiscardPolicy::New,
            "discard other than new",
        ),
        (found.num_replicas < settings.replicas, replicas.as_str()),
        (!found.max_age.is_zero(), "max_age other than none"),
        (
            found.max_messages_per_subject > 0,
            "max_msgs_per_subject other than none",
        ),
        (
            found.max_message_size > 0 && found.max_message_size < LONGEST_MESSAGE,
            "max_msg_size under 16 KiB",
        ),
        (
            found.duplicate_window < DUPLICATES,
            "a duplicate window under 2 min",
        ),
        (!found.deny_delete, "deny_delete off"),
        (!found.deny_purge, "deny_purge off"),
        (found.allow_rollup, "allow_rollup_hdrs on"),
        (found.no_ack, "no_ack on"),
        (found.sealed, "sealed"),
        (
            found.mirror.is_some() || found.sources.is_some(),
            "a mirror or sources",
        ),
    ];
    let found = all.into_iter().filter(|(is_so, _)| *is_so);
    found.map(|(_, fault)| fault.to_owned()).collect()
}

/// The number of the last message in a stream.
pub(in crate::delivery::nats) fn end(info: &Info) -> u64 {
    info.state.last_sequence
}

const SUBJECT: &str = "partner_gateway.audit";

/// What the server has for a default; the records' own order makes it matter little.
const DUPLICATES: Duration = Duration::from_mins(2);

/// In bytes: a record of 8 KiB with its headers.
const LONGEST_MESSAGE: i32 = 16 << 10;
