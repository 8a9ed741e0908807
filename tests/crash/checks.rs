//! What must hold whatever happened: answers, requests at Partner Center and the journal tell of the same calls.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt as _,
    time::Duration,
};

use sandbox::Seen;
use serde_json::Value;

use crate::{
    CUSTOMER,
    canary::assert_untold,
    journal::{Journal, segments},
    power::files,
    process::asking_every,
    shim::{Event, since_the_start},
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
    if site.tells_the_order() {
        every_intent_was_durable_before_its_patch(site);
    }
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

/// What Partner Center was asked to do was on the disk before the first byte of it came there. The intents are those of
/// the segments as they are now, whatever runs of the program wrote them.
fn every_intent_was_durable_before_its_patch(site: &Site) {
    // Before the events, which tell of all that was done before any of these came.
    let patches = site.patches();
    let (intents, syncs) = (intents(site), syncs(&site.shim.events()));
    for patch in &patches {
        let Place { inode, end } = intents[header(patch, "ms-requestid")];
        let syncs = syncs.get(&inode).map_or(&[][..], Vec::as_slice);
        let first = syncs.partition_point(|(_, bytes)| *bytes < end);
        let Some((durable, _)) = syncs.get(first) else {
            panic!("the intent is not on the disk: {patch:?}");
        };
        let came = since_the_start(patch.at);
        assert!(
            *durable <= came,
            "the intent was on the disk {:?} later: {patch:?}",
            durable.saturating_sub(came)
        );
    }
}

/// A line of a segment.
#[derive(Clone, Copy)]
struct Place {
    inode: u64,
    /// The place of the byte behind it.
    end: u64,
}

/// Where the intents are, by each `MS-RequestId` that they announce.
fn intents(site: &Site) -> HashMap<String, Place> {
    let mut intents = HashMap::new();
    for segment in segments(&site.audit) {
        let inode = fs::metadata(&segment).expect("segment").ino();
        let text = fs::read(segment).expect("segment");
        let mut end = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            end += u64::try_from(line.len()).expect("length");
            // What was cut short is nothing, and void lines count no more than the later ones of the same call.
            let record: Value = serde_json::from_slice(line).unwrap_or_default();
            for id in record["request_ids"].as_array().into_iter().flatten() {
                let id = id.as_str().expect("ID").to_owned();
                intents.insert(id, Place { inode, end });
            }
        }
    }
    intents
}

/// When so many bytes of each file were made durable that are there still: moments and lengths, both of which rise.
fn syncs(events: &[Event]) -> HashMap<u64, Vec<(Duration, u64)>> {
    let mut syncs: HashMap<_, Vec<(Duration, u64)>> = HashMap::new();
    for event in events.iter().filter(|it| it.is_done && it.errno == 0) {
        let known = syncs.entry(event.inode).or_default();
        let last = known.last().map_or(0, |(_, bytes)| *bytes);
        match &*event.call {
            // A new file may have the number of one that is gone.
            "create" => known.clear(),
            "truncate" => {
                for (_, bytes) in known {
                    *bytes = event.bytes.min(*bytes);
                }
            }
            "sync" if event.bytes > last => known.push((event.at, event.bytes)),
            _ => {}
        }
    }
    syncs
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
