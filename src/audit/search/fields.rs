//! What a search needs to know of a record; the rest of the line is not looked at.

use std::borrow::Cow;

use serde::Deserialize;

/// The members of a record that can be asked for or told in a line.
#[derive(Debug, Deserialize)]
pub struct Fields<'a> {
    /// Its number.
    pub seq: u64,
    /// Its ID.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// When it was written.
    #[serde(borrow)]
    pub time: Text<'a>,
    /// What kind it is of.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// What was asked for.
    #[serde(borrow)]
    pub operation: Option<Text<'a>>,
    /// To whom.
    #[serde(borrow)]
    pub customer: Option<Text<'a>>,
    /// To which transfer.
    #[serde(borrow)]
    pub transfer: Option<Text<'a>>,
    /// Who called.
    #[serde(borrow)]
    pub principal: Option<Text<'a>>,
    /// The call's correlation ID.
    #[serde(borrow)]
    pub correlation_id: Option<Text<'a>>,
    /// The status answered.
    pub status: Option<u16>,
    /// The gateway's own code.
    #[serde(borrow)]
    pub code: Option<Text<'a>>,
    /// The value of `Gateway-Outcome`.
    #[serde(borrow)]
    pub outcome: Option<Text<'a>>,
}

/// A string, copied only where it has escapes.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// The string itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of a record without looking at the rest of its line; nothing where the line does not begin as
/// the contract says.
pub(in crate::audit) fn seq(line: &[u8]) -> Option<u64> {
    let beginning = line.get(..line.len().min(BEGINNING))?;
    let place = memchr::memmem::find(beginning, SEQ)?;
    let rest = beginning.get(place.saturating_add(SEQ.len())..)?;
    let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a line begins and ends as an object, which half a record or rubbish does not.
pub(in crate::audit::search) fn is_object(line: &[u8]) -> bool {
    line.starts_with(b"{") && line.ends_with(b"}")
}

const SEQ: &[u8] = br#""seq":"#;

/// In bytes: version, journal and number, with room to spare.
const BEGINNING: usize = 128;
