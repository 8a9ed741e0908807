//! A signed statement with which an application proves who it is: RFC 7523, and what Entra ID makes of it.

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Value, json};

/// An assertion taken apart and not yet believed.
#[derive(Debug)]
pub(crate) struct Assertion<'a> {
    signed: &'a str,
    signature: &'a str,
    header: Value,
    claims: Value,
}

impl<'a> Assertion<'a> {
    /// The parts of a compact JWT whose header and claims are JSON objects.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            signed,
            signature,
            header: object(header)?,
            claims: object(claims)?,
        })
    }

    pub(crate) fn shown(&self) -> Value {
        json!({"header": self.header, "claims": self.claims})
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Whether an audience, one or among several, is a wanted one.
    pub(crate) fn is_for(&self, wanted: impl Fn(&str) -> bool) -> bool {
        match self.claims.get("aud") {
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(wanted),
            Some(Value::String(one)) => wanted(one),
            _ => false,
        }
    }

    /// A moment in whole seconds; `Err` where it is there and no number.
    ///
    /// Entra ID takes strings, too. They are refused here, because stricter servers refuse them. A
    /// fraction is cut off: Microsoft's library for Python sends one.
    pub(crate) fn time(&self, name: &str) -> Result<Option<u64>, NotANumber> {
        match self.claims.get(name) {
            None => Ok(None),
            Some(value) => whole_seconds(value).map(Some).ok_or(NotANumber),
        }
    }

    /// Whether the signature is of that key, by one of the algorithms that Entra ID takes.
    pub(crate) fn is_signed_by(&self, key: &DecodingKey) -> bool {
        let algorithm = match self.header("alg") {
            Some("PS256") => Algorithm::PS256,
            Some("RS256") => Algorithm::RS256,
            _ => return false,
        };
        crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm).unwrap_or(false)
    }
}

/// A claim that should be a number of seconds and is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotANumber;

fn whole_seconds(value: &Value) -> Option<u64> {
    let whole = || {
        let text = value.as_f64()?.floor().to_string();
        text.parse().ok()
    };
    value.as_number()?.as_u64().or_else(whole)
}

fn object(part: &str) -> Option<Value> {
    let bytes = TOLERANT.decode(part).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    value.is_object().then_some(value)
}

/// Base64url, padded or not.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
