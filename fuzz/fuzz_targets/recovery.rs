//! Any bytes as a journal: opening it ends. What it opens once it opens again, with the same head and the
//! same to tell, and `audit verify` finds no damage in it either.

#![no_main]

mod journal;

use libfuzzer_sys::fuzz_target;
use partner_gateway::audit::{
    recovery::{Opened, open},
    verify::{Evidence, kept::Kept, verify},
};

fuzz_target!(|bytes: &[u8]| {
    let signer = journal::signer();
    for bytes in [bytes.to_vec(), journal::chained(bytes, &signer)] {
        let dir = journal::laid_out(&bytes);
        let told = |opened: Opened| (opened.head, opened.recovered, opened.orphans);

        let Ok(opened) = open(dir.path()) else {
            continue;
        };
        let (head, recovered, orphans) = told(opened);
        let again = open(dir.path()).expect("what was opened once");
        let evidence = Evidence {
            keys: &[],
            kept: &Kept::default(),
        };
        let verified = verify(dir.path(), evidence, &mut |_| {});

        assert_eq!(
            format!("{:?}", told(again)),
            format!("{:?}", (head, recovered, orphans))
        );
        if let Ok(found) = verified {
            assert!(is_excused(found.damage.as_ref()), "{:?}", found.damage);
            assert_eq!(found.unfinished, None);
        }
    }
});

/// A start does not look at signatures nor at what checkpoints say; only `audit verify` does.
fn is_excused(damage: Option<&partner_gateway::audit::verify::findings::Damage>) -> bool {
    use partner_gateway::audit::verify::findings::Fault;
    damage.is_none_or(|damage| matches!(damage.fault, Fault::Checkpoint { .. }))
}
