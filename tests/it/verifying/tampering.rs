//! Tampering at scale: every kind of it, each at a thousand places drawn from a fixed seed, or as many as
//! whoever starts this wants, all of it found and blamed on the right record.
//!
//! What is "right": the first record that is not the one that the gateway wrote there. Where the end was
//! cut off, that is the first one that is missing, and a checkpoint that was kept elsewhere tells; where
//! the chain was made anew with another key, it is the first checkpoint behind the change, because up to
//! there nothing contradicts the forger.

use std::fs;

use fastrand::Rng;
use partner_gateway::audit::verify::{
    Evidence,
    findings::{Damage, Fault},
    kept::Kept,
    verify,
};
use tempfile::TempDir;

use super::made::{INTERVAL, Line, Made, Signer, record, segment};
use crate::harness::setting::setting;

#[test]
fn finds_every_edit() {
    Trial::new().run(1, |made, rng| {
        let seq = rng.u64(1..=made.records());
        let line = made.line_mut(seq);
        let place = rng.usize(..line.len());
        // A newline in the middle makes two lines of one, which is an edit, too.
        line[place] ^= rng.u8(1..);
        seq
    });
}

#[test]
fn finds_every_deletion() {
    Trial::new().run(2, |made, rng| {
        // The last one is the end; that is truncation.
        let seq = rng.u64(1..made.records());
        let most = usize::try_from(made.records() - seq).unwrap().min(9);
        for _ in 0..rng.usize(1..=most) {
            made.remove(seq);
        }
        seq
    });
}

#[test]
fn finds_every_insertion() {
    Trial::new().run(3, |made, rng| {
        let seq = rng.u64(1..=made.records());
        // It fits the line before it, as far as that goes without changing the rest.
        let forged = match rng.u8(..3) {
            0 => record(seq, "outcome", "", &made.hash(seq - 1)),
            1 => record(seq, "intent", r#""reason":"put in","#, &made.hash(seq)),
            _ => record(made.records() + 1, "outcome", "", &made.hash(seq - 1)),
        };
        made.insert(seq, forged);
        seq
    });
}

#[test]
fn finds_every_change_of_order() {
    Trial::new().run(4, |made, rng| {
        let one = rng.u64(1..made.records());
        let other = rng.u64(one + 1..=made.records());
        let line = made.line(one).clone();
        let line = std::mem::replace(made.line_mut(other), line);
        *made.line_mut(one) = line;
        one
    });
}

#[test]
fn finds_every_duplicate() {
    Trial::new().run(5, |made, rng| {
        let copied = rng.u64(1..=made.records());
        // Where a later file begins at its number, a repeated last line of a file counts for nothing.
        let is_void = |seq: u64| made.files.iter().any(|(first, _)| *first == seq + 1);
        let seq = loop {
            let seq = rng.u64(1..=made.records());
            if seq != copied || !is_void(seq) {
                break seq;
            }
        };
        let line = made.line(copied).clone();
        made.insert(seq, line);
        if copied + 1 == seq { copied } else { seq }
    });
}

#[test]
fn finds_every_end_that_was_cut_off() {
    let trial = Trial::new();
    let whole: Vec<u8> = trial
        .whole
        .files
        .iter()
        .flat_map(|it| text(&it.1))
        .collect();
    let mut rng = drawing(6);
    for round in 0..rounds() {
        let length = rng.usize(..whole.len());
        let lines = whole[..length].split(|byte| *byte == b'\n').count() - 1;
        let missing = u64::try_from(lines).unwrap() + 1;
        trial.cut_at(length);

        let damage = trial.verify().expect("damage");

        let kept = trial.whole.records();
        let fault = Fault::Truncated { seq: missing, kept };
        assert_eq!(damage.fault, fault, "round {round}, {length} bytes");
    }
}

#[test]
fn finds_every_swap_of_segments() {
    let mut rng = drawing(7);
    // Where the files begin is drawn anew each time.
    for round in 0..rounds() {
        let mut firsts: Vec<_> = (0..6).map(|_| rng.u64(2..=records())).collect();
        firsts.push(1);
        firsts.sort_unstable();
        firsts.dedup();
        assert!(firsts.len() > 1, "the seed draws the same number six times");
        let trial = Trial::with_segments(&firsts);
        let mut made = trial.whole.clone();
        let one = rng.usize(..firsts.len() - 1);
        let other = rng.usize(one + 1..firsts.len());
        let lines = std::mem::take(&mut made.files[one].1);
        made.files[one].1 = std::mem::replace(&mut made.files[other].1, lines);

        let damage = trial.damage(&made).expect("damage");

        let seq = damage.fault.seq();
        assert_eq!(
            seq, firsts[one],
            "round {round}: {one} and {other} of {firsts:?}"
        );
    }
}

#[test]
fn finds_every_chain_that_was_made_anew_with_another_key() {
    let stranger = Signer::new();
    let trial = Trial::new();
    let (own, other) = (trial.signer.id(), stranger.id());
    trial.run(8, |made, rng| {
        let seq = loop {
            let seq = rng.u64(1..made.records());
            if !seq.is_multiple_of(INTERVAL) {
                break seq;
            }
        };
        let members = format!(r#""reason":"{}","#, rng.u64(..));
        *made.line_mut(seq) = record(seq, "outcome", &members, &made.hash(seq - 1));
        let name = if rng.bool() { &own } else { &other };
        made.rechain_after(seq, &stranger, name);
        seq.next_multiple_of(INTERVAL)
    });
}

/// A whole journal, and a directory in which copies of it are tampered with.
struct Trial {
    signer: Signer,
    whole: Made,
    dir: TempDir,
    kept: Kept,
}

impl Trial {
    fn new() -> Self {
        let checkpoints = records() / INTERVAL;
        let firsts = [0, 2, 4, 7, 10].map(|twelfths| checkpoints * twelfths / 12 * INTERVAL + 1);
        Self::with_segments(&firsts)
    }

    fn with_segments(firsts: &[u64]) -> Self {
        let signer = Signer::new();
        let whole = Made::grown(records(), &signer, firsts, |_| String::new());
        let dir = whole.written();
        let kept = Kept::parse(whole.line(whole.records())).expect("checkpoint");
        Self {
            signer,
            whole,
            dir,
            kept,
        }
    }

    /// Tampers with a copy each round; `tamper` says which record is the first bad one.
    fn run(&self, seed: u64, mut tamper: impl FnMut(&mut Made, &mut Rng) -> u64) {
        let mut rng = drawing(seed);
        assert_eq!(self.damage(&self.whole), None, "nothing was done to it");
        for round in 0..rounds() {
            let mut made = self.whole.clone();
            let expected = tamper(&mut made, &mut rng);

            let damage = self.damage(&made);

            let found = damage.as_ref().map(|damage| damage.fault.seq());
            assert_eq!(found, Some(expected), "round {round}: {damage:?}");
        }
    }

    /// What is wrong with another journal in the same place.
    fn damage(&self, made: &Made) -> Option<Damage> {
        for (first, lines) in &made.files {
            fs::write(segment(self.dir.path(), *first), text(lines)).unwrap();
        }
        self.verify()
    }

    /// Keeps so many bytes of it, over all files; those behind them are gone.
    fn cut_at(&self, mut length: usize) {
        for (first, lines) in &self.whole.files {
            let (path, lines) = (segment(self.dir.path(), *first), text(lines));
            let kept = length.min(lines.len());
            if kept > 0 {
                fs::write(path, &lines[..kept]).unwrap();
            } else if path.exists() {
                fs::remove_file(path).unwrap();
            }
            length -= kept;
        }
    }

    fn verify(&self) -> Option<Damage> {
        let key = self.signer.public();
        let evidence = Evidence {
            keys: &[key],
            kept: &self.kept,
        };
        let found = verify(self.dir.path(), evidence, &mut |_| {});
        found.expect("readable").damage
    }
}

fn text(lines: &[Line]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| [line, &b"\n"[..]].concat())
        .collect()
}

fn drawing(kind: u64) -> Rng {
    Rng::with_seed(setting("TAMPER_SEED", 0) + kind)
}

/// How often each kind is tried.
fn rounds() -> u64 {
    setting("TAMPER_ROUNDS", 1000)
}

/// How many records the journal has, in five files: at least as many as twelve checkpoints need, the last of which
/// ends it.
fn records() -> u64 {
    setting("TAMPER_RECORDS", 72)
        .max(72)
        .next_multiple_of(INTERVAL)
}
