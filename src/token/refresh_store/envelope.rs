//! What stands in a store that others can read: a refresh token with its age and claim, sealed with AES-256-GCM.
//!
//! `1.KEY.SEALED`: the version, the name of the key, and the base64 of nonce, ciphertext and tag. Version, key and place
//! are authenticated with it, so that nothing can be taken from one place to another.

use std::time::{Duration, SystemTime};

use aws_lc_rs::{aead::Nonce, error::Unspecified};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::token::refresh_store::encryption_key::Keys;

/// What is sealed.
#[derive(Clone, Debug, Default)]
pub(in crate::token::refresh_store) struct Content {
    pub(in crate::token::refresh_store) token: Option<SecretString>,
    /// When the token was last put there.
    pub(in crate::token::refresh_store) renewed: Option<SystemTime>,
    /// Who has claimed the right to present the token.
    pub(in crate::token::refresh_store) claim: Option<String>,
}

/// Why a value was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::token::refresh_store) enum Unopened {
    /// It is no envelope of this version.
    Unknown,
    /// None of the keys has sealed it.
    OtherKey,
    /// A key has that did, and what it sealed was changed or stood elsewhere.
    Changed,
}

#[derive(Serialize, Deserialize)]
struct Spelling {
    token: Option<String>,
    /// In seconds since 1970.
    renewed: Option<u64>,
    claim: Option<String>,
}

impl Content {
    /// Seals for one place, with a nonce of its own.
    pub(in crate::token::refresh_store) fn seal(
        &self,
        keys: &Keys,
        place: &[&str],
    ) -> Result<String, Unspecified> {
        let key = keys.sealing();
        let mut sealed = self.spelling().map_err(|_| Unspecified)?;
        let nonce = key.seal(&about(key.id(), place), &mut sealed)?;
        let sealed = BASE64_STANDARD.encode([nonce.as_ref().as_slice(), &sealed].concat());
        Ok(format!("{VERSION}.{}.{sealed}", key.id()))
    }

    /// Opens what was sealed for this place.
    pub(in crate::token::refresh_store) fn open(
        envelope: &[u8],
        keys: &Keys,
        place: &[&str],
    ) -> Result<Self, Unopened> {
        let text = str::from_utf8(envelope).map_err(|_| Unopened::Unknown)?;
        let mut parts = text.splitn(3, '.');
        let (Some(VERSION), Some(id), Some(sealed)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Unopened::Unknown);
        };
        let key = keys.named(id).ok_or(Unopened::OtherKey)?;
        let mut sealed = BASE64_STANDARD
            .decode(sealed)
            .map_err(|_| Unopened::Changed)?;
        let (nonce, sealed) = sealed
            .split_first_chunk_mut::<NONCE_BYTES>()
            .ok_or(Unopened::Changed)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.open(&about(id, place), nonce, sealed);
        Self::read(opened.map_err(|_| Unopened::Changed)?).ok_or(Unopened::Unknown)
    }

    fn spelling(&self) -> serde_json::Result<Vec<u8>> {
        let since_1970 = |moment: SystemTime| moment.duration_since(SystemTime::UNIX_EPOCH).ok();
        serde_json::to_vec(&Spelling {
            token: self
                .token
                .as_ref()
                .map(|token| token.expose_secret().to_owned()),
            renewed: self.renewed.and_then(since_1970).map(|it| it.as_secs()),
            claim: self.claim.clone(),
        })
    }

    fn read(json: &[u8]) -> Option<Self> {
        let spelling: Spelling = serde_json::from_slice(json).ok()?;
        let moment = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Some(Self {
            token: spelling.token.map(SecretString::from),
            renewed: spelling.renewed.and_then(moment),
            claim: spelling.claim,
        })
    }
}

/// What an envelope is about, each piece with a NUL behind it, which none of them has.
fn about(key: &str, place: &[&str]) -> Vec<u8> {
    let pieces = [PURPOSE, VERSION, key].into_iter();
    let pieces = pieces.chain(place.iter().copied());
    pieces
        .flat_map(|piece| [piece, "\0"])
        .collect::<String>()
        .into_bytes()
}

/// Sets this use of a key apart from every other.
const PURPOSE: &str = "partner-gateway refresh token";

const VERSION: &str = "1";

/// Of AES-GCM.
const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_shows_nothing_of_it() {
        let content = content();

        let (one, other) = (sealed(&content, &keys("a")), sealed(&content, &keys("a")));

        assert_ne!(one, other, "a nonce was used twice");
        for envelope in [one, other] {
            let opened = Content::open(envelope.as_bytes(), &keys("a"), &PLACE).unwrap();
            let token = opened
                .token
                .as_ref()
                .map(|it| it.expose_secret().to_owned());
            assert_eq!(token.as_deref(), Some("0.token"));
            assert_eq!(
                (opened.renewed, &opened.claim),
                (content.renewed, &content.claim)
            );
            for part in envelope.splitn(3, '.') {
                let bytes = BASE64_STANDARD.decode(part).unwrap_or_default();
                assert!(!bytes.windows(7).any(|some| some == b"0.token"));
            }
            assert!(!envelope.contains("0.token") && !format!("{opened:?}").contains("0.token"));
        }
    }

    #[test]
    fn opens_with_any_key_of_the_file_and_seals_with_the_first() {
        let old = sealed(&content(), &keys("a"));
        let both = Keys::parse(&format!("{}\n{}", "b".repeat(64), "a".repeat(64))).unwrap();

        let opened = Content::open(old.as_bytes(), &both, &PLACE).unwrap();
        let new = sealed(&opened, &both);

        assert!(Content::open(new.as_bytes(), &keys("b"), &PLACE).is_ok());
        assert_eq!(why(&new, &keys("a"), &PLACE), Unopened::OtherKey);
    }

    #[test]
    fn opens_nothing_that_was_changed_or_stood_elsewhere() {
        let envelope = sealed(&content(), &keys("a"));
        let places: [&[&str]; 4] = [
            &["bucket", "other"],
            &["other", "key"],
            &["bucketkey", ""],
            &["bucket"],
        ];
        for place in places {
            assert_eq!(why(&envelope, &keys("a"), place), Unopened::Changed);
        }
        for (at, byte) in envelope.bytes().enumerate() {
            let mut changed = envelope.clone().into_bytes();
            changed[at] = if byte == b'A' { b'B' } else { b'A' };
            let opened = Content::open(&changed, &keys("a"), &PLACE);
            assert!(opened.is_err(), "changed at {at}");
            let opened = Content::open(&envelope.as_bytes()[..at], &keys("a"), &PLACE);
            assert!(opened.is_err(), "cut at {at}");
        }
    }

    #[test]
    fn tells_an_envelope_of_another_version_from_one_of_another_key() {
        let envelope = sealed(&content(), &keys("a"));

        let later = envelope.replacen("1.", "2.", 1);

        assert_eq!(why(&later, &keys("a"), &PLACE), Unopened::Unknown);
        assert_eq!(why("0.token", &keys("a"), &PLACE), Unopened::Unknown);
        assert_eq!(why(&envelope, &keys("b"), &PLACE), Unopened::OtherKey);
    }

    fn content() -> Content {
        Content {
            token: Some("0.token".into()),
            renewed: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(7)),
            claim: Some("somebody/once".to_owned()),
        }
    }

    fn sealed(content: &Content, keys: &Keys) -> String {
        content.seal(keys, &PLACE).unwrap()
    }

    fn why(envelope: &str, keys: &Keys, place: &[&str]) -> Unopened {
        Content::open(envelope.as_bytes(), keys, place).unwrap_err()
    }

    fn keys(digit: &str) -> Keys {
        Keys::parse(&digit.repeat(64)).unwrap()
    }

    const PLACE: [&str; 2] = ["bucket", "key"];
}
