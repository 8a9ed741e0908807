//! `audit key`: the public half of the key that signs the journal, for whoever is to verify it.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde_json::json;

use super::place::{Found, NoKey, Place, signing_key};
use clap::Args;

use crate::{
    audit::public_key::PublicKey,
    config::{environment::Environment, fault::Faults},
};

/// Whose key is to be printed.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// Where the journal is.
    #[command(flatten)]
    pub place: Place,
    /// The private key's file, where it is neither in the journal's directory nor named in the configuration.
    #[arg(long, value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The key cannot be printed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Config(#[from] Faults),
    #[error(transparent)]
    Key(#[from] NoKey),
    #[error("printing the key: {0}")]
    Out(#[from] io::Error),
}

/// Prints the public key, and returns the process's exit code.
#[must_use]
pub fn run(question: &Question, environment: &Environment) -> u8 {
    match print(question, environment) {
        Ok(()) => 0,
        Err(why) => {
            let said = writeln!(io::stderr(), "partner-gateway: {why}");
            said.map_or(NOT_PRINTED, |()| NOT_PRINTED)
        }
    }
}

fn print(question: &Question, environment: &Environment) -> Result<(), Failed> {
    let place = &question.place;
    let found = Found::at(place.config.as_deref(), place.dir.as_deref(), environment)?;
    let path = question.signing_key.as_ref().unwrap_or(&found.own_key);
    let key = signing_key(path)?.public();
    let mut out = io::stdout().lock();
    if question.json {
        writeln!(out, "{}", as_json(&key))?;
    } else {
        out.write_all(key.to_pem().as_bytes())?;
    }
    Ok(out.flush()?)
}

fn as_json(key: &PublicKey) -> serde_json::Value {
    json!({
        "key_id": key.id(),
        "algorithm": "Ed25519",
        "public_key": key.to_pem(),
        "raw": key.to_base64(),
    })
}

const NOT_PRINTED: u8 = 2;
