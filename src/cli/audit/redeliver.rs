//! `audit redeliver`: sends again what a sink refused for good.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use serde_json::{Value, json};

use super::shown;
use crate::{
    app::{Surroundings, build::BuildError, redelivery},
    audit::verify::{Unreadable, identity},
    cause,
    config::{
        Config,
        environment::Environment,
        fault::{Faults, quoted},
        load::load,
    },
    delivery::{
        redelivery::{Outcome, Redelivered, Tried, Unkept},
        settings::{Kind, Settings},
    },
};

/// What is to be sent again, where to.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// The configuration file, for its audit.dir and audit.sinks.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The sink, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    sink: String,
    /// The number of the first record; without it, the first that is set aside.
    #[arg(
        long,
        value_name = "SEQ",
        default_value_t = 0,
        hide_default_value = true
    )]
    from: u64,
    /// The number of the last record; without it, the last that is set aside.
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// Tells all of it as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Nothing was sent, or it is not known what came of it.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Config(#[from] Faults),
    #[error("--sink: found {}; accepted: {accepted}", quoted(.found))]
    Name { found: String, accepted: String },
    #[error(
        "--sink: {sink} is of the kind {kind}, which refuses no record for good, so that none is set aside; accepted: \
         a sink of the kind otlp or postgres"
    )]
    Kind { sink: String, kind: &'static str },
    #[error("{}", cause::chain(.0))]
    Journal(#[from] Unreadable),
    #[error("{}", cause::chain(.0))]
    Build(#[from] BuildError),
    #[error("the runtime: {0}")]
    Runtime(io::Error),
    #[error("{}", cause::chain(.0))]
    Ledger(#[from] Unkept),
    #[error("telling the result: {0}")]
    Out(#[from] io::Error),
}

/// Sends the records, tells what came of each, and returns the process's exit code.
#[must_use]
pub fn run(question: &Question, environment: &Environment) -> u8 {
    match send(question, environment) {
        Ok(code) => code,
        Err(why) => {
            let said = writeln!(io::stderr(), "partner-gateway: {why}");
            said.map_or(NOT_DONE, |()| NOT_DONE)
        }
    }
}

fn send(question: &Question, environment: &Environment) -> Result<u8, Failed> {
    let config = load(&question.config, environment)?.config;
    let settings = sink(&config, &question.sink)?;
    let journal = identity(&config.audit.dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failed::Runtime)?;
    let sent = runtime.block_on(async {
        let surroundings = Surroundings::real();
        let redelivery = redelivery::redelivery(settings, (&config, journal), &surroundings)?;
        Ok::<_, Failed>(redelivery.run(question.from..=question.to).await?)
    });
    // A disk that hangs must not keep the process.
    runtime.shutdown_background();
    let sent = sent?;
    let mut out = io::stdout().lock();
    if question.json {
        as_json(&question.sink, &sent, &mut out)?;
    } else {
        as_text(&question.sink, &sent, &mut out)?;
    }
    out.flush()?;
    Ok(match sent.setback {
        Some(_) => NOT_DONE,
        None if sent.unreadable == 0 && sent.tried.iter().all(is_taken) => ALL_TAKEN,
        None => SOME_LEFT,
    })
}

fn sink<'a>(config: &'a Config, name: &str) -> Result<&'a Settings, Failed> {
    let Some(settings) = config.sinks.iter().find(|it| it.name == name) else {
        let names: Vec<_> = config.sinks.iter().map(|it| it.name.as_str()).collect();
        return Err(Failed::Name {
            found: name.to_owned(),
            accepted: match &*names {
                [] => "nothing, because audit.sinks has no sink".to_owned(),
                names => format!("a sink of the configuration: {}", names.join(", ")),
            },
        });
    };
    match settings.kind {
        Kind::Otlp(_) | Kind::Postgres(_) => Ok(settings),
        Kind::Stdout | Kind::Nats => Err(Failed::Kind {
            sink: name.to_owned(),
            kind: settings.kind.word(),
        }),
    }
}

fn is_taken(tried: &Tried) -> bool {
    tried.result == Outcome::Taken
}

fn taken(sent: &Redelivered) -> usize {
    sent.tried.iter().filter(|tried| is_taken(tried)).count()
}

/// What came of a record, in one word, and why.
fn told(result: &Outcome) -> (&'static str, Option<&str>) {
    match result {
        Outcome::Taken => ("taken", None),
        Outcome::Refused(why) => ("refused", Some(why)),
        Outcome::Unfit(why) => ("not_sent", Some(why)),
    }
}

fn as_text(sink: &str, sent: &Redelivered, out: &mut dyn Write) -> io::Result<()> {
    for tried in &sent.tried {
        let (word, why) = told(&tried.result);
        let why = shown(why.unwrap_or_default());
        let line = format!("{:>12}  {}  {word:<8}  {why}", tried.seq, tried.id);
        writeln!(out, "{}", line.trim_end())?;
    }
    if sent.unreadable > 0 {
        writeln!(
            out,
            "sink {sink}: {} lines of its ledger tell of no record and stay in it; see to them by hand",
            sent.unreadable
        )?;
    }
    let (all, taken) = (sent.tried.len().saturating_add(sent.untried), taken(sent));
    if all == 0 {
        return writeln!(out, "sink {sink}: none of these records is set aside");
    }
    writeln!(
        out,
        "sink {sink}: {taken} of {all} taken; {} refused again or not sent, {} not tried, which stay set aside",
        sent.tried.len().saturating_sub(taken),
        sent.untried
    )?;
    match &sent.setback {
        Some(setback) => writeln!(
            out,
            "stopped: {}\nmend: see to the sink, and ask again",
            shown(&setback.to_string())
        ),
        None => Ok(()),
    }
}

fn as_json(sink: &str, sent: &Redelivered, out: &mut dyn Write) -> io::Result<()> {
    let record = |tried: &Tried| -> Value {
        let (result, reason) = told(&tried.result);
        json!({
            "journal": tried.journal.to_string(),
            "seq": tried.seq,
            "id": tried.id.to_string(),
            "result": result,
            "reason": reason,
        })
    };
    let taken = taken(sent);
    let value = json!({
        "sink": sink,
        "taken": taken,
        "left": sent.tried.len().saturating_sub(taken),
        "untried": sent.untried,
        "unreadable": sent.unreadable,
        "stopped": sent.setback.as_ref().map(ToString::to_string),
        "records": sent.tried.iter().map(record).collect::<Vec<_>>(),
    });
    writeln!(out, "{value}")
}

const ALL_TAKEN: u8 = 0;
const SOME_LEFT: u8 = 1;
const NOT_DONE: u8 = 2;
