//! How long a host asks to be left alone: `Retry-After`.
//!
//! RFC 9110, section 10.2.3.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// Reads `Retry-After` as seconds or as a date; what is unreadable is absent, and the past is now.
///
/// Of several, the longest counts: whoever stays away too long does no harm. It may be as long as
/// [`Duration::MAX`], which can be added to no point in time, so whoever waits sets a limit.
#[must_use]
pub fn read(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let values = headers.get_all(header::RETRY_AFTER).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| wait(text.trim(), now)).max()
}

fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        // More digits than fit are a long time, too.
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn reads_seconds_and_dates_and_nothing_else() {
        for (text, wait) in [
            ("57", Some(57)),
            (" 0 ", Some(0)),
            ("3601", Some(3601)),
            ("18446744073709551615", Some(u64::MAX)),
            ("Sun, 01 Mar 2026 00:01:30 GMT", Some(90)),
            ("Sunday, 01-Mar-26 00:01:30 GMT", Some(90)),
            ("Sun Mar  1 00:01:30 2026", Some(90)),
            ("Sat, 28 Feb 2026 23:59:59 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(251_629_977_599)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("1e3", None),
            ("5, 6", None),
            ("soon", None),
            ("\u{663}", None),
            ("Sun, 99 Mar 2026 00:01:30 GMT", None),
        ] {
            let found = read(&lines(&[text]), march());

            assert_eq!(found, wait.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn takes_more_digits_than_fit_for_the_longest_time() {
        let found = read(&lines(&["99999999999999999999999999999"]), march());

        assert_eq!(found, Some(Duration::MAX));
    }

    #[test]
    fn believes_the_longest_of_several_lines() {
        let late = "Sun, 01 Mar 2026 00:01:30 GMT";

        for (texts, wait) in [
            (vec![], None),
            (vec!["5", "60"], Some(60)),
            (vec!["60", "5"], Some(60)),
            (vec!["5", late], Some(90)),
            (vec!["soon", "5"], Some(5)),
            (vec!["soon", ""], None),
        ] {
            let found = read(&lines(&texts), march());

            assert_eq!(found, wait.map(Duration::from_secs), "{texts:?}");
        }
    }

    fn lines(texts: &[&str]) -> HeaderMap {
        let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        texts
            .iter()
            .map(|text| (header::RETRY_AFTER, value(text)))
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            })
    }

    /// The first second of March 2026.
    fn march() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(492_312)
    }
}
