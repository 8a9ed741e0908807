//! The calls: what they were answered, how long that took, and how many are under way.

use crate::{
    front::tally::{Kind, Tally},
    measure::number,
    telemetry::metrics::{Family, Page},
    transfers::places::Places,
};

/// Writes the numbers of the calls.
pub(in crate::front) fn write(
    page: &Page,
    tally: &Tally,
    places: &Places,
) -> Result<(), prometheus::Error> {
    let answers: Vec<_> = tally
        .answers()
        .into_iter()
        .map(|(kind, count)| (kind, kind.status.to_string(), count))
        .collect();
    let numbers = answers.iter().map(|(kind, status, count)| {
        let Kind {
            operation,
            outcome,
            code,
            forwarded,
            status: _,
        } = *kind;
        (
            vec![operation, outcome, code, forwarded, status.as_str()],
            *count,
        )
    });
    page.counters(&CALLS, numbers)?;
    let times = tally.times();
    let whole = times
        .iter()
        .map(|took| (vec![took.operation], took.whole.clone()));
    page.distributions(&WHOLE, whole)?;
    let own = times
        .iter()
        .map(|took| (vec![took.operation], took.own.clone()));
    page.distributions(&OWN, own)?;
    let in_flight = number(u64::try_from(places.taken()).unwrap_or(u64::MAX));
    page.gauges(&IN_FLIGHT, [(vec![], in_flight)])
}

const CALLS: Family = Family {
    name: "partner_gateway_calls_total",
    help: "Calls answered; code is empty where Partner Center's answer was passed on.",
    labels: &["operation", "outcome", "code", "forwarded", "status"],
};

const WHOLE: Family = Family {
    name: "partner_gateway_call_duration_seconds",
    help: "From when the head of a request was there to its answer.",
    labels: &["operation"],
};

const OWN: Family = Family {
    name: "partner_gateway_call_own_duration_seconds",
    help: "The share of permitted calls that was not spent waiting for a body, the disk, Microsoft, or a call under the same key.",
    labels: &["operation"],
};

const IN_FLIGHT: Family = Family {
    name: "partner_gateway_calls_in_flight",
    help: "Calls that have a place among those that may be under way at once.",
    labels: &[],
};
