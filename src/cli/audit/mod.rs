//! `audit`: what an operator does with the journal.

mod telling;
pub mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::verify::Question;
use crate::config::environment::Environment;

/// What is to be done with the journal.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Proves that no record of the journal was changed, removed, inserted or reordered.
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// Where the journal is.
        #[command(flatten)]
        place: Place,
        /// The public key that signs checkpoints, in PEM; without it, that of the key the gateway itself signs with.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Checkpoint records that were kept elsewhere, one a line; the journal must contain each of them.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Tells all of it as one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Where the journal is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// The configuration file, for its audit.dir.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The journal's directory, or a copy of it.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the command, and returns the exit code.
#[must_use]
pub fn run(command: Command, environment: &Environment) -> u8 {
    match command {
        Command::Verify {
            place,
            key,
            checkpoint,
            json,
        } => {
            let question = Question {
                config: place.config,
                dir: place.dir,
                key,
                checkpoint,
                json,
            };
            verify::run(&question, environment)
        }
    }
}

const VERIFY_HELP: &str = "\
Reads the whole journal and changes nothing; it may be done while the gateway runs. What stands behind the
last record and is no record yet, because it is being written or the process was killed, is no damage.

A signature proves as much as the key is safe: give the public key by --key from where whoever can write
the journal cannot. Records behind the last checkpoint can be removed without a trace in the journal; only
a later checkpoint that was kept elsewhere, given by --checkpoint, tells.

Results go to stdout, everything else to stderr.

Exit codes:
  0  intact
  1  not intact; the first bad record is told, with its file, its offset and what to do
  2  the journal, the key or the checkpoint could not be read; also a command line that is not understood

Examples:
  partner-gateway audit verify --config gateway.yaml
  partner-gateway audit verify --dir /var/lib/partner-gateway/audit --key audit.pub --checkpoint last.jsonl --json";
