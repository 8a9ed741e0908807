//! `audit reconcile`: the calls of which the journal does not say how they ended; with `--since`, both sides of all
//! rejections.

mod since;
mod telling;
mod two_sided;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use self::since::Since;
use super::{
    finding,
    place::{Found, Place},
    progress::Bar,
    shown,
};
use clap::Args;

use crate::{
    app::build::BuildError,
    audit::{
        doubts::{Call, Closed, Doubts, Unknown, doubts},
        verify::{Unreadable, findings::Findings},
    },
    cause,
    config::{
        environment::Environment,
        fault::{Faults, quoted},
    },
    partner_center::activity::Unavailable,
};

/// Which journal is to be looked through.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// Where the journal is.
    #[command(flatten)]
    pub place: Place,
    /// Tells all of it as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Holds the rejections of this time, such as 30d, or since this time by RFC 3339 in UTC, against what Partner
    /// Center has on record; 90 days at most. Wants --config, because Partner Center is asked through an account of it.
    #[arg(long, value_name = "DURATION|TIME", value_parser = since::read)]
    since: Option<Since>,
    /// Whose records Partner Center is asked for; without it, those of the default account.
    #[arg(long, value_name = "NAME", requires = "since")]
    account: Option<String>,
    /// The journal of a further replica, or a copy of it; may be given more than once.
    #[arg(long, value_name = "DIR", requires = "since")]
    replica: Vec<PathBuf>,
}

/// Nothing can be said.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Config(#[from] Faults),
    #[error("{}", cause::chain(.0))]
    Journal(#[from] Unreadable),
    #[error(
        "the journal is not intact, so that its calls cannot be told: {what}; `partner-gateway audit verify` tells more"
    )]
    Damaged { what: String },
    #[error("telling the result: {0}")]
    Out(#[from] io::Error),
    #[error("--since: found {}; accepted: {accepted}", quoted(.found))]
    Since {
        found: String,
        accepted: &'static str,
    },
    #[error(
        "--since needs --config, because Partner Center is asked through an account of it; give the configuration in \
         place of --dir, and other journals by --replica"
    )]
    SinceWithoutConfig,
    #[error("--account: found {}; accepted: {accepted}", quoted(.found))]
    Account { found: String, accepted: String },
    #[error("{}", cause::chain(.0))]
    Build(#[from] BuildError),
    #[error("the runtime: {0}")]
    Runtime(io::Error),
    #[error("account {account}: {}", cause::chain(.source))]
    PartnerCenter {
        account: String,
        source: Box<Unavailable>,
    },
    #[error("{0} received")]
    Interrupted(&'static str),
}

/// Lists the calls, and returns the process's exit code.
#[must_use]
pub fn run(question: &Question, environment: &Environment) -> u8 {
    let listed = match &question.since {
        None => list(question, environment),
        Some(since) => two_sided::run(question, since, environment),
    };
    match listed {
        Ok(true) => NONE,
        Ok(false) => SOME,
        Err(why) => {
            let said = writeln!(io::stderr(), "partner-gateway: {why}");
            said.map_or(NOT_READ, |()| NOT_READ)
        }
    }
}

/// Whether there is nothing to be looked after.
fn list(question: &Question, environment: &Environment) -> Result<bool, Failed> {
    let place = &question.place;
    let Found { dir, .. } = Found::at(place.config.as_deref(), place.dir.as_deref(), environment)?;
    let mut bar = Bar::on_terminal();
    let found = doubts(&dir, &mut |progress| bar.show(progress));
    bar.clear();
    let found = found?;
    if let Some(damage) = &found.findings.damage {
        return Err(Failed::Damaged {
            what: damage.fault.to_string(),
        });
    }
    let mut out = io::stdout().lock();
    if question.json {
        as_json(&dir, &found, &mut out)?;
    } else {
        as_text(&dir, &found, &mut out)?;
    }
    out.flush()?;
    finding::say_ended(&dir)?;
    Ok(found.open.is_empty() && unsettled(&found) == 0)
}

fn unsettled(found: &Doubts) -> usize {
    let each = found.unknown.iter();
    each.filter(|unknown| unknown.settled.is_none()).count()
}

/// Tells which journal was read.
fn read_in(dir: &Path, findings: &Findings, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "journal {} in {}: {} records read",
        findings.journal,
        dir.display(),
        findings.records
    )
}

fn as_text(dir: &Path, found: &Doubts, out: &mut dyn Write) -> io::Result<()> {
    read_in(dir, &found.findings, out)?;
    let in_doubt = unsettled(found);
    let settled = found.unknown.len().saturating_sub(in_doubt);
    writeln!(
        out,
        "in doubt: {in_doubt}; in doubt and settled later: {settled}; open: {}",
        found.open.len()
    )?;
    for unknown in &found.unknown {
        let verdict = unknown.settled.as_ref().map_or("in doubt", |_| "settled");
        call(verdict, &unknown.call, &unknown.sent, out)?;
        writeln!(out, "  closed: {}", closing(&unknown.closed))?;
        if let Some(seen) = &unknown.settled {
            writeln!(
                out,
                "  later: record {}, {}, the transfer is \"{}\"",
                seen.seq,
                shown(&seen.time),
                shown(&seen.transfer_status)
            )?;
        }
    }
    for open in &found.open {
        call("open", open, &[], out)?;
    }
    Ok(())
}

fn call(verdict: &str, call: &Call, sent: &[String], out: &mut dyn Write) -> io::Result<()> {
    let or_none = |text: &Option<String>| shown(text.as_deref().unwrap_or("-"));
    writeln!(
        out,
        "{verdict}: call {}, {}, {}",
        shown(&call.call),
        shown(&call.time),
        or_none(&call.operation)
    )?;
    writeln!(
        out,
        "  customer {}, transfer {}, account {}, for {}",
        or_none(&call.customer),
        or_none(&call.transfer),
        or_none(&call.account),
        or_none(&call.principal)
    )?;
    let (word, names) = match (sent, &*call.request_ids) {
        ([], []) => ("request_ids", "-".to_owned()),
        ([], [name]) => ("request_ids", shown(name)),
        ([], names) => ("request_ids, some of", shown(&names.join(" "))),
        (sent, _) => (
            "request_ids sent, the first one first",
            shown(&sent.join(" ")),
        ),
    };
    writeln!(out, "  {word}: {names}")
}

fn closing(closed: &Closed) -> String {
    let (seq, time) = (closed.seq, shown(&closed.time));
    let how = match (closed.status, &closed.code) {
        (Some(status), Some(code)) => format!("answered {status} {}", shown(code)),
        (Some(status), None) => format!("answered {status}"),
        (None, _) => "after the call was left open, with nobody to answer".to_owned(),
    };
    let state = closed.transfer_status.as_ref();
    let state = state.map_or(String::new(), |it| {
        format!(", the transfer was \"{}\"", shown(it))
    });
    format!("record {seq}, {time}, {how}{state}")
}

fn as_json(dir: &Path, found: &Doubts, out: &mut dyn Write) -> io::Result<()> {
    let unknown = |it: &Unknown| -> Value {
        json!({ "call": it.call, "sent": it.sent, "closed": it.closed, "settled": it.settled })
    };
    let told = json!({
        "journal": found.findings.journal.to_string(),
        "dir": dir.to_string_lossy(),
        "records": found.findings.records,
        "in_doubt": unsettled(found),
        "unknown": found.unknown.iter().map(unknown).collect::<Vec<_>>(),
        "open": found.open,
    });
    writeln!(out, "{told}")
}

const NONE: u8 = 0;
const SOME: u8 = 1;
const NOT_READ: u8 = 2;
