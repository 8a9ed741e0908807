//! What must hold whatever happened: answers, requests at Partner Center and the journal tell of the same calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use sandbox::Seen;
use serde_json::Value;

use crate::{
    CUSTOMER,
    canary::assert_untold,
    journal::Journal,
    power::files,
    process::asking_every,
    site::{Answer, Site},
};

/// What was counted while all of it held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) records: usize,
    pub(crate) patches: usize,
    pub(crate) closed_late: usize,
}

/// Holds a gateway that runs against everything, calls that are still to be closed apart.
pub(crate) async fn all_holds(site: &Site, answers: &[Answer]) -> Journal {
    let journal = site.journal();
    every_answer_has_its_record(&journal, answers);
    every_patch_has_its_intent(&journal, &site.patches());
    nothing_was_done_twice(site, answers);
    no_secret_was_kept(site);
    let verified = site.verified().await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    journal
}

/// Waits until every intent has its outcome, and then does the same.
pub(crate) async fn all_holds_in_the_end(site: &Site, answers: &[Answer]) -> Held {
    let is_closed = async || open_calls(&site.journal()).is_empty();
    asking_every(LOOKS_EVERY, LONGEST_CLOSING, is_closed).await;
    let journal = all_holds(site, answers).await;
    let outcomes = journal.of_kind("outcome").into_iter();
    Held {
        records: journal.records().len(),
        patches: site.patches().len(),
        closed_late: outcomes.filter(|it| it.get("status").is_none()).count(),
    }
}

/// The calls whose intent has no outcome. That none has two is checked while the journal is read.
pub(crate) fn open_calls(journal: &Journal) -> BTreeSet<String> {
    let calls = |kind| -> BTreeSet<String> {
        let records = journal.of_kind(kind).into_iter();
        records.map(|it| it["call"].to_string()).collect()
    };
    &calls("intent") - &calls("outcome")
}

/// What was answered is on the disk, under the name that the answer gave.
pub(crate) fn every_answer_has_its_record(journal: &Journal, answers: &[Answer]) {
    for answer in answers {
        let record = journal.outcome(&answer.audit_id);
        assert_eq!(record["status"], answer.status, "{answer:?}");
        assert_eq!(record["transfer"], *answer.transfer, "{answer:?}");
    }
}

/// What Partner Center was asked to do had been announced.
pub(crate) fn every_patch_has_its_intent(journal: &Journal, patches: &[Seen]) {
    let mut announced = BTreeMap::new();
    for intent in journal.of_kind("intent") {
        for id in intent["request_ids"].as_array().expect("request IDs") {
            announced.insert(id.as_str().expect("ID").to_owned(), intent.clone());
        }
    }
    for patch in patches {
        let id = header(patch, "ms-requestid");
        let intent = announced
            .get(id)
            .unwrap_or_else(|| panic!("no intent for {patch:?}"));
        let correlation = Value::from(header(patch, "ms-correlationid"));
        assert_eq!(intent["correlation_id"], correlation);
        let place = format!(
            "/v1/customers/{CUSTOMER}/transfers/{}",
            intent["transfer"].as_str().expect("transfer")
        );
        assert_eq!(patch.path, place);
    }
}

fn nothing_was_done_twice(site: &Site, answers: &[Answer]) {
    for answer in answers {
        let history = site.sandbox.transfer_history(CUSTOMER, &answer.transfer);
        let effects = history.map_or(0, |history| history.effects);
        let is_done = answer.status == 200;
        assert!(effects <= 1, "{answer:?}");
        assert!(!is_done || effects == 1, "{answer:?}");
    }
}

/// Whatever lies in the directory, what was cut off included; the signing key is one.
fn no_secret_was_kept(site: &Site) {
    for file in files(&site.audit.join("cut")) {
        assert_untold("what was cut off", &fs::read(file).expect("file"));
    }
}

pub(crate) fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let mut headers = seen.headers.iter();
    let found = headers.find(|(header, _)| header == name);
    found.map_or("", |(_, value)| value)
}

const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// What was not rejected is looked at three times, with pauses that double.
const LONGEST_CLOSING: Duration = Duration::from_mins(1);
