//! Journals made by the contract, with nothing of the gateway's own code: lines, SHA-256, Ed25519.

use std::{fs, path::Path};

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use partner_gateway::audit::{
    public_key::PublicKey,
    signing::SigningKey,
    verify::{
        Evidence,
        findings::{Fault, Findings},
        kept::Kept,
        verify,
    },
};
use secrecy::SecretSlice;
use tempfile::TempDir;

use crate::harness::journal::hex;

/// A line without its newline.
pub(crate) type Line = Vec<u8>;

/// A journal: its files by the record that each is named after.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) files: Vec<(u64, Vec<Line>)>,
}

/// Who signs.
pub(crate) struct Signer(Ed25519KeyPair);

/// How many records a whole journal has; the last one is a checkpoint.
pub(crate) const RECORDS: u64 = 36;

/// Every so many records one is a checkpoint.
pub(crate) const INTERVAL: u64 = 6;

pub(crate) const JOURNAL: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

impl Signer {
    pub(crate) fn new() -> Self {
        Self(Ed25519KeyPair::generate().expect("key"))
    }

    pub(crate) fn id(&self) -> String {
        hex(&digest(&SHA256, self.0.public_key().as_ref()).as_ref()[..8])
    }

    /// `SubjectPublicKeyInfo` in PEM.
    pub(crate) fn public_pem(&self) -> String {
        let info = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
        let info = [info, self.0.public_key().as_ref()].concat();
        let info = BASE64_STANDARD.encode(info);
        format!("-----BEGIN PUBLIC KEY-----\n{info}\n-----END PUBLIC KEY-----\n")
    }

    /// The 32 bytes of the public key.
    pub(crate) fn public_base64(&self) -> String {
        BASE64_STANDARD.encode(self.0.public_key().as_ref())
    }

    /// PKCS#8 in PEM.
    pub(crate) fn private_pem(&self) -> String {
        let key = self.0.to_pkcs8v1().expect("PKCS#8");
        let key = BASE64_STANDARD.encode(key.as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n")
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::from_pem(self.public_pem().as_bytes()).expect("public key")
    }

    /// As the gateway reads it.
    pub(crate) fn signing(&self) -> SigningKey {
        let pem = self.private_pem().into_bytes();
        SigningKey::parse(&SecretSlice::from(pem)).expect("key")
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        BASE64_STANDARD.encode(self.0.sign(text.as_bytes()).as_ref())
    }
}

impl Made {
    /// A whole journal in three segments, each of which ends with a checkpoint.
    pub(crate) fn by(signer: &Signer) -> Self {
        Self::with_segments(signer, &[1, 13, 25])
    }

    pub(crate) fn with_segments(signer: &Signer, firsts: &[u64]) -> Self {
        Self::grown(RECORDS, signer, firsts, |_| String::new())
    }

    /// A journal of any length, with records that have members of their own, each followed by a comma.
    pub(crate) fn grown(
        records: u64,
        signer: &Signer,
        firsts: &[u64],
        members: impl Fn(u64) -> String,
    ) -> Self {
        let mut made = Self { files: Vec::new() };
        for seq in 1..=records {
            if firsts.contains(&seq) {
                made.files.push((seq, Vec::new()));
            }
            let line = if seq.is_multiple_of(INTERVAL) {
                made.checkpoint(seq, signer, &signer.id())
            } else {
                record(seq, "outcome", &members(seq), &made.hash(seq - 1))
            };
            made.files.last_mut().unwrap().1.push(line);
        }
        made
    }

    /// The line of a record.
    pub(crate) fn line(&self, seq: u64) -> &Line {
        let (file, index) = self.place(seq);
        &self.files[file].1[index]
    }

    pub(crate) fn line_mut(&mut self, seq: u64) -> &mut Line {
        let (file, index) = self.place(seq);
        &mut self.files[file].1[index]
    }

    /// Takes the line out that stands where a record should.
    pub(crate) fn remove(&mut self, seq: u64) {
        let (mut file, mut index) = self.place(seq);
        while index >= self.files[file].1.len() {
            index -= self.files[file].1.len();
            file += 1;
        }
        self.files[file].1.remove(index);
    }

    /// Puts a line before a record.
    pub(crate) fn insert(&mut self, seq: u64, line: Line) {
        let (file, index) = self.place(seq);
        self.files[file].1.insert(index, line);
    }

    /// How many records it has.
    pub(crate) fn records(&self) -> u64 {
        let all: usize = self.files.iter().map(|(_, lines)| lines.len()).sum();
        u64::try_from(all).expect("count")
    }

    /// The file that a record is in, and which line of it.
    pub(crate) fn place(&self, seq: u64) -> (usize, usize) {
        let file = self.files.iter().rposition(|(first, _)| *first <= seq);
        let file = file.expect("file");
        let index = usize::try_from(seq - self.files[file].0).expect("index");
        (file, index)
    }

    /// Chains all records after one anew, and signs their checkpoints in the name of a key.
    pub(crate) fn rechain_after(&mut self, changed: u64, signer: &Signer, key_id: &str) {
        for seq in changed + 1..=self.records() {
            *self.line_mut(seq) = if seq.is_multiple_of(INTERVAL) {
                self.checkpoint(seq, signer, key_id)
            } else {
                record(seq, "outcome", "", &self.hash(seq - 1))
            };
        }
    }

    /// Chains all records after one anew, as they are, and signs their checkpoints in the name of a key.
    pub(crate) fn resign_after(&mut self, last: u64, signer: &Signer, key_id: &str) {
        for seq in last + 1..=self.records() {
            *self.line_mut(seq) = if seq.is_multiple_of(INTERVAL) {
                self.checkpoint(seq, signer, key_id)
            } else {
                let line = String::from_utf8(self.line(seq).clone()).expect("text");
                let (kept, _) = line.split_once(r#""prev":"#).expect("prev");
                format!(r#"{kept}"prev":"{}"}}"#, self.hash(seq - 1)).into_bytes()
            };
        }
    }

    /// Makes a record one that tells that retention removed all up to another, and chains the rest anew.
    pub(crate) fn tell_pruned(&mut self, seq: u64, upto: u64, checkpoint: &str, signer: &Signer) {
        let head = self.hash(upto);
        let members = format!(r#""upto":{upto},"head":"{head}","checkpoint":"{checkpoint}","#);
        *self.line_mut(seq) = record(seq, "pruned", &members, &self.hash(seq - 1));
        self.rechain_after(seq, signer, &signer.id());
    }

    /// The hash of a line; zeros for the one before the first.
    pub(crate) fn hash(&self, seq: u64) -> String {
        match seq {
            0 => "0".repeat(64),
            _ => sha256(self.line(seq)),
        }
    }

    fn checkpoint(&self, seq: u64, signer: &Signer, key_id: &str) -> Line {
        let (upto, head) = (seq - 1, self.hash(seq - 1));
        let previous = self.hash(seq - INTERVAL);
        let text = format!("partner-gateway/audit/v1\n{JOURNAL}\n{upto}\n{head}\n{previous}\n");
        let signature = signer.sign(&text);
        let members = format!(
            r#""upto":{upto},"head":"{head}","key_id":"{key_id}","signature":"{signature}","#
        );
        record(seq, "checkpoint", &members, &head)
    }

    /// Puts the journal on the disk.
    pub(crate) fn written(&self) -> TempDir {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.expect("directory");
        fs::write(dir.path().join("journal.id"), format!("{JOURNAL}\n")).unwrap();
        for (first, lines) in &self.files {
            let lines: Vec<u8> = lines
                .iter()
                .flat_map(|line| [line, &b"\n"[..]].concat())
                .collect();
            fs::write(segment(dir.path(), *first), lines).unwrap();
        }
        dir
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self, signer: Option<&Signer>, kept: &[&Line]) -> Option<Fault> {
        let found = findings(self.written().path(), signer, kept);
        found.damage.map(|damage| damage.fault)
    }
}

pub(crate) fn findings(dir: &Path, signer: Option<&Signer>, kept: &[&Line]) -> Findings {
    let key = signer.map(Signer::public);
    let kept = match kept {
        [] => Kept::default(),
        lines => {
            let text: Vec<u8> = lines
                .iter()
                .flat_map(|line| [line, &b"\n"[..]].concat())
                .collect();
            Kept::parse(&text).expect("checkpoints")
        }
    };
    let evidence = Evidence {
        keys: key.as_slice(),
        kept: &kept,
    };
    verify(dir, evidence, &mut |_| {}).expect("readable")
}

pub(crate) fn segment(dir: &Path, first: u64) -> std::path::PathBuf {
    dir.join(format!("journal-{first:020}.jsonl"))
}

/// A record with members of its own, each followed by a comma.
pub(crate) fn record(seq: u64, kind: &str, members: &str, prev: &str) -> Line {
    let minute = seq % 60;
    format!(
        r#"{{"v":1,"journal":"{JOURNAL}","seq":{seq},"id":"id-{seq}","time":"2026-11-21T10:{minute:02}:00.000000Z","kind":"{kind}",{members}"prev":"{prev}"}}"#
    )
    .into_bytes()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}
