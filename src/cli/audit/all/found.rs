//! What was found of a journal, and where journals are looked for.

use std::{collections::BTreeSet, path::PathBuf};

use crate::audit::verify::census::Kind;

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
