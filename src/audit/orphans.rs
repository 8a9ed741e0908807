//! Intents without an outcome, which a crash or a full disk leaves behind, and how they are closed.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::Deserialize;

use crate::{
    audit::{link::Link, trail::Upstream},
    ids::{CallId, CorrelationId, CustomerId, TransferId},
};

/// An intent without an outcome, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Orphan {
    time: String,
    pub(in crate::audit) call: String,
    pub(in crate::audit) operation: Option<String>,
    pub(in crate::audit) customer: Option<String>,
    pub(in crate::audit) transfer: Option<String>,
    pub(in crate::audit) principal: Option<String>,
    pub(in crate::audit) issuer: Option<String>,
    pub(in crate::audit) auth: Option<String>,
    pub(in crate::audit) peer: Option<String>,
    pub(in crate::audit) reason: Option<String>,
    pub(in crate::audit) account: Option<String>,
    pub(in crate::audit) partner_tenant: Option<String>,
    pub(in crate::audit) flow: Option<String>,
    pub(in crate::audit) correlation_id: Option<String>,
    pub(in crate::audit) trace_id: Option<String>,
    pub(in crate::audit) decision: Option<String>,
    pub(in crate::audit) rule: Option<String>,
    pub(in crate::audit) policy: Option<String>,
}

impl Orphan {
    /// The call that it was of, where it tells.
    pub(in crate::audit) fn call(&self) -> Option<CallId> {
        self.call.parse().ok()
    }
}

/// How an intent is closed to which nobody was answered, or nobody could be told the answer.
#[derive(Clone, Debug)]
pub struct Closing {
    /// As a `Gateway-Outcome` says it.
    pub outcome: &'static str,
    /// What happened upstream: `no`, `yes`, `unknown`.
    pub forwarded: &'static str,
    /// What was asked to find that out, and the transfer's state as it was found.
    pub upstream: Upstream,
}

impl Orphan {
    /// What was asked for.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }

    /// The customer.
    #[must_use]
    pub fn customer(&self) -> Option<CustomerId> {
        self.customer.as_deref()?.parse().ok()
    }

    /// The transfer.
    #[must_use]
    pub fn transfer(&self) -> Option<TransferId> {
        self.transfer.as_deref()?.parse().ok()
    }

    /// The call's correlation ID.
    #[must_use]
    pub fn correlation(&self) -> Option<CorrelationId> {
        self.correlation_id.as_deref()?.parse().ok()
    }

    /// The name of the account and the partner's tenant that it stood for.
    #[must_use]
    pub fn account(&self) -> Option<(&str, &str)> {
        Some((self.account.as_deref()?, self.partner_tenant.as_deref()?))
    }

    /// How old the intent is; nothing where it comes from the future, as it does when a clock was put back.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        let written = humantime::parse_rfc3339(&self.time).ok()?;
        now.duration_since(written).ok()
    }
}

/// The intents that have no outcome so far, while a journal is read: their lines, by their calls.
#[derive(Debug, Default)]
pub(in crate::audit) struct Open(BTreeMap<String, Vec<u8>>);

impl Open {
    /// Takes note of a record and its line: an intent is open until its outcome comes.
    pub(in crate::audit) fn note(&mut self, record: &Link<'_>, line: &[u8]) {
        match (&*record.kind, &record.call) {
            ("intent", Some(call)) => {
                self.0.insert(call.clone().into_owned(), line.to_vec());
            }
            ("outcome", Some(call)) => drop(self.0.remove(&**call)),
            _ => {}
        }
    }

    /// Those that stand in these lines, without their newlines.
    pub(in crate::audit) fn of_lines(lines: &[String]) -> Self {
        let mut open = Self::default();
        for line in lines {
            let whole = format!("{line}\n");
            if let Some(record) = Link::read(whole.as_bytes()) {
                open.note(&record, line.as_bytes());
            }
        }
        open
    }

    /// Their lines.
    pub(in crate::audit) fn lines(&self) -> Vec<String> {
        let lines = self.0.values();
        lines
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    /// What is open at the end, the oldest call first.
    pub(in crate::audit) fn into_orphans(self) -> Vec<Orphan> {
        let lines = self.0.into_values();
        lines
            .filter_map(|line| serde_json::from_slice(&line).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_intents_that_have_no_outcome_and_no_others() {
        let mut open = Open::default();
        let record = |kind: &str, call: &str| {
            format!(
                r#"{{"seq":1,"prev":"","kind":"{kind}","call":"{call}","time":"2026-03-01T00:00:00.000000Z"}}"#
            )
        };
        let mut note = |line: String| {
            let link = serde_json::from_str(&line).unwrap();
            open.note(&link, line.as_bytes());
        };

        for (kind, call) in [
            ("intent", "2"),
            ("intent", "1"),
            ("intent", "3"),
            ("outcome", "2"),
            ("outcome", "4"),
        ] {
            note(record(kind, call));
        }
        note(r#"{"seq":1,"prev":"","kind":"stopped"}"#.to_owned());
        note(r#"{"seq":1,"prev":"","kind":"intent"}"#.to_owned());

        let orphans = open.into_orphans();
        let calls: Vec<_> = orphans.iter().map(|orphan| &*orphan.call).collect();
        assert_eq!(calls, ["1", "3"]);
        let written = SystemTime::UNIX_EPOCH + Duration::from_hours(492_312);
        let second = Duration::from_secs(1);
        assert_eq!(orphans[0].age(written + second), Some(second));
        assert_eq!(orphans[0].age(written - second), None);
    }
}
