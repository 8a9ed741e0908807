//! Who the gateway is to NATS: credentials that are read for each connection, so that they may be replaced.

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{cause, file::Disk, secret::SecretSource};

/// Answers the server's challenge.
pub(in crate::cluster) async fn answer(
    source: SecretSource,
    disk: Disk,
    nonce: Vec<u8>,
) -> Result<Auth, AuthError> {
    let text = source.read(&disk).await;
    let text = text.map_err(|error| AuthError::new(cause::chain(&error)))?;
    signed(&text, &nonce).ok_or_else(|| {
        AuthError::new("the credentials cannot be read; accepted: a .creds file, or a user's seed")
    })
}

/// A `.creds` file has a JWT and a seed in frames; the server knows a bare seed by its public key.
fn signed(text: &SecretString, nonce: &[u8]) -> Option<Auth> {
    let mut words = text.expose_secret().split_whitespace();
    let seed = words.clone().find(|word| is_seed(word))?;
    let pair = KeyPair::from_seed(seed).ok()?;
    let mut auth = Auth::new();
    auth.signature = Some(pair.sign(nonce).ok()?);
    auth.jwt = words.find(|word| is_jwt(word)).map(str::to_owned);
    if auth.jwt.is_none() {
        auth.nkey = Some(pair.public_key());
    }
    Some(auth)
}

/// <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth>.
fn is_seed(word: &str) -> bool {
    word.starts_with("SU") && word.len() == SEED_LENGTH
}

fn is_jwt(word: &str) -> bool {
    word.starts_with("eyJ") && word.matches('.').count() == 2
}

/// In characters: 36 bytes in base 32.
const SEED_LENGTH: usize = 58;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_with_a_seed_alone_and_with_a_file_of_credentials() {
        let pair = KeyPair::new_user();
        let seed = pair.seed().unwrap();
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0eXAi.eyJqdGki.c2ln\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );

        let bare = signed(&seed.into(), b"nonce").unwrap();
        let framed = signed(&creds.into(), b"nonce").unwrap();

        assert_eq!(bare.nkey, Some(pair.public_key()));
        assert_eq!((bare.jwt, framed.nkey), (None, None));
        assert_eq!(framed.jwt.as_deref(), Some("eyJ0eXAi.eyJqdGki.c2ln"));
        for auth in [bare.signature, framed.signature] {
            pair.verify(b"nonce", &auth.unwrap()).unwrap();
        }
        for odd in ["", "SUA", "eyJ0eXAi.eyJqdGki.c2ln"] {
            assert!(signed(&odd.into(), b"nonce").is_none(), "{odd}");
        }
    }
}
