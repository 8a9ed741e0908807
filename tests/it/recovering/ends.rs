//! How far a journal must reach: the last checkpoint that was kept, and what sinks have acknowledged.

use std::{fs, path::Path, time::SystemTime};

use partner_gateway::audit::{
    chain::LineHash,
    cursor::Cursor,
    low_water::{self, Unfit},
    recovery::OpenError,
    verify::findings::Fault,
};

use super::{opened, refusal};
use crate::verifying::made::{JOURNAL, Made, RECORDS, Signer, record, segment};

#[test]
fn refuses_a_journal_that_ends_before_the_checkpoint_that_was_kept() {
    let whole = Made::by(&Signer::new());
    for last in 24..=RECORDS {
        let made = cut_after(&whole, last);
        let dir = made.written();
        low_water::keep(dir.path(), whole.line(30)).unwrap();

        if last < 30 {
            let (seq, vouched) = (last + 1, 30);
            let by = dir.path().join("checkpoint.json");
            assert_eq!(
                refusal(dir.path()),
                (seq, Fault::Short { seq, vouched, by })
            );
        } else {
            assert_eq!(opened(dir.path()).unwrap().head.seq(), last);
        }
    }
}

#[test]
fn refuses_a_journal_that_ends_before_what_a_sink_has() {
    let whole = Made::by(&Signer::new());
    let dir = whole.written();
    low_water::keep(dir.path(), whole.line(30)).unwrap();
    acknowledge(dir.path(), "stdout", 7, whole.line(7));
    acknowledge(dir.path(), "otlp", RECORDS, whole.line(RECORDS));
    assert_eq!(opened(dir.path()).unwrap().head.seq(), RECORDS);

    acknowledge(dir.path(), "nats", RECORDS + 4, b"more");

    let (seq, vouched) = (RECORDS + 1, RECORDS + 4);
    let by = dir.path().join("cursors/nats.json");
    assert_eq!(
        refusal(dir.path()),
        (seq, Fault::Short { seq, vouched, by })
    );
}

#[test]
fn refuses_a_journal_with_another_line_than_is_vouched_for() {
    let signer = Signer::new();
    let whole = Made::by(&signer);
    let mut rewritten = whole.clone();
    *rewritten.line_mut(20) = record(20, "summary", "", &whole.hash(19));
    rewritten.rechain_after(20, &signer, &signer.id());

    let kept = rewritten.written();
    low_water::keep(kept.path(), whole.line(30)).unwrap();
    let had = rewritten.written();
    acknowledge(had.path(), "nats", 22, whole.line(22));
    let had_before = rewritten.written();
    acknowledge(had_before.path(), "nats", 19, whole.line(19));

    let by = kept.path().join("checkpoint.json");
    assert_eq!(refusal(kept.path()), (30, Fault::Denied { seq: 30, by }));
    let by = had.path().join("cursors/nats.json");
    assert_eq!(refusal(had.path()), (22, Fault::Denied { seq: 22, by }));
    assert_eq!(opened(had_before.path()).unwrap().head.seq(), RECORDS);
}

#[test]
fn tells_which_records_were_known_to_be_on_the_disk() {
    let whole = Made::by(&Signer::new());
    let dir = whole.written();
    low_water::keep(dir.path(), whole.line(30)).unwrap();
    let last = segment(dir.path(), 25);
    let sound = fs::read(&last).unwrap();
    fs::write(&last, [&sound, &b"torn"[..]].concat()).unwrap();

    let recovered = opened(dir.path()).unwrap().recovered;

    let [recovered] = &recovered[..] else {
        panic!("{recovered:?}")
    };
    assert_eq!((recovered.low_water, recovered.cut.bytes), (Some(30), 4));
}

#[test]
fn does_not_guess_where_what_vouches_cannot_be_read() {
    let whole = Made::by(&Signer::new());
    let other = JOURNAL.replacen('0', "1", 1);
    let foreign = String::from_utf8(whole.line(30).clone()).unwrap();
    let foreign = foreign.replace(JOURNAL, &other) + "\n";
    let odd = whole.written();
    fs::write(odd.path().join("checkpoint.json"), "{}").unwrap();
    let strange = whole.written();
    fs::write(strange.path().join("checkpoint.json"), foreign).unwrap();
    let unread = whole.written();
    fs::write(unread.path().join("cursors"), "").unwrap();

    let refused = [&odd, &strange, &unread].map(|dir| match opened(dir.path()) {
        Err(OpenError::LowWater(unfit)) => unfit,
        other => panic!("{other:?}"),
    });

    let [
        Unfit::Odd { .. },
        Unfit::Foreign { found, .. },
        Unfit::Io { .. },
    ] = &refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(*found, other);
}

/// The first segments up to a record of the last one.
fn cut_after(whole: &Made, last: u64) -> Made {
    let mut made = whole.clone();
    let left = usize::try_from(last - 24).unwrap();
    made.files[2].1.truncate(left);
    made
}

fn acknowledge(dir: &Path, sink: &str, seq: u64, line: &[u8]) {
    let cursor = Cursor::at(seq, LineHash::of(line), SystemTime::UNIX_EPOCH);
    cursor.write(dir, sink).unwrap();
}
