//! The members of a record: their names, their order and how each is written.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::{
    audit::{
        chain::LineHash,
        fork::Fork,
        orphans::Orphan,
        record::{Count, Cut},
        trail::{Attempt, Departure, Facts, Upstream},
        witness::{Contradicted, Witnessed},
    },
    ids::BootId,
};

/// The members of a record in the order of the contract.
#[derive(Default, Serialize)]
pub(in crate::audit) struct Members<'a> {
    pub(in crate::audit) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) call: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) transfer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) auth: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) partner_tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) flow: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) decision: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) replay_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) forwarded: Option<&'static str>,
    pub(in crate::audit) boot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) forked_from: Option<&'a Fork>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::audit) request_ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::audit) attempts: Vec<AttemptMember>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) transfer_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub(in crate::audit) body_sha256: Option<LineHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) body_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) duration_us: Option<u128>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::audit) counts: Vec<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) cut: Option<Cut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) orphans: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) low_water: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) upto: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub(in crate::audit) head: Option<LineHash>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub(in crate::audit) checkpoint: Option<LineHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) witnessed: Option<Witnessed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::audit) contradicts: Option<Contradicted>,
}

#[derive(Serialize)]
pub(in crate::audit) struct AttemptMember {
    request_id: String,
    started: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    token: String,
}

impl<'a> Members<'a> {
    pub(in crate::audit) fn of_run(kind: &'static str, boot: BootId) -> Self {
        Self {
            kind,
            boot: boot.to_string(),
            ..Self::default()
        }
    }

    /// Shortens what Partner Center said.
    pub(in crate::audit) fn shorten(&mut self, shorter: impl Fn(&str) -> String) {
        let codes = self.attempts.iter_mut().map(|it| &mut it.error_code);
        for said in codes.chain([&mut self.transfer_status]) {
            *said = said.as_deref().map(&shorter);
        }
    }

    pub(in crate::audit) fn of_call(kind: &'static str, facts: &'a Facts, boot: BootId) -> Self {
        let who = facts.caller.get();
        let through = facts.account.get();
        Self {
            call: Some(facts.call.to_string()),
            operation: facts.operation.get().copied(),
            customer: facts.customer.get().map(ToString::to_string),
            transfer: facts.transfer.get().map(ToString::to_string),
            principal: who.map(|who| &*who.principal),
            issuer: who.and_then(|who| who.issuer.as_deref()),
            auth: who.map(|who| who.auth),
            peer: Some(facts.peer.to_string()),
            reason: facts.reason.get().map(String::as_str),
            account: through.map(|through| &*through.account),
            partner_tenant: through.map(|through| &*through.partner_tenant),
            flow: through.map(|through| through.flow),
            correlation_id: Some(facts.correlation.to_string()),
            trace_id: Some(facts.trace.to_string()),
            rule: facts.rule.get().map(|rule| &**rule),
            policy: facts.policy.get().map(|policy| &**policy),
            ..Self::of_run(kind, boot)
        }
    }
}

impl<'a> Members<'a> {
    /// What is known of a call whose intent alone is left.
    pub(in crate::audit) fn of_orphan(
        kind: &'static str,
        orphan: &'a Orphan,
        boot: BootId,
    ) -> Self {
        Self {
            call: Some(orphan.call.clone()),
            operation: orphan.operation.as_deref(),
            customer: orphan.customer.clone(),
            transfer: orphan.transfer.clone(),
            principal: orphan.principal.as_deref(),
            issuer: orphan.issuer.as_deref(),
            auth: orphan.auth.as_deref(),
            peer: orphan.peer.clone(),
            reason: orphan.reason.as_deref(),
            account: orphan.account.as_deref(),
            partner_tenant: orphan.partner_tenant.as_deref(),
            flow: orphan.flow.as_deref(),
            correlation_id: orphan.correlation_id.clone(),
            trace_id: orphan.trace_id.clone(),
            decision: orphan.decision.as_deref(),
            rule: orphan.rule.as_deref(),
            policy: orphan.policy.as_deref(),
            ..Self::of_run(kind, boot)
        }
    }
}

impl AttemptMember {
    /// The attempts of a call, the one that was cut short last.
    pub(in crate::audit) fn all(upstream: &Upstream) -> Vec<Self> {
        let cut_short = upstream.under_way.as_ref().map(Self::cut_short);
        let ended = upstream.attempts.iter().map(Self::of);
        ended.chain(cut_short).collect()
    }

    fn of(attempt: &Attempt) -> Self {
        Self {
            duration_us: Some(attempt.took.as_micros()),
            status: attempt.status,
            error: attempt.error,
            error_code: attempt.error_code.clone(),
            ..Self::begun(&attempt.departure)
        }
    }

    fn cut_short(departure: &Departure) -> Self {
        Self {
            error: Some("cut_short"),
            ..Self::begun(departure)
        }
    }

    fn begun(departure: &Departure) -> Self {
        Self {
            request_id: departure.request.to_string(),
            started: humantime::format_rfc3339_micros(departure.started).to_string(),
            duration_us: None,
            status: None,
            error: None,
            error_code: None,
            token: departure.token.to_string(),
        }
    }
}

#[expect(
    clippy::ref_option,
    reason = "serde hands over a reference to the whole field"
)]
fn as_text<T: Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::SystemTime};

    use serde_json::Value;

    use super::*;
    use crate::{
        audit::{fork::Unacknowledged, record::Draft},
        front::openapi,
        ids::{JournalId, RecordId},
    };

    #[test]
    fn are_described_to_those_who_search() {
        let document = openapi::document();
        let schema = &document["components"]["schemas"]["AuditRecord"];
        let forked = forked();
        let draft = Draft::new(RecordId::next(), &all(&forked));

        let line = draft.line(
            JournalId::random(),
            1,
            SystemTime::UNIX_EPOCH,
            LineHash::NONE,
        );

        let record: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(names(&record), names(&schema["properties"]));
        for part in ["attempts", "counts"] {
            let described = &schema["properties"][part]["items"]["properties"];
            assert_eq!(names(&record[part][0]), names(described), "{part}");
        }
        for part in ["cut", "forked_from", "witnessed", "contradicts"] {
            let described = &schema["properties"][part]["properties"];
            assert_eq!(names(&record[part]), names(described), "{part}");
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(record.get(name.as_str().unwrap()).is_some(), "{name}");
        }
    }

    fn names(object: &Value) -> BTreeSet<&String> {
        object.as_object().unwrap().keys().collect()
    }

    /// Everything that a record can have; a new member does not compile until it is here.
    fn all(forked: &Fork) -> Members<'_> {
        let text = || Some("text".to_owned());
        Members {
            kind: "outcome",
            call: text(),
            operation: Some("text"),
            customer: text(),
            transfer: text(),
            principal: Some("text"),
            issuer: Some("text"),
            auth: Some("text"),
            peer: text(),
            reason: Some("text"),
            account: Some("text"),
            partner_tenant: Some("text"),
            flow: Some("text"),
            correlation_id: text(),
            trace_id: text(),
            decision: Some("text"),
            rule: Some("text"),
            status: Some(200),
            code: Some("text"),
            outcome: Some("text"),
            replay_of: text(),
            forwarded: Some("text"),
            boot: "text".to_owned(),
            policy: Some("text"),
            forked_from: Some(forked),
            request_ids: vec!["text".to_owned()],
            attempts: vec![attempt()],
            transfer_status: text(),
            body_sha256: Some(LineHash::NONE),
            body_bytes: Some(1),
            duration_us: Some(1),
            counts: vec![Count {
                code: "text",
                address: "text".to_owned(),
                count: 1,
            }],
            cut: Some(Cut {
                bytes: 1,
                sha256: "text".to_owned(),
                file: "text".to_owned(),
            }),
            orphans: Some(1),
            low_water: Some(1),
            upto: Some(1),
            head: Some(LineHash::NONE),
            checkpoint: Some(LineHash::NONE),
            key_id: Some("text"),
            signature: Some("text"),
            witnessed: Some(witnessed()),
            contradicts: Some(Contradicted {
                upto: 1,
                head: "text".to_owned(),
            }),
        }
    }

    fn attempt() -> AttemptMember {
        AttemptMember {
            request_id: "text".to_owned(),
            started: "text".to_owned(),
            duration_us: Some(1),
            status: Some(200),
            error: Some("text"),
            error_code: Some("text".to_owned()),
            token: "text".to_owned(),
        }
    }

    fn witnessed() -> Witnessed {
        let text = || "text".to_owned();
        Witnessed {
            journal: text(),
            upto: 1,
            head: text(),
            time: text(),
            key_id: text(),
        }
    }

    fn forked() -> Fork {
        let text = || "text".to_owned();
        Fork {
            journal: text(),
            seq: 1,
            head: text(),
            sink: text(),
            sink_seq: 1,
            sink_head: text(),
            kept: text(),
            unacknowledged: vec![Unacknowledged {
                sink: text(),
                from: 1,
                upto: 1,
            }],
        }
    }
}
