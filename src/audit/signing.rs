//! The key that signs checkpoints: made beside the journal at the first start, or kept elsewhere by
//! the operator.

use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::{error::Unspecified, signature::Ed25519KeyPair};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tracing::error;

use crate::{
    audit::{
        Settings,
        chain::{Head, LineHash},
        durable::write_durably,
        public_key::PublicKey,
    },
    file,
};

/// An Ed25519 key with its name.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
    id: String,
}

/// The key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error(
        "the key that signs audit checkpoints cannot be read from {path:?}; let the gateway's own user read it"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{path:?} holds no key that signs audit checkpoints; restore it from a backup, or put there {ACCEPTED}"
    )]
    Odd {
        /// The file.
        path: PathBuf,
    },
    /// It is gone, and checkpoints were signed before.
    #[error(
        "the journal has signed checkpoints, but {path:?} is gone; restore it from a backup, or name a key in audit.signing_key_file"
    )]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// It is not kept for the gateway alone.
    #[error(
        "{path:?} signs audit checkpoints and can be read or written by everyone (mode {mode:04o}); close it to others, by `chmod 600`"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It cannot be made.
    #[error("making the key that signs audit checkpoints in {path:?}")]
    Make {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl SigningKey {
    /// Reads the key that the settings name, or the one in the journal's directory, which is made where
    /// no checkpoint has been signed yet.
    ///
    /// # Errors
    ///
    /// When it cannot be read or made, is no Ed25519 key, or is gone.
    pub(in crate::audit) fn obtain(settings: &Settings, head: &Head) -> Result<Self, KeyError> {
        if let Some(path) = &settings.signing_key_file {
            return Self::read(path);
        }
        let path = settings.dir.join(OWN);
        match Self::read(&path) {
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                // A new key in place of one that was taken away would hide that it was.
                if head.checkpoint() != LineHash::NONE {
                    return Err(KeyError::Lost { path });
                }
                Self::make(&settings.dir).map_err(|source| KeyError::Make { path, source })
            }
            Ok(key) => match exposed(&path) {
                Some(mode) => Err(KeyError::Exposed { path, mode }),
                None => Ok(key),
            },
            unread => unread,
        }
    }

    /// Reads a key from PKCS#8 in PEM.
    #[must_use]
    pub fn parse(pem: &SecretSlice<u8>) -> Option<Self> {
        pair(pem.expose_secret()).and_then(Self::of)
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the raw public key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its public half, which alone is ever shown.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Says so where the last checkpoint was signed with another key: none of the two proves the journal alone.
    pub(in crate::audit) fn succeeds(&self, former: Option<&str>) {
        if let Some(former) = former.filter(|former| *former != self.id) {
            error!(
                audit.key_id = self.id,
                audit.former_key_id = former.chars().take(64).collect::<String>(),
                "the key that signs audit checkpoints is another one than before; keep the public key of the former one, \
                 because the journal is verified with both: `audit verify --key FORMER --key NEW`"
            );
        }
    }

    /// Signs a text, in base64.
    pub(in crate::audit) fn sign(&self, text: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(text))
    }

    /// Reads a key from a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is no Ed25519 key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let pem = file::read(path, LARGEST_BYTES).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&SecretSlice::from(pem)).ok_or_else(|| KeyError::Odd {
            path: path.to_owned(),
        })
    }

    fn make(dir: &Path) -> io::Result<Self> {
        let failed = |_| io::Error::other("the cryptographic library made no key");
        let pair = Ed25519KeyPair::generate().map_err(failed)?;
        // Version 1 is what other people's tools read; its 48 bytes fill one line of PEM.
        let key = pair.to_pkcs8v1().map_err(failed)?;
        let base64 = SecretString::from(STANDARD.encode(key.as_ref()));
        let base64 = base64.expose_secret();
        let pem = SecretString::from(format!(
            "-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n"
        ));
        write_durably(dir, OWN, pem.expose_secret().as_bytes())?;
        Self::of(pair).ok_or_else(|| failed(Unspecified))
    }

    fn of(pair: Ed25519KeyPair) -> Option<Self> {
        let public = PublicKey::of(&pair)?;
        let id = public.id();
        Some(Self { pair, public, id })
    }
}

/// Reads a pair from its private half, PKCS#8 in PEM.
pub(in crate::audit) fn pair(pem: &[u8]) -> Option<Ed25519KeyPair> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()).ok()
}

/// Where the key is that the gateway signs with: elsewhere, or in the journal's directory.
#[must_use]
pub fn place(dir: &Path, elsewhere: Option<PathBuf>) -> PathBuf {
    elsewhere.unwrap_or_else(|| dir.join(OWN))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.id).finish()
    }
}

/// What a key's file holds.
pub const ACCEPTED: &str =
    "an Ed25519 private key as PKCS#8 in PEM, such as `openssl genpkey -algorithm ed25519` makes";

/// The permissions of a file that others than its user and group can read or write.
fn exposed(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & OTHERS != 0).then_some(mode)
}

const OTHERS: u32 = 0o006;

/// The key's file in the journal's directory.
const OWN: &str = "signing.key";

/// Far more than a key in PEM with remarks around it.
pub(crate) const LARGEST_BYTES: u64 = 64 << 10;
