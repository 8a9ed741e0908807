//! The gateway itself: which one it is, what is in force, and whose tokens it can verify.

use crate::{
    identity::Identity,
    telemetry::{
        metrics::{Family, Page},
        reloads::Reloads,
    },
};

/// Writes the numbers of the gateway itself.
pub(in crate::front) fn write(
    page: &Page,
    identity: &Identity,
    reloads: &Reloads,
) -> Result<(), prometheus::Error> {
    let keys = identity
        .key_ages()
        .map(|(issuer, age)| (vec![issuer], age.as_secs_f64()));
    page.gauges(&KEYS, keys)?;
    let counts = reloads.by_result();
    page.counters(
        &RELOADS,
        counts.map(|(result, count)| (vec![result], count)),
    )?;
    page.gauges(&STALE, [(vec![], reloads.is_stale().into())])?;
    page.gauges(&BUILD, [(vec![env!("CARGO_PKG_VERSION")], 1.0)])
}

const KEYS: Family = Family {
    name: "partner_gateway_issuer_keys_age_seconds",
    help: "How long ago the keys were had that an issuer's tokens are verified with.",
    labels: &["issuer"],
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

const BUILD: Family = Family {
    name: "partner_gateway_build_info",
    help: "1, with the version as a label.",
    labels: &["version"],
};
