//! `audit evidence`: what the journal says of one transfer, as a document for somebody else.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use super::{
    place::{Found, NoKey, Place, signing_key},
    progress::Bar,
    verify,
};
use clap::Args;

use crate::{
    audit::{
        evidence::{
            gather::{Document, Gathered, NotGathered, gather},
            write,
        },
        verify::{findings::Fault, seals::Flaw},
    },
    cause,
    clock::{Clock as _, SystemClock},
    config::{environment::Environment, fault::Faults},
    ids::TransferId,
};

/// What is to be told of.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// Where the journal is.
    #[command(flatten)]
    pub place: Place,
    /// The transfer.
    #[arg(long, value_name = "GUID")]
    pub transfer: TransferId,
    /// A new file for the document, which only its owner may read; without it, stdout.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The private key's file, where it is neither in the journal's directory nor named in the configuration.
    #[arg(long, value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
    /// The public key that signed checkpoints before the one that signs now, in PEM; may be given more than once.
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
}

/// There is no document.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Config(#[from] Faults),
    #[error(transparent)]
    Key(#[from] NoKey),
    #[error("{0}")]
    Former(verify::Unknown),
    #[error("{}", cause::chain(.0))]
    Journal(#[from] NotGathered),
    #[error("no record of the journal names transfer {transfer}; {records} records were read")]
    Nothing { transfer: TransferId, records: u64 },
    #[error(
        "the journal is not intact, so that it is no evidence: {what}; `partner-gateway audit verify` tells more"
    )]
    Damaged { what: String },
    #[error(
        "the journal is not intact with this key alone: {what}; where the key was replaced on purpose, give the public \
         key of the former one by --key"
    )]
    OtherKey { what: String },
    #[error("{path:?} is there already, and is left as it is; name another file")]
    Exists { path: PathBuf },
    #[error("writing {path:?}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("writing the evidence: {0}")]
    Out(#[from] io::Error),
}

/// Gathers evidence, and returns the process's exit code.
#[must_use]
pub fn run(question: &Question, environment: &Environment) -> u8 {
    let told = gathered(question, environment).and_then(|it| hand_over(question, &it));
    match told {
        Ok(()) => 0,
        Err(why) => {
            let said = writeln!(io::stderr(), "partner-gateway: {why}");
            said.map_or(NOT_READ, |()| why.exit_code())
        }
    }
}

fn gathered(question: &Question, environment: &Environment) -> Result<Document, Failed> {
    let place = &question.place;
    let found = Found::at(place.config.as_deref(), place.dir.as_deref(), environment)?;
    let key = signing_key(question.signing_key.as_ref().unwrap_or(&found.own_key))?;
    let former = question.key.iter().map(|path| verify::public_key(path));
    let former = former.collect::<Result<Vec<_>, _>>();
    let former = former.map_err(Failed::Former)?;
    let transfer = question.transfer;
    let mut bar = Bar::on_terminal();
    let gathered = gather(
        &found.dir,
        transfer,
        (&key, &former),
        SystemClock.now(),
        &mut |progress| {
            bar.show(progress);
        },
    );
    bar.clear();
    match gathered? {
        Gathered::Document(document) => Ok(document),
        Gathered::Nothing { records } => Err(Failed::Nothing { transfer, records }),
        Gathered::Damaged(damage) => Err(match damage.fault {
            Fault::Checkpoint {
                flaw: Flaw::OtherKey { .. },
                ..
            } => Failed::OtherKey {
                what: damage.fault.to_string(),
            },
            fault => Failed::Damaged {
                what: fault.to_string(),
            },
        }),
    }
}

fn hand_over(question: &Question, document: &Document) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    let Some(path) = &question.out else {
        out.write_all(document.text.as_bytes())?;
        return Ok(out.flush()?);
    };
    write(path, &document.text).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Failed::Exists { path: path.clone() },
        _ => Failed::File {
            path: path.clone(),
            source,
        },
    })?;
    writeln!(
        out,
        "{}: {} records of transfer {}, {} of them not signed yet; {} lines in all",
        path.display(),
        document.records,
        question.transfer,
        document.unsigned,
        document.lines
    )?;
    Ok(out.flush()?)
}

impl Failed {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Nothing { .. } | Self::Damaged { .. } | Self::OtherKey { .. } => NOTHING,
            _ => NOT_READ,
        }
    }
}

const NOTHING: u8 = 1;
const NOT_READ: u8 = 2;
