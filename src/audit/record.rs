//! The form of a record: one JSON object a line, keys in a fixed order, absent values left out.
//!
//! A [`Draft`] holds everything that its maker knows, already as JSON, so that the one writer has only
//! to put number, time and hash around it.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    time::SystemTime,
};

use serde::Serialize;

use crate::{
    audit::{
        chain::{CHECKPOINT, Head, LineHash},
        fork::Fork,
        link::PRUNED,
        members::{AttemptMember, Members, display},
        orphans::{Closing, Orphan},
        trail::Facts,
    },
    ids::{BootId, CallId, JournalId, RecordId, RequestId},
};

/// A record on its way to the journal.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The record's ID.
    pub id: RecordId,
    /// What it means for the call it tells of.
    pub(in crate::audit) purpose: Purpose,
    /// The members from `kind` on, without braces.
    pub(in crate::audit) members: String,
}

/// What a record means for the call it tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audit) enum Purpose {
    /// The call will have an outcome, for which room is set aside.
    Opens(CallId),
    /// The outcome of a call that has an intent.
    Closes(CallId),
    /// Room comes back once this is on the disk and signed; room for it is kept.
    Frees,
    /// None of these.
    Tells,
}

/// What the outcome record adds to the facts of the call.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// What was decided about the caller's wish.
    pub decision: Option<&'static str>,
    /// The status answered.
    pub status: u16,
    /// The gateway's own code, where the gateway speaks.
    pub code: Option<&'static str>,
    /// The value of `Gateway-Outcome`.
    pub outcome: &'static str,
    /// The outcome record of the call whose answer was given again.
    pub replay_of: Option<RecordId>,
    /// What happened upstream: `no`, `yes`, `unknown`.
    pub forwarded: &'static str,
    /// The answer's body.
    pub body: &'a [u8],
}

/// A torn tail that was cut off at start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// How many bytes were cut.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: String,
    /// Where they are kept, relative to the journal's directory.
    pub file: String,
}

/// What a start found and did to a journal whose last run ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The torn tail.
    pub cut: Cut,
    /// How many intents have no outcome.
    pub orphans: usize,
    /// The highest record that was known to have been on the disk.
    pub low_water: Option<u64>,
}

impl Draft {
    /// Tells what is about to be sent upstream, before its first byte.
    #[must_use]
    pub fn intent(facts: &Facts, boot: BootId, requests: &[RequestId]) -> Self {
        Self::new(
            RecordId::next(),
            &Members {
                decision: Some("allowed"),
                request_ids: requests,
                ..Members::of_call("intent", facts, boot)
            },
        )
        .that(Purpose::Opens(facts.call))
    }

    /// Tells how a call ended.
    #[must_use]
    pub fn outcome(id: RecordId, facts: &Facts, boot: BootId, ending: &Ending<'_>) -> Self {
        let upstream = facts.upstream();
        Self::fitting(
            id,
            Members {
                decision: ending.decision,
                status: Some(ending.status),
                code: ending.code,
                outcome: Some(ending.outcome),
                replay_of: ending.replay_of.as_ref().map(display),
                forwarded: Some(ending.forwarded),
                attempts: AttemptMember::all(&upstream),
                transfer_status: upstream.transfer_status.as_deref().map(Cow::Borrowed),
                body_sha256: Some(LineHash::of(ending.body)),
                body_bytes: Some(ending.body.len()),
                duration_us: Some(facts.began.elapsed().as_micros()),
                ..Members::of_call("outcome", facts, boot)
            },
        )
        .that(if facts.is_intended() {
            Purpose::Closes(facts.call)
        } else {
            Purpose::Tells
        })
    }

    /// Tells what could be found out of a call whose intent alone is left. There is no status: nobody was
    /// answered, as far as anybody knows.
    #[must_use]
    pub fn closing(orphan: &Orphan, boot: BootId, closing: &Closing) -> Self {
        Self::new(
            RecordId::next(),
            &Members {
                outcome: Some(closing.outcome),
                forwarded: Some(closing.forwarded),
                attempts: AttemptMember::all(&closing.upstream),
                transfer_status: closing
                    .upstream
                    .transfer_status
                    .as_deref()
                    .map(Cow::Borrowed),
                ..Members::of_orphan("outcome", orphan, boot)
            },
        )
        .that(orphan.call().map_or(Purpose::Tells, Purpose::Closes))
    }

    /// Tells that a run of the process begins, and with it perhaps a journal in the place of another one.
    #[must_use]
    pub fn started(boot: BootId, policy: &str, forked_from: Option<&Fork>) -> Self {
        let policy = Some(policy);
        Self::new(
            RecordId::next(),
            &Members {
                policy,
                forked_from,
                ..Members::of_run("started", boot)
            },
        )
    }

    /// Tells that a torn tail was cut off.
    #[must_use]
    pub fn recovered(boot: BootId, recovered: &Recovered) -> Self {
        Self::new(
            RecordId::next(),
            &Members {
                cut: Some(&recovered.cut),
                orphans: Some(recovered.orphans),
                low_water: recovered.low_water,
                ..Members::of_run("recovered", boot)
            },
        )
    }

    /// Tells which records retention removes, before it does: all up to `upto`, whose line has the hash
    /// `head`; `checkpoint` is the hash of the last checkpoint's line among them, or zeros.
    #[must_use]
    pub fn pruned(boot: BootId, upto: u64, head: LineHash, checkpoint: LineHash) -> Self {
        Self::new(
            RecordId::next(),
            &Members {
                upto: Some(upto),
                head: Some(head),
                checkpoint: Some(checkpoint),
                ..Members::of_run(PRUNED, boot)
            },
        )
        .that(Purpose::Frees)
    }

    /// Tells that a run of the process ends in good order.
    #[must_use]
    pub fn stopped(boot: BootId) -> Self {
        Self::new(RecordId::next(), &Members::of_run("stopped", boot))
    }

    /// Signs the chain up to the line before it.
    #[must_use]
    pub fn checkpoint(boot: BootId, over: &Head, key_id: &str, signature: &str) -> Self {
        Self::new(
            RecordId::next(),
            &Members {
                upto: Some(over.seq()),
                head: Some(over.hash()),
                key_id: Some(key_id),
                signature: Some(signature),
                ..Members::of_run(CHECKPOINT, boot)
            },
        )
    }

    /// Stands for answers that have no record of their own, and for bytes that never became a request.
    #[must_use]
    pub fn summary(id: RecordId, boot: BootId, counts: &[Count]) -> Self {
        Self::new(
            id,
            &Members {
                counts,
                ..Members::of_run("summary", boot)
            },
        )
    }

    /// The most bytes that its line can have, with its newline.
    #[must_use]
    pub(in crate::audit) fn most_bytes(&self) -> u64 {
        let members = u64::try_from(self.members.len()).unwrap_or(u64::MAX);
        members.saturating_add(AROUND_BYTES)
    }

    fn that(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Puts the finished line together, without its newline.
    #[must_use]
    pub fn line(&self, journal: JournalId, seq: u64, time: SystemTime, prev: LineHash) -> Vec<u8> {
        let most = usize::try_from(self.most_bytes()).unwrap_or_default();
        let mut line = String::with_capacity(most);
        let written = self.write(&mut line, journal, seq, time, prev);
        // Writing to memory cannot fail.
        written.unwrap_or_default();
        line.into_bytes()
    }

    fn write(
        &self,
        line: &mut String,
        journal: JournalId,
        seq: u64,
        time: SystemTime,
        prev: LineHash,
    ) -> fmt::Result {
        let (id, time) = (self.id, humantime::format_rfc3339_micros(time));
        write!(
            line,
            r#"{{"v":1,"journal":"{journal}","seq":{seq},"id":"{id}","time":"{time}","#
        )?;
        line.push_str(&self.members);
        write!(line, r#","prev":"{prev}"}}"#)
    }

    pub(in crate::audit) fn new(id: RecordId, members: &Members<'_>) -> Self {
        Self {
            id,
            purpose: Purpose::Tells,
            members: members.written(),
        }
    }
}

/// How much of one kind from one source a summary stands for.
#[derive(Clone, Debug, Serialize)]
pub struct Count {
    /// The code answered, or the class of what was no request.
    pub code: &'static str,
    /// The source's IP address, or `other`.
    pub address: String,
    /// How often.
    pub count: u64,
}

/// The contract's bound for a line.
pub(in crate::audit) const LONGEST_BYTES: u64 = 8 << 10;

/// More than what stands around a draft's members: two GUIDs, a number, a time, a hash and their names.
const AROUND_BYTES: u64 = 384;
