//! The result of `audit verify --evidence`, for people and for programs.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    hands::{hands, signed_by},
    shown,
};
use crate::audit::{
    evidence::examine::{Examined, Fault, Record},
    verify::seals::Flaw,
};

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::audit) struct Told<'a> {
    pub(in crate::cli::audit) file: &'a Path,
    pub(in crate::cli::audit) is_key_given: bool,
    pub(in crate::cli::audit) examined: &'a Result<Examined, Fault>,
}

/// Tells people.
pub(in crate::cli::audit) fn as_text(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let file = told.file.display();
    let found = match told.examined {
        Ok(found) => found,
        Err(fault) => {
            writeln!(out, "evidence {file}: NOT INTACT")?;
            writeln!(out, "what: {}", shown(&fault.to_string()))?;
            return writeln!(out, "mend: {}", mend(fault));
        }
    };
    let journal = &found.journal;
    writeln!(out, "evidence {file}: intact")?;
    writeln!(out, "transfer: {}", found.transfer)?;
    writeln!(out, "journal: {}", shown(&journal.id))?;
    writeln!(
        out,
        "made: {}, when the journal was verified from record {} to {}, whose line has the hash {}",
        shown(&found.made),
        journal.first,
        journal.last,
        shown(&journal.head)
    )?;
    for record in &found.records {
        writeln!(out, "{}", line(record))?;
    }
    let unsigned = found.records.iter().filter(|it| !it.is_signed).count();
    writeln!(
        out,
        "records: {}; not signed by a checkpoint yet: {unsigned}; other records shown: {}",
        found.records.len(),
        found.others
    )?;
    hands(&found.vouched, 1, out)?;
    let key = found.key.id();
    if told.is_key_given {
        return writeln!(out, "key: {key}, given by --key");
    }
    writeln!(
        out,
        "key: {key}, the document's own, which whoever made the document chose; compare it with the gateway's \
         (`audit key`), or give that one by --key"
    )
}

/// Tells programs.
pub(in crate::cli::audit) fn as_json(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let key_from = if told.is_key_given {
        "given"
    } else {
        "evidence"
    };
    let value = match told.examined {
        Ok(found) => json!({
            "intact": true,
            "transfer": found.transfer.to_string(),
            "made": found.made,
            "journal": found.journal,
            "key_id": found.key.id(),
            "key_from": key_from,
            "signed_by": signed_by(&found.vouched),
            "records": found.records.iter().map(record).collect::<Vec<_>>(),
            "others": found.others,
            "fault": null,
        }),
        Err(fault) => json!({
            "intact": false,
            "fault": { "what": fault.to_string(), "mend": mend(fault) },
        }),
    };
    writeln!(out, "{value}")
}

/// What a person wants to know of a record at once.
fn line(record: &Record) -> String {
    let Members {
        time,
        kind,
        operation,
        outcome,
        status,
        code,
        forwarded,
        transfer_status,
        customer,
        principal,
    } = serde_json::from_str(&record.line).unwrap_or_default();
    let mut told = vec![format!("record {}: {time}, {kind}", record.seq)];
    told.extend(operation);
    let status = status.map(|it| it.to_string());
    let ending: Vec<_> = [status, outcome, code].into_iter().flatten().collect();
    if !ending.is_empty() {
        told.push(ending.join(" "));
    }
    told.extend(forwarded.map(|it| format!("sent to Partner Center: {it}")));
    told.extend(transfer_status.map(|it| format!("transfer is \"{it}\"")));
    told.extend(customer.map(|it| format!("customer {it}")));
    told.extend(principal.map(|it| format!("for {it}")));
    if !record.is_signed {
        told.push("not signed yet".to_owned());
    }
    shown(&told.join(", "))
}

fn record(record: &Record) -> Value {
    let parsed: Option<&RawValue> = serde_json::from_str(&record.line).ok();
    json!({ "seq": record.seq, "signed": record.is_signed, "record": parsed })
}

/// The members of a record that are told to people.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Members {
    time: String,
    kind: String,
    operation: Option<String>,
    outcome: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    forwarded: Option<String>,
    transfer_status: Option<String>,
    customer: Option<String>,
    principal: Option<String>,
}

/// What is to be done.
fn mend(fault: &Fault) -> &'static str {
    match fault {
        Fault::OtherKey { .. }
        | Fault::Checkpoint {
            flaw: Flaw::OtherKey { .. },
            ..
        } => {
            "where the gateway's key was replaced, give the public key of each that signed, by --key as often as needed; \
             otherwise somebody else made the document"
        }
        _ => {
            "ask for the document again, as a file, from whoever holds the journal; `audit evidence` makes the same \
             statement again"
        }
    }
}
