//! Idempotency keys: what is kept, who waits, and whether replicas share them.

use crate::{
    measure::number,
    telemetry::metrics::{Family, Page},
    transfers::idempotency::Idempotency,
};

/// Writes what there is of keys here, whether the replicas share them, and how often what they share was lost.
pub(in crate::front) fn write(
    page: &Page,
    idempotency: &Idempotency,
) -> Result<(), prometheus::Error> {
    page.gauges(&ENTRIES, [(vec![], number(idempotency.entries()))])?;
    let waiters = u64::try_from(idempotency.waiters()).unwrap_or(u64::MAX);
    page.gauges(&WAITERS, [(vec![], number(waiters))])?;
    let shared = idempotency.is_shared().into_iter();
    page.gauges(&SHARED, shared.map(|is_shared| (vec![], is_shared.into())))?;
    let losses = idempotency.losses().into_iter();
    page.counters(&LOSSES, losses.map(|losses| (vec![], losses)))
}

const ENTRIES: Family = Family {
    name: "partner_gateway_idempotency_entries",
    help: "Answers kept here under idempotency keys, as idempotency.max_entries counts them.",
    labels: &[],
};

const WAITERS: Family = Family {
    name: "partner_gateway_idempotency_waiters",
    help: "Calls that wait for another under the same idempotency key.",
    labels: &[],
};

const SHARED: Family = Family {
    name: "partner_gateway_idempotency_shared",
    help: "Whether idempotency keys are shared with the other replicas of the cluster now; absent without one.",
    labels: &[],
};

const LOSSES: Family = Family {
    name: "partner_gateway_idempotency_losses_total",
    help: "How often the bucket of idempotency keys was found lost and made anew; absent without a cluster.",
    labels: &[],
};
