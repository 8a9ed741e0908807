//! Damage of every kind, at every place of a journal, and the first bad record that is told.

use std::fs;

use partner_gateway::audit::verify::{findings::Fault, seals::Flaw};
use proptest::prelude::*;

use super::made::{INTERVAL, JOURNAL, Made, RECORDS, Signer, findings, record, segment};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn finds_any_byte_of_any_record_that_was_changed(
        seq in 1..=RECORDS,
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let signer = Signer::new();
        let mut made = Made::by(&signer);
        let kept = made.line(RECORDS).clone();
        let place = place.index(made.line(seq).len());
        prop_assume!(made.line(seq)[place] != byte);
        made.line_mut(seq)[place] = byte;

        let fault = made.fault(Some(&signer), &[&kept]);

        prop_assert_eq!(fault.as_ref().map(Fault::seq), Some(seq), "{:?}", fault);
    }

    #[test]
    fn finds_an_end_that_was_cut_off_at_any_byte(part in any::<prop::sample::Index>()) {
        let signer = Signer::new();
        let made = Made::by(&signer);
        let kept = made.line(RECORDS).clone();
        let dir = made.written();
        let last = segment(dir.path(), 25);
        let whole = fs::read(&last).unwrap();
        let end = part.index(whole.len());
        fs::write(&last, &whole[..end]).unwrap();
        let lines = whole[..end].split(|byte| *byte == b'\n').count() - 1;
        let missing = 25 + u64::try_from(lines).unwrap();

        let unnoticed = findings(dir.path(), Some(&signer), &[]);
        let noticed = findings(dir.path(), Some(&signer), &[&kept]);

        prop_assert_eq!(unnoticed.damage, None);
        prop_assert_eq!(unnoticed.last.unwrap().0.seq, missing - 1);
        let expected = Fault::Truncated { seq: missing, kept: RECORDS };
        prop_assert_eq!(noticed.damage.map(|damage| damage.fault), Some(expected));
    }
}

#[test]
fn finds_a_record_that_is_missing() {
    let (signer, whole) = whole();
    for seq in 1..RECORDS {
        let mut made = whole.clone();
        let (file, index) = made.place(seq);
        made.files[file].1.remove(index);

        assert_eq!(first_bad(&made, &signer), Some(seq));
    }
}

#[test]
fn finds_a_record_that_was_put_in() {
    let (signer, whole) = whole();
    for seq in 1..=RECORDS {
        // What repeats the last line of a segment is void, and the journal as it was.
        let is_void = |copied: u64| copied == seq && whole.files.iter().any(|it| it.0 == seq + 1);
        for copied in (1..=RECORDS).filter(|copied| !is_void(*copied)) {
            let mut made = whole.clone();
            let (file, index) = made.place(seq);
            made.files[file].1.insert(index, whole.line(copied).clone());

            let expected = if copied + 1 == seq { copied } else { seq };
            assert_eq!(
                first_bad(&made, &signer),
                Some(expected),
                "{copied} before {seq}"
            );
        }
        let mut made = whole.clone();
        let (file, index) = made.place(seq);
        let mut unchained = whole.clone();
        let forged = record(seq, "outcome", "", &whole.hash(seq - 1));
        made.files[file].1.insert(index, forged);
        let forged = record(seq, "outcome", "", &whole.hash(seq));
        unchained.files[file].1.insert(index, forged);

        let found = [made, unchained].map(|it| first_bad(&it, &signer));
        assert_eq!(found, [Some(seq); 2]);
    }
}

#[test]
fn finds_records_that_changed_places() {
    let (signer, whole) = whole();
    for one in 1..RECORDS {
        for other in one + 1..=RECORDS {
            let mut made = whole.clone();
            *made.line_mut(one) = whole.line(other).clone();
            *made.line_mut(other) = whole.line(one).clone();

            assert_eq!(first_bad(&made, &signer), Some(one), "{one} and {other}");
        }
    }
}

#[test]
fn finds_lines_that_were_joined() {
    let (signer, whole) = whole();
    let kept = whole.line(RECORDS);
    for seq in (1..RECORDS).filter(|seq| seq % 12 != 0) {
        let mut made = whole.clone();
        let (file, index) = made.place(seq);
        let next = made.files[file].1.remove(index + 1);
        made.files[file].1[index].extend(next);

        let fault = made.fault(Some(&signer), &[kept]);
        assert_eq!(fault.map(|fault| fault.seq()), Some(seq));
    }
}

#[test]
fn finds_segments_that_changed_places_names_or_are_gone() {
    let (signer, whole) = whole();
    let swapped = |one: usize, other: usize| {
        let mut made = whole.clone();
        made.files[one].1 = whole.files[other].1.clone();
        made.files[other].1 = whole.files[one].1.clone();
        first_bad(&made, &signer)
    };
    let mut gone = whole.clone();
    gone.files.remove(1);
    let mut renamed = whole.clone();
    renamed.files[1].0 = 14;
    let mut emptied = whole.clone();
    emptied.files[0].1.clear();

    assert_eq!(
        [swapped(0, 1), swapped(0, 2), swapped(1, 2)],
        [Some(1), Some(1), Some(13)]
    );
    assert_eq!(
        [gone, renamed].map(|it| first_bad(&it, &signer)),
        [Some(13); 2]
    );
    assert_eq!(first_bad(&emptied, &signer), Some(1));
}

#[test]
fn finds_a_record_of_another_journal() {
    let (signer, whole) = whole();
    for seq in 1..=RECORDS {
        let mut made = whole.clone();
        let text = String::from_utf8(made.line(seq).clone()).unwrap();
        let other = JOURNAL.replacen('0', "1", 1);
        *made.line_mut(seq) = text.replace(JOURNAL, &other).into_bytes();

        let expected = Fault::Foreign { seq, found: other };
        assert_eq!(made.fault(Some(&signer), &[]), Some(expected));
    }
}

#[test]
fn finds_a_rewritten_journal_by_its_next_checkpoint() {
    let (signer, whole) = whole();
    let stranger = Signer::new();
    for changed in (1..RECORDS).filter(|seq| !seq.is_multiple_of(INTERVAL)) {
        let forged = |by: &Signer, name: &str| {
            let mut made = whole.clone();
            *made.line_mut(changed) = record(changed, "summary", "", &whole.hash(changed - 1));
            made.rechain_after(changed, by, name);
            made.fault(Some(&signer), &[])
        };
        let seq = changed.next_multiple_of(INTERVAL);

        let honest = forged(&stranger, &stranger.id());
        let posing = forged(&stranger, &signer.id());

        let key = signer.id();
        let found = stranger.id();
        let flaw = Flaw::OtherKey { found, key };
        assert_eq!(honest, Some(Fault::Checkpoint { seq, flaw }));
        let flaw = Flaw::Signature;
        assert_eq!(posing, Some(Fault::Checkpoint { seq, flaw }));
    }
}

#[test]
fn finds_a_rewritten_journal_by_a_checkpoint_kept_elsewhere_even_if_the_key_was_stolen() {
    let (signer, whole) = whole();
    let kept = whole.line(12);
    for changed in (1..12_u64).filter(|seq| !seq.is_multiple_of(INTERVAL)) {
        let mut made = whole.clone();
        *made.line_mut(changed) = record(changed, "summary", "", &whole.hash(changed - 1));
        made.rechain_after(changed, &signer, &signer.id());

        assert_eq!(made.fault(Some(&signer), &[]), None);
        assert_eq!(
            made.fault(Some(&signer), &[kept]),
            Some(Fault::Kept { seq: 12 })
        );
    }
}

#[test]
fn finds_a_checkpoint_that_says_other_than_what_stands_before_it() {
    let (signer, whole) = whole();
    let altered = |from: &str, to: &str| {
        let mut made = whole.clone();
        let text = String::from_utf8(made.line(RECORDS).clone()).unwrap();
        assert!(text.contains(from), "{text}");
        *made.line_mut(RECORDS) = text.replacen(from, to, 1).into_bytes();
        match made.fault(Some(&signer), &[]) {
            Some(Fault::Checkpoint { seq, flaw }) if seq == RECORDS => flaw,
            other => panic!("{other:?}"),
        }
    };
    let head = format!(r#""head":"{}""#, whole.hash(RECORDS - 1));

    let upto = altered(r#""upto":35"#, r#""upto":34"#);
    let head = altered(&head, &format!(r#""head":"{}""#, whole.hash(RECORDS - 2)));
    let form = altered(r#""key_id""#, r#""key_ids""#);
    let signature = altered(r#""signature":""#, r#""signature":"!"#);

    let (found, before) = (34, 35);
    assert_eq!(upto, Flaw::Upto { found, before });
    assert_eq!(
        [head, form, signature],
        [Flaw::Head, Flaw::Form, Flaw::Signature]
    );
}

#[test]
fn finds_a_line_longer_than_any_record() {
    let (signer, mut made) = whole();
    let long = vec![b'['; 3 << 20];
    made.line_mut(30).clone_from(&long);

    let fault = made.fault(Some(&signer), &[]);

    assert_eq!(fault.map(|fault| fault.seq()), Some(30));
}

fn whole() -> (Signer, Made) {
    let signer = Signer::new();
    let made = Made::by(&signer);
    (signer, made)
}

fn first_bad(made: &Made, signer: &Signer) -> Option<u64> {
    made.fault(Some(signer), &[]).map(|fault| fault.seq())
}
