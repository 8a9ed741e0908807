//! A disk that calls fill up, and that is freed again and again.

use std::{fs, path::PathBuf, time::Duration};

use futures_util::future::join_all;
use sandbox::{Fault, Target, Turn};

use crate::{
    checks::all_holds_in_the_end,
    errors::told_truly,
    process::asking_every,
    setting::setting,
    shim::Shim,
    site::{Answer, Gateway, Site},
};

#[tokio::test]
async fn refuses_what_has_no_room_and_finishes_what_has_begun() {
    for _ in 0..setting("CRASH_FILLS", CYCLES).div_ceil(CYCLES) {
        fill_and_free().await;
    }
}

/// Fills a small disk and frees it again, so often that the journal itself does not fill it.
async fn fill_and_free() {
    let mut site = Site::with(", checkpoint_interval: 1h").await;
    let dir = site.audit.display().to_string();
    let mounts = format!("mount -t tmpfs -o size=1m,mode=700 tmpfs '{dir}'");
    let mounted = site.start_mounting(&mounts).await;
    let (gateway, room) = match mounted {
        Some(gateway) => {
            // The mount is the program's alone.
            site.audit = PathBuf::from(format!("/proc/{}/root{dir}", gateway.process.id()));
            let room = Room::Small(site.audit.join("ballast"));
            (gateway, room)
        }
        None => (site.start().await, Room::Pretended),
    };
    let mut answers = Vec::new();

    for cycle in 0..usize::try_from(CYCLES).expect("a number") {
        room.leave_little(&site.shim);
        fill(&site, &gateway, cycle, &mut answers).await;
        fill_up(&site, &gateway, cycle, &mut answers).await;
        let is_ready = gateway.is_ready().await;
        room.free(&site.shim);
        asking_every(LOOKS_EVERY, LONGEST_HEALING, async || {
            gateway.is_ready().await
        })
        .await;
        let healed = gateway
            .reject(&site.transfer(cycle, usize::MAX >> 16))
            .await
            .expect("an answer");

        assert!(!is_ready, "ready on a full disk in cycle {cycle}");
        assert_eq!(healed.status, 200, "{healed:?}");
        answers.push(healed);
    }

    let incomplete = answers.iter().filter(|answer| answer.status == 502).count();
    assert_eq!(incomplete, 0, "an outcome had no room");
    let recorded = told_truly(&site, &answers);
    all_holds_in_the_end(&site, &recorded).await;
}

/// Makes calls until each caller is refused. Each has something under way at Partner Center while the disk fills.
async fn fill(site: &Site, gateway: &Gateway, cycle: usize, answers: &mut Vec<Answer>) {
    let slow = Turn::of(Fault::Delay { ms: 30 }).times(8);
    site.sandbox.push_turn(Target::PartnerCenter, slow);
    let calling = (0..CALLERS).map(async |caller| {
        let mut answers = Vec::new();
        for number in 0..MOST_CALLS {
            let transfer = site.transfer(cycle, caller * MOST_CALLS + number);
            let answer = gateway.reject(&transfer).await.expect("an answer");
            let is_refused = answer.status == 503;
            answers.push(answer);
            if is_refused {
                break;
            }
        }
        answers
    });
    let answered = join_all(calling).await.concat();
    site.sandbox.forget_turns(Target::PartnerCenter);
    let refused = |answer: &&Answer| answer.status == 503;
    let refused = answered.iter().filter(refused).count();
    assert_eq!(refused, CALLERS, "there was too much room in cycle {cycle}");
    answers.extend(answered);
}

/// Makes calls one after the other until there is no room for any: those that were refused together may have left
/// room for one of them.
async fn fill_up(site: &Site, gateway: &Gateway, cycle: usize, answers: &mut Vec<Answer>) {
    for number in CALLERS * MOST_CALLS.. {
        let transfer = site.transfer(cycle, number);
        let answer = gateway.reject(&transfer).await.expect("an answer");
        let is_refused = answer.status == 503;
        answers.push(answer);
        if is_refused {
            return;
        }
    }
}

/// What takes the room away.
enum Room {
    /// A small file system, and a file on it.
    Small(PathBuf),
    /// The shim, where nobody may have mounts of their own.
    Pretended,
}

impl Room {
    fn leave_little(&self, shim: &Shim) {
        match self {
            Self::Small(ballast) => {
                fs::write(ballast, vec![0; 1 << 20]).expect_err("a file system of 1 MiB");
                let held = fs::metadata(ballast).expect("ballast").len();
                let file = fs::OpenOptions::new().write(true).open(ballast);
                file.expect("ballast").set_len(held - LITTLE).expect("room");
            }
            // Room that was had before is there to be written; only more of it cannot be had.
            Self::Pretended => shim.fail("allocate * * errno=28"),
        }
    }

    fn free(&self, shim: &Shim) {
        match self {
            Self::Small(ballast) => fs::remove_file(ballast).expect("freed"),
            Self::Pretended => shim.heal(),
        }
    }
}

/// Each leaves a little more on 1 MiB.
const CYCLES: u64 = 10;

const CALLERS: usize = 8;

/// In bytes: a multiple of the kernel's pages, and room for a few calls of each caller.
const LITTLE: u64 = 64 << 10;

/// Far more than have room.
const MOST_CALLS: usize = 100;

const LOOKS_EVERY: Duration = Duration::from_millis(20);

const LONGEST_HEALING: Duration = Duration::from_secs(5);
