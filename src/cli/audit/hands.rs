//! Which key vouches for which records, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::trust::Trusted;
use crate::audit::{public_key::PublicKey, verify::vouched::Vouched};

/// Tells people which of so many keys vouches for which records, where it may not be one for all.
pub(in crate::cli::audit) fn hands(
    vouched: &[Vouched],
    keys: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    if vouched.len().max(keys) < 2 {
        return Ok(());
    }
    for Vouched { key, from, upto } in vouched {
        writeln!(out, "signed with {key}: records {from} to {upto}")?;
    }
    Ok(())
}

/// Tells programs the same of any number.
pub(in crate::cli::audit) fn signed_by(vouched: &[Vouched]) -> Value {
    let all = vouched.iter();
    all.map(|it| json!({ "key_id": it.key, "from": it.from, "upto": it.upto }))
        .collect()
}

/// The key of the last good signature; where there is none, the one that is at hand.
pub(in crate::cli::audit) fn key_id(trusted: &Trusted, vouched: &[Vouched]) -> Option<String> {
    let last = vouched.last().map(|it| it.key.clone());
    last.or_else(|| trusted.keys().first().map(PublicKey::id))
}
