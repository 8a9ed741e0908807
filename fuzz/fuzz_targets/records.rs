//! Any bytes as the segments of a journal: verifying them ends, and counts no more than it was given.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use partner_gateway::audit::verify::{Evidence, kept::Kept, verify};

fuzz_target!(|segments: (&[u8], Option<&[u8]>)| {
    let dir = tempfile::tempdir_in("/dev/shm").expect("directory");
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).expect("file");
    write("journal.id", b"0f8fad5b-d9cb-469f-a165-70867728950e\n");
    write("journal-00000000000000000001.jsonl", segments.0);
    if let Some(second) = segments.1 {
        write("journal-00000000000000000002.jsonl", second);
    }
    let evidence = Evidence {
        key: None,
        kept: &Kept::default(),
    };

    let found = verify(dir.path(), evidence, &mut |_| {}).expect("readable");

    let lines = [Some(segments.0), segments.1].into_iter().flatten();
    let lines: usize = lines
        .map(|it| it.split(|byte| *byte == b'\n').count())
        .sum();
    assert!(found.records <= lines as u64);
});
