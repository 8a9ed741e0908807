//! Any bytes as a document of evidence, or as the statement in one that is chained and signed anew: examining it
//! ends.

#![no_main]

mod journal;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use libfuzzer_sys::fuzz_target;
use partner_gateway::audit::{chain::LineHash, evidence::examine::examine};
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    let signer = journal::signer();
    drop(examine(bytes, &[]));
    let Some(document) = sealed(bytes, &signer) else {
        return;
    };

    let Ok(examined) = examine(document.as_bytes(), &[journal::public(&signer)]) else {
        return;
    };

    let last = examined.records.last().expect("no evidence is empty");
    assert!(last.seq <= examined.journal.last);
});

/// The statement in a document, with its lines chained and signed anew.
fn sealed(document: &[u8], signer: &Ed25519KeyPair) -> Option<String> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let mut statement: Value = serde_json::from_str(document.get("statement")?.as_str()?).ok()?;
    *statement.get_mut("public_key")? = json!(journal::pem(signer));
    for range in statement.get_mut("ranges")?.as_array_mut()? {
        let lines: Vec<String> = serde_json::from_value(range.get("lines")?.clone()).ok()?;
        let before = range.get("previous_checkpoint").and_then(Value::as_str);
        let text = before
            .into_iter()
            .map(str::to_owned)
            .chain(lines)
            .collect::<Vec<_>>()
            .join("\n")
            + "\n";
        let text = journal::chained(text.as_bytes(), signer);
        let text = String::from_utf8(text).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        if range.get("previous_checkpoint").is_some() {
            *range.get_mut("previous_checkpoint")? = json!(lines.next());
        }
        *range.get_mut("lines")? = json!(lines.collect::<Vec<_>>());
    }
    let statement = statement.to_string();
    let hash = LineHash::of(statement.as_bytes());
    let text = format!(
        "partner-gateway/evidence/v1\n{}\n{hash}\n",
        journal::JOURNAL
    );
    let signature = BASE64_STANDARD.encode(signer.sign(text.as_bytes()));
    Some(json!({"statement": statement, "signature": signature}).to_string())
}
