//! How the audit journal does.

use crate::{
    audit::{journal::Journal, vitals::Vitals},
    measure::{Counts, number},
    telemetry::metrics::{Family, Page},
};

/// One number that goes up and down, where there is one.
struct Gauge {
    family: Family,
    read: fn(&Vitals) -> Option<f64>,
}

/// Writes the numbers of the journal.
pub(in crate::front) fn write(page: &Page, journal: &Journal) -> Result<(), prometheus::Error> {
    let vitals = journal.vitals();
    page.gauges(&WRITABLE, [(vec![], journal.is_healthy().into())])?;
    for Gauge { family, read } in GAUGES {
        let numbers = read(vitals).into_iter().map(|number| (vec![], number));
        page.gauges(&family, numbers)?;
    }
    let waits = [("intent", &vitals.intents), ("outcome", &vitals.outcomes)];
    let waits = waits.map(|(record, times)| (vec![record], times.so_far()));
    page.distributions(&WAITS, waits)?;
    let closed = vitals.closed.by_fate();
    let closed = closed.map(|(forwarded, count)| (vec![forwarded], count));
    page.counters(&CLOSED, closed)?;
    let plain = |counts: Counts| [(vec![], counts)];
    page.distributions(&COMMITS, plain(vitals.commits.so_far()))?;
    page.distributions(&BATCHES, plain(vitals.batches.so_far()))
}

const fn plain(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        labels: &[],
    }
}

const WRITABLE: Family = plain(
    "partner_gateway_audit_writable",
    "1 while the journal can be written as far as was seen, else 0.",
);

const GAUGES: [Gauge; 5] = [
    Gauge {
        family: plain(
            "partner_gateway_audit_synced_timestamp_seconds",
            "When all that was written was last on the disk, in seconds since 1970.",
        ),
        read: |vitals| Some(vitals.synced_at()?.as_secs_f64()),
    },
    Gauge {
        family: plain(
            "partner_gateway_audit_bytes",
            "What the journal's segments take.",
        ),
        read: |vitals| Some(number(vitals.extent().bytes)),
    },
    Gauge {
        family: plain(
            "partner_gateway_audit_max_bytes",
            "What they may take: audit.max_bytes.",
        ),
        read: |vitals| Some(number(vitals.extent().most)),
    },
    Gauge {
        family: plain(
            "partner_gateway_audit_disk_free_bytes",
            "What the journal's disk had left at the start, or with the last checkpoint.",
        ),
        read: |vitals| vitals.disk_left().map(number),
    },
    Gauge {
        family: plain(
            "partner_gateway_audit_open_intents",
            "Calls in the journal that have an intent and no outcome.",
        ),
        read: |vitals| Some(number(vitals.extent().open)),
    },
];

const WAITS: Family = Family {
    name: "partner_gateway_audit_wait_seconds",
    help: "How long calls that were forwarded waited until their intent, and their outcome, was durable.",
    labels: &["record"],
};

const CLOSED: Family = Family {
    name: "partner_gateway_audit_orphans_closed_total",
    help: "Calls that an earlier run left open and this one closed, by what is known of them.",
    labels: &["forwarded"],
};

const COMMITS: Family = plain(
    "partner_gateway_audit_commit_duration_seconds",
    "How long writing a batch and having it on the disk took.",
);

const BATCHES: Family = plain(
    "partner_gateway_audit_batch_records",
    "How many records a batch had.",
);
