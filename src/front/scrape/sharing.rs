//! What replicas share.

use crate::{
    telemetry::metrics::{Family, Page},
    transfers::idempotency::Idempotency,
};

/// Writes whether the replicas share keys.
pub(in crate::front) fn write(
    page: &Page,
    idempotency: &Idempotency,
) -> Result<(), prometheus::Error> {
    let shared = idempotency.is_shared().into_iter();
    page.gauges(&SHARED, shared.map(|is_shared| (vec![], is_shared.into())))
}

const SHARED: Family = Family {
    name: "partner_gateway_idempotency_shared",
    help: "Whether idempotency keys are shared with the other replicas of the cluster now; absent without one.",
    labels: &[],
};
