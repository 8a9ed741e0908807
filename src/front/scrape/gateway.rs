//! The gateway itself: which one it is, what is in force, and whose tokens it can verify.

use std::time::SystemTime;

use crate::{
    front::{admin::Watched, tls::Tls},
    identity::keys::Fetches,
    measure::number,
    telemetry::metrics::{Family, Page},
};

/// Writes the numbers of the gateway itself.
pub(in crate::front) fn write(page: &Page, watched: &Watched) -> Result<(), prometheus::Error> {
    let identity = &watched.transfers.in_force.rules().identity;
    let keys = identity
        .key_ages()
        .map(|(issuer, age)| (vec![issuer], age.as_secs_f64()));
    page.gauges(&KEYS, keys)?;
    let fetches = identity.key_fetches().flat_map(|(issuer, fetches)| {
        let Fetches { obtained, failed } = fetches;
        let counts = [("obtained", obtained), ("failed", failed)];
        counts.map(|(result, count)| (vec![issuer, result], count))
    });
    page.counters(&KEY_FETCHES, fetches)?;
    let expiry = watched.tls.as_ref().and_then(Tls::expires_at);
    let expiry = expiry.into_iter().map(|end| (vec![], timestamp(end)));
    page.gauges(&CERTIFICATE, expiry)?;
    let reloads = &watched.reloads;
    let counts = reloads.by_result();
    page.counters(
        &RELOADS,
        counts.map(|(result, count)| (vec![result], count)),
    )?;
    page.gauges(&STALE, [(vec![], reloads.is_stale().into())])?;
    page.gauges(&WAITING, [(vec![], number(reloads.waiting()))])?;
    page.gauges(&STARTED, [(vec![], timestamp(watched.started))])?;
    let now = watched.transfers.clock.now();
    page.gauges(&CLOCK, [(vec![], timestamp(now))])?;
    page.gauges(&BUILD, [(vec![env!("CARGO_PKG_VERSION")], 1.0)])
}

fn timestamp(at: SystemTime) -> f64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

const KEYS: Family = Family {
    name: "partner_gateway_issuer_keys_age_seconds",
    help: "How long ago the keys were had that an issuer's tokens are verified with.",
    labels: &["issuer"],
};

const KEY_FETCHES: Family = Family {
    name: "partner_gateway_issuer_key_fetches_total",
    help: "How often an issuer was asked for its keys, by whether they came.",
    labels: &["issuer", "result"],
};

const CERTIFICATE: Family = Family {
    name: "partner_gateway_listener_certificate_expiry_timestamp_seconds",
    help: "When the public listener's own certificate expires, in seconds since 1970.",
    labels: &[],
};

const RELOADS: Family = Family {
    name: "partner_gateway_config_reloads_total",
    help: "How often the configuration was read anew, by whether it is in force or was refused.",
    labels: &["result"],
};

const STALE: Family = Family {
    name: "partner_gateway_config_stale",
    help: "1 while the files hold a configuration that was refused, else 0.",
    labels: &[],
};

const STARTED: Family = Family {
    name: "partner_gateway_start_timestamp_seconds",
    help: "When the gateway started, in seconds since 1970.",
    labels: &[],
};

const WAITING: Family = Family {
    name: "partner_gateway_config_keys_awaiting_restart",
    help: "How many keys of the configuration that was read last take effect only after a restart.",
    labels: &[],
};

const CLOCK: Family = Family {
    name: "partner_gateway_clock_timestamp_seconds",
    help: "What the gateway's clock said when this was asked, in seconds since 1970.",
    labels: &[],
};

const BUILD: Family = Family {
    name: "partner_gateway_build_info",
    help: "1, with the version as a label.",
    labels: &["version"],
};
