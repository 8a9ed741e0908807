//! From when until when a certificate is good. This room knows nothing of ours.

use std::{
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

/// Reads the dates of a certificate in DER; nothing where that cannot be done.
#[must_use]
pub fn of(der: &[u8]) -> Option<RangeInclusive<SystemTime>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    period(&certificate)
}

/// The dates of a certificate that has been read.
#[must_use]
pub fn period(certificate: &X509Certificate<'_>) -> Option<RangeInclusive<SystemTime>> {
    let moment = |seconds: i64| {
        let since = Duration::from_secs(u64::try_from(seconds).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    };
    let validity = certificate.validity();
    let from = moment(validity.not_before.timestamp())?;
    Some(from..=moment(validity.not_after.timestamp())?)
}
