//! The connections of the public listener.

use crate::{
    front::door::Door,
    measure::number,
    telemetry::metrics::{Family, Page},
};

/// Writes how many there are, how many there may be, and how often one could not be accepted.
pub(in crate::front) fn write(page: &Page, door: &Door) -> Result<(), prometheus::Error> {
    let count = |count: usize| [(vec![], number(u64::try_from(count).unwrap_or(u64::MAX)))];
    page.gauges(&OPEN, count(door.open()))?;
    page.gauges(&MOST, count(door.most()))?;
    page.counters(&FAILURES, [(vec![], door.failures())])
}

const fn plain(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        labels: &[],
    }
}

const OPEN: Family = plain(
    "partner_gateway_connections",
    "Connections of callers that are open.",
);

const MOST: Family = plain(
    "partner_gateway_max_connections",
    "How many of them may be open at once: server.max_connections.",
);

const FAILURES: Family = plain(
    "partner_gateway_accept_failures_total",
    "How often accepting a connection of a caller failed, mostly for want of descriptors.",
);
