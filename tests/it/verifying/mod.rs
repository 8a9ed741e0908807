//! Verifying a journal: what is told of a sound one, and that nothing done to it goes unnoticed.

mod damage;
mod evidence;
mod hands;
pub(crate) mod made;
mod tampering;

use std::fs;

use partner_gateway::audit::{
    chain::Break,
    verify::{
        Evidence, Unreadable,
        findings::{Damage, Fault, Unfinished},
        kept::Kept,
        seals::{Flaw, Signed},
        verify,
    },
};

use self::made::{JOURNAL, Made, RECORDS, Signer, findings, record, segment};

#[test]
fn tells_what_stands_in_a_sound_journal() {
    let signer = Signer::new();
    let made = Made::by(&signer);

    let found = findings(
        made.written().path(),
        Some(&signer),
        &[made.line(12), made.line(36)],
    );

    assert_eq!(found.damage, None);
    assert_eq!(found.journal.to_string(), JOURNAL);
    assert_eq!(
        (found.records, found.segments, found.checkpoints),
        (36, 3, 6)
    );
    assert_eq!(
        (found.unchecked, found.void_bytes, found.unfinished),
        (0, 0, None)
    );
    assert_eq!((found.kept_found, found.kept_before), (2, 0));
    let (upto, checkpoint) = (35, 36);
    assert_eq!(found.signed, Some(Signed { upto, checkpoint }));
    let (first, (last, hash)) = (found.first.unwrap(), found.last.unwrap());
    assert_eq!((first.seq, last.seq), (1, 36));
    assert_eq!(hash.to_string(), made.hash(36));
    let time = humantime::format_rfc3339(first.time.unwrap());
    assert_eq!(time.to_string(), "2026-11-21T10:01:00Z");
    assert!(first.time < last.time);
}

#[test]
fn checks_no_signature_without_a_key_and_none_with_another_key() {
    let signer = Signer::new();
    let stranger = Signer::new();
    let made = Made::by(&signer);

    let without = findings(made.written().path(), None, &[]);
    let other = made.fault(Some(&stranger), &[]);

    assert_eq!(
        (without.damage, without.signed, without.unchecked),
        (None, None, 6)
    );
    let (found, key) = (signer.id(), stranger.id());
    let flaw = Flaw::OtherKey { found, key };
    assert_eq!(other, Some(Fault::Checkpoint { seq: 6, flaw }));
}

#[test]
fn tells_what_is_behind_the_last_record_and_is_none() {
    let signer = Signer::new();
    let made = Made::by(&signer);
    let next = record(37, "outcome", "", &made.hash(36));
    let half = &next[..next.len() / 2];
    let zeros = vec![0; 100 << 10];
    for tail in [half, &next, b"{", b"{}\n", b"\n", b"\0\0\0\n{}\n{", &zeros] {
        let dir = made.written();
        let path = segment(dir.path(), 25);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole, tail].concat()).unwrap();

        let found = findings(dir.path(), Some(&signer), &[]);

        assert_eq!((found.damage, found.records), (None, 36));
        let (offset, bytes) = (whole.len(), tail.len());
        let (offset, bytes) = (offset.try_into().unwrap(), bytes.try_into().unwrap());
        assert_eq!(
            found.unfinished,
            Some(Unfinished {
                path,
                offset,
                bytes
            })
        );
    }
}

#[test]
fn takes_nothing_for_unfinished_that_a_record_follows() {
    let signer = Signer::new();
    let made = Made::by(&signer);
    let next = record(37, "outcome", "", &made.hash(36));
    let dir = made.written();
    let path = segment(dir.path(), 25);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole, &b"{\n{\n"[..], &next, b"\n"].concat()).unwrap();

    let damage = findings(dir.path(), Some(&signer), &[]).damage.unwrap();

    let expected = 37;
    assert_eq!(damage.fault, Break::NotARecord { expected }.into());
    assert_eq!(damage.path, path);
    assert_eq!(damage.offset, u64::try_from(whole.len()).unwrap());
}

#[test]
fn says_where_the_first_bad_record_stands() {
    let signer = Signer::new();
    let mut made = Made::by(&signer);
    let offset: usize = (13..20).map(|seq| made.line(seq).len() + 1).sum();
    made.line_mut(20)[30] ^= 1;
    let dir = made.written();

    let damage = findings(dir.path(), Some(&signer), &[]).damage.unwrap();

    assert_eq!(damage.fault.seq(), 20);
    assert_eq!(damage.path, segment(dir.path(), 13));
    assert_eq!(damage.offset, u64::try_from(offset).unwrap());
}

#[test]
fn passes_over_what_a_later_segment_has_replaced() {
    let signer = Signer::new();
    let mut made = Made::by(&signer);
    let failed = [
        record(13, "outcome", "", &made.hash(12)),
        b"{\"v\":1,".to_vec(),
    ];
    let void: usize = failed.iter().map(|line| line.len() + 1).sum();
    made.files[0].1.extend(failed);

    let found = findings(made.written().path(), Some(&signer), &[]);

    assert_eq!((found.damage, found.records), (None, 36));
    assert_eq!(found.void_bytes, u64::try_from(void).unwrap());
}

#[test]
fn verifies_what_retention_has_left() {
    let signer = Signer::new();
    for second in [13, 15] {
        let mut made = Made::with_segments(&signer, &[1, second]);
        made.tell_pruned(28, second - 1, &made.hash(12), &signer);
        let older = made.line(6).clone();
        made.files.remove(0);

        let found = findings(made.written().path(), Some(&signer), &[&older]);

        assert_eq!(found.damage, None);
        assert_eq!(found.first.unwrap().seq, second);
        assert_eq!(found.unchecked, 0);
        assert_eq!(found.signed.unwrap().upto, 35);
        assert_eq!((found.kept_found, found.kept_before), (0, 1));
    }
}

#[test]
fn checks_the_first_checkpoint_by_what_the_pruned_record_says_was_before_it() {
    let signer = Signer::new();
    let mut made = Made::with_segments(&signer, &[1, 15]);
    made.tell_pruned(28, 14, &made.hash(6), &signer);
    made.files.remove(0);
    let dir = made.written();

    let damage = findings(dir.path(), Some(&signer), &[]).damage.unwrap();
    let without_a_key = findings(dir.path(), None, &[]);

    let (seq, flaw) = (18, Flaw::Signature);
    let offset: usize = (15..18).map(|seq| made.line(seq).len() + 1).sum();
    let expected = Damage {
        fault: Fault::Checkpoint { seq, flaw },
        path: segment(dir.path(), 15),
        offset: u64::try_from(offset).unwrap(),
    };
    assert_eq!(damage, expected);
    assert_eq!(without_a_key.damage, None);
}

#[test]
fn finds_a_journal_that_took_the_place_of_another() {
    let signer = Signer::new();
    let made = Made::by(&signer);
    let other = JOURNAL.replacen('0', "1", 1);
    let kept = String::from_utf8(made.line(12).clone()).unwrap();
    let kept = kept.replace(JOURNAL, &other).into_bytes();

    let fault = made.fault(Some(&signer), &[&kept]);

    let (seq, found) = (12, other);
    assert_eq!(fault, Some(Fault::OtherJournal { seq, found }));
}

#[test]
fn finds_that_all_of_a_journal_is_gone_only_by_what_was_kept() {
    let signer = Signer::new();
    let mut made = Made::by(&signer);
    let kept = made.line(RECORDS).clone();
    made.files.clear();
    let dir = made.written();
    let evidence = Evidence {
        keys: &[],
        kept: &Kept::default(),
    };

    let unknown = verify(dir.path(), evidence, &mut |_| {});
    let fault = made.fault(None, &[&kept]);

    assert!(
        matches!(unknown, Err(Unreadable::Empty { .. })),
        "{unknown:?}"
    );
    assert_eq!(
        fault,
        Some(Fault::Truncated {
            seq: 1,
            kept: RECORDS
        })
    );
}
