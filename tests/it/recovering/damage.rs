//! Damage that no crash can have done: the start is refused and names the first bad record.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
};

use partner_gateway::audit::{
    chain::Break, low_water, recovery::OpenError, verify::findings::Fault,
};

use super::{Real, directory, opened, refusal, refused_at, whole_lines};
use crate::{
    harness::setting::setting,
    verifying::made::{JOURNAL, Made, RECORDS, Signer, record, segment},
};

#[tokio::test(start_paused = true)]
async fn finds_any_bit_that_was_flipped() {
    let records = setting("TAMPER_RECORDS", 250);
    let real = long(
        &Real::of_three_runs().await,
        usize::try_from(records).unwrap(),
    );
    let dir = directory();
    let path = real.put(dir.path(), &real.bytes);
    let lines = real.lines();
    low_water::keep(dir.path(), lines.last().unwrap()).unwrap();
    assert_eq!(opened(dir.path()).unwrap().head.seq(), records);
    let ends: Vec<usize> = lines
        .iter()
        .scan(0, |end, line| {
            *end += line.len();
            Some(*end)
        })
        .collect();
    let file = File::options().write(true).open(&path).unwrap();
    let mut random = fastrand::Rng::with_seed(setting("TAMPER_SEED", 0) + 7);

    for _ in 0..setting("TAMPER_ROUNDS", 2000) {
        let (at, bit) = (random.usize(..real.bytes.len()), random.u32(..8));
        let flipped = real.bytes[at] ^ (1 << bit);
        file.write_all_at(&[flipped], u64::try_from(at).unwrap())
            .unwrap();

        let error = opened(dir.path()).expect_err("refused");

        let OpenError::Damaged { source, .. } = error else {
            panic!("{error}")
        };
        let line = ends.partition_point(|end| *end <= at);
        let expected = u64::try_from(line).unwrap() + 1;
        assert_eq!(source.seq(), expected, "byte {at}, bit {bit}: {source}");
        file.write_all_at(&real.bytes[at..=at], u64::try_from(at).unwrap())
            .unwrap();
    }
    assert_eq!(opened(dir.path()).unwrap().head.seq(), records);
}

#[tokio::test(start_paused = true)]
async fn takes_a_line_end_that_was_changed_for_no_torn_tail() {
    let real = Real::of_three_runs().await;
    let dir = directory();
    let lines = real.lines();
    let last = lines.last().unwrap().len();
    let mut bytes = real.bytes.clone();
    let end = bytes.len() - last - 1;
    for other in *b"\x0b\x00 x" {
        bytes[end] = other;
        let path = real.put(dir.path(), &bytes);

        let (seq, fault) = refusal(dir.path());

        let expected = u64::try_from(lines.len()).unwrap() - 1;
        assert_eq!(
            (seq, fault),
            (expected, Break::NotARecord { expected }.into())
        );
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn finds_lines_that_are_gone_repeated_moved_or_put_in() {
    let whole = Made::by(&Signer::new());
    for seq in 1..RECORDS {
        let mut gone = whole.clone();
        let (file, index) = gone.place(seq);
        gone.files[file].1.remove(index);
        assert_eq!(refused_at(&gone), seq);

        let mut repeated = whole.clone();
        let copy = whole.line(seq).clone();
        repeated.files[file].1.insert(index, copy.clone());
        let is_void = whole.files.iter().any(|it| it.0 == seq + 1);
        if !is_void {
            assert_eq!(refused_at(&repeated), seq);
        }
        let mut put_in = whole.clone();
        let forged = record(seq, "outcome", "", &whole.hash(seq - 1));
        put_in.files[file].1.insert(index, forged);
        assert_eq!(refused_at(&put_in), seq);

        let mut moved = whole.clone();
        *moved.line_mut(seq) = whole.line(RECORDS).clone();
        *moved.line_mut(RECORDS) = copy;
        assert_eq!(refused_at(&moved), seq);
        let mut swapped = whole.clone();
        *swapped.line_mut(seq) = whole.line(seq + 1).clone();
        *swapped.line_mut(seq + 1) = whole.line(seq).clone();
        assert_eq!(refused_at(&swapped), seq);
    }
}

#[test]
fn finds_segments_that_changed_places_or_names_or_are_gone_or_empty() {
    let whole = Made::by(&Signer::new());
    let swapped = |one: usize, other: usize| {
        let mut made = whole.clone();
        made.files[one].1 = whole.files[other].1.clone();
        made.files[other].1 = whole.files[one].1.clone();
        refused_at(&made)
    };
    let without = |index: usize| {
        let mut made = whole.clone();
        made.files.remove(index);
        made
    };
    let emptied = |index: usize| {
        let mut made = whole.clone();
        made.files[index].1.clear();
        refused_at(&made)
    };
    let renamed = |index: usize, to: u64| {
        let mut made = whole.clone();
        made.files[index].0 = to;
        refused_at(&made)
    };

    assert_eq!([swapped(0, 1), swapped(0, 2), swapped(1, 2)], [1, 1, 13]);
    let (seq, first) = (1, 13);
    let beginning = refusal(without(0).written().path());
    assert_eq!(beginning, (1, Fault::Beginning { seq, first }));
    assert_eq!(refused_at(&without(1)), 13);
    assert_eq!(opened(without(2).written().path()).unwrap().head.seq(), 24);
    assert_eq!([emptied(0), emptied(1)], [1, 13]);
    assert_eq!([renamed(0, 2), renamed(1, 14), renamed(2, 26)], [2, 13, 25]);
}

#[test]
fn goes_on_where_a_segment_holds_nothing_that_counts() {
    let whole = Made::by(&Signer::new());
    let mut empty_at_the_end = whole.clone();
    empty_at_the_end.files.push((RECORDS + 1, Vec::new()));
    let mut failed = whole.clone();
    failed.files[0].1.push(b"{\"v\":1,\"half".to_vec());
    failed.files[1]
        .1
        .push(record(25, "outcome", "", &whole.hash(24)));

    for made in [empty_at_the_end, failed] {
        let dir = made.written();
        let opened = opened(dir.path()).unwrap();

        assert_eq!((opened.head.seq(), opened.recovered), (RECORDS, vec![]));
        assert_eq!(opened.head.checkpoint().to_string(), whole.hash(RECORDS));
    }
    let mut empty = whole.clone();
    empty.files.truncate(1);
    empty.files[0].1.clear();
    assert_eq!(opened(empty.written().path()).unwrap().head.seq(), 0);
}

#[test]
fn goes_on_with_no_record_of_another_journal() {
    let whole = Made::by(&Signer::new());
    let other = JOURNAL.replacen('0', "1", 1);
    for seq in 1..=RECORDS {
        let mut made = whole.clone();
        let text = String::from_utf8(made.line(seq).clone()).unwrap();
        *made.line_mut(seq) = text.replace(JOURNAL, &other).into_bytes();

        let refused = refusal(made.written().path());

        let found = other.clone();
        assert_eq!(refused, (seq, Fault::Foreign { seq, found }));
    }
}

#[test]
fn takes_nothing_for_a_torn_tail_that_a_record_follows() {
    let whole = Made::by(&Signer::new());
    let next = record(RECORDS + 1, "outcome", "", &whole.hash(RECORDS));
    let dir = whole.written();
    let path = segment(dir.path(), 25);
    let sound = fs::read(&path).unwrap();
    let zeros = vec![0; 100 << 10];
    let odd = [&b"{\n"[..], b"\n\n", b"{", &zeros, b"{\"v\":1,"];
    for odd in odd {
        for end in [&b"\n"[..], b"\n{", b"\n\0\0"] {
            fs::write(&path, [&sound, odd, &next, end].concat()).unwrap();

            let expected = RECORDS + 1;
            let refused = refusal(dir.path());
            assert_eq!(refused, (expected, Break::NotARecord { expected }.into()));
        }
    }
}

/// The journal repeated, renumbered and chained anew, with a checkpoint as its last line.
fn long(real: &Real, records: usize) -> Real {
    let mut prev = "0".repeat(64);
    let mut bytes = Vec::new();
    let lines = real.lines();
    for index in 0..records {
        let from_end = (records - 1 - index) % lines.len();
        let line = lines[lines.len() - 1 - from_end];
        let mut record: serde_json::Value = serde_json::from_slice(line).unwrap();
        let (number, before) = (record["seq"].to_string(), record["prev"].take());
        let text = std::str::from_utf8(line).unwrap().trim_end();
        let text = text
            .replacen(
                &format!("\"seq\":{number},"),
                &format!("\"seq\":{},", index + 1),
                1,
            )
            .replace(before.as_str().unwrap(), &prev)
            .replacen(
                &format!("\"upto\":{},", before_of(&number)),
                &format!("\"upto\":{index},"),
                1,
            );
        prev = crate::harness::journal::sha256(&text);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
    }
    assert_eq!(whole_lines(&bytes).len(), records);
    Real {
        id: real.id.clone(),
        name: real.name.clone(),
        bytes,
    }
}

fn before_of(number: &str) -> u64 {
    number.parse::<u64>().unwrap() - 1
}

#[test]
fn names_the_directory_to_look_at_where_there_is_no_segment_left() {
    let mut made = Made::by(&Signer::new());
    let last = made.line(RECORDS).clone();
    made.files.clear();
    let dir = made.written();
    low_water::keep(dir.path(), &last).unwrap();

    let (seq, _) = refusal(dir.path());
    fs::remove_file(dir.path().join("journal.id")).unwrap();
    let nameless = opened(dir.path()).unwrap_err();

    assert_eq!(seq, 1);
    assert!(matches!(nameless, OpenError::Identity { .. }), "{nameless}");
    assert!(!Path::new(&dir.path().join("journal.id")).exists());
}
