//! A journal by itself.

use std::{num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use partner_gateway::{
    audit::{
        Durability, Settings,
        journal::Journal,
        record::{Draft, Ending},
        recovery,
        segment::Bounds,
        start_error::StartError,
        trail::Trail,
    },
    clock::{SharedClock, SystemClock},
    ids::RecordId,
};

pub(crate) async fn start(dir: &Path) -> Result<Journal, StartError> {
    start_with(&settings(dir)).await
}

pub(crate) async fn start_with(settings: &Settings) -> Result<Journal, StartError> {
    start_by(settings, Arc::new(SystemClock)).await
}

pub(crate) async fn start_by(
    settings: &Settings,
    clock: SharedClock,
) -> Result<Journal, StartError> {
    let opened = recovery::open(&settings.dir)?;
    Journal::start(opened, settings, "0000000000000000", clock).await
}

pub(crate) fn settings(dir: &Path) -> Settings {
    Settings {
        dir: dir.to_owned(),
        durability: Durability::Strict,
        unauthenticated_rate: NonZeroU32::MIN,
        signing_key_file: None,
        checkpoint_interval: Duration::from_hours(1),
        segment: Bounds {
            bytes: 64 << 20,
            age: Duration::from_hours(1),
        },
        max_bytes: 1 << 30,
        retention: Duration::from_hours(24),
        keep_after_ack: Duration::ZERO,
        required_sinks: Vec::new(),
    }
}

/// The record of a call that succeeded.
pub(crate) fn outcome(trail: &Trail, journal: &Journal) -> Draft {
    let ending = Ending {
        decision: Some("allowed"),
        status: 200,
        code: None,
        outcome: "forwarded",
        replay_of: None,
        forwarded: "yes",
        body: b"",
    };
    Draft::outcome(RecordId::next(), trail.facts(), journal.boot(), &ending)
}
