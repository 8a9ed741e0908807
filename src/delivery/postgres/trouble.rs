//! What an error of the server means: whether it passes, needs a person, or is about the records.

use std::error::Error as _;

use tokio_postgres::{Error, error::DbError};

use crate::{cause, delivery::sink::Setback};

/// An error while connecting: what the server does not say itself may pass, but for TLS and passwords.
pub(in crate::delivery::postgres) fn connecting(error: &Error) -> Setback {
    if error.as_db_error().is_some() || is_there(error) {
        return asking(error);
    }
    let told = format!("connecting to PostgreSQL: {}", cause::chain(error));
    let lasting = ["TLS", "authentication", "configuration"];
    let kind = error.to_string();
    if lasting.iter().any(|kept| kind.contains(kept)) && !is_broken_off(error) {
        held(&told)
    } else {
        passing(&told)
    }
}

/// An error of a statement.
pub(in crate::delivery::postgres) fn asking(error: &Error) -> Setback {
    let Some(said) = error.as_db_error() else {
        let told = cause::chain(error);
        return if is_there(error) {
            held(&format!("what PostgreSQL answers cannot be read: {told}"))
        } else {
            passing(&format!("asking PostgreSQL: {told}"))
        };
    };
    let told = told(said);
    match meaning(said.code().code()) {
        Meaning::Passing => passing(&told),
        Meaning::Held => held(&told),
        Meaning::Refused => Setback::Refused { why: told },
    }
}

pub(in crate::delivery::postgres) fn passing(why: &str) -> Setback {
    Setback::Passing {
        why: why.to_owned(),
        after: None,
    }
}

pub(in crate::delivery::postgres) fn held(why: &str) -> Setback {
    Setback::Held {
        why: why.to_owned(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Passing,
    Held,
    Refused,
}

/// By class, then by code: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn meaning(code: &str) -> Meaning {
    match code {
        // Data or an index is corrupted; the database was dropped.
        "XX001" | "XX002" | "57P04" => Meaning::Held,
        // Of 25, 55: the server is a standby for now; something is locked for now.
        "25006" | "55006" | "55P03" => Meaning::Passing,
        _ => match code.get(..2) {
            // Connection, rolled back (serialization, deadlock), resources (connections, disk, memory), an operator's
            // doing (shutdown, cancel, timeout), the server's disk, the server's own fault.
            Some("08" | "40" | "53" | "57" | "58" | "XX") => Meaning::Passing,
            Some("22") => Meaning::Refused,
            _ => Meaning::Held,
        },
    }
}

/// No detail: it quotes the values of a row.
fn told(said: &DbError) -> String {
    format!("PostgreSQL says {}: {}", said.code().code(), said.message())
}

/// Whether the server is there, but not as this client needs it: a type or a protocol that it does not know.
fn is_there(error: &Error) -> bool {
    let kind = error.to_string();
    kind.starts_with("error deserializing") || kind.starts_with("error serializing")
}

/// Whether the connection broke in the middle of a handshake.
fn is_broken_off(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<std::io::Error>() {
            return cause.kind() != std::io::ErrorKind::InvalidData
                && cause.kind() != std::io::ErrorKind::InvalidInput;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_passes_from_what_needs_a_person_and_from_what_is_about_the_records() {
        for (codes, expected) in [
            (
                "08006 40001 40P01 53100 53200 53300 57P01 57P02 57P03 57014 58030 25006 55P03",
                Meaning::Passing,
            ),
            (
                "28000 28P01 3D000 3F000 42501 42P01 42703 23502 57P04 XX001 0A000 12",
                Meaning::Held,
            ),
            ("22P02 22007 22021 22P05", Meaning::Refused),
        ] {
            for code in codes.split(' ') {
                assert_eq!(meaning(code), expected, "{code}");
            }
        }
    }
}
