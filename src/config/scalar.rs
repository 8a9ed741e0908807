//! Readers of single values: each returns the value, or what is accepted in its place.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use http::HeaderValue;
use uuid::Uuid;

/// Reads a number within a range.
pub(crate) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
    }
}

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

/// Reads one of a few words.
pub(crate) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let word = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, meaning)| *meaning);
        word.ok_or_else(|| {
            words
                .iter()
                .map(|(word, _)| *word)
                .collect::<Vec<_>>()
                .join(", ")
        })
    }
}

/// Reads `true` or `false`.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    one_of(&[("true", true), ("false", false)])(text)
}

/// Reads an address to listen on.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an IP address and a port, such as 127.0.0.1:8080".to_owned())
}

/// Reads a path; a relative one is taken from the working directory.
pub(crate) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        Err("a path".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

/// Reads a name that people choose: up to 128 printable characters.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    let sound = (1..=LONGEST_NAME).contains(&length) && !text.contains(char::is_control);
    let trimmed = text.trim() == text;
    (sound && trimmed)
        .then(|| text.to_owned())
        .ok_or_else(|| format!("1 to {LONGEST_NAME} printable characters"))
}

/// Reads a GUID, and writes it in lower case.
pub(crate) fn guid(text: &str) -> Result<String, String> {
    let id = Uuid::try_parse(text)
        .ok()
        .filter(|id| text.len() == GUID_LENGTH && !id.is_nil());
    id.map(|id| id.to_string())
        .ok_or_else(|| "a GUID of 8-4-4-4-12 hexadecimal digits, not all zero".to_owned())
}

/// Reads a tenant: a GUID or a verified domain. The words that stand for many tenants are not one.
pub(crate) fn tenant(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let domain = text.contains('.') && text.len() <= LONGEST_DOMAIN && text.split('.').all(label);
    match guid(text) {
        Ok(id) => Ok(id),
        Err(_) if domain => Ok(text.to_ascii_lowercase()),
        Err(_) => Err("the GUID or a verified domain of one tenant".to_owned()),
    }
}

/// Reads a header value without white space.
pub(crate) fn header_value(text: &str) -> Result<HeaderValue, String> {
    let visible = !text.is_empty()
        && text.len() <= LONGEST_HEADER_VALUE
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    let value = visible.then(|| HeaderValue::from_str(text).ok()).flatten();
    value.ok_or_else(|| format!("1 to {LONGEST_HEADER_VALUE} visible ASCII characters"))
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

/// In characters; a name fits one line of a log.
const LONGEST_NAME: usize = 128;

/// 32 digits and four hyphens; no other form of a UUID has this length.
const GUID_LENGTH: usize = 36;

/// In characters: RFC 1035, section 2.3.4.
const LONGEST_LABEL: usize = 63;

/// In characters: RFC 1035, section 2.3.4, without the root.
const LONGEST_DOMAIN: usize = 253;

/// In characters; far under every server's limit for one header.
const LONGEST_HEADER_VALUE: usize = 128;

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
            @""
        );
        insta::assert_snapshot!(size(1..=1 << 20)("x").unwrap_err(), @"");
        insta::assert_snapshot!(number(0.0..=1.0)("NaN").unwrap_err(), @"");
    }

    #[test]
    fn takes_one_tenant_and_never_many() {
        let id = "3A9A35CE-D5BE-4814-AB58-4451C36FE157";
        assert_eq!(tenant(id), Ok(id.to_lowercase()));
        assert_eq!(
            tenant("Contoso.onmicrosoft.com"),
            Ok("contoso.onmicrosoft.com".to_owned())
        );
        for text in [
            "common",
            "organizations",
            "consumers",
            "",
            "a/b.c",
            ".com",
            "-a.com",
            "a..b",
        ] {
            assert!(tenant(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_any_text(text in "\\PC{0,24}") {
            let duration = duration(Duration::ZERO..=DAY)(&text);
            let size = size(0..=u64::MAX)(&text);
            prop_assert!(duration.is_err() || text.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert!(size.is_err() || text.starts_with(|c: char| c.is_ascii_digit() || c == '+'));
            prop_assert_eq!(guid(&text), Err("a GUID of 8-4-4-4-12 hexadecimal digits, not all zero".to_owned()));
        }

        #[test]
        fn writes_a_duration_as_it_is_read(milliseconds in 1_u64..40_000_000_000) {
            let duration_read = duration(Duration::ZERO..=Duration::MAX)(
                &Span(Duration::from_millis(milliseconds)).to_string(),
            );
            prop_assert_eq!(duration_read, Ok(Duration::from_millis(milliseconds)));
        }
    }
}
