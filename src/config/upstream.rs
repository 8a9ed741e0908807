//! Reads `upstream` and `client`.

use std::{num::NonZeroU8, ops::RangeInclusive, time::Duration};

use http::HeaderValue;

use crate::{
    config::{
        measure::{duration, size},
        scalar::{header_value, number},
        section::Section,
    },
    partner_center::breaker,
};

/// What `upstream` says.
pub(crate) struct Upstream {
    pub(crate) deadline: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_attempts: NonZeroU8,
    pub(crate) retry_budget: f64,
    pub(crate) circuit: breaker::Settings,
    pub(crate) max_response_bytes: usize,
}

/// What `client` says.
pub(crate) struct Client {
    pub(crate) application_name: HeaderValue,
    pub(crate) locale: HeaderValue,
}

/// Reads `upstream`.
pub(crate) fn upstream(section: &Section<'_>) -> Option<Upstream> {
    let deadline = section.required("deadline", duration(TIMEOUT));
    let attempt_timeout = section.required("attempt_timeout", duration(TIMEOUT));
    let connect_timeout = section.required("connect_timeout", duration(TIMEOUT));
    let max_response_bytes = section.required("max_response_bytes", size(RESPONSE));
    let max_attempts = section.required("max_attempts", number(NonZeroU8::MIN..=MOST_ATTEMPTS));
    let retry_budget = section.required("retry_budget", number(0.0..=1.0));
    let circuit = section.section("circuit_breaker", circuit_breaker);
    in_order(
        section,
        [
            ("deadline", deadline),
            ("attempt_timeout", attempt_timeout),
            ("connect_timeout", connect_timeout),
        ],
    );
    Some(Upstream {
        deadline: deadline?,
        attempt_timeout: attempt_timeout?,
        connect_timeout: connect_timeout?,
        max_attempts: max_attempts?,
        retry_budget: retry_budget?,
        circuit: circuit?,
        max_response_bytes: usize::try_from(max_response_bytes?).ok()?,
    })
}

/// Reads `client`.
pub(crate) fn client(section: &Section<'_>) -> Option<Client> {
    let application_name = section.required("application_name", header_value);
    let locale = section.required("locale", header_value);
    Some(Client {
        application_name: application_name?,
        locale: locale?,
    })
}

/// Compares each duration with the one before it, which must not be shorter.
fn in_order(section: &Section<'_>, durations: [(&str, Option<Duration>); 3]) {
    let (limits, values) = (durations.iter(), durations.iter().skip(1));
    for ((other, limit), (key, value)) in limits.zip(values) {
        if limit.is_some() && value > limit {
            section.conflict(
                key,
                other,
                format!("longer than {other}; accepted: at most {other}"),
            );
        }
    }
}

fn circuit_breaker(section: &Section<'_>) -> Option<breaker::Settings> {
    let failure_ratio = section.required("failure_ratio", number(0.01..=1.0));
    let min_calls = section.required("min_calls", number(1..=1_000_000_u32));
    let window = section.required("window", duration(TIMEOUT));
    let open_for = section.required("open_for", duration(TIMEOUT));
    Some(breaker::Settings {
        failure_ratio: failure_ratio?,
        min_calls: min_calls?,
        window: window?,
        open_for: open_for?,
    })
}

/// Below it no answer can come over a network; above it no caller is still waiting.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);

/// More would only be a burden to an upstream that fails, and a call has no time for them.
const MOST_ATTEMPTS: NonZeroU8 = NonZeroU8::MIN.saturating_add(9);

/// In bytes; the largest error bodies of Partner Center that are known are a few KiB.
const RESPONSE: RangeInclusive<u64> = (4 << 10)..=(16 << 20);
