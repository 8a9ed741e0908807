//! Readers of durations and sizes, and writers of them in the units that people use.

use std::{
    fmt::{self, Display},
    ops::RangeInclusive,
    time::Duration,
};

/// Reads a duration such as `500ms`, `30s`, `5m`, `1h` or `400d` within a range.
pub(crate) fn duration(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let milliseconds = scaled(text, &DURATION_UNITS);
        let duration = milliseconds.map(Duration::from_millis);
        duration
            .filter(|duration| range.contains(duration))
            .ok_or_else(|| {
                let (from, to) = (Span(*range.start()), Span(*range.end()));
                format!("a duration from {from} to {to}, written such as 500ms, 30s, 5m, 1h, 400d")
            })
    }
}

/// Reads a size such as `512B`, `64KiB`, `1MiB` or `1GiB` within a range, in bytes.
pub(crate) fn size(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let bytes = text.parse().ok().or_else(|| scaled(text, &SIZE_UNITS));
        bytes.filter(|bytes| range.contains(bytes)).ok_or_else(|| {
            let (from, to) = (Bytes(*range.start()), Bytes(*range.end()));
            format!("a size from {from} to {to}, written such as 512B, 64KiB, 1MiB, 1GiB")
        })
    }
}

/// A duration in the largest unit that leaves no rest.
struct Span(Duration);

/// A size in the largest unit that leaves no rest.
struct Bytes(u64);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        in_units(f, milliseconds, &DURATION_UNITS)
    }
}

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_units(f, self.0, &SIZE_UNITS)
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn in_units(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let whole = |(_, factor): &&(&str, u64)| value >= *factor && value.is_multiple_of(*factor);
    match units.iter().rfind(whole) {
        Some((unit, factor)) => write!(f, "{}{unit}", value.div_euclid(*factor)),
        None => write!(f, "{value}"),
    }
}

/// Units of durations in milliseconds, ascending.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Units of sizes in bytes, ascending.
const SIZE_UNITS: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn reads_durations_in_every_unit() {
        let read = duration(Duration::ZERO..=400 * DAY);

        assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(read("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(read("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(read("1h"), Ok(Duration::from_hours(1)));
        assert_eq!(read("400d"), Ok(400 * DAY));
        for text in [
            "",
            "5",
            "s",
            "5x",
            "5 s",
            "-5s",
            "1.5s",
            "401d",
            "99999999999999999999d",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_sizes_in_every_unit_and_as_a_plain_number() {
        let read = size(1..=2 << 30);

        assert_eq!(read("512"), Ok(512));
        assert_eq!(read("512B"), Ok(512));
        assert_eq!(read("64KiB"), Ok(65_536));
        assert_eq!(read("1MiB"), Ok(1_048_576));
        assert_eq!(read("1GiB"), Ok(1_073_741_824));
        for text in [
            "",
            "0",
            "64KB",
            "64kib",
            "3GiB",
            "KiB",
            "1.5MiB",
            "18446744073709551615GiB",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tells_ranges_in_the_units_that_people_write() {
        insta::assert_snapshot!(
            duration(Duration::from_millis(100)..=400 * DAY)("x").unwrap_err(),
            @"a duration from 100ms to 400d, written such as 500ms, 30s, 5m, 1h, 400d"
        );
        insta::assert_snapshot!(size(1..=1 << 20)("x").unwrap_err(), @"a size from 1B to 1MiB, written such as 512B, 64KiB, 1MiB, 1GiB");
    }

    proptest! {
        #[test]
        fn never_panics_on_any_text(text in "\\PC{0,24}") {
            let duration = duration(Duration::ZERO..=DAY)(&text);
            let size = size(0..=u64::MAX)(&text);
            prop_assert!(duration.is_err() || text.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert!(size.is_err() || text.starts_with(|c: char| c.is_ascii_digit() || c == '+'));
        }

        #[test]
        fn writes_a_duration_as_it_is_read(milliseconds in 1_u64..40_000_000_000) {
            let wanted = Duration::from_millis(milliseconds);
            let written = Span(wanted).to_string();
            prop_assert_eq!(duration(Duration::ZERO..=Duration::MAX)(&written), Ok(wanted));
        }
    }
}
