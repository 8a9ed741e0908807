//! Ships the journal to every sink, beside the calls.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument as _, info_span, warn};

use crate::{
    app::{Surroundings, build::BuildError},
    audit::{self, cursor, journal::Journal},
    clock::SharedClock,
    cluster::Cluster,
    delivery::{
        nats::Nats,
        otlp::Otlp,
        postgres::Postgres,
        progress::Progress,
        settings::{Kind, Settings},
        shipper::Shipper,
        sink::Sink,
        stdout::Stdout,
    },
    file::Disk,
    http_client::BoxError,
    shutdown::{Cut, Tasks},
};

/// A sink, set up, and what the configuration says of it.
#[derive(Debug)]
pub(in crate::app) struct Destination {
    pub(in crate::app) settings: Settings,
    pub(in crate::app) sink: Arc<dyn Sink>,
}

/// Sets up every sink; nothing is sent yet.
///
/// # Errors
///
/// When one of them cannot be set up.
pub(in crate::app) fn destinations(
    sinks: &[Settings],
    cluster: Option<&Arc<Cluster>>,
    surroundings: &Surroundings,
) -> Result<Vec<Destination>, BuildError> {
    let set_up = |settings: &Settings| {
        let sink = sink(&settings.kind, cluster, surroundings);
        let sink = sink.map_err(|source| unfit(settings, source))?;
        let settings = settings.clone();
        Ok(Destination { settings, sink })
    };
    sinks.iter().map(set_up).collect()
}

/// The shippers of a gateway, one a sink; they end when this is dropped.
#[derive(Debug)]
pub(in crate::app) struct Shipping {
    tasks: Tasks,
    end: CancellationToken,
    hurry: watch::Sender<()>,
    progress: Vec<Arc<Progress>>,
    _dropped: DropGuard,
}

impl Shipping {
    /// Begins to ship to every sink.
    ///
    /// # Errors
    ///
    /// When the cursor of one of them cannot be read.
    pub(in crate::app) fn begin(
        sinks: Vec<Destination>,
        (journal, kept): (&Journal, &audit::Settings),
        clock: &SharedClock,
    ) -> Result<Self, BuildError> {
        tell_former(&sinks, &kept.dir);
        let mut shippers = Vec::new();
        let hurry = watch::Sender::new(());
        for Destination { settings, sink } in sinks {
            let shipper = Shipper::to(sink, &settings, (journal, kept), clock);
            let shipper = shipper.map_err(|error| unfit(&settings, error.into()))?;
            let shipper = shipper.hurried_by(hurry.subscribe());
            shippers.push((settings.name, shipper));
        }
        let (tasks, end) = (Tasks::default(), CancellationToken::new());
        let dropped = CancellationToken::new();
        let progress = shippers.iter().map(|(_, shipper)| shipper.progress());
        let progress = progress.collect();
        for (name, shipper) in shippers {
            let (told, gone) = (tasks.clone(), dropped.clone());
            let cut = async move {
                tokio::select! {
                    () = told.cut() => {}
                    () = gone.cancelled() => {}
                }
            };
            let span = info_span!("sink", sink = name);
            tasks.spawn(shipper.run(end.clone(), cut).instrument(span));
        }
        Ok(Self {
            tasks,
            end,
            hurry,
            progress,
            _dropped: dropped.drop_guard(),
        })
    }

    /// How far each sink is.
    pub(in crate::app) fn progress(&self) -> Vec<Arc<Progress>> {
        self.progress.clone()
    }

    /// What has every sink tried at once that is waited for.
    pub(in crate::app) fn hurry(&self) -> watch::Sender<()> {
        self.hurry.clone()
    }

    /// Ships what the journal has, now that it has its last record, for as long as `within`. What is left
    /// then is for the next start.
    ///
    /// # Errors
    ///
    /// When sinks do not have every record; each of them has told so.
    pub(in crate::app) async fn finish(&self, within: Duration) -> Result<(), Cut> {
        self.end.cancel();
        self.tasks.finish(within, LAST_WORDS).await
    }
}

fn unfit(settings: &Settings, source: BoxError) -> BuildError {
    BuildError::Sink {
        sink: settings.name.clone(),
        source,
    }
}

/// Sets up what records are sent to.
pub(in crate::app) fn sink(
    kind: &Kind,
    cluster: Option<&Arc<Cluster>>,
    Surroundings { clock, connect }: &Surroundings,
) -> Result<Arc<dyn Sink>, BoxError> {
    Ok(match kind {
        Kind::Stdout => Arc::new(Stdout::of_process()?),
        Kind::Otlp(to) => Arc::new(Otlp::new(to.clone(), &**connect, Arc::clone(clock))?),
        Kind::Postgres(to) => Arc::new(Postgres::new(to.clone(), Disk::default())),
        Kind::Nats => {
            let cluster = cluster.ok_or("there is no cluster.nats for it")?;
            Arc::new(Nats::new(Arc::clone(cluster)))
        }
    })
}

/// Tells of sinks that the configuration does not name any more. They hold nothing back; the journal must
/// still reach as far as they had it.
fn tell_former(sinks: &[Destination], dir: &Path) {
    let kept = match cursor::list(dir) {
        Ok(kept) => kept,
        Err(error) => return warn!(error = %error, "audit cursors cannot be listed"),
    };
    for former in kept {
        let name = former.sink().unwrap_or_default();
        if !sinks.iter().any(|sink| sink.settings.name == name) {
            warn!(
                sink = name,
                path = %former.path.display(),
                "audit sink is configured no longer; remove the file of its cursor to forget it"
            );
        }
    }
}

/// A disk that takes longer to keep a cursor hangs, and records are sent again.
const LAST_WORDS: Duration = Duration::from_secs(1);
