//! One page of what is found, for whoever asks over the network.

use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::audit::{
    fork,
    search::{Effort, Next, Record, Search, cursor::Cursor, query::Query},
    verify::{self, Unreadable},
};

/// One page, newest first. It may be shorter than asked for, even empty; only where `next` is missing
/// there is no more.
#[derive(Debug, Serialize)]
pub struct Page {
    records: Vec<Box<RawValue>>,
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    next: Option<Cursor>,
    /// The journals that ended in this one's directory, where nothing is searched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ended: Vec<String>,
}

/// A page cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NoPage {
    /// The cursor is of another journal.
    #[error(
        "parameter \"cursor\": found one of another journal; accepted: one that this replica has given"
    )]
    OtherJournal,
    /// The journal cannot be read.
    #[error("searching the audit journal")]
    Unreadable(#[from] Unreadable),
}

/// Finds one page of the journal in `dir`, of records up to a number.
///
/// # Errors
///
/// When the journal cannot be read, or the cursor is of another one.
pub fn find(dir: &Path, upto: u64, query: &Query, effort: Effort) -> Result<Page, NoPage> {
    let journal = verify::identity(dir)?;
    if query.cursor.is_some_and(|cursor| cursor.journal != journal) {
        return Err(NoPage::OtherJournal);
    }
    let newest = upto.saturating_add(1);
    let below = query
        .cursor
        .map_or(newest, |cursor| cursor.below.min(newest));
    let mut search = Search::begin(dir, &query.filters, below, effort)?;
    let (mut records, mut last) = (Vec::new(), below);
    let next = loop {
        match search.find_next()? {
            Next::Found(_) if records.len() == query.limit => break Some(last),
            Next::Found(Record { seq, line }) => {
                last = seq;
                // What was found has been read as JSON.
                records.extend(String::from_utf8(line).ok().and_then(raw));
            }
            Next::Paused(below) => break Some(below),
            Next::End => break None,
        }
    };
    let next = next.map(|below| Cursor { journal, below });
    Ok(Page {
        records,
        next,
        ended: ended(dir)?,
    })
}

fn ended(dir: &Path) -> Result<Vec<String>, Unreadable> {
    let ended = fork::ended(dir).map_err(Unreadable::at(dir))?;
    let names = ended.iter().filter_map(|it| it.file_name());
    Ok(names.map(|it| it.display().to_string()).collect())
}

fn raw(line: String) -> Option<Box<RawValue>> {
    RawValue::from_string(line).ok()
}

#[expect(
    clippy::ref_option,
    reason = "serde hands over a reference to the member"
)]
fn as_text<S: Serializer>(cursor: &Option<Cursor>, to: S) -> Result<S::Ok, S::Error> {
    match cursor {
        Some(cursor) => to.collect_str(cursor),
        None => to.serialize_none(),
    }
}
