//! Reads `audit`.

use std::{num::NonZeroU32, ops::RangeInclusive, path::PathBuf, time::Duration};

use secrecy::SecretSlice;

use crate::{
    audit::{
        Durability, Settings,
        segment::Bounds,
        signing::{ACCEPTED, SigningKey},
    },
    config::{
        environment::Environment,
        fault::{Place, quoted},
        measure::{duration, size},
        scalar::{number, one_of, path},
        secret_file::{contents, secret_file, shown},
        section::{Cursor, Section},
        sinks,
    },
    delivery,
};

/// Reads `audit`, and where records are sent, too.
pub(crate) fn audit(
    section: &Section<'_>,
    has_cluster: bool,
    environment: &Environment,
) -> Option<(Settings, Vec<delivery::settings::Settings>)> {
    let dir = section.need("dir").and_then(|cursor| directory(&cursor));
    let durability = durability(section);
    let segment = section.required("segment_bytes", size(SEGMENT));
    let age = section.required("segment_age", duration(MINUTE..=DAY));
    let checkpoint_interval = section.required("checkpoint_interval", duration(SECOND..=HOUR));
    let retention = section.required("retention", duration(DAY..=DECADE));
    let kept = section.required("keep_after_ack", duration(Duration::ZERO..=DECADE));
    let most = section.required("max_bytes", size(JOURNAL));
    let rate = section.required("unauthenticated_rate", number(1..=100_000_u32));
    let key = section.take("signing_key_file");
    let key = key.map(|cursor| signing_key(&cursor));
    let sinks = match section.take("sinks") {
        Some(cursor) => sinks::sinks(&cursor, has_cluster, environment),
        None => Some(Vec::new()),
    };
    if kept > retention && retention.is_some() {
        let problem = "longer than retention; accepted: at most retention".to_owned();
        section.conflict("keep_after_ack", "retention", problem);
    }
    if most < segment.map(|segment| segment.saturating_mul(2)) && most.is_some() {
        let problem = "less than two segments; accepted: twice segment_bytes or more".to_owned();
        section.conflict("max_bytes", "segment_bytes", problem);
    }
    let sinks = sinks?;
    let required = sinks.iter().filter(|sink| sink.is_required);
    let settings = Settings {
        dir: dir?,
        durability: durability?,
        unauthenticated_rate: rate.and_then(NonZeroU32::new)?,
        signing_key_file: key.map_or(Some(None), |path| path.map(Some))?,
        checkpoint_interval: checkpoint_interval?,
        segment: Bounds {
            bytes: segment?,
            age: age?,
        },
        max_bytes: most?,
        retention: retention?,
        keep_after_ack: kept?,
        required_sinks: required.map(|sink| sink.name.clone()).collect(),
    };
    Some((settings, sinks))
}

/// The key is read again when the journal opens; here it is only tried.
fn signing_key(cursor: &Cursor<'_>) -> Option<PathBuf> {
    let path = secret_file(cursor)?;
    let pem = SecretSlice::from(contents(cursor, &path)?);
    if SigningKey::parse(&pem).is_none() {
        cursor.fault(format!(
            "{} holds no Ed25519 key; accepted: {ACCEPTED}",
            shown(&path)
        ));
        return None;
    }
    Some(path)
}

fn durability(section: &Section<'_>) -> Option<Durability> {
    let strict = section.required(
        "durability",
        one_of(&[("strict", true), ("relaxed", false)]),
    );
    let interval = section.need("flush_interval")?;
    let flush_interval = interval.read(duration(Duration::from_millis(1)..=MINUTE))?;
    let relaxed = Durability::Relaxed { flush_interval };
    if strict? && *interval.place() != Place::Default {
        interval.notice("has no effect while audit.durability is strict");
    }
    Some(if strict? { Durability::Strict } else { relaxed })
}

/// The directory is made when the journal opens, so it need not be there yet.
fn directory(cursor: &Cursor<'_>) -> Option<PathBuf> {
    let dir = cursor.read(path)?;
    if dir.exists() && !dir.is_dir() {
        let found = format!(
            "{}, which is not a directory",
            quoted(&dir.to_string_lossy())
        );
        cursor.refuse(&found, "a directory, made when absent");
        return None;
    }
    Some(dir)
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const DECADE: Duration = Duration::from_hours(10 * 365 * 24);

/// In bytes: a smaller segment is all header, a larger one takes seconds to verify.
const SEGMENT: RangeInclusive<u64> = (1 << 20)..=(1 << 30);

/// In bytes: the least is two of the smallest segments.
const JOURNAL: RangeInclusive<u64> = (2 << 20)..=(1 << 40);
