//! Reads `server` and `admin`.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    config::{
        measure::{duration, size},
        scalar::{address, number},
        secret_file,
        section::Section,
    },
    front::settings::{AdminSettings, Settings, TlsFiles},
};

/// Reads the public listener; `upstream` is the deadline of `upstream.deadline`.
pub(crate) fn server(section: &Section<'_>, upstream: Option<Duration>) -> Option<Settings> {
    let listen = section.required("listen", address);
    let tls_is_wanted = section.skip("tls");
    let tls = section.take("tls").and_then(|tls| tls.section(tls_files));
    let max_body_bytes = section.required("max_body_bytes", size(1..=LARGEST_BODY));
    let max_connections = section.required("max_connections", number(1..=1_000_000));
    let max_in_flight = section.required("max_in_flight", number(1..=65_535));
    let header_timeout = section.required("header_timeout", duration(HEADER_TIMEOUT));
    let drain_timeout = section.required("drain_timeout", duration(DRAIN_TIMEOUT));
    Some(Settings {
        listen: listen?,
        tls: if tls_is_wanted { Some(tls?) } else { None },
        max_body_bytes: usize::try_from(max_body_bytes?).ok()?,
        max_connections: max_connections?,
        max_in_flight: max_in_flight?,
        header_timeout: header_timeout?,
        drain_timeout: drain_timeout?,
        deadline: upstream?.saturating_add(BACKSTOP),
    })
}

/// Reads the operator listener.
pub(crate) fn admin(section: &Section<'_>) -> Option<AdminSettings> {
    let listen = section.required("listen", address)?;
    Some(AdminSettings { listen })
}

fn tls_files(section: &Section<'_>) -> Option<TlsFiles> {
    let client_ca = section
        .take("client_ca_file")
        .map(|cursor| secret_file::authorities(&cursor));
    let (certificate, private_key) = secret_file::key_pair(section)?;
    Some(TlsFiles {
        certificate,
        private_key,
        client_ca: match client_ca {
            Some(path) => Some(path?),
            None => None,
        },
    })
}

/// In bytes; no operation takes a body that comes near it.
const LARGEST_BODY: u64 = 1 << 20;

/// Below it a distant caller's TCP handshake alone is too slow; above it a slow caller holds a place.
const HEADER_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_mins(5);

/// Kubernetes kills after `terminationGracePeriodSeconds`, which nobody sets to more than an hour.
const DRAIN_TIMEOUT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);

/// What a call may take beyond its upstream deadline: queueing, two audit records and the answer.
/// It cuts only what hangs; the upstream deadline ends every sound call before.
const BACKSTOP: Duration = Duration::from_secs(5);
