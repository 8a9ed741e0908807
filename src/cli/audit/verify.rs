//! `audit verify`: whether the journal is what the gateway wrote.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    against::{Held, NoCopy, Sink},
    place::Found,
    progress::Bar,
    telling::{self, Told},
    trust,
};
use crate::{
    audit::{
        fork,
        low_water::Unfit,
        public_key::{NotAKey, PublicKey},
        verify::{
            Evidence, Unreadable,
            findings::Findings,
            kept::{Kept, NotACheckpoint},
            verify,
        },
    },
    cause,
    config::{environment::Environment, fault::Faults, load::load},
    file,
};

/// What is to be verified, against what.
#[derive(Clone, Debug)]
pub struct Question {
    /// The configuration file, where it says which directory.
    pub config: Option<PathBuf>,
    /// The journal's directory.
    pub dir: Option<PathBuf>,
    /// The files of public keys.
    pub keys: Vec<PathBuf>,
    /// The file of checkpoints that were kept elsewhere.
    pub checkpoint: Option<PathBuf>,
    /// The name of a sink whose copy is to be held against the journal.
    pub against: Option<String>,
    /// Whether a program reads the answer.
    pub json: bool,
}

/// Nothing can be said of the journal.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::audit) enum Unknown {
    #[error("{0}")]
    Config(Faults),
    #[error(
        "there is no journal to verify: neither --dir, nor audit.dir, nor --against leads to one"
    )]
    NoJournal,
    #[error("several journals are verified with --all")]
    Several,
    #[error("reading {path:?}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path:?} cannot be used as the key: {source}; --key takes the public key in PEM")]
    Key { path: PathBuf, source: NotAKey },
    #[error(
        "{path:?} cannot be used as a checkpoint: {source}; --checkpoint takes records as they stand in the journal"
    )]
    Checkpoint {
        path: PathBuf,
        source: NotACheckpoint,
    },
    #[error("{}", cause::chain(.0))]
    Journal(#[from] Unreadable),
    #[error("{}", cause::chain(.0))]
    Copy(NoCopy),
    #[error("listing the journals that ended in {dir:?}: {source}")]
    Ended { dir: PathBuf, source: io::Error },
    #[error("telling the result: {0}")]
    Out(io::Error),
}

impl Unknown {
    /// A mark beside the journal that somebody replaced or spoilt is found, not missed.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Journal(Unreadable::LowWater(Unfit::Foreign { .. } | Unfit::Odd { .. })) => {
                NOT_INTACT
            }
            _ => UNKNOWN,
        }
    }
}

/// Verifies a journal, tells the result, and returns the process's exit code.
#[must_use]
pub fn run(question: &Question, environment: &Environment) -> u8 {
    exit_code(answer(question, environment))
}

/// What the process ends with, where it is known, or not, that all is intact.
pub(in crate::cli::audit) fn exit_code(answer: Result<bool, Unknown>) -> u8 {
    match answer {
        Ok(true) => INTACT,
        Ok(false) => NOT_INTACT,
        Err(why) => {
            // Nobody is there to be told where it fails.
            drop(writeln!(
                io::stderr(),
                "partner-gateway: {why}\nnothing was verified"
            ));
            why.exit_code()
        }
    }
}

/// Whether the journal is intact, and the sink's copy, if it was asked for, the same.
fn answer(question: &Question, environment: &Environment) -> Result<bool, Unknown> {
    let (config, dir) = (question.config.as_deref(), question.dir.as_deref());
    let Found { dir, own_key } = Found::at(config, dir, environment).map_err(Unknown::Config)?;
    let sink = sink(question, environment)?;
    let trusted = trust::trusted(&question.keys, &dir, &own_key)?;
    let kept = kept(question)?;
    let evidence = Evidence {
        keys: trusted.keys(),
        kept: &kept,
    };
    let (findings, held) = walk(&dir, evidence, sink)?;
    let ended = fork::ended(&dir).map_err(|source| Unknown::Ended {
        dir: dir.clone(),
        source,
    })?;
    let told = Told {
        dir: &dir,
        ended: &ended,
        trusted: &trusted,
        findings: &findings,
        held: held.as_ref(),
    };
    let mut out = io::stdout().lock();
    let written = if question.json {
        telling::as_json(&told, &mut out)
    } else {
        telling::as_text(&told, &mut out)
    };
    written.and_then(|()| out.flush()).map_err(Unknown::Out)?;
    let is_even = held.is_none_or(|held| held.comparison.is_even());
    Ok(findings.damage.is_none() && is_even)
}

fn walk(
    dir: &Path,
    evidence: Evidence<'_>,
    sink: Option<Sink>,
) -> Result<(Findings, Option<Held>), Unknown> {
    let mut bar = Bar::on_terminal();
    let mut show = |progress| bar.show(progress);
    let walked = match sink {
        None => verify(dir, evidence, &mut show).map(|findings| (findings, None)),
        Some(sink) => match sink.hold_against(dir, evidence, &mut show) {
            Ok((findings, held)) => Ok((findings, Some(held))),
            Err(NoCopy::Journal(unreadable)) => Err(unreadable),
            Err(other) => {
                bar.clear();
                return Err(Unknown::Copy(other));
            }
        },
    };
    bar.clear();
    Ok(walked?)
}

fn sink(question: &Question, environment: &Environment) -> Result<Option<Sink>, Unknown> {
    let (Some(name), Some(config)) = (&question.against, &question.config) else {
        return Ok(None);
    };
    let config = load(config, environment).map_err(Unknown::Config)?.config;
    Sink::named(name, &config).map(Some).map_err(Unknown::Copy)
}

/// A public key from its file.
pub(in crate::cli::audit) fn public_key(path: &Path) -> Result<PublicKey, Unknown> {
    PublicKey::from_pem(&read(path)?).map_err(unfit_key(path))
}

fn kept(question: &Question) -> Result<Kept, Unknown> {
    let Some(path) = &question.checkpoint else {
        return Ok(Kept::default());
    };
    Kept::parse(&read(path)?).map_err(|source| Unknown::Checkpoint {
        path: path.clone(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Unknown> {
    file::read(path, file::LARGEST_BYTES).map_err(|source| Unknown::File {
        path: path.to_owned(),
        source,
    })
}

pub(in crate::cli::audit) fn unfit_key(path: &Path) -> impl FnOnce(NotAKey) -> Unknown {
    let path = path.to_owned();
    |source| Unknown::Key { path, source }
}

const INTACT: u8 = 0;
const NOT_INTACT: u8 = 1;
const UNKNOWN: u8 = 2;
