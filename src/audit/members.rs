//! The members of a record: their names, their order and how each is written.

use std::{borrow::Cow, fmt::Display};

use crate::{
    audit::{
        chain::LineHash,
        fork::Fork,
        orphans::Orphan,
        record::{Count, Cut},
        trail::{Attempt, Departure, Facts, Upstream},
        witness::{Contradicted, Witnessed},
    },
    ids::{BootId, RequestId},
    json::{self, Value, any, list, shown},
};

/// The members of a record, by the names of the contract.
#[derive(Default)]
pub(in crate::audit) struct Members<'a> {
    pub(in crate::audit) kind: &'static str,
    pub(in crate::audit) call: Shown<'a>,
    pub(in crate::audit) operation: Option<&'a str>,
    pub(in crate::audit) customer: Shown<'a>,
    pub(in crate::audit) transfer: Shown<'a>,
    pub(in crate::audit) principal: Option<&'a str>,
    pub(in crate::audit) issuer: Option<&'a str>,
    pub(in crate::audit) auth: Option<&'a str>,
    pub(in crate::audit) peer: Shown<'a>,
    pub(in crate::audit) reason: Option<&'a str>,
    pub(in crate::audit) account: Option<&'a str>,
    pub(in crate::audit) partner_tenant: Option<&'a str>,
    pub(in crate::audit) flow: Option<&'a str>,
    pub(in crate::audit) correlation_id: Shown<'a>,
    pub(in crate::audit) trace_id: Shown<'a>,
    pub(in crate::audit) decision: Option<&'a str>,
    pub(in crate::audit) rule: Option<&'a str>,
    pub(in crate::audit) status: Option<u16>,
    pub(in crate::audit) code: Option<&'static str>,
    pub(in crate::audit) outcome: Option<&'static str>,
    pub(in crate::audit) replay_of: Shown<'a>,
    pub(in crate::audit) forwarded: Option<&'static str>,
    pub(in crate::audit) boot: Option<BootId>,
    pub(in crate::audit) policy: Option<&'a str>,
    pub(in crate::audit) forked_from: Option<&'a Fork>,
    pub(in crate::audit) request_ids: &'a [RequestId],
    pub(in crate::audit) attempts: Vec<AttemptMember<'a>>,
    pub(in crate::audit) transfer_status: Option<Cow<'a, str>>,
    pub(in crate::audit) body_sha256: Option<LineHash>,
    pub(in crate::audit) body_bytes: Option<usize>,
    pub(in crate::audit) duration_us: Option<u128>,
    pub(in crate::audit) counts: &'a [Count],
    pub(in crate::audit) cut: Option<&'a Cut>,
    pub(in crate::audit) orphans: Option<usize>,
    pub(in crate::audit) low_water: Option<u64>,
    pub(in crate::audit) upto: Option<u64>,
    pub(in crate::audit) head: Option<LineHash>,
    pub(in crate::audit) checkpoint: Option<LineHash>,
    pub(in crate::audit) key_id: Option<&'a str>,
    pub(in crate::audit) signature: Option<&'a str>,
    pub(in crate::audit) witnessed: Option<Witnessed>,
    pub(in crate::audit) contradicts: Option<Contradicted>,
}

/// A value that is written as it is shown.
pub(in crate::audit) type Shown<'a> = Option<&'a dyn Display>;

/// One attempt among the members of a record.
pub(in crate::audit) struct AttemptMember<'a> {
    departure: &'a Departure,
    duration_us: Option<u128>,
    status: Option<u16>,
    error: Option<&'static str>,
    error_code: Option<Cow<'a, str>>,
}

impl<'a> Members<'a> {
    pub(in crate::audit) fn of_run(kind: &'static str, boot: BootId) -> Self {
        Self {
            kind,
            boot: Some(boot),
            ..Self::default()
        }
    }

    pub(in crate::audit) fn of_call(kind: &'static str, facts: &'a Facts, boot: BootId) -> Self {
        let who = facts.caller.get();
        let through = facts.account.get();
        Self {
            call: Some(&facts.call),
            operation: facts.operation.get().copied(),
            customer: facts.customer.get().map(display),
            transfer: facts.transfer.get().map(display),
            principal: who.map(|who| &*who.principal),
            issuer: who.and_then(|who| who.issuer.as_deref()),
            auth: who.map(|who| who.auth),
            peer: Some(&facts.peer),
            reason: facts.reason.get().map(String::as_str),
            account: through.map(|through| &*through.account),
            partner_tenant: through.map(|through| &*through.partner_tenant),
            flow: through.map(|through| through.flow),
            correlation_id: Some(&facts.correlation),
            trace_id: Some(&facts.trace),
            rule: facts.rule.get().map(|rule| &**rule),
            policy: facts.policy.get().map(|policy| &**policy),
            ..Self::of_run(kind, boot)
        }
    }

    /// What is known of a call whose intent alone is left.
    pub(in crate::audit) fn of_orphan(
        kind: &'static str,
        orphan: &'a Orphan,
        boot: BootId,
    ) -> Self {
        Self {
            call: Some(&orphan.call),
            operation: orphan.operation.as_deref(),
            customer: orphan.customer.as_ref().map(display),
            transfer: orphan.transfer.as_ref().map(display),
            principal: orphan.principal.as_deref(),
            issuer: orphan.issuer.as_deref(),
            auth: orphan.auth.as_deref(),
            peer: orphan.peer.as_ref().map(display),
            reason: orphan.reason.as_deref(),
            account: orphan.account.as_deref(),
            partner_tenant: orphan.partner_tenant.as_deref(),
            flow: orphan.flow.as_deref(),
            correlation_id: orphan.correlation_id.as_ref().map(display),
            trace_id: orphan.trace_id.as_ref().map(display),
            decision: orphan.decision.as_deref(),
            rule: orphan.rule.as_deref(),
            policy: orphan.policy.as_deref(),
            ..Self::of_run(kind, boot)
        }
    }

    /// Shortens what Partner Center said.
    pub(in crate::audit) fn shorten(&mut self, shorter: impl Fn(&str) -> String) {
        let codes = self.attempts.iter_mut().map(|it| &mut it.error_code);
        for said in codes.chain([&mut self.transfer_status]) {
            *said = said.as_deref().map(&shorter).map(Cow::Owned);
        }
    }

    /// Writes them as JSON, without the braces around them.
    pub(in crate::audit) fn written(&self) -> String {
        let members: json::Members = self.in_order().into_iter().collect();
        members.into_text()
    }

    /// The members in the order of the contract.
    fn in_order(&self) -> [(&'static str, Value<'_>); 42] {
        [
            ("kind", Value::Text(self.kind)),
            ("call", self.call.into()),
            ("operation", self.operation.into()),
            ("customer", self.customer.into()),
            ("transfer", self.transfer.into()),
            ("principal", self.principal.into()),
            ("issuer", self.issuer.into()),
            ("auth", self.auth.into()),
            ("peer", self.peer.into()),
            ("reason", self.reason.into()),
            ("account", self.account.into()),
            ("partner_tenant", self.partner_tenant.into()),
            ("flow", self.flow.into()),
            ("correlation_id", self.correlation_id.into()),
            ("trace_id", self.trace_id.into()),
            ("decision", self.decision.into()),
            ("rule", self.rule.into()),
            ("status", self.status.map(u64::from).into()),
            ("code", self.code.into()),
            ("outcome", self.outcome.into()),
            ("replay_of", self.replay_of.into()),
            ("forwarded", self.forwarded.into()),
            ("boot", shown(self.boot.as_ref())),
            ("policy", self.policy.into()),
            ("forked_from", any(self.forked_from)),
            ("request_ids", list(self.request_ids, |id| Value::Shown(id))),
            (
                "attempts",
                list(&self.attempts, |it| Value::Json(it.written())),
            ),
            ("transfer_status", self.transfer_status.as_deref().into()),
            ("body_sha256", shown(self.body_sha256.as_ref())),
            ("body_bytes", number(self.body_bytes)),
            ("duration_us", number(self.duration_us)),
            ("counts", any(Some(self.counts).filter(|it| !it.is_empty()))),
            ("cut", any(self.cut)),
            ("orphans", number(self.orphans)),
            ("low_water", self.low_water.into()),
            ("upto", self.upto.into()),
            ("head", shown(self.head.as_ref())),
            ("checkpoint", shown(self.checkpoint.as_ref())),
            ("key_id", self.key_id.into()),
            ("signature", self.signature.into()),
            ("witnessed", any(self.witnessed.as_ref())),
            ("contradicts", any(self.contradicts.as_ref())),
        ]
    }
}

impl<'a> AttemptMember<'a> {
    /// The attempts of a call, the one that was cut short last.
    pub(in crate::audit) fn all(upstream: &'a Upstream) -> Vec<Self> {
        let cut_short = upstream.under_way.as_ref().map(Self::cut_short);
        let ended = upstream.attempts.iter().map(Self::of);
        ended.chain(cut_short).collect()
    }

    fn of(attempt: &'a Attempt) -> Self {
        Self {
            departure: &attempt.departure,
            duration_us: Some(attempt.took.as_micros()),
            status: attempt.status,
            error: attempt.error,
            error_code: attempt.error_code.as_deref().map(Cow::Borrowed),
        }
    }

    fn cut_short(departure: &'a Departure) -> Self {
        Self {
            departure,
            duration_us: None,
            status: None,
            error: Some("cut_short"),
            error_code: None,
        }
    }

    fn written(&self) -> String {
        let Departure {
            request,
            started,
            token,
        } = self.departure;
        let members: json::Members = [
            ("request_id", Value::Shown(request)),
            (
                "started",
                Value::Shown(&humantime::format_rfc3339_micros(*started)),
            ),
            ("duration_us", number(self.duration_us)),
            ("status", self.status.map(u64::from).into()),
            ("error", self.error.into()),
            ("error_code", self.error_code.as_deref().into()),
            ("token", Value::Text(token)),
        ]
        .into_iter()
        .collect();
        format!("{{{}}}", members.into_text())
    }
}

/// What shows itself, whatever it is.
pub(in crate::audit) fn display<T: Display>(value: &T) -> &dyn Display {
    value
}

fn number<'a>(value: Option<impl TryInto<u64>>) -> Value<'a> {
    let number = value.map(|value| value.try_into().unwrap_or(u64::MAX));
    number.into()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::SystemTime};

    use serde_json::Value;

    use super::{AttemptMember, Members};
    use crate::{
        audit::{
            chain::LineHash,
            fork::{Fork, Unacknowledged},
            record::{Count, Cut, Draft},
            trail::Departure,
            witness::{Contradicted, Witnessed},
        },
        front::openapi,
        ids::{BootId, JournalId, RecordId, RequestId},
    };

    #[test]
    fn are_described_to_those_who_search() {
        let document = openapi::document();
        let schema = &document["components"]["schemas"]["AuditRecord"];
        let (forked, departure) = (forked(), departure());
        let (requests, counts, cut) = (RequestId::draw(1), [count()], cut());
        let draft = Draft::new(
            RecordId::next(),
            &Members {
                forked_from: Some(&forked),
                request_ids: &requests,
                attempts: vec![attempt(&departure)],
                counts: &counts,
                cut: Some(&cut),
                ..all()
            },
        );

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

    /// Everything else that a record can have; what is missing is not described.
    fn all() -> Members<'static> {
        Members {
            kind: "outcome",
            call: Some(&"text"),
            operation: Some("text"),
            customer: Some(&"text"),
            transfer: Some(&"text"),
            principal: Some("text"),
            issuer: Some("text"),
            auth: Some("text"),
            peer: Some(&"text"),
            reason: Some("text"),
            account: Some("text"),
            partner_tenant: Some("text"),
            flow: Some("text"),
            correlation_id: Some(&"text"),
            trace_id: Some(&"text"),
            decision: Some("text"),
            rule: Some("text"),
            status: Some(200),
            code: Some("text"),
            outcome: Some("text"),
            replay_of: Some(&"text"),
            forwarded: Some("text"),
            boot: Some(BootId::next()),
            policy: Some("text"),
            transfer_status: Some("text".into()),
            body_sha256: Some(LineHash::NONE),
            body_bytes: Some(1),
            duration_us: Some(1),
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
            forked_from: None,
            request_ids: &[],
            attempts: Vec::new(),
            counts: &[],
            cut: None,
        }
    }

    fn count() -> Count {
        Count {
            code: "text",
            address: "text".to_owned(),
            count: 1,
        }
    }

    fn cut() -> Cut {
        Cut {
            bytes: 1,
            sha256: "text".to_owned(),
            file: "text".to_owned(),
        }
    }

    fn departure() -> Departure {
        Departure {
            request: RequestId::random(),
            started: SystemTime::UNIX_EPOCH,
            token: "text".into(),
        }
    }

    fn attempt(departure: &Departure) -> AttemptMember<'_> {
        AttemptMember {
            departure,
            duration_us: Some(1),
            status: Some(200),
            error: Some("text"),
            error_code: Some("text".into()),
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
