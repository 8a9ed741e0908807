//! What is asked for. Whatever is given must hold; nothing given asks for every record.

use std::time::SystemTime;

use memchr::memmem::Finder;

use crate::{
    audit::search::{
        fields::{Fields, Text},
        keys::{self, Key},
    },
    ids::{CorrelationId, CustomerId, RecordId, TransferId},
};

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Records about this customer.
    pub customer: Option<CustomerId>,
    /// Records about this transfer.
    pub transfer: Option<TransferId>,
    /// Records of calls of this principal.
    pub principal: Option<String>,
    /// Records of calls with this correlation ID.
    pub correlation_id: Option<CorrelationId>,
    /// The record of this ID.
    pub audit_id: Option<RecordId>,
    /// Records of answers of this status.
    pub status: Option<u16>,
    /// Records of calls that ended so.
    pub outcome: Option<&'static str>,
    /// Records of this time and later ones.
    pub since: Option<SystemTime>,
    /// Records before this time.
    pub until: Option<SystemTime>,
}

/// Bytes that the line of a record has, if the record is asked for.
#[derive(Clone, Debug)]
pub(in crate::audit::search) struct Needle(Finder<'static>);

impl Filters {
    /// Whether every record is asked for.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a record is asked for.
    pub(in crate::audit::search) fn admit(&self, fields: &Fields<'_>) -> bool {
        let texts = [
            (keys::CUSTOMER, fields.customer.as_ref()),
            (keys::TRANSFER, fields.transfer.as_ref()),
            (keys::PRINCIPAL, fields.principal.as_ref()),
            (keys::CORRELATION_ID, fields.correlation_id.as_ref()),
            (keys::ID, Some(&fields.id)),
            (OUTCOME, fields.outcome.as_ref()),
        ];
        let as_asked = self.texts().into_iter().all(|(member, asked)| {
            let found = texts.iter().find(|(name, _)| *name == member);
            found.and_then(|(_, text)| text.map(Text::as_str)) == Some(&*asked)
        });
        let status = self.status.is_none() || self.status == fields.status;
        as_asked && status && self.admit_time(fields.time.as_str())
    }

    /// Whether records between two times, these included, may be asked for.
    pub(in crate::audit::search) fn admit_times(
        &self,
        first: SystemTime,
        last: SystemTime,
    ) -> bool {
        self.since.is_none_or(|since| last >= since) && self.until.is_none_or(|until| first < until)
    }

    /// The keys that a record has which is asked for.
    pub(in crate::audit::search) fn keys(&self) -> Vec<Key> {
        let texts = self.texts().into_iter();
        let keyed = texts.filter(|(member, _)| *member != OUTCOME);
        keyed.map(|(member, text)| Key::of(member, &text)).collect()
    }

    /// What the line of a record has which is asked for. The journal's own way to write JSON is fixed, so
    /// these bytes are the only ones that say it.
    pub(in crate::audit::search) fn needles(&self) -> Vec<Needle> {
        let texts = self.texts().into_iter().map(|(member, text)| {
            // Serialising a string into memory cannot fail.
            let text = serde_json::to_string(&text).unwrap_or_default();
            format!(r#""{member}":{text}"#)
        });
        let status = self.status.map(|status| format!(r#""status":{status}"#));
        let needles = texts.chain(status);
        needles
            .map(|needle| Needle(Finder::new(needle.as_bytes()).into_owned()))
            .collect()
    }

    fn admit_time(&self, time: &str) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        humantime::parse_rfc3339(time).is_ok_and(|time| self.admit_times(time, time))
    }

    /// The members that are asked for by their text.
    fn texts(&self) -> Vec<(&'static str, String)> {
        let texts = [
            (keys::CUSTOMER, self.customer.map(|it| it.to_string())),
            (keys::TRANSFER, self.transfer.map(|it| it.to_string())),
            (keys::PRINCIPAL, self.principal.clone()),
            (
                keys::CORRELATION_ID,
                self.correlation_id.map(|it| it.to_string()),
            ),
            (keys::ID, self.audit_id.map(|it| it.to_string())),
            (OUTCOME, self.outcome.map(str::to_owned)),
        ];
        let given = texts.into_iter();
        given
            .filter_map(|(member, text)| Some((member, text?)))
            .collect()
    }
}

impl Needle {
    pub(in crate::audit::search) fn is_in(&self, line: &[u8]) -> bool {
        self.0.find(line).is_some()
    }
}

const OUTCOME: &str = "outcome";
