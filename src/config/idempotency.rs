//! Reads `idempotency`.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    config::{
        measure::duration,
        scalar::{number, one_of},
        section::Section,
    },
    transfers::{idempotency::Settings, shared::Without},
};

/// Reads `idempotency`.
pub(crate) fn idempotency(section: &Section<'_>) -> Option<Settings> {
    let ttl = section.required("ttl", duration(TTL));
    let max_entries = section.required("max_entries", number(1..=10_000_000_u64));
    let without_cluster = section.required(
        "without_cluster",
        one_of(&[("refuse", Without::Refuse), ("local", Without::Local)]),
    );
    Some(Settings {
        without_cluster: without_cluster?,
        ttl: ttl?,
        max_entries: max_entries?,
    })
}

/// Callers repeat within seconds to hours; under a minute they could do without, and after a month
/// nobody repeats.
const TTL: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);
