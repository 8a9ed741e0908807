//! The form of a record: one JSON object a line, keys in a fixed order, absent values left out.
//!
//! A [`Draft`] holds everything that its maker knows, already as JSON, so that the one writer has only
//! to put number, time and hash around it.

use std::{fmt::Display, time::SystemTime};

use serde::{Serialize, Serializer};

use crate::{
    audit::{
        chain::LineHash,
        trail::{Attempt, Facts, Upstream},
    },
    ids::{BootId, JournalId, RecordId, RequestId},
};

/// A record on its way to the journal.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The record's ID.
    pub id: RecordId,
    /// The members from `kind` on, without braces.
    members: Vec<u8>,
}

/// What the outcome record adds to the facts of the call.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// What was decided about the caller's wish.
    pub decision: Option<&'static str>,
    /// The status answered.
    pub status: u16,
    /// The gateway's own code, where the gateway speaks.
    pub code: Option<&'static str>,
    /// The value of `Gateway-Outcome`.
    pub outcome: &'static str,
    /// What happened upstream: `no`, `yes`, `unknown`.
    pub forwarded: &'static str,
    /// The answer's body.
    pub body: &'a [u8],
}

/// A torn tail that was cut off at start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// How many bytes were cut.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: String,
    /// Where they are kept, relative to the journal's directory.
    pub file: String,
}

impl Draft {
    /// Tells what is about to be sent upstream, before its first byte.
    #[must_use]
    pub fn intent(facts: &Facts, boot: BootId, requests: &[RequestId]) -> Self {
        Self::new(
            RecordId::next(),
            &Members {
                decision: Some("allowed"),
                request_ids: requests.iter().map(ToString::to_string).collect(),
                ..Members::of_call("intent", facts, boot)
            },
        )
    }

    /// Tells how a call ended.
    #[must_use]
    pub fn outcome(id: RecordId, facts: &Facts, boot: BootId, ending: &Ending<'_>) -> Self {
        let Upstream {
            attempts,
            under_way,
            transfer_status,
        } = facts.upstream();
        let cut_short = under_way.map(AttemptMember::cut_short);
        Self::new(
            id,
            &Members {
                decision: ending.decision,
                status: Some(ending.status),
                code: ending.code,
                outcome: Some(ending.outcome),
                forwarded: Some(ending.forwarded),
                attempts: attempts
                    .iter()
                    .map(AttemptMember::of)
                    .chain(cut_short)
                    .collect(),
                transfer_status,
                body_sha256: Some(LineHash::of(ending.body)),
                body_bytes: Some(ending.body.len()),
                duration_us: Some(facts.began.elapsed().as_micros()),
                ..Members::of_call("outcome", facts, boot)
            },
        )
    }

    /// Tells that a run of the process begins.
    #[must_use]
    pub fn started(boot: BootId, policy: &str) -> Self {
        let policy = Some(policy);
        Self::new(
            RecordId::next(),
            &Members {
                policy,
                ..Members::of_run("started", boot)
            },
        )
    }

    /// Tells that a torn tail was cut off.
    #[must_use]
    pub fn recovered(boot: BootId, cut: Cut) -> Self {
        let cut = Some(cut);
        Self::new(
            RecordId::next(),
            &Members {
                cut,
                ..Members::of_run("recovered", boot)
            },
        )
    }

    /// Tells that a run of the process ends in good order.
    #[must_use]
    pub fn stopped(boot: BootId) -> Self {
        Self::new(RecordId::next(), &Members::of_run("stopped", boot))
    }

    /// Stands for answers that could have no record of their own.
    #[must_use]
    pub fn summary(id: RecordId, boot: BootId, counts: Vec<Count>) -> Self {
        Self::new(
            id,
            &Members {
                counts,
                ..Members::of_run("summary", boot)
            },
        )
    }

    /// Puts the finished line together, without its newline.
    #[must_use]
    pub fn line(&self, journal: JournalId, seq: u64, time: SystemTime, prev: LineHash) -> Vec<u8> {
        let time = humantime::format_rfc3339_micros(time);
        let head = format!(
            r#"{{"v":1,"journal":"{journal}","seq":{seq},"id":"{}","time":"{time}","#,
            self.id
        );
        let tail = format!(r#","prev":"{prev}"}}"#);
        [head.as_bytes(), &self.members, tail.as_bytes()].concat()
    }

    fn new(id: RecordId, members: &Members<'_>) -> Self {
        // Serialising strings and numbers into memory cannot fail; an empty object would still be a
        // record that tells its number and time.
        let json = serde_json::to_vec(members).unwrap_or_default();
        let members = json
            .strip_prefix(b"{")
            .and_then(|json| json.strip_suffix(b"}"));
        Self {
            id,
            members: members.unwrap_or_default().to_vec(),
        }
    }
}

/// How many answers of one kind a summary stands for.
#[derive(Clone, Debug, Serialize)]
pub struct Count {
    /// The code answered.
    pub code: &'static str,
    /// How often.
    pub count: u64,
}

/// The members of a record in the order of the contract.
#[derive(Default, Serialize)]
struct Members<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partner_tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<&'static str>,
    boot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    request_ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<AttemptMember>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    body_sha256: Option<LineHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u128>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counts: Vec<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
}

#[derive(Serialize)]
struct AttemptMember {
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl<'a> Members<'a> {
    fn of_run(kind: &'static str, boot: BootId) -> Self {
        Self {
            kind,
            boot: boot.to_string(),
            ..Self::default()
        }
    }

    fn of_call(kind: &'static str, facts: &'a Facts, boot: BootId) -> Self {
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

impl AttemptMember {
    fn of(attempt: &Attempt) -> Self {
        Self {
            request_id: attempt.request.to_string(),
            started: Some(humantime::format_rfc3339_micros(attempt.started).to_string()),
            duration_us: attempt.took.map(|took| took.as_micros()),
            status: attempt.status,
            error: attempt.error,
            error_code: attempt.error_code.clone(),
            token: attempt.token.as_deref().map(ToOwned::to_owned),
        }
    }

    fn cut_short(request: RequestId) -> Self {
        Self {
            request_id: request.to_string(),
            started: None,
            duration_us: None,
            status: None,
            error: Some("cut_short"),
            error_code: None,
            token: None,
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
