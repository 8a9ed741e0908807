//! `audit verify --against`: the journal held against the copy that a sink has.

pub(in crate::cli::audit) mod telling;

use std::{io, path::Path, sync::Arc};

use tokio::runtime::Runtime;

use crate::{
    audit::{
        cursor,
        public_key::PublicKey,
        refused::Ledger,
        verify::{
            Evidence, Progress, Unreadable,
            census::account::{self, Account},
            copy::{Comparison, Entry, Expected},
            findings::Findings,
            identity,
        },
    },
    cluster::Cluster,
    config::{Config, fault::quoted},
    delivery::{
        copy::{Holding, Readable},
        nats::Nats,
        patience::{PATIENCE, within},
        postgres::Postgres,
        settings::{Kind, Settings},
        sink::Setback,
    },
    file::Disk,
    ids::JournalId,
};

/// A sink that can be read, and its name.
pub(in crate::cli::audit) struct Sink {
    name: String,
    readable: Box<dyn Readable>,
}

/// The sink's copy beside the journal.
#[derive(Debug)]
pub(in crate::cli::audit) struct Held {
    /// The sink's name.
    pub(in crate::cli::audit) sink: String,
    /// What came of it.
    pub(in crate::cli::audit) comparison: Comparison,
    /// Other journals that the sink has.
    pub(in crate::cli::audit) others: Vec<(String, u64)>,
}

/// The sink's copy cannot be held against the journal.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::audit) enum NoCopy {
    #[error("--against: found {}; accepted: {accepted}", quoted(.found))]
    Name { found: String, accepted: String },
    #[error("reading how far sink {sink:?} has acknowledged the journal")]
    Cursor { sink: String, source: io::Error },
    #[error("the runtime: {0}")]
    Runtime(io::Error),
    #[error("sink {sink:?}")]
    Sink { sink: String, source: Setback },
    #[error(transparent)]
    Journal(#[from] Unreadable),
}

/// The entries of a sink, page by page.
struct Entries<'a> {
    sink: &'a Sink,
    runtime: &'a Runtime,
    journal: JournalId,
    behind: u64,
    upto: u64,
    page: std::vec::IntoIter<Entry>,
    /// Why there are no more, where that is not the end.
    broken: Option<Setback>,
}

impl Sink {
    /// Finds a sink by its name.
    pub(in crate::cli::audit) fn named(name: &str, config: &Config) -> Result<Self, NoCopy> {
        let can_be_read = |it: &&Settings| matches!(it.kind, Kind::Nats | Kind::Postgres(_));
        let mut readable = config.sinks.iter().filter(can_be_read);
        let found = readable.clone().find(|it| it.name == name);
        let opened = found.and_then(|it| open(&it.kind, config.cluster.as_ref()));
        let unknown = || {
            let names: Vec<_> = readable.by_ref().map(|it| it.name.clone()).collect();
            NoCopy::Name {
                found: name.to_owned(),
                accepted: match &*names {
                    [] => "nothing, because audit.sinks has no sink of the kind nats or postgres"
                        .to_owned(),
                    names => format!("a sink of the kind nats or postgres: {}", names.join(", ")),
                },
            }
        };
        Ok(Self {
            name: name.to_owned(),
            readable: opened.ok_or_else(unknown)?,
        })
    }

    /// Verifies the journal, and holds the sink's copy against it.
    pub(in crate::cli::audit) fn hold_against(
        self,
        dir: &Path,
        evidence: Evidence<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Findings, Held), NoCopy> {
        let runtime = runtime()?;
        let held = self.hold(dir, evidence, progress, &runtime);
        // A connection that hangs must not keep the process.
        runtime.shutdown_background();
        held.map(|(findings, held, _)| (findings, held))
    }

    /// The same, and what other journals are to be held against.
    pub(in crate::cli::audit) fn hold(
        &self,
        dir: &Path,
        evidence: Evidence<'_>,
        progress: &mut dyn FnMut(Progress),
        runtime: &Runtime,
    ) -> Result<(Findings, Held, Account), NoCopy> {
        let journal = identity(dir)?;
        // The cursor first, then the sink, then the journal: each has at least what the one before it says.
        let expected = self.expected(dir, journal)?;
        let Holding { upto, others } = self.holding(journal, runtime)?;
        let mut entries = self.entries(journal, upto, runtime);
        let (findings, comparison, account) =
            account::compare(dir, evidence, &expected, &mut entries, progress)?;
        if let Some(source) = entries.broken {
            return Err(self.broken(source));
        }
        let held = Held {
            sink: self.name.clone(),
            comparison,
            others,
        };
        Ok((findings, held, account))
    }

    /// All journals that it has.
    pub(in crate::cli::audit) fn journals(
        &self,
        runtime: &Runtime,
    ) -> Result<Vec<JournalId>, NoCopy> {
        // To a journal that nobody has, every other one is another.
        let others = self.holding(JournalId::random(), runtime)?.others;
        // What goes by other names is no journal of a gateway's.
        let named = others.iter().filter_map(|(name, _)| name.parse().ok());
        Ok(named.collect())
    }

    /// Follows the copy of a journal that is nowhere else.
    pub(in crate::cli::audit) fn follow(
        &self,
        journal: JournalId,
        keys: &[PublicKey],
        runtime: &Runtime,
    ) -> Result<(Comparison, Account), NoCopy> {
        let upto = self.holding(journal, runtime)?.upto;
        let mut entries = self.entries(journal, upto, runtime);
        let followed = account::follow_copy(journal, keys, &mut entries);
        match entries.broken {
            Some(source) => Err(self.broken(source)),
            None => Ok(followed),
        }
    }

    /// How far the sink's copy of a journal goes, and which others it has.
    fn holding(&self, journal: JournalId, runtime: &Runtime) -> Result<Holding, NoCopy> {
        let holds = within(Some(PATIENCE), self.readable.holds(journal));
        runtime
            .block_on(holds)
            .map_err(|source| self.broken(source))
    }

    /// The lines of its copy, from the first one on.
    fn entries<'a>(&'a self, journal: JournalId, upto: u64, runtime: &'a Runtime) -> Entries<'a> {
        Entries {
            sink: self,
            runtime,
            journal,
            behind: 0,
            upto,
            page: Vec::new().into_iter(),
            broken: None,
        }
    }

    fn expected(&self, dir: &Path, journal: JournalId) -> Result<Expected, NoCopy> {
        let unread = |source| NoCopy::Cursor {
            sink: self.name.clone(),
            source,
        };
        let cursor = cursor::read(dir, &self.name).map_err(unread)?;
        let refused = Ledger::of(dir, journal, &self.name).entered();
        Ok(Expected {
            acknowledged: cursor.map_or(0, |cursor| cursor.seq),
            refused: refused.map_err(unread)?,
        })
    }

    fn broken(&self, source: Setback) -> NoCopy {
        NoCopy::Sink {
            sink: self.name.clone(),
            source,
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if let Some(entry) = self.page.next() {
            return Some(entry);
        }
        if self.broken.is_some() || self.behind >= self.upto {
            return None;
        }
        let readable = &self.sink.readable;
        let page = readable.read(self.journal, self.behind, self.upto);
        match self.runtime.block_on(within(Some(PATIENCE), page)) {
            Ok(page) => {
                self.behind = page.last().map_or(self.upto, |last| last.at);
                self.page = page.into_iter();
            }
            Err(setback) => self.broken = Some(setback),
        }
        self.page.next()
    }
}

/// What sinks are asked on.
pub(in crate::cli::audit) fn runtime() -> Result<Runtime, NoCopy> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(NoCopy::Runtime)
}

fn open(kind: &Kind, cluster: Option<&crate::cluster::Settings>) -> Option<Box<dyn Readable>> {
    match kind {
        Kind::Postgres(settings) => {
            Some(Box::new(Postgres::new(settings.clone(), Disk::default())))
        }
        Kind::Nats => {
            let cluster = Cluster::new(cluster?.clone(), Disk::default());
            Some(Box::new(Nats::new(Arc::new(cluster))))
        }
        Kind::Stdout | Kind::Otlp(_) => None,
    }
}
