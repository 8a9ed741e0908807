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

/// A stream that keeps what it is given.
#[derive(Clone, Debug)]
pub(in crate::delivery::nats) struct Wanted {
    pub(in crate::delivery::nats) name: String,
    /// Where what goes into it is published, before the journal.
    prefix: &'static str,
    what: &'static str,
    replicas: usize,
    /// In bytes, the longest message that is taken; 0 where the server alone has a limit.
    longest: i32,
}

impl Wanted {
    fn records(settings: &Settings) -> Self {
        Self {
            name: settings.stream.clone(),
            prefix: SUBJECT,
            what: "Audit records",
            replicas: settings.replicas,
            longest: 0,
        }
    }

    /// The stream of checkpoints, beside that of the records.
    pub(in crate::delivery::nats) fn checkpoints(settings: &Settings) -> Self {
        Self {
            name: format!("{}_CHECKPOINTS", settings.stream),
            prefix: CHECKPOINTS,
            what: "Checkpoints",
            replicas: settings.replicas,
            // Whoever may publish could have everybody else read megabytes.
            longest: LONGEST_MESSAGE,
        }
    }

    /// Where what is of a journal goes.
    pub(in crate::delivery::nats) fn subject(&self, journal: JournalId) -> String {
        format!("{}.{journal}", self.prefix)
    }
}

/// The audit stream, if it is there, in a shape that keeps what it is given.
///
/// # Errors
///
/// When it has another shape.
pub(in crate::delivery::nats) async fn find(
    connected: &Connected,
    settings: &Settings,
) -> Result<Option<Stream>, Setback> {
    find_as(connected, &Wanted::records(settings)).await
}

/// A stream, if it is there, in a shape that keeps what it is given.
///
/// # Errors
///
/// When it has another shape.
pub(in crate::delivery::nats) async fn find_as(
    connected: &Connected,
    wanted: &Wanted,
) -> Result<Option<Stream>, Setback> {
    let found = trouble::answered(connected, &wanted.name, async {
        Ok(connected.jetstream.get_stream(&wanted.name).await)
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
    let faults = faults(&stream.cached_info().config, wanted);
    if faults.is_empty() {
        return Ok(Some(stream));
    }
    Err(held(&format!(
        "the stream {} has another shape than audit records need: {}",
        wanted.name,
        faults.join(", ")
    )))
}

/// Makes the audit stream where it is absent. Of several gateways that begin at once each may: the server makes one.
pub(in crate::delivery::nats) async fn make(
    connected: &Connected,
    settings: &Settings,
) -> Result<(), Setback> {
    make_as(connected, &Wanted::records(settings)).await
}

/// Makes a stream where it is absent.
pub(in crate::delivery::nats) async fn make_as(
    connected: &Connected,
    wanted: &Wanted,
) -> Result<(), Setback> {
    if find_as(connected, wanted).await?.is_some() {
        return Ok(());
    }
    let made = trouble::answered(connected, &wanted.name, async {
        Ok(connected.jetstream.create_stream(shape(wanted)).await)
    });
    match made.await? {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            CreateStreamErrorKind::JetStream(said) => Err(held(&format!(
                "the stream {} is absent and cannot be made: {said}",
                wanted.name
            ))),
            _ => Err(trouble::asking(&error)),
        },
    }
}

/// The stream was there, and is not any more.
pub(in crate::delivery::nats) fn gone(settings: &Settings) -> Setback {
    held(&format!(
        "the stream {} is gone, with the records that were in it; restore it, or make it again with the subject \
         {SUBJECT}.>, and the records that the journal still has are sent again; or stop the gateway, remove the \
         sink's file under cursors/ in audit.dir and start it, which makes the stream",
        settings.stream
    ))
}

/// Keeps everything for ever, and refuses what has no room.
fn shape(wanted: &Wanted) -> Config {
    Config {
        name: wanted.name.clone(),
        description: Some(format!("{} of partner-gateway", wanted.what)),
        subjects: vec![format!("{}.>", wanted.prefix)],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        num_replicas: wanted.replicas,
        duplicate_window: DUPLICATES,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: wanted.longest,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    }
}

/// Every way in which a stream could lose, change or refuse a record.
fn faults(found: &Config, wanted: &Wanted) -> Vec<String> {
    let of_any_journal = format!("{}.>", wanted.prefix);
    let takes = |subject: &String| {
        [
            of_any_journal.clone(),
            format!("{}.*", wanted.prefix),
            "partner_gateway.>".to_owned(),
        ]
        .contains(subject)
    };
    let subjects = format!("subjects without {of_any_journal}");
    let replicas = format!("fewer than {} replicas", wanted.replicas);
    let all = [
        (!found.subjects.iter().any(takes), subjects.as_str()),
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
        (found.num_replicas < wanted.replicas, replicas.as_str()),
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
const CHECKPOINTS: &str = "partner_gateway.checkpoints";

/// What the server has for a default; the records' own order makes it matter little.
const DUPLICATES: Duration = Duration::from_mins(2);

/// In bytes: a record of 8 KiB with its headers.
const LONGEST_MESSAGE: i32 = 16 << 10;
