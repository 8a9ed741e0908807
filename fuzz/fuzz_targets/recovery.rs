//! Any bytes as the segments of a journal: opening it ends, and what it opens once it opens again, with
//! the same head and nothing more to cut off.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use partner_gateway::audit::recovery::open;

fuzz_target!(|segments: (&[u8], Option<&[u8]>)| {
    let dir = tempfile::tempdir_in("/dev/shm").expect("directory");
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).expect("file");
    write("journal.id", b"0f8fad5b-d9cb-469f-a165-70867728950e\n");
    write("journal-00000000000000000001.jsonl", segments.0);
    if let Some(second) = segments.1 {
        write("journal-00000000000000000002.jsonl", second);
    }

    let Ok(opened) = open(dir.path()) else {
        return;
    };
    let head = opened.head;
    drop(opened);
    let again = open(dir.path()).expect("what was opened once");

    assert_eq!(again.head, head);
    assert_eq!(again.cut, None);
});
