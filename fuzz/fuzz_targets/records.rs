//! Any bytes as a journal: verifying it ends, and counts no more than it was given.

#![no_main]

mod journal;

use libfuzzer_sys::fuzz_target;
use partner_gateway::audit::verify::{Evidence, kept::Kept, verify};

fuzz_target!(|bytes: &[u8]| {
    let signer = journal::signer();
    let keys = [journal::public(&signer)];
    for bytes in [bytes.to_vec(), journal::chained(bytes, &signer)] {
        let dir = journal::laid_out(&bytes);
        for keys in [&[][..], &keys] {
            let evidence = Evidence {
                keys,
                kept: &Kept::default(),
            };

            let Ok(found) = verify(dir.path(), evidence, &mut |_| {}) else {
                continue;
            };

            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert!(found.records <= lines as u64);
        }
    }
});
