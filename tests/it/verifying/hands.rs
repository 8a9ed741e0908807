//! Journals that were signed with one key after the other.

use std::time::SystemTime;

use partner_gateway::audit::{
    evidence::{
        examine::{Fault as Doubt, examine},
        gather::{Gathered, gather},
    },
    public_key::PublicKey,
    verify::{
        Evidence,
        findings::{Fault, Findings},
        kept::Kept,
        seals::Flaw,
        verify,
    },
};

use super::made::{Made, RECORDS, Signer};
use crate::harness::TRANSFER;

#[test]
fn checks_each_checkpoint_with_the_key_that_it_names() {
    let (former, signer) = (Signer::new(), Signer::new());
    let made = handed_over(&former, &signer, &signer.id());

    let both = found(&made, &[signer.public(), former.public()]);
    let without_former = found(&made, &[signer.public()]);
    let without_signer = found(&made, &[former.public()]);

    assert_eq!((&both.damage, both.unchecked), (&None, 0));
    assert_eq!(
        hands(&both),
        [(former.id(), 1, 17), (signer.id(), 18, RECORDS - 1)]
    );
    for (found, seq, by, key) in [
        (without_former, 6, &former, &signer),
        (without_signer, 24, &signer, &former),
    ] {
        let flaw = Flaw::OtherKey {
            found: by.id(),
            key: key.id(),
        };
        let damage = found.damage.map(|damage| damage.fault);
        assert_eq!(damage, Some(Fault::Checkpoint { seq, flaw }));
    }
}

#[test]
fn takes_no_signature_of_one_key_in_the_name_of_another() {
    let (former, signer) = (Signer::new(), Signer::new());
    let made = handed_over(&former, &signer, &former.id());

    let found = found(&made, &[signer.public(), former.public()]);

    let (seq, flaw) = (24, Flaw::Signature);
    let damage = found.damage.map(|damage| damage.fault);
    assert_eq!(damage, Some(Fault::Checkpoint { seq, flaw }));
}

#[test]
fn names_every_key_at_hand_where_a_checkpoint_names_another() {
    let [former, signer, stranger] = [(); 3].map(|()| Signer::new());
    let made = handed_over(&former, &stranger, &stranger.id());

    let found = found(&made, &[signer.public(), former.public()]);

    let told = found.damage.expect("damage").fault.to_string();
    let (by, one, other) = (stranger.id(), signer.id(), former.id());
    assert_eq!(
        told,
        format!(
            "checkpoint 24: it was signed with key {by:?}, and the key to check it with is {one} or {other}"
        )
    );
}

#[test]
fn proves_a_transfer_over_the_change_of_the_key() {
    let (former, signer) = (Signer::new(), Signer::new());
    let made = handed_over(&former, &signer, &signer.id());
    let gathered = |former: &[PublicKey]| {
        let (dir, now) = (made.written(), SystemTime::UNIX_EPOCH);
        let transfer = TRANSFER.parse().unwrap();
        gather(
            dir.path(),
            transfer,
            (&signer.signing(), former),
            now,
            &mut |_| {},
        )
        .unwrap()
    };

    let alone = gathered(&[]);
    let Gathered::Document(document) = gathered(&[former.public(), Signer::new().public()]) else {
        panic!("no evidence")
    };
    let text = document.text.as_bytes();
    let own = examine(text, &[]).unwrap();
    let both = examine(text, &[former.public(), signer.public()]);
    let without_former = examine(text, &[signer.public()]);
    let without_signer = examine(text, &[former.public()]);

    assert!(matches!(alone, Gathered::Damaged(_)), "{alone:?}");
    assert_eq!(document.text.matches("BEGIN PUBLIC KEY").count(), 2);
    assert!(own.records.iter().all(|record| record.is_signed));
    let vouched = own.vouched.iter().map(|it| (&*it.key, it.from, it.upto));
    assert_eq!(
        vouched.collect::<Vec<_>>(),
        [(&*former.id(), 3, 5), (&*signer.id(), 26, 29)]
    );
    assert_eq!(both.as_ref(), Ok(&own));
    let (found, key) = (former.id(), signer.id());
    let flaw = Flaw::OtherKey { found, key };
    assert_eq!(without_former, Err(Doubt::Checkpoint { seq: 6, flaw }));
    let (found, key) = (signer.id(), former.id());
    assert_eq!(without_signer, Err(Doubt::OtherKey { found, key }));
}

/// A journal of which one key signed the first half, and another one the rest in somebody's name; records 3 and 26
/// name the transfer.
fn handed_over(former: &Signer, signer: &Signer, name: &str) -> Made {
    let naming = |seq| match seq {
        3 | 26 => format!(r#""transfer":"{TRANSFER}","#),
        _ => String::new(),
    };
    let mut made = Made::grown(RECORDS, former, &[1, 13, 25], naming);
    made.resign_after(18, signer, name);
    made
}

fn found(made: &Made, keys: &[PublicKey]) -> Findings {
    let kept = &Kept::default();
    verify(made.written().path(), Evidence { keys, kept }, &mut |_| {}).unwrap()
}

fn hands(found: &Findings) -> Vec<(String, u64, u64)> {
    let all = found.vouched.iter();
    all.map(|it| (it.key.clone(), it.from, it.upto)).collect()
}
