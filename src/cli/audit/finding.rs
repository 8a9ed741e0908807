//! What `audit query` and `audit tail` share: which records, of which journal, and in which words.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::Args;

use super::{
    place::{Found, Place},
    shown,
};
use crate::{
    audit::{
        fork,
        search::{
            fields::{Fields, Text},
            filters::Filters,
            passed_over::PassedOver,
            query,
        },
        segment,
        verify::{self, Unreadable},
    },
    cause,
    config::{environment::Environment, fault::Faults},
    ids::{CorrelationId, CustomerId, RecordId, TransferId},
};

/// Which records; whatever is given must hold.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Filters")]
pub struct Asked {
    /// Records about this customer.
    #[arg(long, value_name = "GUID", value_parser = query::guid::<CustomerId>)]
    customer: Option<CustomerId>,
    /// Records about this transfer.
    #[arg(long, value_name = "GUID", value_parser = query::guid::<TransferId>)]
    transfer: Option<TransferId>,
    /// Records of calls of this caller, by its whole name.
    #[arg(long, value_name = "NAME", value_parser = query::principal)]
    principal: Option<String>,
    /// Records of calls with this MS-CorrelationId.
    #[arg(long, value_name = "GUID", value_parser = query::guid::<CorrelationId>)]
    correlation_id: Option<CorrelationId>,
    /// The record of this ID, which answers carry as Gateway-Audit-Id.
    #[arg(long, value_name = "GUID", value_parser = query::guid::<RecordId>)]
    audit_id: Option<RecordId>,
    /// Records of answers of this status.
    #[arg(long, value_parser = query::status)]
    status: Option<u16>,
    /// Records of calls that ended so: forwarded, reconciled, replayed, answered, refused, failed.
    #[arg(long, value_name = "WORD", value_parser = query::outcome)]
    outcome: Option<&'static str>,
    /// Records of this time and later ones, by RFC 3339 in UTC.
    #[arg(long, value_name = "TIME", value_parser = query::time)]
    since: Option<SystemTime>,
    /// Records before this time, by RFC 3339 in UTC.
    #[arg(long, value_name = "TIME", value_parser = query::time)]
    until: Option<SystemTime>,
}

/// Records could not be told.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::audit) enum Untold {
    #[error("{0}")]
    Config(Faults),
    #[error("{}", cause::chain(.0))]
    Journal(#[from] Unreadable),
    #[error("the journal in {dir:?} has ended and another one began in its place; ask again")]
    Ended { dir: PathBuf },
    #[error("telling the records: {0}")]
    Out(#[from] io::Error),
}

/// Where records are told, and how.
pub(in crate::cli::audit) struct Teller<W> {
    pub(in crate::cli::audit) out: W,
    pub(in crate::cli::audit) json: bool,
}

impl Asked {
    pub(in crate::cli::audit) fn filters(self) -> Filters {
        let Self {
            customer,
            transfer,
            principal,
            correlation_id,
            audit_id,
            status,
            outcome,
            since,
            until,
        } = self;
        Filters {
            customer,
            transfer,
            principal,
            correlation_id,
            audit_id,
            status,
            outcome,
            since,
            until,
        }
    }
}

impl Place {
    /// The journal's directory.
    pub(in crate::cli::audit) fn found(
        &self,
        environment: &Environment,
    ) -> Result<PathBuf, Untold> {
        let found = Found::at(self.config.as_deref(), self.dir.as_deref(), environment);
        Ok(found.map_err(Untold::Config)?.dir)
    }
}

impl<W: Write> Teller<W> {
    /// Tells one record.
    pub(in crate::cli::audit) fn tell(&mut self, line: &[u8]) -> io::Result<()> {
        if self.json {
            self.out.write_all(line)?;
            return self.out.write_all(b"\n");
        }
        match serde_json::from_slice::<Fields<'_>>(line) {
            Ok(fields) => writeln!(self.out, "{}", in_words(&fields)),
            // Found by nothing that stands in it.
            Err(_) => Ok(()),
        }
    }
}

/// Makes sure that there is a journal to be read.
pub(in crate::cli::audit) fn is_there(dir: &Path) -> Result<(), Unreadable> {
    verify::whole(dir)?;
    let segments = segment::list(dir).map_err(Unreadable::at(dir))?;
    let dir = dir.to_owned();
    let there = segments.first().map(|_| ());
    there.ok_or(Unreadable::Empty { dir })
}

/// Says that lines are no records. Nobody is there to be told where that fails.
pub(in crate::cli::audit) fn say_passed_over(dir: &Path, passed_over: Option<PassedOver>) {
    let Some(PassedOver {
        lines,
        path,
        offset,
    }) = passed_over
    else {
        return;
    };
    let what = match lines {
        1 => "1 line is no record and was passed over:".to_owned(),
        lines => format!("{lines} lines are no records and were passed over, the first of them"),
    };
    let (path, dir) = (path.display(), dir.display());
    drop(writeln!(
        io::stderr(),
        "partner-gateway: {what} in {path} at byte {offset}; `partner-gateway audit verify --dir {dir}` tells more"
    ));
}

/// Says which journals ended in a directory and were not looked at. Nobody is there to be told where that fails.
pub(in crate::cli::audit) fn say_ended(dir: &Path) -> Result<(), Unreadable> {
    for ended in fork::ended(dir).map_err(Unreadable::at(dir))? {
        drop(writeln!(
            io::stderr(),
            "partner-gateway: an earlier journal ended in {}; it was not looked at, --dir does",
            ended.display()
        ));
    }
    Ok(())
}

/// Ends a command: 0, or 2 where records could not be told. Whoever closes the pipe has seen enough.
pub(in crate::cli::audit) fn ended(told: Result<(), Untold>) -> u8 {
    match told {
        Ok(()) => TOLD,
        Err(Untold::Out(error)) if error.kind() == io::ErrorKind::BrokenPipe => TOLD,
        Err(why) => {
            let said = writeln!(io::stderr(), "partner-gateway: {why}");
            said.map_or(UNTOLD, |()| UNTOLD)
        }
    }
}

/// One line: time, number, kind, how it ended, who, what, to whom, and the record's ID.
fn in_words(fields: &Fields<'_>) -> String {
    let status = fields
        .status
        .map_or_else(String::new, |status| status.to_string());
    let ending = [
        &*status,
        text(fields.outcome.as_ref()),
        text(fields.code.as_ref()),
    ];
    let ending: Vec<_> = ending.into_iter().filter(|word| !word.is_empty()).collect();
    let ending = ending.join("/");
    let words = [
        fields.time.as_str(),
        &fields.seq.to_string(),
        fields.kind.as_str(),
        &ending,
        text(fields.principal.as_ref()),
        text(fields.operation.as_ref()),
        text(fields.customer.as_ref()),
        text(fields.transfer.as_ref()),
        fields.id.as_str(),
    ];
    let words = words.map(|word| if word.is_empty() { "-" } else { word });
    // A terminal would obey what a record of another hand may hold.
    shown(&words.join("  "))
}

fn text<'a>(text: Option<&'a Text<'_>>) -> &'a str {
    text.map_or("", Text::as_str)
}

const TOLD: u8 = 0;
const UNTOLD: u8 = 2;
