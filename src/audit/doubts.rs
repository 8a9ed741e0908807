//! Calls of which the journal does not say how they ended: those that are open, and those of which nobody
//! knows whether Partner Center did what they asked for.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::audit::{
    link::Link,
    verify::{Evidence, Progress, Unreadable, findings::Findings, follow, kept::Kept},
};

/// What the journal leaves open.
#[derive(Debug)]
pub struct Doubts {
    /// What came of verifying the journal on the way, but for signatures. Where it is damaged, nothing else
    /// counts.
    pub findings: Findings,
    /// Calls with an intent and no outcome, the oldest first.
    pub open: Vec<Call>,
    /// Calls whose outcome is not known, in the order in which they were closed.
    pub unknown: Vec<Unknown>,
}

/// A call, as its intent tells it, or its outcome where the intent is gone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Call {
    /// When that record was written.
    pub time: String,
    /// What ties intent and outcome together.
    pub call: String,
    /// What was asked for.
    pub operation: Option<String>,
    /// The customer.
    pub customer: Option<String>,
    /// The transfer.
    pub transfer: Option<String>,
    /// Who asked.
    pub principal: Option<String>,
    /// Through which account.
    pub account: Option<String>,
    /// The call's correlation ID.
    pub correlation_id: Option<String>,
    /// Every `MS-RequestId` under which Partner Center may know it.
    pub request_ids: Vec<String>,
}

/// A call whose outcome is not known.
#[derive(Debug)]
pub struct Unknown {
    /// The call.
    pub call: Call,
    /// Those of its `MS-RequestId`s that were sent, as far as the run that made it lived to tell, in their order.
    pub sent: Vec<String>,
    /// What closed it.
    pub closed: Closed,
    /// The last record after that which tells the transfer's state.
    pub settled: Option<Seen>,
}

/// The outcome that closed a call.
#[derive(Debug, Serialize)]
pub struct Closed {
    /// The record's number.
    pub seq: u64,
    /// When it was written.
    pub time: String,
    /// The status that was answered; nothing where it was closed after the run that answered nobody.
    pub status: Option<u16>,
    /// The gateway's own code.
    pub code: Option<String>,
    /// The state in which the transfer was found, if it could be read.
    pub transfer_status: Option<String>,
}

/// A sight of the transfer.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// The record's number.
    pub seq: u64,
    /// When it was written.
    pub time: String,
    /// The state, as Partner Center spells it.
    pub transfer_status: String,
}

/// Reads the journal in `dir` from end to end, changes nothing and asks nobody.
///
/// # Errors
///
/// When it cannot be read.
pub fn doubts(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Doubts, Unreadable> {
    let evidence = Evidence {
        keys: &[],
        kept: &Kept::default(),
    };
    let mut reading = Reading::default();
    let findings = follow(dir, evidence, progress, &mut |record, line| {
        reading.take(record, line);
    })?;
    Ok(Doubts {
        findings,
        open: reading.open.into_values().collect(),
        unknown: reading.unknown,
    })
}

#[derive(Default)]
struct Reading {
    /// By call; their IDs are in the order of time.
    open: BTreeMap<String, Call>,
    unknown: Vec<Unknown>,
    /// Where in `unknown` the calls for a transfer stand.
    by_transfer: BTreeMap<String, Vec<usize>>,
}

impl Reading {
    fn take(&mut self, record: &Link<'_>, line: &[u8]) {
        match &*record.kind {
            "intent" => {
                if let Ok(call) = serde_json::from_slice::<Call>(line) {
                    self.open.insert(call.call.clone(), call);
                }
            }
            "outcome" => {
                if let Ok(outcome) = serde_json::from_slice::<Outcome<'_>>(line) {
                    self.close(record, &outcome, line);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, record: &Link<'_>, outcome: &Outcome<'_>, line: &[u8]) {
        let (seq, time) = (record.seq, &record.time);
        let intent = self.open.remove(&*outcome.call);
        let transfer = record.transfer.as_deref();
        if let (Some(transfer), Some(state)) = (transfer, &outcome.transfer_status) {
            for place in self.by_transfer.get(transfer).into_iter().flatten() {
                if let Some(unknown) = self.unknown.get_mut(*place) {
                    unknown.settled = Some(Seen {
                        seq,
                        time: time.to_string(),
                        transfer_status: state.to_string(),
                    });
                }
            }
        }
        if outcome.forwarded.as_deref() != Some("unknown") {
            return;
        }
        if let Some(transfer) = transfer {
            let places = self.by_transfer.entry(transfer.to_owned()).or_default();
            places.push(self.unknown.len());
        }
        let mut sent: Vec<_> = outcome.attempts.iter().map(Sent::name).collect();
        if let Some(intent) = &intent {
            // A later run that closed it read the transfer under names of its own.
            sent.retain(|name| intent.request_ids.contains(name));
        }
        let call = intent.or_else(|| serde_json::from_slice(line).ok());
        self.unknown.push(Unknown {
            call: call.unwrap_or_default(),
            sent,
            closed: Closed {
                seq,
                time: time.to_string(),
                status: outcome.status,
                code: outcome.code.as_deref().map(str::to_owned),
                transfer_status: outcome.transfer_status.as_deref().map(str::to_owned),
            },
            settled: None,
        });
    }
}

/// The members of an outcome that say how it ended.
#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow, default)]
    call: Cow<'a, str>,
    status: Option<u16>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    forwarded: Option<Cow<'a, str>>,
    #[serde(borrow)]
    transfer_status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    attempts: Vec<Sent<'a>>,
}

/// One request to Partner Center.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow, default)]
    request_id: Cow<'a, str>,
}

impl Sent<'_> {
    fn name(&self) -> String {
        self.request_id.to_string()
    }
}
