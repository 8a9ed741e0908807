//! Writes a journal of any length, for measuring what reads journals: pairs of intents and outcomes of the
//! usual size, checkpoints, segments. Nothing of the gateway's own code is in it.
//!
//! `cargo run --release --example journal -- DIR RECORDS`, where DIR is new.

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [dir, records] = arguments.as_slice() else {
        return Err("usage: journal DIR RECORDS".into());
    };
    let dir = Path::new(dir);
    fs::create_dir(dir)?;
    fs::write(dir.join("journal.id"), format!("{JOURNAL}\n"))?;
    let signer = Ed25519KeyPair::generate()?;
    let key = BASE64_STANDARD.encode(signer.to_pkcs8v1()?.as_ref());
    let key = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
    fs::write(dir.join("signing.key"), key)?;
    write(dir, records.parse()?, &signer)
}

fn write(dir: &Path, records: u64, signer: &Ed25519KeyPair) -> Result<(), Box<dyn Error>> {
    let key_id: String = hex(signer.public_key().as_ref()).chars().take(16).collect();
    let mut prev = "0".repeat(64);
    let mut checkpoint = prev.clone();
    let mut segment: Option<BufWriter<File>> = None;
    for seq in 1..=records {
        let file = match segment.take() {
            Some(file) => file,
            None => BufWriter::new(File::create(dir.join(format!("journal-{seq:020}.jsonl")))?),
        };
        let file = segment.insert(file);
        let is_checkpoint = seq.is_multiple_of(INTERVAL) || seq == records;
        let members = if is_checkpoint {
            let upto = seq - 1;
            let text =
                format!("partner-gateway/audit/v1\n{JOURNAL}\n{upto}\n{prev}\n{checkpoint}\n");
            let signature = BASE64_STANDARD.encode(signer.sign(text.as_bytes()));
            format!(
                r#""kind":"checkpoint","boot":"{BOOT}","upto":{upto},"head":"{prev}","key_id":"{key_id}","signature":"{signature}""#
            )
        } else {
            of_call(seq)
        };
        let second = seq / 400 % 60;
        let line = format!(
            r#"{{"v":1,"journal":"{JOURNAL}","seq":{seq},"id":"0196f2b4-0000-7000-8000-{seq:012x}","time":"2026-11-21T10:00:{second:02}.000000Z",{members},"prev":"{prev}"}}"#
        );
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
        prev = hex(line.as_bytes());
        if is_checkpoint {
            checkpoint.clone_from(&prev);
            file.flush()?;
            if seq.is_multiple_of(INTERVAL * 6) {
                segment = None;
            }
        }
    }
    Ok(())
}

/// The members of an intent, or of the outcome after it.
fn of_call(seq: u64) -> String {
    let call = seq / 2;
    let common = format!(
        r#""call":"0196f2b4-1111-7000-8000-{call:012x}","operation":"transfers.reject","customer":"b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0","transfer":"1c1bd5b4-3fd7-4f1b-9e4b-{call:012x}","principal":"spiffe://cluster.local/ns/billing/sa/worker","issuer":"https://kubernetes.default.svc","auth":"jwt","peer":"10.1.2.3:41234","account":"contoso","partner_tenant":"0f8fad5b-d9cb-469f-a165-70867728950e","flow":"app_user","correlation_id":"7c9e6679-7425-40de-944b-{call:012x}","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","decision":"allowed","rule":"billing-may-reject","boot":"{BOOT}","policy":"5feceb66ffc86f38""#
    );
    if seq.is_multiple_of(2) {
        return format!(
            r#""kind":"intent",{common},"request_ids":["9b2f4a1c-93a1-4d55-8ad5-{call:012x}","9b2f4a1c-93a1-4d55-8ad6-{call:012x}","9b2f4a1c-93a1-4d55-8ad7-{call:012x}"]"#
        );
    }
    format!(
        r#""kind":"outcome",{common},"status":200,"outcome":"forwarded","forwarded":"yes","attempts":[{{"request_id":"9b2f4a1c-93a1-4d55-8ad5-{call:012x}","started":"2026-11-21T10:00:00.000000Z","duration_us":91234,"status":200,"token":"5feceb66ffc86f38"}}],"transfer_status":"Reject","body_sha256":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b","body_bytes":612,"duration_us":93456"#
    )
}

/// The SHA-256 of a text, in hexadecimal digits.
fn hex(text: &[u8]) -> String {
    let hash = digest(&SHA256, text);
    let mut told = String::with_capacity(64);
    for byte in hash.as_ref() {
        for nibble in [byte >> 4, byte & 15] {
            told.extend(char::from_digit(nibble.into(), 16));
        }
    }
    told
}

const JOURNAL: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const BOOT: &str = "0196f2b4-2222-7000-8000-000000000000";

/// Every so many records one is a checkpoint, and every sixth checkpoint ends a segment of some 60 MB.
const INTERVAL: u64 = 10_000;
