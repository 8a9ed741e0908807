//! What `/metrics` tells: which numbers there are, and where each is read.

use std::{sync::Arc, time::SystemTime};

use crate::{
    delivery::progress::Progress,
    partner_center::{
        account::{Account, Accounts},
        breaker::State,
    },
    telemetry::metrics::{Family, Page},
};

/// One number of each account, where it has one.
struct AccountGauge {
    family: Family,
    read: fn(&Account) -> Option<f64>,
}

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

/// Writes the page of metrics as of now.
pub(in crate::front) fn page(
    accounts: &Accounts,
    sinks: &[Arc<Progress>],
) -> Result<String, prometheus::Error> {
    let page = Page::default();
    for AccountGauge { family, read } in ACCOUNT_GAUGES {
        let numbers = accounts
            .all()
            .filter_map(|account| Some((vec![&**account.name()], read(account)?)));
        page.gauges(&family, numbers)?;
    }
    let refreshes = accounts.all().flat_map(|account| {
        let counts = account.tokens().standing().refreshes.by_result();
        counts.map(|(result, count)| (vec![&**account.name(), result], count))
    });
    page.counters(&TOKEN_REFRESHES, refreshes)?;
    let budget = accounts.default_account().map(Account::budget);
    let retries = budget.into_iter().flat_map(|budget| {
        let counts = [("granted", budget.granted()), ("refused", budget.refused())];
        counts.map(|(result, count)| (vec![result], count))
    });
    page.counters(&RETRIES, retries)?;
    of_sinks(&page, sinks)?;
    page.text()
}

fn of_sinks(page: &Page, sinks: &[Arc<Progress>]) -> Result<(), prometheus::Error> {
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

const fn of_account(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        labels: &["account"],
    }
}

/// A further number of each account is one more entry here, and a row in the README.
const ACCOUNT_GAUGES: [AccountGauge; 8] = [
    AccountGauge {
        family: of_account(
            "partner_gateway_token_seconds_to_expiry",
            "How long the token at hand lives on; 0 where there is none.",
        ),
        read: |account| {
            let left = account.tokens().standing().left;
            Some(left.unwrap_or_default().as_secs_f64())
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_token_waiters",
            "Calls that wait for a token now.",
        ),
        read: |account| {
            let waiters = account.tokens().standing().waiters;
            u32::try_from(waiters).ok().map(f64::from)
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_consent_required",
            "1 while a person must sign in and consent again, else 0.",
        ),
        read: |account| Some(account.tokens().standing().needs_consent().into()),
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_refresh_token_age_seconds",
            "How long ago the refresh token was last renewed, as far as was seen.",
        ),
        read: |account| {
            let age = account.tokens().refresh_token_age();
            age.map(|age| age.as_secs_f64())
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_credential_expiry_timestamp_seconds",
            "When the certificate expires that the gateway proves itself with, in seconds since 1970.",
        ),
        read: |account| {
            let end = account.tokens().credential_expires_at()?;
            let since = end
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default();
            Some(since.as_secs_f64())
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_mfa_compliant",
            "1 where Partner Center found a second factor in the account's token, 0 where not.",
        ),
        read: |account| account.mfa_compliant().map(f64::from),
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_circuit_breaker_state",
            "How the circuit breaker stands: 0 closed, 1 half open, 2 open.",
        ),
        read: |account| {
            Some(match account.breaker().state() {
                State::Closed => 0.0,
                State::HalfOpen => 1.0,
                State::Open => 2.0,
            })
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_throttled_customers",
            "Customers about whom Partner Center wants to be left alone now.",
        ),
        read: |account| u32::try_from(account.gate().held()).ok().map(f64::from),
    },
];

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
        read: |sink| Some(exactly(sink.lag())),
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

/// A count as a gauge has it; exact far beyond what a disk holds.
fn exactly(count: u64) -> f64 {
    let (high, low) = (count >> 32, count & u64::from(u32::MAX));
    let part = |part: u64| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    part(high) * 4_294_967_296.0 + part(low)
}

const RETRIES: Family = Family {
    name: "partner_gateway_retries_total",
    help: "Attempts that were to be repeated, by whether the retry budget, which all accounts share, had room.",
    labels: &["result"],
};

const TOKEN_REFRESHES: Family = Family {
    name: "partner_gateway_token_refreshes_total",
    help: "Trips to the token endpoint by their result.",
    labels: &["account", "result"],
};
