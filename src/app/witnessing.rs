//! Has the gateways of a cluster witness each other's journals, beside the calls.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    audit::journal::Journal,
    cluster::Cluster,
    delivery::{
        nats::checkpoints::Checkpoints,
        witness::{self, Exchange, Tally},
    },
    shutdown::Tasks,
};

/// What is published and heard, where there is a cluster; both end when this is dropped.
#[derive(Debug)]
pub(in crate::app) struct Witnessing {
    tally: Option<Arc<Tally>>,
    hearing: (Tasks, CancellationToken),
    publishing: (Tasks, CancellationToken),
    _dropped: [DropGuard; 2],
}

impl Witnessing {
    /// Begins to publish and to hear.
    pub(in crate::app) fn begin(cluster: Option<&Arc<Cluster>>, journal: &Journal) -> Self {
        let [hearing, publishing] = [(); 2].map(|()| (Tasks::default(), CancellationToken::new()));
        let tally = cluster.map(|cluster| {
            let exchange: Arc<dyn Exchange> = Arc::new(Checkpoints::new(Arc::clone(cluster)));
            let tally = Arc::<Tally>::default();
            let (ears, mouth) = (Arc::clone(&tally), Arc::clone(&tally));
            let heard = witness::hear(Arc::clone(&exchange), journal, (ears, hearing.1.clone()));
            hearing.0.spawn(heard);
            let end = publishing.1.clone();
            let checkpoints = journal.watch_checkpoint();
            let told = witness::publish(exchange, journal.id(), checkpoints, (mouth, end));
            publishing.0.spawn(told);
            tally
        });
        let dropped = [&hearing, &publishing].map(|(_, end)| end.clone().drop_guard());
        Self {
            tally,
            hearing,
            publishing,
            _dropped: dropped,
        }
    }

    /// What came of it so far; nothing without a cluster.
    pub(in crate::app) fn tally(&self) -> Option<Arc<Tally>> {
        self.tally.clone()
    }

    /// Writes no more about others, so that the journal can have its last record.
    pub(in crate::app) async fn hush(&self) {
        let (tasks, end) = &self.hearing;
        end.cancel();
        // The journal does not let anybody wait for longer.
        tasks.finish(LONGEST, Duration::ZERO).await.ok();
    }

    /// Publishes the last checkpoint, now that the journal has it, where the cluster takes it at once.
    pub(in crate::app) async fn finish(&self) {
        let (tasks, end) = &self.publishing;
        end.cancel();
        tasks.finish(LONGEST, Duration::ZERO).await.ok();
    }
}

/// More than a record waits for a disk that hangs, and a cluster for its last checkpoint.
const LONGEST: Duration = Duration::from_secs(3);
