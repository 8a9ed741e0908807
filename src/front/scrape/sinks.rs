//! How the sinks of the audit journal do.

use std::sync::Arc;

use crate::{
    delivery::progress::Progress,
    measure::number,
    telemetry::metrics::{Family, Page},
};

/// One number of each sink that goes up and down, where it has one.
struct SinkGauge {
    family: Family,
    read: fn(&Progress) -> Option<f64>,
}

/// One number of each sink that only grows.
struct SinkCounter {
    family: Family,
    read: fn(&Progress) -> u64,
}

/// Writes the numbers of each sink.
pub(in crate::front) fn write(
    page: &Page,
    sinks: &[Arc<Progress>],
) -> Result<(), prometheus::Error> {
    for SinkGauge { family, read } in SINK_GAUGES {
        let numbers = sinks
            .iter()
            .filter_map(|sink| Some((vec![sink.sink(), sink.kind()], read(sink)?)));
        page.gauges(&family, numbers)?;
    }
    for SinkCounter { family, read } in SINK_COUNTERS {
        let numbers = sinks.iter();
        let numbers = numbers.map(|sink| (vec![sink.sink(), sink.kind()], read(sink)));
        page.counters(&family, numbers)?;
    }
    Ok(())
}

const fn of_sink(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        labels: &["sink", "kind"],
    }
}

/// A further number of each sink is one more entry here or below, and a row in the README.
const SINK_GAUGES: [SinkGauge; 4] = [
    SinkGauge {
        family: of_sink(
            "partner_gateway_audit_sink_lag_records",
            "Records on the disk that the sink does not have.",
        ),
        read: |sink| Some(number(sink.lag())),
    },
    SinkGauge {
        family: of_sink(
            "partner_gateway_audit_sink_oldest_unsent_timestamp_seconds",
            "When the oldest record was written that waits for the sink, in seconds since 1970.",
        ),
        read: |sink| Some(sink.oldest_unsent_at()?.as_secs_f64()),
    },
    SinkGauge {
        family: of_sink(
            "partner_gateway_audit_sink_acknowledged_timestamp_seconds",
            "When the sink last acknowledged a record in this run, in seconds since 1970.",
        ),
        read: |sink| Some(sink.acknowledged_at()?.as_secs_f64()),
    },
    SinkGauge {
        family: of_sink(
            "partner_gateway_audit_sink_held",
            "1 while a person must see to the sink, else 0.",
        ),
        read: |sink| Some(sink.is_held().into()),
    },
];

const SINK_COUNTERS: [SinkCounter; 3] = [
    SinkCounter {
        family: of_sink(
            "partner_gateway_audit_sink_refused_total",
            "Records that the sink refused for good; they are set aside.",
        ),
        read: Progress::refused,
    },
    SinkCounter {
        family: of_sink(
            "partner_gateway_audit_sink_skipped_total",
            "Records that retention removed before the sink had them.",
        ),
        read: Progress::skipped,
    },
    SinkCounter {
        family: of_sink(
            "partner_gateway_audit_sink_rewinds_total",
            "How often the sink had lost what it had acknowledged.",
        ),
        read: Progress::rewinds,
    },
];
