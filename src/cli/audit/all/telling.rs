//! The result of `audit verify --all`, for people and for programs.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde_json::{Value, json};

use super::{Found, One, Source, found::word};
use crate::{
    audit::verify::{
        census::{Apart, Difference, Kind, Missing, Report},
        copy::Comparison,
    },
    cli::audit::{
        against::telling as copied,
        hands, shown,
        telling::{self as alone},
        trust::Trusted,
    },
    ids::JournalId,
};

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::audit) struct Told<'a> {
    pub(in crate::cli::audit::all) ones: &'a [One],
    pub(in crate::cli::audit::all) report: &'a Report,
}

impl Told<'_> {
    /// Whether all is as it should be.
    pub(in crate::cli::audit::all) fn is_intact(&self) -> bool {
        let Report {
            missing,
            differences,
            apart,
            ..
        } = self.report;
        let nothing = missing.is_empty() && differences.is_empty() && apart.is_empty();
        nothing && self.ones.iter().all(One::is_intact)
    }
}

/// Tells people.
pub(in crate::cli::audit) fn as_text(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    for one in told.ones {
        match (&one.source, &one.found) {
            (Source::Directory(dir) | Source::Ended(dir), Found::Directory(findings, held)) => {
                let told = alone::Told {
                    dir,
                    ended: ALL_READ,
                    trusted: &one.trusted,
                    findings,
                    held: held.as_ref(),
                };
                alone::as_text(&told, out)?;
                if let Source::Ended(_) = one.source {
                    writeln!(out, "ended: {ENDED}")?;
                }
            }
            (_, Found::Copy(comparison)) => copy_as_text(one, comparison, out)?,
            (Source::Copy(_), Found::Directory(..)) => {}
        }
        writeln!(out)?;
    }
    let report = told.report;
    let verdict = if told.is_intact() {
        "intact"
    } else {
        "NOT INTACT"
    };
    writeln!(
        out,
        "all: {verdict}; journals: {}; missing: {}; checkpoints witnessed by others: {} as they were",
        told.ones.len(),
        report.missing.len(),
        report.same
    )?;
    if report.older > 0 {
        let older = report.older;
        writeln!(
            out,
            "witnessed and not compared, for retention has removed the records: {older}"
        )?;
    }
    for missing in &report.missing {
        writeln!(out, "missing: {}", what_is_missing(missing))?;
        writeln!(out, "mend: {MISSING_MEND}")?;
    }
    for difference in &report.differences {
        writeln!(out, "difference: {}", what_differs(difference))?;
        writeln!(out, "mend: {}", mend(difference.kind))?;
    }
    for apart in &report.apart {
        writeln!(out, "twice: {}", what_is_twice(apart, told.ones))?;
        writeln!(out, "mend: {TWICE_MEND}")?;
    }
    Ok(())
}

/// Tells programs.
pub(in crate::cli::audit) fn as_json(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let report = told.report;
    let missing = report.missing.iter().map(|it| {
        json!({
            "journal": it.journal.to_string(),
            "upto": it.upto,
            "time": it.time,
            "witnessed_by": names(&it.by),
            "what": what_is_missing(it),
            "mend": MISSING_MEND,
        })
    });
    let differences = report.differences.iter().map(|it| {
        json!({
            "kind": word(it.kind),
            "journal": it.journal.to_string(),
            "upto": it.upto,
            "witnessed_by": it.by.to_string(),
            "seq": it.at,
            "count": it.count,
            "what": what_differs(it),
            "mend": mend(it.kind),
        })
    });
    let twice = report.apart.iter().map(|it| {
        json!({
            "journal": it.journal.to_string(),
            "dirs": places(it.journal, told.ones),
            "apart_after": it.after,
            "what": what_is_twice(it, told.ones),
            "mend": TWICE_MEND,
        })
    });
    let all = json!({
        "intact": told.is_intact(),
        "journals": told.ones.iter().map(one).collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
        "differences": differences.collect::<Vec<_>>(),
        "twice": twice.collect::<Vec<_>>(),
        "witnessed_same": report.same,
        "witnessed_older": report.older,
    });
    writeln!(out, "{all}")
}

fn one(one: &One) -> Value {
    match (&one.source, &one.found) {
        (Source::Directory(dir) | Source::Ended(dir), Found::Directory(findings, held)) => {
            alone::value(&alone::Told {
                dir,
                ended: ALL_READ,
                trusted: &one.trusted,
                findings,
                held: held.as_ref(),
            })
        }
        (_, Found::Copy(found)) => json!({
            "intact": found.is_even(),
            "journal": one.journal().to_string(),
            "records": found.lines,
            "range": found.range.map(copied::range),
            "key_id": hands::key_id(&one.trusted, &found.vouched),
            "signed_upto": found.signed.map(|signed| signed.upto),
            "signed_by": hands::signed_by(&found.vouched),
            "differences": found.differences.iter().map(copied::difference).collect::<Vec<_>>(),
            "differences_not_told": found.untold,
        }),
        (Source::Copy(_), Found::Directory(..)) => Value::Null,
    }
}

fn copy_as_text(one: &One, found: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let verdict = if found.is_even() {
        "intact"
    } else {
        "NOT INTACT"
    };
    let journal = one.journal();
    writeln!(out, "journal {journal} in the sink alone: {verdict}")?;
    copied::differences(found, out)?;
    let range = found.range.map_or(String::new(), |range| {
        format!(", from record {} to record {}", range.from, range.upto)
    });
    writeln!(out, "records: {}{range}", found.lines)?;
    match (found.signed, &one.trusted) {
        (_, Trusted::Nothing) => writeln!(
            out,
            "signed: not checked, for there is no key; give it by --key"
        ),
        (Some(signed), _) => writeln!(
            out,
            "signed: up to record {}, by checkpoint {}",
            signed.upto, signed.checkpoint
        ),
        (None, _) => writeln!(out, "signed: nothing"),
    }?;
    hands::hands(&found.vouched, one.trusted.keys().len(), out)
}

fn what_is_missing(missing: &Missing) -> String {
    let Missing {
        journal,
        upto,
        time,
        by,
    } = missing;
    let by = names(by).join(", ");
    let time = shown(time);
    format!(
        "journal {journal} is known from the witness records of {by}, last seen with {upto} records at {time}, and not \
         given"
    )
}

fn what_differs(difference: &Difference) -> String {
    let Difference {
        journal,
        by,
        at,
        upto,
        kind,
        count,
    } = difference;
    let more = match count {
        0 | 1 => String::new(),
        count => format!(" (the first of {count})"),
    };
    match kind {
        Kind::Other => format!(
            "journal {journal} has another line for record {upto} than record {at} of journal {by} has witnessed{more}"
        ),
        Kind::Short { last } => format!(
            "journal {journal} ends with record {last}, and record {at} of journal {by} has witnessed its record \
             {upto}{more}"
        ),
        Kind::Contradicted { known } => format!(
            "record {at} of journal {by} tells that journal {journal} had a checkpoint over record {upto} that denies \
             the one over record {known}{more}"
        ),
    }
}

fn what_is_twice(apart: &Apart, ones: &[One]) -> String {
    let Apart { journal, after } = apart;
    let places = places(*journal, ones).join(", ");
    let how = after.map_or_else(
        || "their checkpoints are the same as far as both have them".to_owned(),
        |after| format!("they go apart behind record {after}"),
    );
    format!("journal {journal} is in {places}; {how}")
}

fn places(journal: JournalId, ones: &[One]) -> Vec<String> {
    let of = ones.iter().filter(|one| one.journal() == journal);
    of.filter_map(|one| match &one.source {
        Source::Directory(dir) | Source::Ended(dir) => Some(dir.display().to_string()),
        Source::Copy(_) => None,
    })
    .collect()
}

fn names(journals: &[JournalId]) -> Vec<String> {
    journals.iter().map(ToString::to_string).collect()
}

/// What is to be done.
fn mend(kind: Kind) -> &'static str {
    match kind {
        Kind::Other => {
            "one of the two was rewritten: keep both for examination; where several journals have witnessed the same, \
             it is the one that they witnessed"
        }
        Kind::Short { .. } => {
            "the end was removed, the disk restored to an earlier state, or the sink lacks what was not delivered: look \
             for the journal on the gateway's own disk, and keep it for examination"
        }
        Kind::Contradicted { .. } => {
            "it was cut off, restored, or rewritten, or two gateways wrote it: look at the log of both gateways at that \
             time, and keep the journals for examination"
        }
    }
}

const MISSING_MEND: &str = "give its directory by --dir, or a sink that has it by --against; where neither has it, it \
                            was removed, and its gateway's volume is where to look";

const TWICE_MEND: &str = "leave out what is a mere copy; where two gateways were started on copies of one directory, stop \
                          one and give it an empty audit.dir, and keep both journals";

const ENDED: &str = "a sink had more of this journal than the disk, or something else, and another one goes on; what the \
                     sink has of it is verified by itself";

/// Journals that ended are among those that are told of.
const ALL_READ: &[PathBuf] = &[];
