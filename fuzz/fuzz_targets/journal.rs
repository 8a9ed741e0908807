//! Any bytes as a journal. A change to any of its bytes breaks the chain, and everything behind the break is
//! never looked at; so there is a way to chain and sign the lines anew, whatever they have become.

use std::{fs, ops::Range, path::Path};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use partner_gateway::audit::{chain::LineHash, public_key::PublicKey};
use tempfile::TempDir;

/// The journal that all seeds are of.
pub const JOURNAL: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// Lays a journal's directory out. A NUL ends a segment, which is named after its first record; what
/// follows two of them is the checkpoint that was kept.
pub fn laid_out(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir_in("/dev/shm").expect("directory");
    let id = format!("{JOURNAL}\n");
    write(dir.path(), "journal.id", id.as_bytes());
    let mut is_checkpoint = false;
    for (index, part) in bytes.split(|byte| *byte == 0).enumerate() {
        if part.is_empty() && index > 0 {
            is_checkpoint = true;
        } else if is_checkpoint {
            write(dir.path(), "checkpoint.json", part);
        } else {
            let first = number(part, b"\"seq\":").unwrap_or(1);
            write(dir.path(), &format!("journal-{first:020}.jsonl"), part);
        }
    }
    dir
}

/// Chains all lines that look like records anew, and signs all that look like checkpoints.
pub fn chained(bytes: &[u8], signer: &Ed25519KeyPair) -> Vec<u8> {
    let mut chain = Chain {
        signer,
        prev: None,
        checkpoint: LineHash::NONE.to_string(),
    };
    let parts = bytes.split_inclusive(|byte| matches!(byte, b'\n' | 0));
    parts.flat_map(|part| chain.follow(part)).collect()
}

/// A key that is the same in every run.
pub fn signer() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key")
}

/// What checks the signatures of [`signer`].
pub fn public(signer: &Ed25519KeyPair) -> PublicKey {
    PublicKey::from_pem(pem(signer).as_bytes()).expect("a key")
}

/// The same as PEM.
pub fn pem(signer: &Ed25519KeyPair) -> String {
    let info = [SPKI, signer.public_key().as_ref()].concat();
    let info = BASE64_STANDARD.encode(info);
    format!("-----BEGIN PUBLIC KEY-----\n{info}\n-----END PUBLIC KEY-----\n")
}

struct Chain<'a> {
    signer: &'a Ed25519KeyPair,
    prev: Option<String>,
    checkpoint: String,
}

impl Chain<'_> {
    fn follow(&mut self, part: &[u8]) -> Vec<u8> {
        let mut part = part.to_vec();
        if let Some(prev) = &self.prev {
            replace(&mut part, b"\"prev\":\"", prev);
        }
        let is_checkpoint = find(&part, b"\"kind\":\"checkpoint\"").is_some();
        if is_checkpoint {
            self.sign(&mut part);
        }
        if let Some(line) = part.strip_suffix(b"\n") {
            let hash = LineHash::of(line).to_string();
            if is_checkpoint {
                self.checkpoint.clone_from(&hash);
            }
            self.prev = Some(hash);
        }
        part
    }

    fn sign(&self, part: &mut [u8]) {
        let Some(prev) = value(part, b"\"prev\":\"", HASH) else {
            return;
        };
        let prev = String::from_utf8_lossy(&part[prev]).into_owned();
        replace(part, b"\"head\":\"", &prev);
        let upto = number(part, b"\"upto\":").unwrap_or(0);
        let before = &self.checkpoint;
        let text = format!("partner-gateway/audit/v1\n{JOURNAL}\n{upto}\n{prev}\n{before}\n");
        let signature = BASE64_STANDARD.encode(self.signer.sign(text.as_bytes()));
        replace(part, b"\"signature\":\"", &signature);
        let id = LineHash::of(self.signer.public_key().as_ref()).to_string();
        replace(part, b"\"key_id\":\"", &id[..16]);
    }
}

fn replace(part: &mut [u8], member: &[u8], text: &str) {
    if let Some(at) = value(part, member, text.len()) {
        part[at].copy_from_slice(text.as_bytes());
    }
}

fn value(part: &[u8], member: &[u8], length: usize) -> Option<Range<usize>> {
    let from = find(part, member)? + member.len();
    (from + length <= part.len()).then_some(from..from + length)
}

fn number(part: &[u8], member: &[u8]) -> Option<u64> {
    let digits = &part[find(part, member)? + member.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

fn find(part: &[u8], what: &[u8]) -> Option<usize> {
    part.windows(what.len()).position(|window| window == what)
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    fs::write(dir.join(name), bytes).expect("file");
}

/// In hexadecimal digits.
const HASH: usize = 64;

/// What stands before an Ed25519 key: https://www.rfc-editor.org/rfc/rfc8410#section-4.
const SPKI: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
