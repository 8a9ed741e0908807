//! Changes that each break one rule of the journal, which `scripts/mutants` holds against the tests. Here only that
//! they still fit the source.

use std::{fs, path::Path};

#[test]
fn keeps_each_mutant_fit_for_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in fs::read_dir(root.join("tests/mutants")).expect("mutants") {
        let path = entry.expect("entry").path();
        let mutant = fs::read_to_string(&path).expect("mutant");

        let faults = misfits(&mutant, |file| {
            fs::read_to_string(root.join(file)).unwrap_or_default()
        });

        assert_eq!(faults, [""; 0], "{}", path.display());
        assert!(
            mutant.contains("\ntest: "),
            "{} names no test",
            path.display()
        );
        count += 1;
    }
    assert!(count >= FEWEST, "{count} mutants");
}

#[test]
fn tells_a_mutant_that_fits_from_one_that_does_not() {
    let patch = "--- a/file\n+++ b/file\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n";

    assert_eq!(misfits(patch, |_| "zero\none\ntwo\n".to_owned()), [""; 0]);
    assert_eq!(
        misfits(patch, |_| "one\nzero\ntwo\n".to_owned()),
        ["file: one\ntwo\n"]
    );
    assert_eq!(misfits("", |_| String::new()), ["no change"]);
}

/// The pieces of a patch whose lines do not stand in their file one after the other.
fn misfits(patch: &str, read: impl Fn(&str) -> String) -> Vec<String> {
    let mut faults = Vec::new();
    let mut file = "";
    let mut pieces = 0;
    let mut lines = patch.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("--- a/") {
            file = name;
        }
        if !line.starts_with("@@ ") {
            continue;
        }
        let mut before = String::new();
        while let Some(line) =
            lines.next_if(|line| !line.starts_with("@@ ") && !line.starts_with("---"))
        {
            if let Some(kept) = line.strip_prefix([' ', '-']) {
                before += kept;
                before.push('\n');
            }
        }
        pieces += 1;
        if !read(file).contains(&before) {
            faults.push(format!("{file}: {before}"));
        }
    }
    if pieces == 0 {
        faults.push("no change".to_owned());
    }
    faults
}

/// As many as there are rules that a crash or a liar could break.
const FEWEST: usize = 6;
