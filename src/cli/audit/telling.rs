//! The result of `audit verify`, for people and for programs.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde_json::{Value, json};

use super::{
    against::{self, Held},
    hands::{hands, key_id, signed_by},
    trust::Trusted,
};
use crate::audit::{
    public_key::PublicKey,
    verify::{
        findings::{Damage, Fault, Findings, Record},
        has_mark,
        seals::Flaw,
    },
};

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::audit) struct Told<'a> {
    pub(in crate::cli::audit) dir: &'a Path,
    /// The directories of the journals that ended in this one's.
    pub(in crate::cli::audit) ended: &'a [PathBuf],
    pub(in crate::cli::audit) trusted: &'a Trusted,
    pub(in crate::cli::audit) findings: &'a Findings,
    /// The copy of a sink, where one was held against it.
    pub(in crate::cli::audit) held: Option<&'a Held>,
}

/// Tells people.
pub(in crate::cli::audit) fn as_text(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let found = told.findings;
    let verdict = found.damage.as_ref().map_or("intact", |_| "NOT INTACT");
    writeln!(
        out,
        "journal {} in {}: {verdict}",
        found.journal,
        told.dir.display()
    )?;
    if let Some(damage) = &found.damage {
        writeln!(out, "first bad record: {}", damage.fault.seq())?;
        writeln!(
            out,
            "where: {} at byte {}",
            damage.path.display(),
            damage.offset
        )?;
        writeln!(out, "what: {}", damage.fault)?;
        writeln!(out, "mend: {}", mend(&damage.fault))?;
        writeln!(out, "as far as it is intact:")?;
    }
    records(found, out)?;
    signatures(told, out)?;
    if let Some(tail) = &found.unfinished {
        writeln!(
            out,
            "unfinished: {} bytes behind the last record, in {} at byte {}; they are being written, or the next \
             start cuts them off and keeps them aside",
            tail.bytes,
            tail.path.display(),
            tail.offset
        )?;
    }
    if found.void_bytes > 0 {
        writeln!(
            out,
            "void: {} bytes of failed writes, which later segments have replaced",
            found.void_bytes
        )?;
    }
    for ended in told.ended {
        writeln!(
            out,
            "ended before: a journal in {}, which is not verified here; give it by --dir",
            ended.display()
        )?;
    }
    told.held
        .map_or(Ok(()), |held| against::telling::as_text(held, out))
}

/// Tells programs.
pub(in crate::cli::audit) fn as_json(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", value(told))
}

/// What programs are told of one journal.
pub(in crate::cli::audit) fn value(told: &Told<'_>) -> Value {
    let found = told.findings;
    let (last, held) = (found.last.as_ref(), told.held);
    let ended = told.ended.iter().map(|dir| dir.to_string_lossy());
    let ended: Vec<_> = ended.collect();
    json!({
        "intact": found.damage.is_none(),
        "journal": found.journal.to_string(),
        "dir": told.dir.to_string_lossy(),
        "segments": found.segments,
        "records": found.records,
        "first": found.first.as_ref().map(record),
        "last": last.map(|(last, _)| record(last)),
        "head": last.map(|(_, hash)| hash.to_string()),
        "checkpoints": found.checkpoints,
        "key_id": key_id(told.trusted, &found.vouched),
        "key_from": told.trusted.word(),
        "signed_upto": found.signed.map(|signed| signed.upto),
        "signed_by": signed_by(&found.vouched),
        "signatures_unchecked": found.unchecked,
        "behind_last_checkpoint": behind(found),
        "has_checkpoint_file": has_mark(told.dir),
        "kept_found": found.kept_found,
        "kept_before_first": found.kept_before,
        "void_bytes": found.void_bytes,
        "unfinished": found.unfinished.as_ref().map(|tail| json!({
            "file": tail.path.to_string_lossy(),
            "offset": tail.offset,
            "bytes": tail.bytes,
        })),
        "damage": found.damage.as_ref().map(damage),
        "ended": ended,
        "against": held.map(against::telling::as_json),
    })
}

fn records(found: &Findings, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "records: {}; segments: {}; checkpoints: {}",
        found.records, found.segments, found.checkpoints
    )?;
    let (Some(first), Some((last, hash))) = (&found.first, &found.last) else {
        return Ok(());
    };
    writeln!(out, "from: record {}, {}", first.seq, time(first))?;
    if first.seq > 1 {
        writeln!(
            out,
            "older: records before {} are not there; retention deletes them",
            first.seq
        )?;
    }
    writeln!(out, "to: record {}, {}", last.seq, time(last))?;
    writeln!(out, "head: {hash}")
}

fn signatures(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let found = told.findings;
    match (found.signed, told.trusted) {
        (_, Trusted::Nothing) => writeln!(
            out,
            "signed: not checked, for there is no key; give it by --key"
        )?,
        (Some(signed), _) => writeln!(
            out,
            "signed: up to record {}, by checkpoint {}",
            signed.upto, signed.checkpoint
        )?,
        (None, _) => writeln!(out, "signed: nothing")?,
    }
    key(told, out)?;
    if found.unchecked > 0 {
        writeln!(out, "signatures not checked: {}", found.unchecked)?;
    }
    writeln!(out, "records behind the last checkpoint: {}", behind(found))?;
    if !has_mark(told.dir) {
        writeln!(
            out,
            "checkpoint.json: not there, so that an end that was cut off does not show; it belongs to every copy of a \
             journal"
        )?;
    }
    if found.kept_found > 0 {
        writeln!(
            out,
            "checkpoints kept elsewhere: {} found",
            found.kept_found
        )?;
    }
    if found.kept_before > 0 {
        writeln!(
            out,
            "checkpoints kept elsewhere: {} older than the first record, not compared",
            found.kept_before
        )?;
    }
    Ok(())
}

/// How many records no checkpoint stands behind.
fn behind(found: &Findings) -> u64 {
    let last = found.last.as_ref().map(|(last, _)| last.seq);
    match (last, found.last_checkpoint) {
        (Some(last), Some(checkpoint)) => last.saturating_sub(checkpoint),
        _ => found.records,
    }
}

fn key(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    match told.trusted {
        Trusted::Nothing => Ok(()),
        Trusted::Beside(key) => writeln!(
            out,
            "key: {}, of signing.key beside the journal, which whoever changes the journal may have, too; --key is \
             stronger evidence",
            key.id()
        ),
        Trusted::Elsewhere(key, path) => writeln!(
            out,
            "key: {}, of {}, which the gateway signs with; --key, with a public key that was kept elsewhere, is \
             stronger evidence",
            key.id(),
            path.display()
        ),
        Trusted::Brought(keys) => {
            let ids: Vec<_> = keys.iter().map(PublicKey::id).collect();
            let word = if ids.len() == 1 { "key" } else { "keys" };
            writeln!(out, "{word}: {}, given by --key", ids.join(" and "))?;
            hands(&told.findings.vouched, ids.len(), out)
        }
    }
}

fn record(record: &Record) -> Value {
    json!({ "seq": record.seq, "time": record.time.map(rfc3339) })
}

fn damage(damage: &Damage) -> Value {
    json!({
        "seq": damage.fault.seq(),
        "file": damage.path.to_string_lossy(),
        "offset": damage.offset,
        "what": damage.fault.to_string(),
        "mend": mend(&damage.fault),
    })
}

fn time(record: &Record) -> String {
    record.time.map_or("without a time".to_owned(), rfc3339)
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

/// What is to be done.
fn mend(fault: &Fault) -> &'static str {
    match fault {
        Fault::OtherJournal { .. } => {
            "see whether this is the right directory; if it is, the journal was replaced by another one"
        }
        Fault::Checkpoint {
            flaw: Flaw::OtherKey { .. },
            ..
        } => {
            "where the key was replaced on purpose, give the public key of each that signed, by --key as often as \
             needed; otherwise somebody else signed it: keep the directory for examination"
        }
        Fault::Checkpoint {
            flaw: Flaw::Signature,
            ..
        } => {
            "this checkpoint, or a record since the good one before it, was written anew by somebody without the key: \
             keep the directory for examination, and compare with what was kept elsewhere"
        }
        Fault::Beginning { .. } => {
            "the oldest files were removed by something other than the gateway's retention: keep the directory for \
             examination, and put the files back from a copy"
        }
        Fault::Truncated { .. } | Fault::Short { .. } => {
            "the end was removed, or the disk was restored to an earlier state: keep the directory for examination, \
             and look for the missing records elsewhere"
        }
        _ => {
            "keep the directory as it is for examination, compare the record with a copy from elsewhere, and give \
             the gateway a new audit.dir"
        }
    }
}
