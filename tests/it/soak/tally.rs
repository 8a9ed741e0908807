//! What must be true of every call once all have ended: of its answer, its records and its transfer.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::Value;

use super::plan::{Plan, Wish};
use crate::harness::{World, call::Answer, journal::Journal};

/// What was found in the calls that have been looked at so far.
#[derive(Default)]
pub(super) struct Tally {
    intents: HashMap<String, Value>,
    /// How often what was answered, by the words of [`Told::kind`].
    kinds: BTreeMap<String, usize>,
    pub(super) calls: usize,
    retries: usize,
}

/// One call's records, and what of the transfer's history is the call's own.
struct Told<'a> {
    outcome: &'a Value,
    intent: Option<&'a Value>,
    attempts: &'a [Value],
    /// The request IDs of the rejections that Partner Center got, one for each of them.
    sent: Vec<&'a str>,
    wish: Wish,
}

impl Tally {
    pub(super) fn of(journal: &Journal) -> Self {
        let intents = journal.of_kind("intent").into_iter();
        let intents = intents.map(|intent| (text(&intent["call"]).to_owned(), intent));
        Self {
            intents: intents.collect(),
            ..Self::default()
        }
    }

    /// Checks all answers that were given about one transfer.
    pub(super) fn take(&mut self, world: &World, plan: &Plan, answers: &[Answer]) {
        let (customer, transfer) = (&plan.customer, &plan.transfer);
        let status = world.sandbox.transfer_status(customer, transfer);
        let status = status.expect("the transfer");
        let history = world.sandbox.transfer_history(customer, transfer);
        let history = history.expect("the transfer");
        let is_rejected = status == "Reject";
        let mut sent = 0;
        for answer in answers {
            let told = self.told(answer, plan.wish, &history.request_ids);
            told.agrees_with(answer, is_rejected);
            told.keeps_order();
            sent += told.sent.len();
            let (retries, kind) = (told.retries(), told.kind(is_rejected));
            self.calls += 1;
            self.retries += retries;
            *self.kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(sent, history.request_ids.len(), "a PATCH without an intent");
        let changed = is_rejected && plan.before == "Active";
        assert_eq!(history.effects, u64::from(changed));
        assert!(changed || status == plan.before, "{status}");
        is_kept(plan.wish, answers);
    }

    /// Checks that there were no more retries than the share of the calls, and ten in any ten seconds.
    pub(super) fn is_within_budget(&self, share: f64, took: Duration) {
        // As many windows as have no moment in common, counted back from the last retry.
        let windows = (took.as_secs_f64() / 10.0).floor() + 1.0;
        let calls = u32::try_from(self.intents.len()).expect("a number");
        let most = share * f64::from(calls) + 10.0 * windows;
        let retries = f64::from(u32::try_from(self.retries).expect("a number"));
        assert!(retries <= most, "{retries} retries, {most} at most");
        assert!(retries > most / 2.0, "{retries} retries try no budget");
    }

    /// Checks that each of these kinds of answers was given.
    pub(super) fn has_met(&self, kinds: &[&str]) {
        let missing: Vec<_> = kinds
            .iter()
            .filter(|kind| !self.kinds.contains_key(**kind))
            .collect();
        assert!(
            missing.is_empty(),
            "{missing:?} not among {:#?}",
            self.kinds
        );
    }

    fn told<'a>(&'a self, answer: &'a Answer, wish: Wish, patches: &'a [String]) -> Told<'a> {
        let outcome = &answer.record;
        let intent = self.intents.get(text(&outcome["call"]));
        let named = intent.map_or(&[][..], |intent| list(&intent["request_ids"]));
        let sent = patches.iter().map(String::as_str);
        Told {
            outcome,
            intent,
            attempts: list(&outcome["attempts"]),
            sent: sent
                .filter(|sent| named.iter().any(|named| named == sent))
                .collect(),
            wish,
        }
    }
}

impl Told<'_> {
    /// Checks the answer and the record against what has become of the transfer.
    fn agrees_with(&self, answer: &Answer, is_rejected: bool) {
        let record = self.outcome;
        let reads = self.wish == Wish::Read;
        assert_ne!(record["code"], "internal", "{record}");
        match text(&record["forwarded"]) {
            "no" => assert!(self.sent.is_empty(), "sent all the same: {record}"),
            "unknown" => assert!(!reads && !self.sent.is_empty(), "{record}"),
            told => assert_eq!(told, "yes"),
        }
        if answer.status == 200 && !reads {
            assert!(is_rejected, "not rejected: {record}");
        }
        if record["outcome"] == "forwarded" {
            let last = self.asked().filter(|it| is_answered(it)).last();
            let last = last.unwrap_or_else(|| panic!("no answer to pass on: {record}"));
            assert_eq!(last["status"], answer.status, "{record}");
        }
        let made = self.asked().filter(|attempt| attempt["error"] != "connect");
        assert!(reads || made.count() == self.sent.len(), "{record}");
    }

    /// Checks that the intent came first and each answered request ID was used once.
    fn keeps_order(&self) {
        if self.attempts.is_empty() {
            return;
        }
        let intent = self.intent.expect("an intent");
        assert!(intent["seq"].as_u64() < self.outcome["seq"].as_u64());
        let ids = list(&intent["request_ids"]);
        for (at, attempt) in self.attempts.iter().enumerate() {
            let id = &attempt["request_id"];
            assert!(ids.contains(id), "{id} without an intent");
            let again = self.attempts[at + 1..]
                .iter()
                .any(|it| it["request_id"] == *id);
            assert!(
                !(again && is_answered(attempt)),
                "{id} is used up: {}",
                self.outcome
            );
        }
    }

    /// The attempts to do what the caller wants, less those to reject that never got there.
    fn asked(&self) -> impl Iterator<Item = &Value> {
        let is_rejection = |it: &&Value| self.sent.contains(&text(&it["request_id"]));
        let attempts = self.attempts.iter();
        attempts.filter(move |it| self.wish == Wish::Read || is_rejection(it))
    }

    /// How often Partner Center was asked once more, other than with a fresh token.
    fn retries(&self) -> usize {
        let made = self.asked().filter(|attempt| attempt["error"] != "connect");
        let made = made.count();
        let renewed = self.asked().any(|attempt| attempt["status"] == 401);
        made.saturating_sub(1 + usize::from(renewed))
    }

    fn kind(&self, is_rejected: bool) -> String {
        let record = self.outcome;
        let verb = if self.wish == Wish::Read {
            "read"
        } else {
            "reject"
        };
        let what = record
            .get("code")
            .map_or(record["status"].to_string(), |code| text(code).to_owned());
        let (outcome, forwarded) = (text(&record["outcome"]), text(&record["forwarded"]));
        let now = match (forwarded, is_rejected) {
            ("unknown", true) => ", and it was",
            ("unknown", false) => ", and it was not",
            _ => "",
        };
        format!("{verb}: {outcome} {what} {forwarded}{now}")
    }
}

/// Checks that a repeat under a key is answered as the first call was once Partner Center answered that.
fn is_kept(wish: Wish, answers: &[Answer]) {
    let replayed = |answer: &Answer| answer.record["outcome"] == "replayed";
    let same = |one: &Answer, other: &Answer| one.status == other.status && one.body == other.body;
    for answer in answers.iter().filter(|answer| replayed(answer)) {
        let mut others = answers.iter().filter(|other| !replayed(other));
        assert!(others.any(|other| same(answer, other)), "{}", answer.record);
    }
    if let (Wish::RejectAgain(_), [first, again]) = (wish, answers) {
        let was_answered = first.record["forwarded"] == "yes";
        assert_eq!(replayed(again), was_answered, "{}", again.record);
    }
}

/// Whether an attempt has a final answer.
fn is_answered(attempt: &Value) -> bool {
    attempt["status"]
        .as_u64()
        .is_some_and(|status| (200..600).contains(&status))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
