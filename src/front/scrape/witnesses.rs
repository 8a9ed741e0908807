//! What was heard of the journals of other gateways.

use crate::{
    delivery::witness::Tally,
    telemetry::metrics::{Family, Page},
};

/// Writes what was heard, where there is a cluster.
pub(in crate::front) fn write(page: &Page, heard: Option<&Tally>) -> Result<(), prometheus::Error> {
    let checkpoints = heard.into_iter().flat_map(Tally::by_result);
    let checkpoints = checkpoints.map(|(result, count)| (vec![result], count));
    page.counters(&CHECKPOINTS, checkpoints)
}

const CHECKPOINTS: Family = Family {
    name: "partner_gateway_audit_witness_checkpoints_total",
    help: "Checkpoints that gateways of a cluster publish to each other, by what came of them here.",
    labels: &["result"],
};
