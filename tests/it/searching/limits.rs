//! What `GET /audit/records` does not do: search without bounds, tell what is not on the disk, or tell
//! anything of which it cannot write.

use std::{
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
    pin::pin,
    process::Command,
    time::Duration,
};

use futures_util::{future::join, poll};
use partner_gateway::{audit::Durability, authorization::Rate};
use serde_json::json;

use super::asking::{ask, auditors, is_refused};
use crate::harness::{TRANSFER, World, journal::segments};

#[tokio::test(start_paused = true)]
async fn runs_two_searches_at_once_and_gives_up_one_that_hangs() {
    let world = World::with(auditors).await;
    world.reject().send().await;
    let pipe = Pipe::at(&world.dir.path().join("journal-00000000000000000002.jsonl"));
    let mut hanging = pin!(join(ask(&world, ""), ask(&world, "")));
    assert!(poll!(hanging.as_mut()).is_pending());

    let third = ask(&world, "").await;
    tokio::time::advance(Duration::from_millis(29_999)).await;
    let fourth = ask(&world, "").await;
    assert!(poll!(hanging.as_mut()).is_pending());
    tokio::time::advance(Duration::from_millis(1)).await;
    let (first, second) = hanging.await;
    let fifth = ask(&world, "").await;
    drop(pipe);

    for given_up in [first, second] {
        is_refused(&given_up, &world, 503, "audit_unavailable");
    }
    // Their threads still hang.
    for one_too_many in [third, fourth, fifth] {
        is_refused(&one_too_many, &world, 503, "overloaded");
        assert_eq!(one_too_many.header("retry-after"), "1");
    }
}

#[tokio::test(start_paused = true)]
async fn gives_nothing_where_the_search_itself_cannot_be_recorded() {
    let world = World::with(auditors).await;
    let call = world.reject().send().await;
    let path = segments(world.dir.path()).pop().unwrap();
    let copy = path.with_extension("copy");
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();

    let unrecorded = ask(&world, "").await;
    let recorded = ask(&world, "").await;

    let problem = unrecorded.json();
    assert_eq!(unrecorded.status, 503);
    assert_eq!(problem["code"], "audit_unavailable");
    assert_eq!(problem["title"], "The audit journal cannot be used");
    assert_eq!(
        problem["detail"],
        "What cannot be written down is not done; nothing was sent."
    );
    assert_eq!(problem.get("records"), None);
    assert_eq!(recorded.status, 200);
    let found = recorded.json()["records"].clone();
    assert_eq!(found[0], call.record, "and nothing of the other search");
}

#[tokio::test(start_paused = true)]
async fn says_that_the_journal_cannot_be_read() {
    let world = World::with(auditors).await;
    assert_eq!(ask(&world, "").await.status, 200);
    fs::write(world.dir.path().join("journal.id"), "no GUID").unwrap();

    let unreadable = ask(&world, "").await;

    is_refused(&unreadable, &world, 503, "audit_unavailable");
    let problem = unreadable.json();
    assert_eq!(problem["title"], "The audit journal cannot be used");
    assert_eq!(
        problem["detail"],
        "The journal could not be read, or not in time; nothing was sent."
    );
    assert_eq!(unreadable.header("retry-after"), "5");
}

#[tokio::test(start_paused = true)]
async fn holds_readers_to_the_rate_of_their_rule() {
    let world = World::with(|config| {
        auditors(config);
        let one = NonZeroU32::MIN;
        let rule = config.authorization.rules.last_mut().unwrap();
        rule.rate = Some(Rate {
            per_second: one,
            burst: one,
        });
    })
    .await;

    let first = ask(&world, "").await;
    let second = ask(&world, "").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let third = ask(&world, "").await;

    is_refused(&second, &world, 429, "rate_limited");
    assert_eq!(second.header("retry-after"), "1");
    assert_eq!(second.record(&world)["rule"], json!("auditors"));
    assert_eq!((first.status, third.status), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn tells_only_what_is_on_the_disk() {
    let world = World::with(|config| {
        auditors(config);
        let flush_interval = Duration::from_mins(1);
        config.audit.durability = Durability::Relaxed { flush_interval };
    })
    .await;
    world.gateway.journal().settle().await.unwrap();
    let before = world.journal().records().len();
    let call = world.reject().send().await;

    let too_early = ask(&world, "").await.json();
    world.gateway.journal().settle().await.unwrap();
    let in_time = ask(&world, &format!("?transfer={TRANSFER}")).await.json();

    assert_eq!(too_early["records"].as_array().unwrap().len(), before);
    assert_eq!(in_time["records"][0], call.record);
}

/// A file that nobody can open but with somebody at its other end.
struct Pipe(PathBuf);

impl Pipe {
    fn at(path: &Path) -> Self {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
        Self(path.to_owned())
    }
}

impl Drop for Pipe {
    /// Whoever waits for its other end goes on, and nobody comes to wait any more.
    fn drop(&mut self) {
        let both_ends = fs::File::options().read(true).write(true).open(&self.0);
        drop(fs::remove_file(&self.0));
        drop(both_ends);
    }
}
