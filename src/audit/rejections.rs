//! The rejections that a journal tells of, each as one call: what its intent announced, and how its outcome says
//! that it ended.

use std::{borrow::Cow, collections::HashMap, path::Path, time::SystemTime};

use serde::Deserialize;

use crate::{
    audit::{
        link::Link,
        verify::{Evidence, Progress, Unreadable, findings::Findings, follow, kept::Kept},
    },
    ids::{CorrelationId, CustomerId, TransferId},
};

/// The rejections since some time.
#[derive(Debug)]
pub struct Rejections {
    /// What came of verifying the journal on the way, but for signatures. Where it is damaged, nothing else
    /// counts.
    pub findings: Findings,
    /// The calls, in no order.
    pub calls: Vec<Rejection>,
}

/// A call that was to reject a transfer, of which something was sent or may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What ties intent and outcome together.
    pub call: String,
    /// When its intent was written, or its outcome where the intent is gone.
    pub began: SystemTime,
    /// When its outcome was written.
    pub ended: Option<SystemTime>,
    /// The customer.
    pub customer: Option<CustomerId>,
    /// The transfer.
    pub transfer: Option<TransferId>,
    /// The correlation ID under which Partner Center was asked.
    pub correlation: Option<CorrelationId>,
    /// Who asked.
    pub principal: Option<String>,
    /// Through which account.
    pub account: Option<String>,
    /// For which partner.
    pub tenant: Option<String>,
    /// How it ended.
    pub said: Said,
}

/// What the journal says came of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The transfer was rejected.
    Done,
    /// Nobody could tell.
    Unknown,
    /// Nothing yet: the call has no outcome.
    Open,
    /// Nothing was changed.
    NotDone,
}

impl Said {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unknown => "unknown",
            Self::Open => "open",
            Self::NotDone => "not done",
        }
    }
}

/// Reads the journal in `dir` from end to end, and keeps the rejections that were announced at some time or
/// later. Changes nothing and asks nobody.
///
/// # Errors
///
/// When it cannot be read.
pub fn rejections(
    dir: &Path,
    since: SystemTime,
    progress: &mut dyn FnMut(Progress),
) -> Result<Rejections, Unreadable> {
    let evidence = Evidence {
        keys: &[],
        kept: &Kept::default(),
    };
    let mut reading = Reading {
        since,
        open: HashMap::new(),
        ended: Vec::new(),
    };
    let findings = follow(dir, evidence, progress, &mut |record, line| {
        reading.take(record, line);
    })?;
    let mut calls = reading.ended;
    calls.extend(reading.open.into_values());
    Ok(Rejections { findings, calls })
}

struct Reading {
    since: SystemTime,
    open: HashMap<String, Rejection>,
    ended: Vec<Rejection>,
}

/// The members of an intent or an outcome that count here.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    call: Cow<'a, str>,
    #[serde(borrow)]
    operation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    customer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    transfer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    principal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partner_tenant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    correlation_id: Option<Cow<'a, str>>,
    status: Option<u16>,
    #[serde(borrow)]
    outcome: Option<Cow<'a, str>>,
    #[serde(borrow)]
    forwarded: Option<Cow<'a, str>>,
}

impl Reading {
    fn take(&mut self, record: &Link<'_>, line: &[u8]) {
        let is_intent = match &*record.kind {
            "intent" => true,
            "outcome" => false,
            _ => return,
        };
        // A record without a time, or without what a call has, is none of the gateway's.
        let (Ok(time), Ok(members)) = (
            humantime::parse_rfc3339(&record.time),
            serde_json::from_slice::<Members<'_>>(line),
        ) else {
            return;
        };
        if members.operation.as_deref() != Some(REJECT) || time < self.since {
            return;
        }
        if is_intent {
            let call = members.call.to_string();
            self.open.insert(call, members.rejection(time));
        } else {
            self.close(&members, time);
        }
    }

    fn close(&mut self, members: &Members<'_>, time: SystemTime) {
        let intended = self.open.remove(&*members.call);
        // What was answered from an earlier call's answer, or refused, was never under way itself.
        let is_of_its_own = members.forwarded.as_deref().is_some_and(|it| it != "no")
            && members.outcome.as_deref() != Some("replayed");
        let rejection = match intended {
            Some(intended) => intended,
            None if is_of_its_own => members.rejection(time),
            None => return,
        };
        self.ended.push(Rejection {
            ended: Some(time),
            said: members.said(),
            ..rejection
        });
    }
}

impl Members<'_> {
    fn rejection(&self, time: SystemTime) -> Rejection {
        fn id<T: std::str::FromStr>(text: Option<&Cow<'_, str>>) -> Option<T> {
            text?.parse().ok()
        }
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Rejection {
            call: self.call.to_string(),
            began: time,
            ended: None,
            customer: id(self.customer.as_ref()),
            transfer: id(self.transfer.as_ref()),
            correlation: id(self.correlation_id.as_ref()),
            principal: text(&self.principal),
            account: text(&self.account),
            tenant: text(&self.partner_tenant),
            said: Said::Open,
        }
    }

    fn said(&self) -> Said {
        let is_success = self.status.is_some_and(|it| (200..300).contains(&it))
            || self.outcome.as_deref() == Some("reconciled");
        match self.forwarded.as_deref() {
            Some("unknown") => Said::Unknown,
            Some("yes") if is_success => Said::Done,
            _ => Said::NotDone,
        }
    }
}

const REJECT: &str = "transfers.reject";
