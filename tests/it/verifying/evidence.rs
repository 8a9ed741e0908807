//! Evidence of one transfer: what is gathered of a journal, and that nothing in it can be changed.

use std::{path::Path, time::SystemTime};

use partner_gateway::audit::{
    chain::Break,
    evidence::{
        examine::{Examined, Fault, examine},
        gather::{Document, Gathered, gather},
    },
    verify::seals::Flaw,
};
use serde_json::Value;

use super::made::{INTERVAL, JOURNAL, Made, RECORDS, Signer, sha256};
use crate::harness::TRANSFER;

#[test]
fn proves_every_record_of_the_transfer_up_to_the_checkpoint_behind_it() {
    let signer = Signer::new();
    let made = about(&signer, &[3, 5, 13, 28, 35]);
    let dir = made.written();

    let document = gathered(dir.path(), &signer);
    let found = examine(document.text.as_bytes(), &[signer.public()]).unwrap();

    // 3 to 6, 13 to 18, 28 to 30, 35 and 36.
    assert_eq!(
        (document.records, document.unsigned, document.lines),
        (5, 0, 15)
    );
    assert_eq!(seqs(&found), [3, 5, 13, 28, 35].map(|seq| (seq, true)));
    for record in &found.records {
        assert_eq!(record.line.as_bytes(), made.line(record.seq));
    }
    assert_eq!(found.transfer.to_string(), TRANSFER);
    assert_eq!(found.others, 10);
    let journal = &found.journal;
    assert_eq!(
        (&*journal.id, &*journal.head),
        (JOURNAL, &*made.hash(RECORDS))
    );
    assert_eq!(
        (
            journal.records,
            journal.first,
            journal.last,
            journal.signed_upto
        ),
        (36, 1, 36, Some(35))
    );
    assert_eq!(found.made, "1970-01-01T00:00:00.000000Z");
    assert_eq!(found.key, signer.public());
}

#[test]
fn marks_what_no_checkpoint_has_signed_yet() {
    let signer = Signer::new();
    let mut made = about(&signer, &[2, 31, 33]);
    made.files[2].1.truncate(10);
    let dir = made.written();

    let document = gathered(dir.path(), &signer);
    let found = examine(document.text.as_bytes(), &[]).unwrap();

    assert_eq!((document.records, document.unsigned), (3, 2));
    assert_eq!(seqs(&found), [(2, true), (31, false), (33, false)]);
    // 2 to 6, and of the end what ties the records to each other.
    assert_eq!(document.lines, 5 + 3);
    assert_eq!(
        (found.journal.last, found.journal.signed_upto),
        (34, Some(29))
    );
}

#[test]
fn proves_records_whose_last_checkpoint_before_went_with_older_segments() {
    let signer = Signer::new();
    let transfer = |seq| naming(&[16], seq);
    let mut made = Made::grown(RECORDS, &signer, &[1, 15], transfer);
    made.tell_pruned(28, 14, &made.hash(12), &signer);
    made.files.remove(0);
    let dir = made.written();

    let document = gathered(dir.path(), &signer);
    let found = examine(document.text.as_bytes(), &[signer.public()]).unwrap();

    assert_eq!(seqs(&found), [(16, true)]);
    // Checkpoint 18 is signed over one that is gone; 24 is signed over 18.
    assert_eq!(document.lines, 9);
    assert_eq!((found.journal.first, found.journal.last), (15, 36));
}

#[test]
fn gathers_nothing_of_a_journal_that_is_not_intact_or_does_not_know_the_transfer() {
    let signer = Signer::new();
    let mut made = about(&signer, &[3]);
    let unknown = Made::by(&signer).written();
    made.line_mut(30)[40] ^= 1;
    let damaged = made.written();

    let of_damaged = gathering(damaged.path(), &signer);
    let of_unknown = gathering(unknown.path(), &signer);
    let of_other = gathering(about(&signer, &[3]).written().path(), &Signer::new());

    assert!(
        matches!(&of_damaged, Gathered::Damaged(damage) if damage.fault.seq() == 30),
        "{of_damaged:?}"
    );
    assert!(
        matches!(of_unknown, Gathered::Nothing { records: RECORDS }),
        "{of_unknown:?}"
    );
    assert!(
        matches!(&of_other, Gathered::Damaged(damage) if damage.fault.seq() == INTERVAL),
        "{of_other:?}"
    );
}

#[test]
fn finds_any_byte_of_the_document_that_was_changed() {
    let signer = Signer::new();
    let dir = about(&signer, &[35]).written();
    let document = gathered(dir.path(), &signer).text.into_bytes();
    let last = document.len() - 1;
    for place in 0..document.len() {
        for bit in 0..8 {
            let mut changed = document.clone();
            changed[place] ^= 1 << bit;

            let found = examine(&changed, &[]);

            assert!(found.is_err(), "bit {bit} of byte {place}: {found:?}");
        }
        let cut = &document[..place];
        assert!(examine(cut, &[]).is_err() || place == last, "{place}");
    }
    // White space outside of the two texts means nothing.
    for space in *b" \t\r\n" {
        let mut spaced = document.clone();
        spaced[last] = space;
        spaced.insert(1, space);
        assert_eq!(examine(&spaced, &[]), examine(&document, &[]));
    }
}

#[test]
fn tells_the_gateways_own_document_from_a_strangers() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let dir = about(&stranger, &[3]).written();

    let document = gathered(dir.path(), &stranger).text;
    let unasked = examine(document.as_bytes(), &[]).unwrap();
    let asked = examine(document.as_bytes(), &[signer.public()]);
    let posing = resigned(&document, &stranger, |statement| {
        statement["public_key"] = signer.public_pem().into();
    });

    assert_eq!(unasked.key, stranger.public());
    let (found, key) = (stranger.id(), signer.id());
    assert_eq!(asked, Err(Fault::OtherKey { found, key }));
    assert_eq!(examine(posing.as_bytes(), &[]), Err(Fault::Signature));
}

#[test]
fn takes_no_word_of_whoever_has_the_key_that_the_lines_do_not_bear_out() {
    let signer = Signer::new();
    let made = about(&signer, &[8, 10, 20]);
    let dir = made.written();
    let document = gathered(dir.path(), &signer).text;
    let examined = |edit: &dyn Fn(&mut Value)| {
        let edited = resigned(&document, &signer, edit);
        examine(edited.as_bytes(), &[signer.public()]).map(|found| seqs(&found))
    };

    let untouched = examined(&|_| {});
    let changed = examined(&|it| replace(&mut it["ranges"][0]["lines"][1], "id-9", "id-0"));
    let missing = examined(&|it| drop(lines_of(it).remove(1)));
    let moved = examined(&|it| lines_of(it).swap(1, 2));
    let foreign = examined(&|it| replace(&mut it["ranges"][0]["lines"][1], "0f8f", "1f8f"));
    let no_line = examined(&|it| it["ranges"][0]["lines"][1] = "{}".into());
    let other_before = examined(&|it| {
        it["ranges"][0]["previous_checkpoint"] = it["ranges"][1]["previous_checkpoint"].clone();
    });
    let no_checkpoint = examined(&|it| {
        it["ranges"][1]["previous_checkpoint"] = it["ranges"][0]["lines"][0].clone();
    });
    let backwards = examined(&|it| it["ranges"].as_array_mut().unwrap().reverse());
    let withheld = examined(&|it| it["ranges"].as_array_mut().unwrap().truncate(1));
    let shortened = examined(&|it| lines_of(it).truncate(3));
    let unlisted = examined(&|it| it["records"] = vec![8, 20].into());
    let beyond = examined(&|it| it["journal"]["last"] = 23.into());
    let extra = examined(&|it| it["more"] = true.into());
    let version = examined(&|it| it["v"] = 2.into());

    assert_eq!(untouched, Ok(vec![(8, true), (10, true), (20, true)]));
    assert_eq!(changed, Err(Break::Hash { seq: 10 }.into()));
    let (expected, found) = (9, 10);
    assert_eq!(missing, Err(Break::Number { expected, found }.into()));
    assert_eq!(moved, Err(Break::Number { expected, found }.into()));
    assert_eq!(foreign, Err(Fault::Foreign { seq: 9 }));
    assert_eq!(no_line, Err(Break::NotARecord { expected }.into()));
    assert_eq!(other_before, Err(Fault::Place { seq: 8 }));
    let (seq, flaw) = (8, Flaw::Form);
    assert_eq!(no_checkpoint, Err(Fault::Checkpoint { seq, flaw }));
    assert_eq!(backwards, Err(Fault::Place { seq: 8 }));
    assert_eq!(
        [withheld, shortened, unlisted],
        [const { Err(Fault::Listing) }; 3]
    );
    assert_eq!(beyond, Err(Fault::Place { seq: 24 }));
    assert!(matches!(extra, Err(Fault::Form(_))), "{extra:?}");
    assert_eq!(version, Err(Fault::Form("it is of version 2".to_owned())));
}

#[test]
fn holds_each_checkpoint_against_the_one_before_it() {
    let signer = Signer::new();
    let made = about(&signer, &[8]);
    let dir = made.written();
    let document = gathered(dir.path(), &signer).text;
    let before = String::from_utf8(made.line(INTERVAL).clone()).unwrap();

    let edited = resigned(&document, &signer, |it| {
        it["ranges"][0]["previous_checkpoint"] = before.replace("10:06", "10:07").into();
    });

    let (seq, flaw) = (12, Flaw::Signature);
    let found = examine(edited.as_bytes(), &[]);
    assert_eq!(found, Err(Fault::Checkpoint { seq, flaw }));
}

/// A journal in which some records name the transfer.
fn about(signer: &Signer, seqs: &[u64]) -> Made {
    Made::grown(RECORDS, signer, &[1, 13, 25], |seq| naming(seqs, seq))
}

fn naming(seqs: &[u64], seq: u64) -> String {
    if seqs.contains(&seq) {
        format!(r#""transfer":"{TRANSFER}","reason":"\"ü\\\u0007","#)
    } else {
        format!(r#""transfer":"{JOURNAL}","reason":"{TRANSFER}","#)
    }
}

fn gathering(dir: &Path, signer: &Signer) -> Gathered {
    let transfer = TRANSFER.parse().unwrap();
    let now = SystemTime::UNIX_EPOCH;
    gather(dir, transfer, (&signer.signing(), &[]), now, &mut |_| {}).unwrap()
}

fn gathered(dir: &Path, signer: &Signer) -> Document {
    match gathering(dir, signer) {
        Gathered::Document(document) => document,
        other => panic!("{other:?}"),
    }
}

fn seqs(found: &Examined) -> Vec<(u64, bool)> {
    let each = found.records.iter();
    each.map(|record| (record.seq, record.is_signed)).collect()
}

/// The document with another statement, signed by the contract.
fn resigned(document: &str, signer: &Signer, edit: impl Fn(&mut Value)) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap();
    let statement = document["statement"].as_str().unwrap();
    let mut statement: Value = serde_json::from_str(statement).unwrap();
    edit(&mut statement);
    let statement = statement.to_string();
    let hash = sha256(statement.as_bytes());
    let text = format!("partner-gateway/evidence/v1\n{JOURNAL}\n{hash}\n");
    document["signature"] = signer.sign(&text).into();
    document["statement"] = statement.into();
    document.to_string()
}

fn lines_of(statement: &mut Value) -> &mut Vec<Value> {
    statement["ranges"][0]["lines"].as_array_mut().unwrap()
}

fn replace(line: &mut Value, from: &str, to: &str) {
    let text = line.as_str().unwrap();
    assert!(text.contains(from), "{text}");
    *line = text.replace(from, to).into();
}
