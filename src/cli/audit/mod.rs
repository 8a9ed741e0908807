//! `audit`: what an operator does with the journal.

pub mod finding;
pub mod key;
pub mod place;
pub mod query;
pub mod tail;
mod telling;
pub mod verify;

use std::path::PathBuf;

use clap::Subcommand;

use self::{finding::Asked, place::Place, verify::Question};
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
    /// Finds records, newest first.
    #[command(after_help = QUERY_HELP)]
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
    #[command(after_help = TAIL_HELP)]
    Tail {
        /// Where the journal is.
        #[command(flatten)]
        place: Place,
        /// Which records.
        #[command(flatten)]
        asked: Asked,
        /// How many of the records that are there.
        #[arg(short = 'n', long = "last", value_name = "N", default_value_t = 10)]
        last: usize,
        /// Goes on with the records to come, until it is interrupted.
        #[arg(long, short = 'f')]
        follow: bool,
        /// Tells records as they stand in the journal, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Prints the public key of the gateway that writes the journal, as `verify --key` takes it.
    #[command(after_help = KEY_HELP)]
    Key {
        /// Where the journal is.
        #[command(flatten)]
        place: Place,
        /// The private key's file, where it is neither in the journal's directory nor named in the configuration.
        #[arg(long, value_name = "FILE")]
        signing_key: Option<PathBuf>,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
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
        Command::Query {
            place,
            asked,
            limit,
            all,
            json,
        } => {
            let limit = (!all).then_some(limit);
            let question = query::Question {
                place,
                asked,
                limit,
                json,
            };
            query::run(question, environment)
        }
        Command::Tail {
            place,
            asked,
            last,
            follow,
            json,
        } => {
            let question = tail::Question {
                place,
                asked,
                last,
                follow,
                json,
            };
            tail::run(question, environment)
        }
        Command::Key {
            place,
            signing_key,
            json,
        } => {
            let question = key::Question {
                place,
                signing_key,
                json,
            };
            key::run(&question, environment)
        }
    }
}

const QUERY_HELP: &str = "\
Reads the journal from its end, changes nothing, and proves nothing: audit verify does. It may be done while
the gateway runs. What a failed write has left behind is passed over, and so is a last line that is not whole.

Without --json each record is a line: time, number, kind, status/outcome/code, principal, operation, customer,
transfer, ID; - stands for what a record does not have.

Exit codes:
  0  told, also where no record is as asked
  2  the journal could not be read; also a command line that is not understood

Examples:
  partner-gateway audit query --config gateway.yaml --transfer ac4a9d22-ba07-444e-890f-cfe084eed498
  partner-gateway audit query --dir /var/lib/partner-gateway/audit --outcome failed --since 2026-03-01T00:00:00Z --all --json";

const TAIL_HELP: &str = "\
Reads the journal and changes nothing; it may be done while the gateway runs. --follow goes on over the ends of
segments and restarts of the gateway. A record may be told a moment before it is on the disk.

Without --json each record is a line: time, number, kind, status/outcome/code, principal, operation, customer,
transfer, ID; - stands for what a record does not have.

Exit codes:
  0  told; also when the reader of stdout has gone
  2  the journal could not be read; also a command line that is not understood

Examples:
  partner-gateway audit tail --config gateway.yaml -n 50
  partner-gateway audit tail --dir /var/lib/partner-gateway/audit --follow --outcome refused --json";

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

const KEY_HELP: &str = "\
Reads the private key that the gateway signs with, and prints its public half; the private one is never shown.
Keep the public key where whoever can write the journal cannot change it, and give it to whoever verifies.

--json prints key_id, as checkpoints name it, algorithm, public_key in PEM, and raw, its 32 bytes in base64.

Exit codes:
  0  printed
  2  the key or the configuration could not be read; also a command line that is not understood

Example:
  partner-gateway audit key --config gateway.yaml > audit.pub
  partner-gateway audit verify --dir /backup/audit --key audit.pub";
