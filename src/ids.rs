//! The identifiers of the domain, each a type of its own.
//!
//! Every GUID that enters is parsed here and nowhere else, and leaves in lower case. This room knows
//! nothing of ours.

use std::{fmt, str::FromStr};

use aws_lc_rs::rand;
use uuid::{Builder, Uuid};

/// A customer's tenant in Partner Center.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerId(Uuid);

/// A subscription transfer in Partner Center.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(Uuid);

/// One call of a caller, as told to Partner Center in `MS-CorrelationId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CorrelationId(Uuid);

/// One attempt upstream, as told to Partner Center in `MS-RequestId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

/// Ties the intent and the outcome of one call together; a `UUIDv7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(Uuid);

/// Names one audit record; a `UUIDv7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId(Uuid);

/// Names one run of the process; a `UUIDv7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BootId(Uuid);

/// A W3C trace, as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// Where a caller's trace stood when it called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: TraceId,
    /// The caller's own span.
    pub span: u64,
    /// Whether the caller's spans are kept.
    pub is_sampled: bool,
}

/// Names one journal for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalId(Uuid);

/// The text is not a GUID of the one accepted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a GUID of 8-4-4-4-12 hexadecimal digits, or all zero")]
pub struct NotAGuid;

impl CorrelationId {
    /// Draws a fresh random one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl RequestId {
    /// Draws a fresh random one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Draws fresh random ones, asking once for the randomness of all.
    #[must_use]
    pub fn draw(count: usize) -> Vec<Self> {
        let mut random = vec![0; count.saturating_mul(16)];
        if rand::fill(&mut random).is_err() {
            return (0..count).map(|_| Self(Uuid::new_v4())).collect();
        }
        let (each, _) = random.as_chunks();
        each.iter()
            .map(|bytes| Self(Builder::from_random_bytes(*bytes).into_uuid()))
            .collect()
    }
}

impl CallId {
    /// Draws the next one in time.
    #[must_use]
    pub fn next() -> Self {
        Self(Uuid::now_v7())
    }
}

impl RecordId {
    /// Draws the next one in time.
    #[must_use]
    pub fn next() -> Self {
        Self(Uuid::now_v7())
    }
}

impl BootId {
    /// Draws the next one in time.
    #[must_use]
    pub fn next() -> Self {
        Self(Uuid::now_v7())
    }
}

impl JournalId {
    /// Draws a fresh random one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl TraceId {
    /// Starts a new trace.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().as_u128())
    }

    /// The trace of these 128 bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its 128 bits.
    #[must_use]
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl TraceParent {
    /// Reads a `traceparent` value.
    ///
    /// Returns nothing where the value is not of the form that
    /// <https://www.w3.org/TR/trace-context/#traceparent-header> describes.
    #[must_use]
    pub fn read(value: &str) -> Option<Self> {
        let mut parts = value.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let more = parts.next().is_some();
        let sound = hex(version, 2)? != 0xff && !(more && version == "00");
        let (trace, span) = (hex(trace, 32)?, u64::try_from(hex(span, 16)?).ok()?);
        let is_sampled = hex(flags, 2)? & 1 == 1;
        (sound && trace != 0 && span != 0).then_some(Self {
            trace: TraceId(trace),
            span,
            is_sampled,
        })
    }
}

impl FromStr for CustomerId {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        guid(text).map(Self)
    }
}

impl FromStr for TransferId {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        guid(text).map(Self)
    }
}

impl FromStr for CorrelationId {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        guid(text).map(Self)
    }
}

impl FromStr for CallId {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        guid(text).map(Self)
    }
}

impl FromStr for RecordId {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        guid(text).map(Self)
    }
}

impl FromStr for JournalId {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        guid(text).map(Self)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses the one form of a GUID that the gateway takes: 8-4-4-4-12 hexadecimal digits in either
/// case, no braces, no `urn:`, not all zero.
fn guid(text: &str) -> Result<Uuid, NotAGuid> {
    if text.len() != HYPHENATED_LENGTH {
        return Err(NotAGuid);
    }
    match Uuid::try_parse_ascii(text.as_bytes()) {
        Ok(id) if !id.is_nil() => Ok(id),
        Ok(_) | Err(_) => Err(NotAGuid),
    }
}

/// Reads exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let sound = text.len() == digits && text.bytes().all(lower);
    sound.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// 32 digits and four hyphens; no other form of a UUID has this length.
const HYPHENATED_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn draws_request_ids_that_are_random_guids_and_never_the_same() {
        let drawn = RequestId::draw(1000);

        let texts: std::collections::HashSet<_> = drawn.iter().map(ToString::to_string).collect();
        assert_eq!((drawn.len(), texts.len()), (1000, 1000));
        for text in &texts {
            let version = text.chars().nth(14);
            let variant = text.chars().nth(19);
            assert_eq!((text.len(), version), (36, Some('4')), "{text}");
            assert!(variant.is_some_and(|it| "89ab".contains(it)), "{text}");
        }
    }

    #[test]
    fn writes_in_lower_case_what_came_in_upper_case() {
        let id: TransferId = "AC4A9D22-BA07-444E-890F-CFE084EED498".parse().unwrap();

        assert_eq!(id.to_string(), "ac4a9d22-ba07-444e-890f-cfe084eed498");
    }

    #[test]
    fn refuses_every_other_form() {
        for text in [
            "",
            "00000000-0000-0000-0000-000000000000",
            "{ac4a9d22-ba07-444e-890f-cfe084eed498}",
            "urn:uuid:ac4a9d22-ba07-444e-890f-cfe084eed498",
            "ac4a9d22ba07444e890fcfe084eed498",
            "ac4a9d22-ba07-444e-890f-cfe084eed49",
            "ac4a9d22-ba07-444e-890f-cfe084eed49g",
            "ac4a9d22ba07-444e-890f-cfe0-84eed498",
            " c4a9d22-ba07-444e-890f-cfe084eed498",
            "ac4a9d22\u{2010}ba07-444e-890f-cfe084eed",
        ] {
            assert_eq!(text.parse::<TransferId>(), Err(NotAGuid), "{text:?}");
        }
    }

    #[test]
    fn continues_a_sound_trace_and_no_other() {
        let sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

        let parent = TraceParent::read(sound).unwrap();

        let TraceParent {
            trace,
            span,
            is_sampled,
        } = parent;
        assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace, TraceId::from_bits(trace.bits()));
        assert_eq!((span, is_sampled), (0x00f0_67aa_0ba9_02b7, true));
        for (more, is_sampled) in [("00", false), ("03", true), ("02", false)] {
            let other = format!("{}{more}", sound.strip_suffix("01").unwrap());
            assert_eq!(TraceParent::read(&other).unwrap().is_sampled, is_sampled);
        }
        let later = format!("cc{}-what-comes", sound.strip_prefix("00").unwrap());
        assert_eq!(TraceParent::read(&later), Some(parent));
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_id_turn_into_each_other(bits in 1_u128..) {
            let text = Uuid::from_u128(bits).to_string();
            let id: CustomerId = text.parse().unwrap();
            prop_assert_eq!(id.to_string(), text);
        }

        #[test]
        fn never_panics_on_any_text(text in ".{0,48}") {
            if let Ok(id) = text.parse::<CustomerId>() {
                prop_assert_eq!(id.to_string(), text.to_ascii_lowercase());
            }
        }
    }
}
