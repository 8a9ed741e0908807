//! What was found of a journal, and where journals are looked for.

use std::{collections::BTreeSet, path::PathBuf};

use super::Found;
use crate::audit::verify::{census::Kind, copy::Difference, findings::Fault, seals::Flaw};

/// The directories, each once, however it is written.
pub(in crate::cli::audit::all) fn each_once(dirs: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut once = dirs;
    // What has no such path cannot be read, and that is told.
    once.retain(|dir| seen.insert(dir.canonicalize().unwrap_or_else(|_| dir.clone())));
    once
}

/// What a difference is called by programs.
pub(in crate::cli::audit::all) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Other => "other_line",
        Kind::Short { .. } => "short",
        Kind::Contradicted { .. } => "contradicted",
    }
}

impl Found {
    /// The key that a checkpoint names in place of the one that was given.
    pub(in crate::cli::audit::all) fn other_key(&self) -> Option<&str> {
        match self {
            Self::Directory(findings, _) => match &findings.damage.as_ref()?.fault {
                Fault::Checkpoint {
                    flaw: Flaw::OtherKey { found, .. },
                    ..
                } => Some(found),
                _ => None,
            },
            Self::Copy(comparison) => comparison.differences.iter().find_map(|it| match it {
                Difference::Checkpoint {
                    flaw: Flaw::OtherKey { found, .. },
                    ..
                } => Some(found.as_str()),
                _ => None,
            }),
        }
    }

    pub(in crate::cli::audit::all) fn signed_nothing(&self) -> bool {
        match self {
            Self::Directory(findings, _) => findings.signed.is_none(),
            Self::Copy(comparison) => comparison.signed.is_none(),
        }
    }
}
