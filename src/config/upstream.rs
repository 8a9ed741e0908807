//! Reads `upstream` and `client`.

use std::{ops::RangeInclusive, time::Duration};

use http::HeaderValue;

use crate::config::{
    measure::{duration, size},
    scalar::{header_value, number},
    section::Section,
};

/// What `upstream` says and this version uses.
pub(crate) struct Upstream {
    pub(crate) deadline: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) connect_timeout: Duration,
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
    section.required("max_attempts", number(1..=10_u8));
    section.required("retry_budget", number(0.0..=1.0));
    section.visit("circuit_breaker", circuit_breaker);
    let upstream = Upstream {
        deadline: deadline?,
        attempt_timeout: attempt_timeout?,
        connect_timeout: connect_timeout?,
        max_response_bytes: usize::try_from(max_response_bytes?).ok()?,
    };
    in_order(section, &upstream);
    Some(upstream)
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

fn in_order(section: &Section<'_>, upstream: &Upstream) {
    let pairs = [
        (
            "attempt_timeout",
            upstream.attempt_timeout,
            "deadline",
            upstream.deadline,
        ),
        (
            "connect_timeout",
            upstream.connect_timeout,
            "attempt_timeout",
            upstream.attempt_timeout,
        ),
    ];
    for (key, value, other, limit) in pairs {
        if value > limit {
            section.conflict(
                key,
                other,
                format!("longer than {other}; accepted: at most {other}"),
            );
        }
    }
}

fn circuit_breaker(section: &Section<'_>) {
    section.required("failure_ratio", number(0.01..=1.0));
    section.required("min_calls", number(1..=1_000_000_u32));
    section.required("window", duration(TIMEOUT));
    section.required("open_for", duration(TIMEOUT));
}

/// Below it no answer can come over a network; above it no caller is still waiting.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);

/// In bytes; the largest error bodies of Partner Center that are known are a few KiB.
const RESPONSE: RangeInclusive<u64> = (4 << 10)..=(16 << 20);
