//! `audit`: what an operator does with the journal.

pub mod evidence;
pub mod examine;
mod examining;
pub mod finding;
pub mod key;
pub mod place;
mod progress;
pub mod query;
pub mod reconcile;
pub mod tail;
mod telling;
pub mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::{finding::Asked, place::Place, verify::Question};
use crate::{config::environment::Environment, ids::TransferId};

/// What is to be done with the journal.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Proves that no record of the journal was changed, removed, inserted or reordered.
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// What is to be verified.
        #[command(flatten)]
        subject: Subject,
        /// The public key that signs checkpoints, in PEM; without it, that of the key the gateway itself signs with,
        /// or the one in the evidence.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Checkpoint records that were kept elsewhere, one a line; the journal must contain each of them.
        #[arg(long, value_name = "FILE", conflicts_with = "evidence")]
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
    /// Tells all that the journal says of one transfer, in a signed document that proves itself.
    #[command(after_help = EVIDENCE_HELP)]
    Evidence {
        /// Where the journal is.
        #[command(flatten)]
        place: Place,
        /// The transfer.
        #[arg(long, value_name = "GUID")]
        transfer: TransferId,
        /// A new file for the document, which only its owner may read; without it, stdout.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The private key's file, where it is neither in the journal's directory nor named in the configuration.
        #[arg(long, value_name = "FILE")]
        signing_key: Option<PathBuf>,
    },
    /// Lists the calls of which the journal does not say how they ended.
    #[command(after_help = RECONCILE_HELP)]
    Reconcile {
        /// Where the journal is.
        #[command(flatten)]
        place: Place,
        /// Tells all of it as one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// What is to be verified.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Subject {
    /// The configuration file, for its audit.dir.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The journal's directory, or a copy of it.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A document that `audit evidence` made, instead of a journal.
    #[arg(long, value_name = "FILE")]
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
            json,
        } => {
            if let Some(evidence) = subject.evidence {
                return examine::run(&examine::Question {
                    evidence,
                    key,
                    json,
                });
            }
            let question = Question {
                config: subject.config,
                dir: subject.dir,
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
        Command::Evidence {
            place,
            transfer,
            out,
            signing_key,
        } => {
            let question = evidence::Question {
                place,
                transfer,
                signing_key,
                out,
            };
            evidence::run(&question, environment)
        }
        Command::Reconcile { place, json } => {
            reconcile::run(&reconcile::Question { place, json }, environment)
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
  2  the journal, the key, the checkpoint or the evidence could not be read; also a command line that is not
     understood

With --evidence, a document that `audit evidence` made is checked with nothing else at hand: its signature, the
chain of its lines, and their checkpoints. Without --key it is checked with the key that it carries, which shows
that nothing was changed since it was made, but not who made it.

Examples:
  partner-gateway audit verify --config gateway.yaml
  partner-gateway audit verify --evidence transfer.json --key audit.pub
  partner-gateway audit verify --dir /var/lib/partner-gateway/audit --key audit.pub --checkpoint last.jsonl --json";

const EVIDENCE_HELP: &str = "\
Reads and verifies the whole journal first, also while the gateway runs, and changes nothing. Of a journal that
is not intact there is no evidence.

The document shows the records of OTHER calls, too: every line from a record of the transfer up to the next
checkpoint, at most audit.checkpoint_interval later, and the checkpoint before them. The chain hashes whole
lines, so it can be followed only over lines that are shown. Look who may see them before you hand it over.

The document is one JSON object: statement, a JSON text with the lines as they stand in the journal, and
signature, Ed25519 over three lines: partner-gateway/evidence/v1, the journal, and the SHA-256 of the statement.
Records behind the last checkpoint are in it, marked as not signed yet: wait for the next checkpoint, or stop the
gateway, and ask again. --out never replaces a file.

Exit codes:
  0  written
  1  no record names the transfer, or the journal is not intact; there is no document
  2  the journal, the key or the configuration could not be read, or the document could not be written; also a
     command line that is not understood

Example:
  partner-gateway audit evidence --config gateway.yaml --transfer 1c1bd5b4-3fd7-4f1b-9e4b-ec4a5d47dcaf \\
    --out transfer.json";

const RECONCILE_HELP: &str = "\
Lists two kinds of calls. In doubt are those whose outcome says `forwarded: unknown`: something was sent, and
nobody could tell afterwards whether Partner Center did it. Open are those with an intent and no outcome: a gateway
that runs is about to answer them, or else closes them at its next start. Each is told with its request_ids, by
which Microsoft finds it. A call in doubt is settled when a later record tells the transfer's state.

Changes nothing and asks Partner Center nothing; it may be done while the gateway runs. To settle a call, read
the transfer through the gateway: GET /transfers/{customer}/{transfer}.

Exit codes:
  0  none is open, and none in doubt that is not settled
  1  some are
  2  the journal or the configuration could not be read, or the journal is not intact; also a command line that
     is not understood

Example:
  partner-gateway audit reconcile --config gateway.yaml --json";

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
