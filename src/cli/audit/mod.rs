//! `audit`: what an operator does with the journal.

mod against;
pub mod all;
pub mod evidence;
pub mod examine;
mod examining;
pub mod finding;
mod hands;
mod help;
pub mod key;
pub mod place;
mod progress;
pub mod query;
pub mod reconcile;
pub mod redeliver;
pub mod tail;
mod telling;
mod trust;
pub mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::{finding::Asked, place::Place, verify::Question};
use crate::config::environment::Environment;

/// What is to be done with the journal.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Proves that no record of the journal was changed, removed, inserted or reordered.
    #[command(after_help = help::VERIFY_HELP)]
    Verify {
        /// What is to be verified.
        #[command(flatten)]
        subject: Subject,
        /// The public key that signs checkpoints, in PEM; without it, that of the key the gateway itself signs with,
        /// or those in the evidence. Where the key was replaced, give each that signed; with --all, those of all gateways.
        #[arg(long, value_name = "FILE")]
        key: Vec<PathBuf>,
        /// Checkpoint records that were kept elsewhere, one a line; the journal must contain each of them.
        #[arg(long, value_name = "FILE", conflicts_with = "evidence")]
        checkpoint: Option<PathBuf>,
        /// A sink of the configuration, of the kind nats or postgres, whose copy is held against the journal, record
        /// by record.
        #[arg(long, value_name = "SINK", requires = "config")]
        against: Option<String>,
        /// Verifies several journals, each by itself and by what the others have witnessed of it: those of all --dir,
        /// that of --config if it is there, and all that the sink of --against has.
        #[arg(long, conflicts_with_all = ["evidence", "checkpoint"])]
        all: bool,
        /// Tells all of it as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Finds records, newest first.
    #[command(after_help = help::QUERY_HELP)]
    Query {
        /// Where the journal is.
        #[command(flatten)]
        place: Place,
        /// Which records.
        #[command(flatten)]
        asked: Asked,
        /// How many records at most.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Tells all of them, however many there are.
        #[arg(long, conflicts_with = "limit")]
        all: bool,
        /// Tells records as they stand in the journal, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Tells the last records, oldest first, and with --follow those to come.
    #[command(after_help = help::TAIL_HELP)]
    Tail(tail::Question),
    /// Prints the public key of the gateway that writes the journal, as `verify --key` takes it.
    #[command(after_help = help::KEY_HELP)]
    Key(key::Question),
    /// Tells all that the journal says of one transfer, in a signed document that proves itself.
    #[command(after_help = help::EVIDENCE_HELP)]
    Evidence(evidence::Question),
    /// Lists the calls of which the journal does not say how they ended.
    #[command(after_help = help::RECONCILE_HELP)]
    Reconcile(reconcile::Question),
    /// Sends a sink again what it refused for good.
    #[command(after_help = help::REDELIVER_HELP)]
    Redeliver(redeliver::Question),
}

/// What is to be verified.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Subject {
    /// The configuration file, for its audit.dir, its key and its sinks.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The journal's directory, or a copy of it; with --config, in place of its audit.dir. With --all there may be several.
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// A document that `audit evidence` made, instead of a journal.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "dir"])]
    evidence: Option<PathBuf>,
}

/// Runs the command, and returns the exit code.
#[must_use]
pub fn run(command: Command, environment: &Environment) -> u8 {
    match command {
        Command::Verify {
            subject,
            key,
            checkpoint,
            against,
            all,
            json,
        } => {
            let journals = all::Question {
                config: subject.config,
                dirs: subject.dir,
                keys: key,
                against,
                json,
            };
            if all {
                all::run(&journals, environment)
            } else {
                verify_one(journals, subject.evidence, checkpoint, environment)
            }
        }
        Command::Query {
            place,
            asked,
            limit,
            all,
            json,
        } => {
            let question = query::Question {
                place,
                asked,
                limit: (!all).then_some(limit),
                json,
            };
            query::run(question, environment)
        }
        Command::Tail(question) => tail::run(question, environment),
        Command::Key(question) => key::run(&question, environment),
        Command::Evidence(question) => evidence::run(&question, environment),
        Command::Reconcile(question) => reconcile::run(&question, environment),
        Command::Redeliver(question) => redeliver::run(&question, environment),
    }
}

/// Verifies one journal, or a document.
fn verify_one(
    mut journals: all::Question,
    evidence: Option<PathBuf>,
    checkpoint: Option<PathBuf>,
    environment: &Environment,
) -> u8 {
    if journals.dirs.len() > 1 {
        return verify::exit_code(Err(verify::Unknown::Several));
    }
    let all::Question {
        config,
        keys,
        against,
        json,
        ..
    } = journals;
    let dir = journals.dirs.pop();
    if let Some(evidence) = evidence {
        return examine::run(&examine::Question {
            evidence,
            keys,
            json,
        });
    }
    let question = Question {
        config,
        dir,
        keys,
        checkpoint,
        against,
        json,
    };
    verify::run(&question, environment)
}

/// A text from a file of which nobody knows who wrote it, so that it cannot speak to a terminal.
fn shown(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            told.extend(character.escape_default());
        } else {
            told.push(character);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_control_characters() {
        assert_eq!(
            shown("\u{1b}[2Jü \"a\\b\"\u{9b}"),
            "\\u{1b}[2Jü \"a\\b\"\\u{9b}"
        );
    }
}
