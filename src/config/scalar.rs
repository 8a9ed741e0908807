//! Readers of single values: each returns the value, or what is accepted in its place.

use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, path::PathBuf, str::FromStr};

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
    use super::*;

    #[test]
    fn takes_numbers_within_the_range_only() {
        assert_eq!(number(1..=65_535_usize)("1024"), Ok(1024));
        for text in ["", "0", "65536", "-1", "1.0", "1_000", " 1"] {
            assert!(number(1..=65_535_usize)(text).is_err(), "{text}");
        }
        insta::assert_snapshot!(number(0.0..=1.0)("NaN").unwrap_err(), @"a number from 0 to 1");
    }

    #[test]
    fn takes_a_guid_of_one_form_only() {
        let id = "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01";
        assert_eq!(guid(&id.to_uppercase()).as_deref(), Ok(id));
        for text in [
            "",
            "4bd8b1a56d2f4c119c4f7d2b6f3a9e01",
            "{4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01}",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(guid(text).is_err(), "{text}");
        }
    }

    #[test]
    fn takes_no_header_value_that_could_end_the_header() {
        assert_eq!(header_value("partner-gateway").unwrap(), "partner-gateway");
        for text in ["", "a b", "a\r\nb", "é", &"x".repeat(129)] {
            assert!(header_value(text).is_err(), "{text}");
        }
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
}
