//! Examining evidence: everything in the document is held against its signature, its chain and its
//! checkpoints; nothing else is needed but the key to trust.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    audit::{
        chain::{Break, Head, LineHash},
        evidence::{Range, Sealed, Statement, VERSION, Whole, signed},
        link::Link,
        public_key::{self, PublicKey},
        verify::{
            seals::{Flaw, Seals},
            vouched::Vouched,
        },
    },
    ids::{JournalId, TransferId},
};

/// What sound evidence says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The transfer that was asked about.
    pub transfer: TransferId,
    /// When it was made, as it says.
    pub made: String,
    /// The journal that it is from, as it was then.
    pub journal: Whole,
    /// The key that signed it.
    pub key: PublicKey,
    /// Whose checkpoints sign the lines that are shown, in their order.
    pub vouched: Vec<Vouched>,
    /// The records of the transfer.
    pub records: Vec<Record>,
    /// How many lines of other records are shown, because the chain runs through them.
    pub others: u64,
}

/// A record of the transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// The line as it stands in the journal.
    pub line: String,
    /// Whether a checkpoint signs it.
    pub is_signed: bool,
}

/// Why a document proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is something else.
    #[error("it is no evidence of version {VERSION} of a journal: {0}")]
    Form(String),
    /// It is signed with another key than the one that was given.
    #[error("it names key {found}, and the key to check it with is {key}")]
    OtherKey {
        /// The ID of the key in the document.
        found: String,
        /// The ID of the key that was given; of several, each.
        key: String,
    },
    /// The signature does not hold.
    #[error("its signature does not hold; something in it was changed")]
    Signature,
    /// A line does not follow the one before it.
    #[error(transparent)]
    Chain(#[from] Break),
    /// A record is of another journal.
    #[error("record {seq} is of another journal")]
    Foreign {
        /// The record.
        seq: u64,
    },
    /// A checkpoint is not what it should be.
    #[error("checkpoint {seq}: {flaw}")]
    Checkpoint {
        /// Its own number.
        seq: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// What it says of its records is not what they say.
    #[error("the records that it lists are not those that it carries")]
    Listing,
    /// The records are not in the order of their numbers, or not within the journal.
    #[error("record {seq} is out of place")]
    Place {
        /// The record.
        seq: u64,
    },
}

/// Checks a document, against keys where any are given and otherwise against those in it.
///
/// # Errors
///
/// When it proves nothing.
pub fn examine(document: &[u8], trusted: &[PublicKey]) -> Result<Examined, Fault> {
    let form = |error: serde_json::Error| Fault::Form(error.to_string());
    let sealed: Sealed<'_> = serde_json::from_slice(document).map_err(form)?;
    let stated: Statement<'_> = serde_json::from_str(&sealed.statement).map_err(form)?;
    let (key, keys) = keys(&stated, trusted)?;
    let text = signed(&stated.journal.id, &sealed.statement);
    let signature = BASE64_STANDARD.decode(&*sealed.signature);
    if !signature.is_ok_and(|it| key.has_signed(text.as_bytes(), &it)) {
        return Err(Fault::Signature);
    }
    let transfer = (stated.transfer.parse::<TransferId>())
        .map_err(|_| Fault::Form("its transfer is no GUID".to_owned()))?;
    let journal = (stated.journal.id.parse())
        .map_err(|_| Fault::Form("its journal is no GUID".to_owned()))?;
    let mut reading = Reading {
        journal,
        name: &stated.journal.id,
        transfer: &stated.transfer,
        keys: &keys,
        last: 0,
        vouched: Vec::new(),
        records: Vec::new(),
        others: 0,
    };
    for range in &stated.ranges {
        reading.read(range)?;
    }
    let Reading {
        last,
        records,
        others,
        vouched,
        ..
    } = reading;
    if last > stated.journal.last {
        return Err(Fault::Place { seq: last });
    }
    if !is_listed(&stated, &records) {
        return Err(Fault::Listing);
    }
    Ok(Examined {
        transfer,
        made: stated.made.into_owned(),
        journal: stated.journal,
        key,
        vouched,
        records,
        others,
    })
}

/// The key that signed it, and those that may have signed its checkpoints.
fn keys(
    stated: &Statement<'_>,
    trusted: &[PublicKey],
) -> Result<(PublicKey, Vec<PublicKey>), Fault> {
    if stated.v != VERSION {
        return Err(Fault::Form(format!("it is of version {}", stated.v)));
    }
    let read = |pem: &str| {
        let key = PublicKey::from_pem(pem.as_bytes());
        key.map_err(|error| Fault::Form(format!("its key: {error}")))
    };
    let own = read(&stated.public_key)?;
    if trusted.is_empty() {
        let former = stated.former_keys.iter().map(|pem| read(pem));
        let all = std::iter::once(Ok(own)).chain(former);
        return Ok((own, all.collect::<Result<_, _>>()?));
    }
    if !trusted.contains(&own) {
        return Err(Fault::OtherKey {
            found: own.id(),
            key: public_key::names(trusted),
        });
    }
    Ok((own, trusted.to_vec()))
}

fn is_listed(stated: &Statement<'_>, records: &[Record]) -> bool {
    let unsigned = records.iter().filter(|record| !record.is_signed);
    !records.is_empty()
        && stated.records.iter().eq(records.iter().map(|it| &it.seq))
        && stated.unsigned.iter().eq(unsigned.map(|it| &it.seq))
}

/// The ranges as far as they have been read.
struct Reading<'a> {
    journal: JournalId,
    name: &'a str,
    transfer: &'a str,
    keys: &'a [PublicKey],
    vouched: Vec<Vouched>,
    /// The last record so far.
    last: u64,
    records: Vec<Record>,
    others: u64,
}

impl Reading<'_> {
    fn read(&mut self, range: &Range) -> Result<(), Fault> {
        let before = range.previous_checkpoint.as_deref();
        let before = before.map(|line| self.previous(line)).transpose()?;
        let (previous, hash) = before.unzip();
        let mut seals = Seals::behind(self.journal, self.keys, hash);
        let mut head: Option<Head> = None;
        let (first, mut begins) = (self.records.len(), None);
        for line in &range.lines {
            let record = self.record(line)?;
            let seq = record.seq;
            begins.get_or_insert(seq);
            let next = match &head {
                Some(head) => {
                    head.precedes(seq, &record.prev)?;
                    head.then(line.as_bytes())
                }
                None if seq > self.last && Some(seq) > previous => {
                    let before = Head::before(seq, &record.prev);
                    before.ok_or(Break::Hash { seq })?.then(line.as_bytes())
                }
                None => return Err(Fault::Place { seq }),
            };
            if record.is_checkpoint() {
                let checked = seals.check(&record, head, next.hash());
                checked.map_err(|flaw| Fault::Checkpoint { seq, flaw })?;
            }
            if record.transfer.as_deref() == Some(self.transfer) {
                self.records.push(Record {
                    seq,
                    line: line.clone(),
                    is_signed: false,
                });
            } else {
                self.others = self.others.saturating_add(1);
            }
            self.last = seq;
            head = Some(next);
        }
        let upto = seals.signed.map_or(0, |signed| signed.upto);
        for record in self.records.iter_mut().skip(first) {
            record.is_signed = record.seq <= upto;
        }
        for it in seals.vouched_from(begins.unwrap_or(1)) {
            self.note(it);
        }
        Ok(())
    }

    /// One hand is told once, over what is not shown in between.
    fn note(&mut self, vouched: Vouched) {
        match self.vouched.last_mut() {
            Some(last) if last.key == vouched.key => last.upto = vouched.upto,
            _ => self.vouched.push(vouched),
        }
    }

    /// The number and hash of the checkpoint before a range.
    fn previous(&self, line: &str) -> Result<(u64, LineHash), Fault> {
        let record = self.record(line)?;
        if !record.is_checkpoint() {
            let (seq, flaw) = (record.seq, Flaw::Form);
            return Err(Fault::Checkpoint { seq, flaw });
        }
        Ok((record.seq, LineHash::of(line.as_bytes())))
    }

    fn record<'l>(&self, line: &'l str) -> Result<Link<'l>, Fault> {
        let expected = self.last.saturating_add(1);
        let record: Link<'_> =
            serde_json::from_str(line).map_err(|_| Break::NotARecord { expected })?;
        if record.journal != self.name {
            return Err(Fault::Foreign { seq: record.seq });
        }
        Ok(record)
    }
}
