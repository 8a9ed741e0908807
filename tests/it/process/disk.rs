//! A disk that is full: the bound that the operating system puts on the size of a file stands for it. A disk
//! that hangs: a pipe that nobody reads stands for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use sandbox::{Fault, Target};
use serde_json::Value;

use super::{
    acknowledged, kinds,
    site::{Answer, Site, private},
    transfers,
};
use crate::harness::{
    TRANSFER,
    journal::{Journal, segments},
    process::within,
    served::{ask, until},
};

#[tokio::test]
async fn refuses_when_the_disk_is_full_and_heals() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let [first, second, third] = transfers(&site, "00f0", 3).try_into().unwrap();
    assert_eq!(gateway.reject(&first).await.status, 200);
    let seen = site.sandbox.seen().len();

    // Less than a record, so that a fresh file cannot take one either.
    gateway.process.bound_file_size("100");
    let mut refused = Vec::new();
    for _ in 0..20 {
        refused.push(gateway.reject(&second).await);
        assert_eq!(ask(gateway.admin, "/readyz").await.0, 503);
    }
    let seen_while_full = site.sandbox.seen().len();
    gateway.process.bound_file_size("unlimited");
    within(async || ask(gateway.admin, "/readyz").await.0 == 200).await;
    let healed = [
        gateway.reject(&second).await.status,
        gateway.reject(&third).await.status,
    ];
    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;

    for answer in &refused {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.body["code"], "audit_unavailable");
        assert_eq!(answer.body["forwarded"], "no");
    }
    assert_eq!(seen_while_full, seen, "sent without a record");
    assert_eq!(healed, [200, 200]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    are_summed_up(&refused, &site.journal());
    let again = site.start().await;
    assert_eq!(again.reject(TRANSFER).await.status, 200);
    assert_eq!(site.journal().of_kind("outcome").len(), 4);
}

#[tokio::test]
async fn a_check_ends_though_the_disk_of_a_refresh_token_hangs() {
    let site = Site::new().await;
    let store = site.path("refresh-token");
    private(&store, "a-refresh-token");
    let lock = site.path("refresh-token.lock");
    let made = Command::new("mkfifo").arg(&lock).status().unwrap();
    assert!(made.success());
    let user = format!(
        "flow: app_user\n    refresh_token: {{file: {}}}\n    credential:",
        store.display()
    );
    site.edit("credential:", &user);

    let ended = site.spawn_with("check", &["--online"]).ended().await;

    assert_eq!(ended.code, Some(1), "{ended:?}");
    let told = "account contoso: no token can be had now: using the kept refresh token";
    assert!(ended.stdout.contains(told), "{ended:?}");
}

#[tokio::test]
async fn goes_on_behind_a_record_that_a_full_disk_cut_short() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let segment = segments(&site.path("audit")).remove(0);
    let length = || fs::metadata(&segment).unwrap().len();
    let whole = length();

    // Room for the beginning of a record, whether in this segment or in a fresh one.
    let bound = whole + 100;
    gateway.process.bound_file_size(&bound.to_string());
    let refused = gateway.reject(TRANSFER).await;
    let sent = site.sandbox.seen().len();
    gateway.process.bound_file_size("unlimited");
    let healed = gateway.reject(TRANSFER).await;
    drop(gateway);
    let again = site.start().await;
    let repeated = again.reject(TRANSFER).await;

    assert_eq!((refused.status, sent), (503, 0), "{refused:?}");
    assert_eq!((healed.status, repeated.status), (200, 400));
    assert_eq!(length(), bound, "no record was cut short");
    let journal = acknowledged(&site);
    are_summed_up(&[refused], &journal);
    let first_run = ["started", "summary", "intent", "outcome"];
    let second_run = ["started", "intent", "outcome"];
    assert_eq!(kinds(&journal), [&first_run[..], &second_run].concat());
}

#[tokio::test]
async fn tells_what_happened_when_the_outcome_cannot_be_written() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let slow = Fault::Delay { ms: 300 };
    site.sandbox.push_fault(Target::PartnerCenter, slow);

    let filling = async {
        until(|| !site.sandbox.seen().is_empty()).await;
        gateway.process.bound_file_size("100");
    };
    let (answer, ()) = tokio::join!(gateway.reject(TRANSFER), filling);
    gateway.process.bound_file_size("unlimited");
    within(async || ask(gateway.admin, "/readyz").await.0 == 200).await;
    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;

    assert_eq!(
        (answer.status, ended.code),
        (502, Some(0)),
        "{answer:?} {ended:?}"
    );
    assert_eq!(answer.body["code"], "audit_incomplete");
    assert_eq!(answer.body["forwarded"], "yes");
    let journal = site.journal();
    let (intents, outcomes) = (journal.of_kind("intent"), journal.of_kind("outcome"));
    let ([intent], [outcome]) = (&intents[..], &outcomes[..]) else {
        panic!("{intents:?} {outcomes:?}")
    };
    assert_eq!(intent["call"], outcome["call"]);
    for (key, told) in [
        ("status", Value::from(502)),
        ("code", "audit_incomplete".into()),
        ("outcome", "failed".into()),
        ("forwarded", "yes".into()),
        ("transfer_status", "Reject".into()),
    ] {
        assert_eq!(outcome[key], told, "{key}");
    }
    assert_eq!(outcome["attempts"][0]["status"], 200);
    are_summed_up(&[answer], &journal);
    let again = site.start().await;
    within(async || again.process.stderr().contains("ready to forward")).await;
    assert_eq!(site.journal().of_kind("outcome").len(), 1, "closed twice");
}

#[tokio::test]
async fn keeps_count_of_a_flood_while_the_disk_is_full() {
    let site = Site::new().await;
    site.edit("/audit}", "/audit, unauthenticated_rate: 5}");
    let gateway = site.start().await;

    gateway.process.bound_file_size("100");
    let mut flood = Vec::new();
    for _ in 0..50 {
        flood.push(gateway.call(TRANSFER, "wrong").await.expect("an answer"));
    }
    gateway.process.bound_file_size("unlimited");
    within(async || ask(gateway.admin, "/readyz").await.0 == 200).await;
    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;

    assert_eq!(ended.code, Some(0), "{ended:?}");
    let statuses: BTreeSet<u16> = flood.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, BTreeSet::from([401, 503]));
    let journal = site.journal();
    assert_eq!(journal.of_kind("outcome").len(), 0);
    are_summed_up(&flood, &journal);
}

/// Checks that summary records stand for all of these answers, each for those that name it.
fn are_summed_up(answers: &[Answer], journal: &Journal) {
    let mut naming = BTreeMap::new();
    for answer in answers {
        let code = answer.body["code"].as_str().expect("code").to_owned();
        *naming.entry((answer.audit_id.clone(), code)).or_insert(0) += 1;
    }
    assert_eq!(journal.summed_up(), naming);
}
