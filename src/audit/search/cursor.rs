//! Where the next page of a search begins.
//!
//! Opaque to whoever holds it. It names a record's number and not a place in a file, so that it stays good
//! while records come and old segments go.

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::ids::JournalId;

/// Where the next page of a search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The journal that was searched.
    pub journal: JournalId,
    /// Records from here on have been seen.
    pub below: u64,
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor that a search has given")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = format!("{FORM} {} {}", self.journal, self.below);
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(plain))
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        parsed(text)
            .filter(|cursor| cursor.to_string() == text)
            .ok_or(NotACursor)
    }
}

fn parsed(text: &str) -> Option<Cursor> {
    let plain = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut parts = plain.splitn(3, ' ');
    let (form, journal, below) = (parts.next()?, parts.next()?, parts.next()?);
    (form == FORM).then_some(())?;
    Some(Cursor {
        journal: journal.parse().ok()?,
        below: below.parse().ok()?,
    })
}

/// The form of what a cursor says.
const FORM: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_its_text_and_from_no_other() {
        let cursor = Cursor {
            journal: "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap(),
            below: 4711,
        };
        let text = cursor.to_string();

        assert_eq!(text.parse(), Ok(cursor));
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        let encoded = |plain: &str| BASE64_URL_SAFE_NO_PAD.encode(plain);
        for bad in [
            String::new(),
            "4711".to_owned(),
            format!("{text}="),
            text.replacen('M', "N", 1),
            encoded("1 0f8fad5b-d9cb-469f-a165-70867728950e"),
            encoded("2 0f8fad5b-d9cb-469f-a165-70867728950e 1"),
            encoded("1 0f8fad5b-d9cb-469f-a165-70867728950e +1"),
            encoded("1 0f8fad5b-d9cb-469f-a165-70867728950e 1 "),
            encoded("1 0F8FAD5B-d9cb-469f-a165-70867728950e 1"),
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(NotACursor), "{bad}");
        }
    }
}
