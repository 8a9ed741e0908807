//! A record within its bound, whatever callers and Partner Center said.

use crate::{
    audit::{
        members::Members,
        record::{Draft, LONGEST_BYTES},
    },
    ids::RecordId,
};

impl Draft {
    /// A record that would be longer than the contract allows, and so be taken for damage, has only the
    /// beginning of the caller's own words, which its intent has whole; and then of what Partner Center said.
    pub(in crate::audit) fn fitting(id: RecordId, members: Members<'_>) -> Self {
        let whole = Self::new(id, &members);
        if whole.fits() {
            return whole;
        }
        let reason = members.reason.map(|reason| beginning(reason, BEGINNING));
        let mut members = Members {
            reason: reason.as_deref(),
            ..members
        };
        let shorter = Self::new(id, &members);
        if shorter.fits() {
            return shorter;
        }
        members.reason = None;
        members.shorten(|said| beginning(said, WORD));
        Self::new(id, &members)
    }

    fn fits(&self) -> bool {
        self.most_bytes() <= LONGEST_BYTES
    }
}

/// The first characters of a text that has more, with a mark that it has.
fn beginning(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some(_) => text.chars().take(characters).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// In characters: what is left of a caller's own words where a record would be too long.
const BEGINNING: usize = 64;

/// In characters: Partner Center's codes have six, its states some fifteen.
const WORD: usize = 8;

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use super::*;
    use crate::{
        audit::{
            chain::LineHash,
            record::Ending,
            trail::{Attempt, Departure, Through, Trail, Who},
        },
        ids::{BootId, CorrelationId, JournalId, RequestId, TraceId},
    };

    #[test]
    fn keeps_the_longest_record_within_the_bound_and_all_of_its_attempts() {
        let trail = longest();
        let ending = Ending {
            decision: Some("allowed"),
            status: 504,
            code: Some("upstream_timeout"),
            outcome: "failed",
            replay_of: None,
            forwarded: "unknown",
            body: b"{}",
        };

        let draft = Draft::outcome(RecordId::next(), trail.facts(), BootId::next(), &ending);
        let intent = Draft::intent(trail.facts(), BootId::next(), &RequestId::draw(16));

        for draft in [&draft, &intent] {
            assert!(
                draft.most_bytes() <= LONGEST_BYTES,
                "{}",
                draft.most_bytes()
            );
        }
        let line = draft.line(
            JournalId::random(),
            u64::MAX,
            SystemTime::UNIX_EPOCH,
            LineHash::NONE,
        );
        assert!(u64::try_from(line.len()).unwrap() < draft.most_bytes());
        let record: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(record["attempts"].as_array().unwrap().len(), 16);
        assert_eq!(record.get("reason"), None);
        let code = &record["attempts"][15]["error_code"];
        assert_eq!(*code, format!("{}…", "\u{1}".repeat(WORD)));
    }

    #[test]
    fn keeps_the_beginning_of_the_callers_words_where_that_is_enough() {
        let told = |reason: &str| {
            let rule = "r".repeat(6 << 10);
            let members = Members {
                rule: Some(&rule),
                reason: Some(reason),
                ..Members::default()
            };
            let Draft { members, .. } = Draft::fitting(RecordId::next(), members);
            let record = format!("{{{members}}}");
            let record: serde_json::Value = serde_json::from_str(&record).unwrap();
            record["reason"].as_str().unwrap().to_owned()
        };

        let beginning = "\u{1}".repeat(BEGINNING);
        assert_eq!(told(&"\u{1}".repeat(512)), format!("{beginning}…"));
        assert_eq!(told("duplicate"), "duplicate");
    }

    /// A call with everything as long as it may be.
    fn longest() -> Trail {
        let peer = SocketAddr::from(([0xffff; 8], u16::MAX));
        let trail = Trail::begin(peer, CorrelationId::random(), TraceId::random());
        trail.intending();
        let facts = trail.facts();
        facts.operation.get_or_init(|| "transfers.reject");
        let id = "ffffffff-ffff-4fff-bfff-ffffffffffff";
        facts.customer.get_or_init(|| id.parse().unwrap());
        facts.transfer.get_or_init(|| id.parse().unwrap());
        facts.caller.get_or_init(|| Who {
            principal: Arc::from("\"".repeat(256)),
            issuer: Some(Arc::from("\"".repeat(512))),
            auth: "token_file",
        });
        facts.reason.get_or_init(|| "\u{1}".repeat(512));
        facts.account.get_or_init(|| Through {
            account: Arc::from("a".repeat(64)),
            partner_tenant: Arc::from(id),
            flow: "app_user",
        });
        facts
            .rule
            .get_or_init(|| Arc::from("\u{1F600}".repeat(128)));
        facts.policy.get_or_init(|| Arc::from("0123456789abcdef"));
        for request in RequestId::draw(16) {
            let departure = Departure {
                request,
                started: SystemTime::UNIX_EPOCH,
                token: Arc::from("0123456789abcdef"),
            };
            let attempt = Attempt {
                departure,
                took: Duration::from_mins(1),
                open: true,
                status: Some(504),
                error: Some("connection_lost"),
                error_code: Some("\u{1}".repeat(64)),
            };
            trail.ended(attempt, Some("\u{1}".repeat(64)));
        }
        trail
    }
}
