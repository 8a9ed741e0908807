//! The keys that a refresh token is sealed with before it goes to a store that others can read.
//!
//! One key a line: the first seals and opens, those behind it open only, so that a key can be replaced while gateways run.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    digest::{SHA256, digest},
    error::Unspecified,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretSlice};

/// What seals and what opens; `Debug` shows neither.
#[derive(Clone)]
pub struct Keys {
    sealing: Arc<Key>,
    opening: Vec<Arc<Key>>,
}

/// A text holds no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no keys of 32 bytes in it; accepted: 64 hexadecimal digits or the base64 of 32 bytes, one key a line"
)]
pub struct NoKeys;

/// One key, with the name that tells it from others.
pub(in crate::token::refresh_store) struct Key {
    id: String,
    aead: RandomizedNonceKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads keys, one a line.
    ///
    /// # Errors
    ///
    /// When there is none, or a line is none.
    pub fn parse(text: &str) -> Result<Self, NoKeys> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Result<Vec<_>, _> = lines.map(|line| Key::parse(line).map(Arc::new)).collect();
        let opening = keys?;
        let sealing = Arc::clone(opening.first().ok_or(NoKeys)?);
        Ok(Self { sealing, opening })
    }

    pub(in crate::token::refresh_store) fn sealing(&self) -> &Key {
        &self.sealing
    }

    pub(in crate::token::refresh_store) fn named(&self, id: &str) -> Option<&Key> {
        let mut keys = self.opening.iter();
        keys.find(|key| key.id == id).map(|key| &**key)
    }
}

impl Key {
    fn parse(line: &str) -> Result<Self, NoKeys> {
        let bytes = match line.len() {
            HEX_DIGITS => from_hex(line),
            _ => BASE64_STANDARD.decode(line).ok(),
        };
        let bytes = SecretSlice::from(bytes.ok_or(NoKeys)?);
        let bytes = bytes.expose_secret();
        let aead = RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| NoKeys)?;
        Ok(Self {
            id: name(bytes),
            aead,
        })
    }

    pub(in crate::token::refresh_store) fn id(&self) -> &str {
        &self.id
    }

    /// Encrypts in place, and puts the tag behind.
    pub(in crate::token::refresh_store) fn seal(
        &self,
        about: &[u8],
        content: &mut Vec<u8>,
    ) -> Result<Nonce, Unspecified> {
        self.aead
            .seal_in_place_append_tag(Aad::from(about), content)
    }

    /// Decrypts in place what has its tag behind it.
    pub(in crate::token::refresh_store) fn open<'a>(
        &self,
        about: &[u8],
        nonce: Nonce,
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], Unspecified> {
        self.aead.open_in_place(nonce, Aad::from(about), sealed)
    }
}

/// The first 8 bytes of a hash name a key of 32 random bytes and tell nothing of it.
fn name(key: &[u8]) -> String {
    let hash = digest(&SHA256, &[NAMING, key].concat());
    let some = hash.as_ref().first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(some))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

/// Of 32 bytes.
const HEX_DIGITS: usize = 64;

/// Sets this use of the hash apart from every other.
const NAMING: &[u8] = b"partner-gateway name of an encryption key\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_key_a_line_in_hexadecimal_or_base64() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let other = "f".repeat(64);

        let one = Keys::parse(&format!("{hex}\n")).unwrap();
        let same = Keys::parse(&format!("  {base64}\r\n\n")).unwrap();
        let both = Keys::parse(&format!("{other}\n{base64}")).unwrap();

        assert_eq!(one.sealing().id(), same.sealing().id());
        assert_ne!(one.sealing().id(), both.sealing().id());
        assert!(both.named(one.sealing().id()).is_some());
        assert!(one.named(both.sealing().id()).is_none());
        assert_eq!(format!("{both:?}"), "Keys { .. }");
    }

    #[test]
    fn takes_nothing_else_for_a_key() {
        let hex = "0".repeat(64);
        for text in [
            "",
            "\n",
            "secret",
            "AAECAwQFBgcICQoLDA0ODw==",
            &"0".repeat(63),
            &"g".repeat(64),
            &"0".repeat(65),
            &format!("{hex}\nsecret"),
            &format!("{hex} {hex}"),
        ] {
            assert_eq!(Keys::parse(text).unwrap_err(), NoKeys, "{text}");
        }
    }
}
