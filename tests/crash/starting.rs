//! A start that mends what a crash has left, and is killed itself, again and again.

use std::{fs::OpenOptions, io::Write as _};

use futures_util::future::join_all;
use sandbox::{Fault, Target, Turn};

use crate::{
    checks::all_holds_in_the_end,
    journal::{segments, sha256},
    power::{Cut, Disk},
    process::within,
    setting::setting,
    site::{Answer, Site},
};

#[tokio::test]
async fn mends_once_however_often_it_is_killed_while_it_mends() {
    let site = Site::with(", checkpoint_interval: 1h").await;
    let mut disk = Disk::holding(&site.audit);
    let answers = leave_open_calls(&site).await;
    let torn = tear(&site);
    disk.follow(&site.shim);
    disk.settle(&site.audit);

    let every = usize::try_from(setting("CRASH_STARTS", 5)).expect("a number");
    let mut kills = 0;
    for call in (1..).step_by(every) {
        let mut was_killed = true;
        for turn in 0..IN_A_ROW {
            site.shim.fail(&format!("* * {call}-{call} kill-after"));
            was_killed = start_and_close(&site).await;
            disk.follow(&site.shim);
            if turn == 1 {
                disk.lose_power(&site.audit, &site.shim.kept(), Cut::Worst);
            }
            kills += usize::from(was_killed);
        }
        if !was_killed {
            break;
        }
    }
    site.shim.heal();
    let _gateway = site.start().await;

    println!("{kills} kills, at every {every}. call");
    assert!(kills * every >= FEWEST, "{kills} kills");
    let held = all_holds_in_the_end(&site, &answers).await;
    assert_eq!(held.closed_late, OPEN);
    let recovered = site.journal().of_kind("recovered").into_iter();
    let of_the_tail = recovered.filter(|it| it["cut"]["sha256"] == *torn);
    assert_eq!(of_the_tail.count(), 1, "told of the torn tail");
}

/// Makes a call, and kills the program while others are at Partner Center.
async fn leave_open_calls(site: &Site) -> Vec<Answer> {
    let gateway = site.start().await;
    let transfer = site.transfer(0, 0);
    let answer = gateway.reject(&transfer).await.expect("an answer");
    let slow = Turn::of(Fault::Delay { ms: 20_000 });
    let slow = slow.times(u64::try_from(OPEN).expect("a number"));
    site.sandbox.push_turn(Target::PartnerCenter, slow);
    let transfers: Vec<_> = (1..=OPEN).map(|number| site.transfer(0, number)).collect();
    let calls = transfers.iter().map(|transfer| gateway.reject(transfer));
    let killing = async {
        within(async || site.patches().len() == OPEN + 1).await;
        gateway.process.signal("KILL");
    };
    let (cut_off, ()) = tokio::join!(join_all(calls), killing);
    assert!(cut_off.iter().all(Result::is_err), "{cut_off:?}");
    gateway.kill().await;
    site.sandbox.forget_turns(Target::PartnerCenter);
    vec![answer]
}

/// Leaves half a record at the end, and returns its hash.
fn tear(site: &Site) -> String {
    let half = r#"{"v":1,"journal":"#;
    let last = segments(&site.audit).pop().expect("a segment");
    let file = OpenOptions::new().append(true).open(last);
    let written = file.expect("segment").write_all(half.as_bytes());
    written.expect("written");
    sha256(half)
}

/// Starts the program, has it close what is open where it comes so far, and ends it; says whether it was killed.
async fn start_and_close(site: &Site) -> bool {
    let Some(mut gateway) = site.try_start().await else {
        return true;
    };
    within(async || gateway.process.has_ended() || gateway.is_ready().await).await;
    gateway.stop().await.code.is_none()
}

/// Calls that a kill cuts off.
const OPEN: usize = 3;

/// Kills at the same call, one after the other.
const IN_A_ROW: usize = 3;

/// A write and a sync at least for the tail, for the first record, and for what tells of the tail.
const FEWEST: usize = 6 * IN_A_ROW;
