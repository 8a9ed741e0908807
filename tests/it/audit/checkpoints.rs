//! Checkpoints, verified with nothing of the gateway's own code: lines, SHA-256, Ed25519, the contract.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use partner_gateway::audit::{signing::KeyError, start_error::StartError};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::Value;

use crate::{
    audit::{
        kinds_of,
        start::{settings, start_with},
    },
    harness::{World, journal, tempdir, while_time_flows_by},
};

#[tokio::test(start_paused = true)]
async fn signs_the_chain_over_all_its_runs() {
    let world = World::new().await;
    world.reject().send().await;
    let (sandbox, dir) = world.end().await;

    let world = World::over(sandbox, dir, |_| {}).await;
    world.reject().send().await;
    let (_, dir) = world.end().await;

    let run = ["started", "intent", "outcome", "stopped", "checkpoint"];
    assert_eq!(kinds_of(&read(dir.path())), [run, run].concat());
    let key = Public::of(&dir.path().join("signing.key"));
    assert_eq!(verified(dir.path(), &[&key]), [5, 10]);
}

#[tokio::test(start_paused = true)]
async fn signs_at_every_interval_also_where_nothing_happens() {
    let world = World::with(|config| {
        config.audit.checkpoint_interval = Duration::from_mins(1);
    })
    .await;
    let second = || Duration::from_secs(1);

    let seconds = |count| tokio::time::sleep(Duration::from_secs(count));
    while_time_flows_by(&world, second, seconds(59)).await;
    let before = kinds_of(world.journal());
    while_time_flows_by(&world, second, seconds(122)).await;

    assert_eq!(before, ["started"]);
    let since = ["started", "checkpoint", "checkpoint", "checkpoint"];
    assert_eq!(kinds_of(world.journal()), since);
    let key = Public::of(&world.dir.path().join("signing.key"));
    assert_eq!(verified(world.dir.path(), &[&key]), [2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn signs_nothing_behind_the_last_checkpoint_of_a_run() {
    let dir = tempdir();
    let mut settings = settings(dir.path());
    settings.checkpoint_interval = Duration::from_mins(1);
    let written = start_with(&settings).await.unwrap();

    written.stop().await.unwrap();
    let stopped = kinds_of(&read(dir.path()));
    tokio::time::sleep(Duration::from_mins(2)).await;
    written.settle().await.unwrap();

    assert_eq!(stopped.last().unwrap(), "checkpoint");
    assert_eq!(kinds_of(&read(dir.path())), stopped);
}

#[tokio::test]
async fn makes_a_key_for_its_own_user_at_the_first_start_and_keeps_it() {
    let dir = tempdir();
    let file = dir.path().join("signing.key");

    run(dir.path()).await;
    let first = fs::read_to_string(&file).unwrap();
    run(dir.path()).await;

    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(!dir.path().join("signing.key.new").exists());
    let other = tempdir();
    run(other.path()).await;
    let another = fs::read_to_string(other.path().join("signing.key")).unwrap();
    assert_ne!(another, first, "each journal has a key of its own");
}

#[tokio::test]
async fn goes_on_with_another_key_where_one_is_put_in_its_place() {
    let dir = tempdir();
    run(dir.path()).await;
    let file = dir.path().join("signing.key");
    let first = Public::of(&file);

    fs::write(&file, ed25519()).unwrap();
    run(dir.path()).await;

    let second = Public::of(&file);
    assert_ne!(first.id, second.id);
    assert_eq!(verified(dir.path(), &[&first, &second]), [3, 6]);
}

#[tokio::test]
async fn signs_with_the_key_that_the_operator_names() {
    let dir = tempdir();
    let kept = tempdir();
    let file = kept.path().join("key.pem");
    fs::write(&file, ed25519()).unwrap();

    let mut settings = settings(dir.path());
    settings.signing_key_file = Some(file.clone());
    start_with(&settings).await.unwrap().stop().await.unwrap();

    assert_eq!(verified(dir.path(), &[&Public::of(&file)]), [3]);
    assert!(!dir.path().join("signing.key").exists());
}

#[tokio::test]
async fn does_not_start_without_the_key_that_signed_before() {
    let dir = tempdir();
    run(dir.path()).await;
    let file = dir.path().join("signing.key");
    fs::remove_file(&file).unwrap();

    let refused = refusal(dir.path()).await;

    assert!(matches!(refused, KeyError::Lost { .. }), "{refused:?}");
    insta::assert_snapshot!(shown(&refused, dir.path()), @r#"the journal has signed checkpoints, but "DIR/signing.key" is gone; restore it from a backup, or name a key in audit.signing_key_file"#);
    assert!(!file.exists(), "none is made in its place");
    assert_eq!(kinds_of(&read(dir.path())).len(), 3, "nothing is written");
}

#[tokio::test]
async fn does_not_start_with_a_key_that_cannot_sign() {
    let p256 = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let half = ed25519().split_at(60).0.to_owned();
    for odd in ["", "hunter2", &p256, &half] {
        let dir = tempdir();
        fs::write(dir.path().join("signing.key"), odd).unwrap();

        let refused = refusal(dir.path()).await;

        assert!(matches!(refused, KeyError::Odd { .. }), "{refused:?}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(&refused, dir.path()), @r#""DIR/signing.key" holds no key that signs audit checkpoints; restore it from a backup, or put there an Ed25519 private key as PKCS#8 in PEM, such as `openssl genpkey -algorithm ed25519` makes"#);
        }
        assert!(!format!("{refused:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn does_not_start_with_a_key_that_it_cannot_read() {
    let dir = tempdir();
    fs::create_dir(dir.path().join("signing.key")).unwrap();

    let refused = refusal(dir.path()).await;

    assert!(matches!(refused, KeyError::Read { .. }), "{refused:?}");
    insta::assert_snapshot!(shown(&refused, dir.path()), @r#"the key that signs audit checkpoints cannot be read from "DIR/signing.key"; let the gateway's own user read it"#);
}

/// Checks every checkpoint of a journal and the chain that they are; tells their numbers.
pub(super) fn verified(dir: &Path, keys: &[&Public]) -> Vec<u64> {
    let texts = journal::segments(dir).into_iter();
    let text: String = texts.map(|it| fs::read_to_string(it).unwrap()).collect();
    let mut previous = "0".repeat(64);
    let mut before = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        if record["kind"] == "checkpoint" {
            let upto = record["seq"].as_u64().unwrap() - 1;
            let head = journal::sha256(&before);
            assert_eq!(
                (&record["upto"], &record["head"]),
                (&upto.into(), &Value::from(&*head))
            );
            let name = record["journal"].as_str().unwrap();
            let signed = format!("partner-gateway/audit/v1\n{name}\n{upto}\n{head}\n{previous}\n");
            let key = keys
                .iter()
                .find(|key| record["key_id"] == *key.id)
                .expect("a key");
            key.verify(&signed, record["signature"].as_str().unwrap());
            previous = journal::sha256(line);
            found.push(upto + 1);
        }
        line.clone_into(&mut before);
    }
    found
}

/// What an outsider has of a key.
pub(super) struct Public {
    id: String,
    raw: Vec<u8>,
}

impl Public {
    pub(super) fn of(file: &Path) -> Self {
        let key = PrivatePkcs8KeyDer::from_pem_file(file).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()).unwrap();
        let raw = pair.public_key().as_ref().to_vec();
        let id = journal::hex(&digest(&SHA256, &raw).as_ref()[..8]);
        Self { id, raw }
    }

    fn verify(&self, text: &str, signature: &str) {
        let signature = BASE64_STANDARD.decode(signature).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, &self.raw);
        key.verify(text.as_bytes(), &signature)
            .expect("the signature holds");
    }
}

/// A run of the journal in which nothing is called.
async fn run(dir: &Path) {
    let journal = start_with(&settings(dir)).await.unwrap();
    journal.stop().await.unwrap();
}

async fn refusal(dir: &Path) -> KeyError {
    match start_with(&settings(dir)).await {
        Err(StartError::Key(refused)) => refused,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it starts"),
    }
}

fn shown(refused: &KeyError, dir: &Path) -> String {
    refused.to_string().replace(&*dir.to_string_lossy(), "DIR")
}

fn read(dir: &Path) -> journal::Journal {
    let journal = journal::Journal::of(dir);
    journal.read_on();
    journal
}

fn ed25519() -> String {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519);
    pair.unwrap().serialize_pem()
}
