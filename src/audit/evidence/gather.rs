//! Gathering evidence: one walk over the whole journal, so that what is gathered is what was verified.

use std::{path::Path, time::SystemTime};

use crate::{
    audit::{
        evidence::{Range, Statement, VERSION, Whole, seal},
        link::Link,
        public_key::{self, PublicKey},
        signing::SigningKey,
        verify::{
            Evidence, Progress, Unreadable,
            findings::{Damage, Findings},
            follow,
            kept::Kept,
        },
    },
    ids::TransferId,
};

/// What came of gathering.
#[derive(Debug)]
pub enum Gathered {
    /// There is something to tell.
    Document(Document),
    /// No record of the journal names the transfer.
    Nothing {
        /// How many records there are.
        records: u64,
    },
    /// The journal is not as it should be, so there is no evidence to be had of it.
    Damaged(Damage),
}

/// Evidence, ready to be handed over.
#[derive(Debug)]
pub struct Document {
    /// One JSON object, with a newline.
    pub text: String,
    /// How many records name the transfer.
    pub records: usize,
    /// How many of them no checkpoint has signed yet.
    pub unsigned: usize,
    /// How many lines are shown in all.
    pub lines: usize,
}

/// There is nothing to be told.
#[derive(Debug, thiserror::Error)]
pub enum NotGathered {
    /// The journal cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The document cannot be put together.
    #[error("writing the evidence as JSON")]
    Json(#[from] serde_json::Error),
}

/// Gathers what the journal in `dir` says of a transfer, and signs it. Verifies the whole journal on the
/// way, with the same key and those that signed before it.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn gather(
    dir: &Path,
    transfer: TransferId,
    (key, former): (&SigningKey, &[PublicKey]),
    now: SystemTime,
    progress: &mut dyn FnMut(Progress),
) -> Result<Gathered, NotGathered> {
    let mut gathering = Gathering::of(transfer);
    let public = key.public();
    let keys = [&[public], former].concat();
    let evidence = Evidence {
        keys: &keys,
        kept: &Kept::default(),
    };
    let found = follow(dir, evidence, progress, &mut |record, line| {
        gathering.take(record, line);
    })?;
    if let Some(damage) = found.damage {
        return Ok(Gathered::Damaged(damage));
    }
    let (Some(whole), false) = (whole(&found), gathering.records.is_empty()) else {
        return Ok(Gathered::Nothing {
            records: found.records,
        });
    };
    gathering.end();
    let (records, unsigned) = (gathering.records.len(), gathering.unsigned.len());
    let lines = gathering.ranges.iter().map(|range| range.lines.len()).sum();
    let statement = Statement {
        v: VERSION,
        transfer: gathering.transfer.into(),
        made: humantime::format_rfc3339_micros(now).to_string().into(),
        journal: whole,
        records: gathering.records,
        unsigned: gathering.unsigned,
        ranges: gathering.ranges,
        public_key: public.to_pem().into(),
        former_keys: former_hands(&found, &public, former),
    };
    Ok(Gathered::Document(Document {
        text: seal(found.journal, &statement, key)?,
        records,
        unsigned,
        lines,
    }))
}

/// Those of the former keys that signed anything.
fn former_hands(found: &Findings, own: &PublicKey, former: &[PublicKey]) -> Vec<String> {
    let mut ids: Vec<_> = found.vouched.iter().map(|it| &*it.key).collect();
    ids.sort_unstable();
    ids.dedup();
    let others = ids.into_iter().filter(|id| *id != own.id());
    let keys = others.filter_map(|id| public_key::named(id, former));
    keys.map(PublicKey::to_pem).collect()
}

fn whole(found: &Findings) -> Option<Whole> {
    let (last, head) = found.last.as_ref()?;
    Some(Whole {
        id: found.journal.to_string(),
        records: found.records,
        first: found.first.as_ref()?.seq,
        last: last.seq,
        head: head.to_string(),
        signed_upto: found.signed.map(|signed| signed.upto),
    })
}

/// What has been gathered so far.
struct Gathering {
    transfer: String,
    records: Vec<u64>,
    /// Those since the last range was closed.
    unsigned: Vec<u64>,
    ranges: Vec<Range>,
    /// The range whose checkpoint is still to come.
    open: Option<Open>,
    /// The line of the last checkpoint.
    checkpoint: Option<String>,
    /// Whether it is known on what the next checkpoint was signed: there was one before, or none ever.
    is_anchored: bool,
}

struct Open {
    range: Range,
    /// How many of its lines there are up to the last record of the transfer.
    needed: usize,
}

impl Gathering {
    fn of(transfer: TransferId) -> Self {
        Self {
            transfer: transfer.to_string(),
            records: Vec::new(),
            unsigned: Vec::new(),
            ranges: Vec::new(),
            open: None,
            checkpoint: None,
            is_anchored: false,
        }
    }

    fn take(&mut self, record: &Link<'_>, line: &[u8]) {
        self.is_anchored |= record.seq == 1;
        let is_asked_for = record.transfer.as_deref() == Some(&*self.transfer);
        if is_asked_for {
            self.records.push(record.seq);
            self.unsigned.push(record.seq);
        }
        if !(is_asked_for || self.open.is_some() || record.is_checkpoint()) {
            return;
        }
        // What is a link is text.
        let line = String::from_utf8_lossy(line);
        if is_asked_for || self.open.is_some() {
            let open = self.open.get_or_insert_with(|| Open {
                range: Range {
                    previous_checkpoint: self.checkpoint.clone(),
                    lines: Vec::new(),
                },
                needed: 0,
            });
            open.range.lines.push(line.clone().into_owned());
            if is_asked_for {
                open.needed = open.range.lines.len();
            }
        }
        if record.is_checkpoint() {
            if self.is_anchored {
                self.close();
            }
            self.is_anchored = true;
            self.checkpoint = Some(line.into_owned());
        }
    }

    /// Closes the range that is open, for its last line is a checkpoint whose signature can be checked.
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.ranges.push(open.range);
            self.unsigned.clear();
        }
    }

    /// Keeps of a range that has no checkpoint yet what ties the transfer's records to each other.
    fn end(&mut self) {
        if let Some(mut open) = self.open.take() {
            open.range.lines.truncate(open.needed);
            self.ranges.push(open.range);
        }
    }
}
