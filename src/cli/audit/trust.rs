//! Which keys signatures are checked with, and where they came from.

use std::{
    io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretSlice};

use super::verify::{Unknown, public_key, unfit_key};
use crate::{
    audit::{fork, public_key::PublicKey, signing},
    file,
};

/// The keys that signatures are checked with, by where they came from.
#[derive(Clone, Debug)]
pub(in crate::cli::audit) enum Trusted {
    /// Who asked brought them.
    Brought(Vec<PublicKey>),
    /// It lay beside the journal.
    Beside(PublicKey),
    /// The gateway signs with it, and it is kept elsewhere.
    Elsewhere(PublicKey, PathBuf),
    /// There is none.
    Nothing,
}

/// Takes the keys of whoever asks, or else the one that the gateway itself signs with.
pub(in crate::cli::audit) fn trusted(
    brought: &[PathBuf],
    dir: &Path,
    own: &Path,
) -> Result<Trusted, Unknown> {
    if brought.is_empty() {
        return of_the_gateway(dir, own);
    }
    let keys = brought.iter().map(|path| public_key(path));
    keys.collect::<Result<_, _>>().map(Trusted::Brought)
}

/// The key that the gateway of a journal signs with, if it is there.
pub(in crate::cli::audit) fn of_the_gateway(dir: &Path, own: &Path) -> Result<Trusted, Unknown> {
    let pem = match file::read(own, signing::LARGEST_BYTES) {
        Ok(pem) => SecretSlice::from(pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Trusted::Nothing),
        Err(source) => {
            let path = own.to_owned();
            return Err(Unknown::File { path, source });
        }
    };
    let key = PublicKey::of_private(pem.expose_secret()).map_err(unfit_key(own))?;
    // The key goes on with the next journal when one has ended.
    let next = fork::went_on_in(dir).map(|next| signing::place(&next, None));
    if signing::place(dir, None) == own || next.as_deref() == Some(own) {
        Ok(Trusted::Beside(key))
    } else {
        Ok(Trusted::Elsewhere(key, own.to_owned()))
    }
}

impl Trusted {
    pub(in crate::cli::audit) fn keys(&self) -> &[PublicKey] {
        match self {
            Self::Brought(keys) => keys,
            Self::Beside(key) | Self::Elsewhere(key, _) => std::slice::from_ref(key),
            Self::Nothing => &[],
        }
    }

    /// What programs call where they came from.
    pub(in crate::cli::audit) fn word(&self) -> Option<&'static str> {
        match self {
            Self::Brought(_) => Some("given"),
            Self::Beside(_) => Some("signing.key"),
            Self::Elsewhere(..) => Some("audit.signing_key_file"),
            Self::Nothing => None,
        }
    }
}
