//! `audit verify --all`: every journal there is, each by itself and all against each other.

mod found;
mod telling;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tokio::runtime::Runtime;

use self::{found::each_once, telling::Told};
use super::{
    against::{Held, NoCopy, Sink, runtime},
    progress::Bar,
    trust::{self, Trusted},
    verify::{self, Unknown},
};
use crate::{
    audit::{
        fork,
        public_key::PublicKey,
        signing,
        verify::{
            Evidence,
            census::{
                Census, Report,
                account::{self, Account},
            },
            copy::Comparison,
            findings::Findings,
            identity,
            kept::Kept,
        },
    },
    config::{Config, environment::Environment, load::load},
    ids::JournalId,
};

/// Which journals, and with which keys.
#[derive(Clone, Debug)]
pub struct Question {
    /// The configuration file, whose journal is one of them if it is there.
    pub config: Option<PathBuf>,
    /// The directories of journals.
    pub dirs: Vec<PathBuf>,
    /// The files of public keys.
    pub keys: Vec<PathBuf>,
    /// The name of a sink whose journals are to be verified, too.
    pub against: Option<String>,
    /// Whether a program reads the answer.
    pub json: bool,
}

/// What came of one journal.
#[derive(Debug)]
pub(in crate::cli::audit) struct One {
    source: Source,
    trusted: Trusted,
    found: Found,
}

/// Where a journal is.
#[derive(Clone, Debug)]
enum Source {
    Directory(PathBuf),
    /// One that ended there, while the sink has its copy of it with something else.
    Ended(PathBuf),
    /// In the sink alone, or beside one that ended.
    Copy(JournalId),
}

#[derive(Debug)]
enum Found {
    Directory(Box<Findings>, Option<Held>),
    Copy(Comparison),
}

/// What journals are read with.
struct Desk {
    brought: Vec<PublicKey>,
    /// The directory of the configuration's own journal, and its key.
    own: Option<(PathBuf, PathBuf)>,
    sink: Option<(Sink, Runtime)>,
}

/// Verifies the journals, tells the result, and returns the process's exit code.
#[must_use]
pub fn run(question: &Question, environment: &Environment) -> u8 {
    verify::exit_code(answer(question, environment))
}

/// Whether all is as it should be.
fn answer(question: &Question, environment: &Environment) -> Result<bool, Unknown> {
    let config = question.config.as_deref();
    let config = config.map(|path| load(path, environment)).transpose();
    let config = config.map_err(Unknown::Config)?.map(|loaded| loaded.config);
    let desk = Desk::of(question, config.as_ref())?;
    let sources = desk.sources(&question.dirs)?;
    let (ones, report) = desk.read_all(&sources)?;
    if let Some((_, runtime)) = desk.sink {
        // A connection that hangs must not keep the process.
        runtime.shutdown_background();
    }
    let told = Told {
        ones: &ones,
        report: &report,
    };
    let mut out = io::stdout().lock();
    let written = if question.json {
        telling::as_json(&told, &mut out)
    } else {
        telling::as_text(&told, &mut out)
    };
    written.and_then(|()| out.flush()).map_err(Unknown::Out)?;
    Ok(told.is_intact())
}

impl Desk {
    fn of(question: &Question, config: Option<&Config>) -> Result<Self, Unknown> {
        let keys = question.keys.iter().map(|path| verify::public_key(path));
        let own = config.map(|config| {
            let dir = config.audit.dir.clone();
            let key = signing::place(&dir, config.audit.signing_key_file.clone());
            (dir, key)
        });
        let sink = match (&question.against, config) {
            (Some(name), Some(config)) => {
                let sink = Sink::named(name, config).map_err(Unknown::Copy)?;
                Some((sink, runtime().map_err(Unknown::Copy)?))
            }
            _ => None,
        };
        Ok(Self {
            brought: keys.collect::<Result<_, _>>()?,
            own,
            sink,
        })
    }

    /// The directories, then the journals that the sink has beside them.
    fn sources(&self, dirs: &[PathBuf]) -> Result<Vec<Source>, Unknown> {
        let mut dirs = dirs.to_vec();
        // Whoever asks a sink from another machine has the configuration, and no journal.
        let own = self.own.as_ref().map(|(dir, _)| dir);
        if let Some(own) = own.filter(|own| own.is_dir() && !dirs.contains(own)) {
            dirs.insert(0, own.clone());
        }
        for dir in dirs.clone() {
            let ended = fork::ended(&dir).map_err(|source| Unknown::Ended { dir, source })?;
            dirs.extend(ended);
        }
        let (mut ids, mut sources) = (Vec::new(), Vec::new());
        for dir in each_once(dirs) {
            let journal = identity(&dir)?;
            // Of a journal that ended, disk and sink have different ends by right, and each is read by itself.
            if self.sink.is_some() && fork::went_on_in(&dir).is_some() {
                sources.push(Source::Ended(dir));
            } else {
                ids.push(journal);
                sources.push(Source::Directory(dir));
            }
        }
        if let Some((sink, runtime)) = &self.sink {
            let all = sink.journals(runtime).map_err(Unknown::Copy)?;
            let others = all.into_iter().filter(|journal| !ids.contains(journal));
            sources.extend(others.map(Source::Copy));
        }
        if sources.is_empty() {
            return Err(Unknown::NoJournal);
        }
        Ok(sources)
    }

    fn read_all(&self, sources: &[Source]) -> Result<(Vec<One>, Report), Unknown> {
        let (mut census, mut ones) = (Census::default(), Vec::new());
        for source in sources {
            let (one, account) = self.read(source)?;
            match source {
                Source::Ended(_) => census.take_ended(account),
                Source::Directory(_) | Source::Copy(_) => census.take(account),
            }
            ones.push(one);
        }
        for journal in census.behind() {
            let again = ones
                .iter_mut()
                .find(|one| one.journal() == journal && !matches!(one.source, Source::Ended(_)));
            if let Some(one) = again {
                let (now, account) = self.read(&one.source.clone())?;
                *one = now;
                census.take_again(account);
            }
        }
        Ok((ones, census.close()))
    }

    fn read(&self, source: &Source) -> Result<(One, Account), Unknown> {
        let trusted = match source {
            _ if !self.brought.is_empty() => Trusted::Brought(self.brought.clone()),
            Source::Directory(dir) | Source::Ended(dir) => {
                trust::of_the_gateway(dir, &self.key_of(dir))?
            }
            Source::Copy(_) => Trusted::Nothing,
        };
        let (found, account) = self.read_with(source, &trusted)?;
        let one = One {
            source: source.clone(),
            trusted,
            found,
        };
        Ok((one, account))
    }

    fn read_with(&self, source: &Source, trusted: &Trusted) -> Result<(Found, Account), Unknown> {
        let (keys, kept) = (trusted.keys(), &Kept::default());
        let mut bar = Bar::on_terminal();
        let mut show = |progress| bar.show(progress);
        let read = match (source, &self.sink) {
            (Source::Directory(dir), None) | (Source::Ended(dir), _) => {
                account::verify(dir, Evidence { keys, kept }, &mut show)
                    .map(|(found, account)| (Found::Directory(Box::new(found), None), account))
                    .map_err(NoCopy::Journal)
            }
            (Source::Directory(dir), Some((sink, runtime))) => sink
                .hold(dir, Evidence { keys, kept }, &mut show, runtime)
                .map(|(found, held, account)| {
                    // They are read, too.
                    let others = Vec::new();
                    let held = Held { others, ..held };
                    (Found::Directory(Box::new(found), Some(held)), account)
                }),
            (Source::Copy(journal), Some((sink, runtime))) => sink
                .follow(*journal, keys, runtime)
                .map(|(found, account)| (Found::Copy(found), account)),
            (Source::Copy(_), None) => return Err(Unknown::NoJournal),
        };
        bar.clear();
        read.map_err(|error| match error {
            NoCopy::Journal(unreadable) => unreadable.into(),
            other => Unknown::Copy(other),
        })
    }

    fn key_of(&self, dir: &Path) -> PathBuf {
        // The key goes on with the next journal when one has ended.
        let next = fork::went_on_in(dir);
        let dir = next.as_deref().unwrap_or(dir);
        let own = self.own.as_ref().filter(|(own, _)| own == dir);
        own.map_or_else(|| signing::place(dir, None), |(_, key)| key.clone())
    }
}

impl One {
    fn journal(&self) -> JournalId {
        match (&self.source, &self.found) {
            (Source::Copy(journal), _) => *journal,
            (_, Found::Directory(findings, _)) => findings.journal,
            (_, Found::Copy(_)) => JournalId::random(),
        }
    }

    fn is_intact(&self) -> bool {
        match &self.found {
            Found::Directory(findings, held) => {
                let is_even = held.as_ref().is_none_or(|held| held.comparison.is_even());
                findings.damage.is_none() && is_even
            }
            Found::Copy(comparison) => comparison.is_even(),
        }
    }
}
