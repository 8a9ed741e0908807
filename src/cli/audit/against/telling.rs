//! What came of holding a sink's copy against the journal, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Held;
use crate::{
    audit::verify::copy::{Comparison, Difference, Range},
    cli::audit::{
        hands::{hands, signed_by},
        shown,
    },
};

/// Tells people.
pub(in crate::cli::audit) fn as_text(held: &Held, out: &mut dyn Write) -> io::Result<()> {
    let found = &held.comparison;
    let verdict = if found.is_even() {
        "the same"
    } else {
        "NOT THE SAME"
    };
    writeln!(out, "sink {}: {verdict}", held.sink)?;
    differences(found, out)?;
    let range = found.range.map_or(String::new(), |range| {
        format!(", from record {} to record {}", range.from, range.upto)
    });
    writeln!(
        out,
        "in the sink: {} records{range}; the same in the journal: {}",
        found.lines, found.same
    )?;
    if let Some(signed) = found.signed {
        writeln!(
            out,
            "signed in the sink: up to record {}, by checkpoint {}",
            signed.upto, signed.checkpoint
        )?;
        hands(&found.vouched, 1, out)?;
    }
    if let Some(lag) = found.lag {
        writeln!(out, "not delivered yet: {lag}")?;
    }
    for (count, what) in counts(found) {
        writeln!(out, "{what}: {count}")?;
    }
    for (journal, count) in &held.others {
        writeln!(
            out,
            "also in the sink, and not here: journal {}, {count} records",
            shown(journal)
        )?;
    }
    Ok(())
}

/// Tells people what is wrong.
pub(in crate::cli::audit) fn differences(
    found: &Comparison,
    out: &mut dyn Write,
) -> io::Result<()> {
    for difference in &found.differences {
        writeln!(out, "difference: {difference}")?;
        writeln!(out, "mend: {}", mend(difference))?;
    }
    if found.untold > 0 {
        writeln!(out, "differences not told: {}", found.untold)?;
    }
    Ok(())
}

/// Tells programs.
pub(in crate::cli::audit) fn as_json(held: &Held) -> Value {
    let found = &held.comparison;
    let others = held.others.iter();
    let others = others.map(|(journal, count)| json!({ "journal": journal, "records": count }));
    json!({
        "sink": held.sink,
        "same": found.is_even(),
        "records": found.lines,
        "range": found.range.map(range),
        "records_same": found.same,
        "signed_upto": found.signed.map(|signed| signed.upto),
        "signed_by": signed_by(&found.vouched),
        "not_delivered_yet": found.lag.map(range),
        "older_than_journal": found.older,
        "refused": found.refused,
        "uncompared": found.uncompared,
        "differences": found.differences.iter().map(difference).collect::<Vec<_>>(),
        "differences_not_told": found.untold,
        "other_journals": others.collect::<Vec<_>>(),
    })
}

fn counts(found: &Comparison) -> Vec<(u64, &'static str)> {
    let all = [
        (
            found.older,
            "older than the first record of the journal, and in the sink alone",
        ),
        (found.refused, "refused by the sink for good"),
        (
            found.uncompared,
            "not compared, because the journal is damaged before them",
        ),
    ];
    all.into_iter().filter(|(count, _)| *count > 0).collect()
}

pub(in crate::cli::audit) fn difference(difference: &Difference) -> Value {
    json!({
        "kind": difference.word(),
        "range": range(difference.range()),
        "what": difference.to_string(),
        "mend": mend(difference),
    })
}

pub(in crate::cli::audit) fn range(range: Range) -> Value {
    json!({ "from": range.from, "upto": range.upto })
}

/// What is to be done.
fn mend(difference: &Difference) -> &'static str {
    match difference {
        Difference::Ahead(_) => {
            "the end of the journal was removed, or its disk restored to an earlier state: keep both for \
             examination, and take the missing records from the sink"
        }
        Difference::Other(_) => {
            "one of the two was rewritten: keep both for examination, and compare them with a third copy; a chain \
             that breaks in the sink is told beside this"
        }
        Difference::Lost(_) => {
            "records were removed from the sink, it was restored to an earlier state, or the journal had to delete \
             them before the sink took them: the log and partner_gateway_audit_sink_skipped_total tell of the last"
        }
        Difference::Repeated(_)
        | Difference::Odd { .. }
        | Difference::Chain(_)
        | Difference::Checkpoint { .. } => {
            "somebody other than the gateway wrote into the sink: see who may"
        }
    }
}
