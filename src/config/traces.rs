//! Reads `telemetry.traces`.

use crate::{
    config::{
        collector::{self, Posted},
        endpoint::traces_url,
        environment::Environment,
        scalar::{number, truth},
        section::Section,
    },
    delivery::spans::Settings,
};

/// Reads where spans go, and of which calls.
pub(crate) fn traces(section: &Section<'_>, environment: &Environment) -> Option<Settings> {
    let collector = collector::collector(section, &SPANS, environment);
    let sample_ratio = match section.take("sample_ratio") {
        Some(cursor) => cursor.read(number(0.0..=1.0)),
        None => Some(USUAL_SHARE),
    };
    let propagates = match section.take("propagate_upstream") {
        Some(cursor) => cursor.read(truth),
        None => Some(false),
    };
    Some(Settings {
        collector: collector?,
        sample_ratio: sample_ratio?,
        propagates: propagates?,
    })
}

const SPANS: Posted = Posted {
    key: "otlp_endpoint",
    read: traces_url,
    what: "traces of calls go",
};

/// One call in ten.
const USUAL_SHARE: f64 = 0.1;
