//! What a caller presents, before anybody has looked whether it is true.

use http::HeaderValue;
use secrecy::SecretString;

/// The credential of one call.
#[derive(Debug)]
pub enum Credential {
    /// There is none.
    Absent,
    /// One bearer token; not yet checked.
    Bearer(SecretString),
    /// Something that is not exactly one bearer token.
    Unreadable,
}

impl Credential {
    /// Reads the values of all `Authorization` headers of a request.
    ///
    /// More than one header, another scheme, or a token of over 16 KiB is [`Credential::Unreadable`].
    pub fn read<'a>(mut values: impl Iterator<Item = &'a HeaderValue>) -> Self {
        let Some(value) = values.next() else {
            return Self::Absent;
        };
        if values.next().is_some() {
            return Self::Unreadable;
        }
        bearer(value).map_or(Self::Unreadable, |token| {
            Self::Bearer(SecretString::from(token))
        })
    }
}

/// Takes the token out of a value of the form that RFC 6750 section 2.1 gives.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    let sound = scheme.eq_ignore_ascii_case("bearer")
        && (1..=LONGEST_TOKEN_BYTES).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    sound.then_some(token)
}

/// Bounds the work that an unknown caller can cause.
const LONGEST_TOKEN_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(values: &[&str]) -> Credential {
        let values: Vec<_> = values.iter().map(|text| text.parse().unwrap()).collect();
        Credential::read(values.iter())
    }

    #[test]
    fn takes_one_bearer_token_in_any_case_of_the_scheme() {
        for text in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            let Credential::Bearer(token) = read(&[text]) else {
                panic!("{text}")
            };
            assert_eq!(token.expose_secret(), "abc");
        }
    }

    #[test]
    fn takes_a_token_of_16_kib() {
        let longest = format!("Bearer {}", "a".repeat(16_384));

        assert!(matches!(read(&[&longest]), Credential::Bearer(_)));
    }

    #[test]
    fn takes_nothing_else() {
        let long = format!("Bearer {}", "a".repeat(16_385));
        for values in [
            &["Basic abc"][..],
            &["Bearer"],
            &["Bearer "],
            &["Bearer a b"],
            &["abc"],
            &[""],
            &["Bearer abc", "Bearer abc"],
            &[&long],
        ] {
            assert!(matches!(read(values), Credential::Unreadable), "{values:?}");
        }
        assert!(matches!(read(&[]), Credential::Absent));
    }
}
