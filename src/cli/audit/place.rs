//! Where a journal is, and the key that its gateway signs with.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    audit::{
        fork,
        signing::{self, KeyError, SigningKey},
    },
    cause,
    config::{environment::Environment, fault::Faults, load::load},
};

/// Where the journal is.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// The configuration file, for its audit.dir.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The journal's directory, or a copy of it.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// A journal's directory, and the key that its gateway signs with.
#[derive(Clone, Debug)]
pub(in crate::cli::audit) struct Found {
    pub(in crate::cli::audit) dir: PathBuf,
    /// The file of the private key, whether it is there or not.
    pub(in crate::cli::audit) own_key: PathBuf,
}

/// The private key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::audit) enum NoKey {
    #[error(
        "there is no key in {path:?}: the gateway makes one at its first start, unless its configuration names \
         another; --config finds the one that a configuration names, --signing-key takes its file"
    )]
    Absent { path: PathBuf },
    #[error("{}", cause::chain(.0))]
    Unfit(KeyError),
}

impl Found {
    /// Where both are named, the one in the configuration has another journal's directory and the same key.
    pub(in crate::cli::audit) fn at(
        config: Option<&Path>,
        dir: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, Faults> {
        let (dir, own_key) = if let Some(config) = config {
            let audit = load(config, environment)?.config.audit;
            let own_key = signing::place(&audit.dir, audit.signing_key_file);
            (dir.map_or(audit.dir, Path::to_owned), own_key)
        } else {
            let dir = dir.unwrap_or(Path::new("."));
            (dir.to_owned(), signing::place(dir, None))
        };
        // The key goes on with the next journal when one has ended.
        let went_on_in = fork::went_on_in(&dir).filter(|_| !own_key.exists());
        let own_key = went_on_in.map_or(own_key, |next| signing::place(&next, None));
        Ok(Self { dir, own_key })
    }
}

/// Reads the private key that the gateway signs with.
pub(in crate::cli::audit) fn signing_key(path: &Path) -> Result<SigningKey, NoKey> {
    SigningKey::read(path).map_err(|error| match error {
        KeyError::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
            NoKey::Absent { path }
        }
        other => NoKey::Unfit(other),
    })
}
