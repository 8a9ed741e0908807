//! What `audit key` prints: the public key, as `audit verify` takes it, and nothing of the private one.

use std::{fs, process::Command};

use serde_json::{Value, json};

use super::site::{PROGRAM, Site};
use crate::{
    harness::process::{Ended, Process},
    verifying::made::{Made, Signer},
};

#[tokio::test]
async fn prints_the_public_key_as_verify_takes_it() {
    let site = Site::new().await;
    let gateway = site.start().await;
    gateway.process.signal("TERM");
    gateway.process.ended().await;
    let config = site.config().display().to_string();

    let printed = audit(&["key", "--config", &config]).await;
    let file = site.path("audit.pub").display().to_string();
    fs::write(&file, &printed.stdout).unwrap();
    let verified = audit(&["verify", "--config", &config, "--key", &file, "--json"]).await;

    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let told: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(told["key_from"], "given");
    assert!(told["signed_upto"].as_u64() > Some(0), "{told}");
}

#[tokio::test]
async fn prints_nothing_of_the_private_key() {
    let signer = Signer::new();
    let dir = Made::by(&signer).written();
    let path = dir.path().display().to_string();
    let own = format!("{path}/signing.key");
    let elsewhere = format!("{path}/elsewhere.key");
    fs::write(&own, signer.private_pem()).unwrap();
    let other = Signer::new();
    fs::write(&elsewhere, other.private_pem()).unwrap();

    let people = audit(&["key", "--dir", &path]).await;
    let program = audit(&["key", "--dir", &path, "--json"]).await;
    let named = audit(&["key", "--dir", &path, "--signing-key", &elsewhere]).await;

    assert_eq!([&people, &program, &named].map(|it| it.code), [Some(0); 3]);
    assert_eq!(people.stdout, signer.public_pem());
    assert_eq!(named.stdout, other.public_pem());
    let told: Value = serde_json::from_str(&program.stdout).unwrap();
    let expected = json!({
        "key_id": signer.id(),
        "algorithm": "Ed25519",
        "public_key": signer.public_pem(),
        "raw": signer.public_base64(),
    });
    assert_eq!(told, expected);
    for said in [people, program, named] {
        assert_eq!(said.stderr, "");
    }
}

#[tokio::test]
async fn says_why_there_is_no_key_to_print() {
    let signer = Signer::new();
    let dir = Made::by(&signer).written();
    let path = dir.path().display().to_string();
    let public = format!("{path}/audit.pub");
    fs::write(&public, signer.public_pem()).unwrap();

    let absent = audit(&["key", "--dir", &path]).await;
    let odd = audit(&["key", "--dir", &path, "--signing-key", &public]).await;
    let unconfigured = audit(&["key", "--config", &format!("{path}/absent")]).await;

    for (said, why) in [
        (&absent, "the gateway makes one at its first start"),
        (&odd, "holds no key that signs audit checkpoints"),
        (&unconfigured, "absent"),
    ] {
        assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
        assert!(said.stderr.contains(why), "{said:?}");
    }
}

async fn audit(arguments: &[&str]) -> Ended {
    let mut program = Command::new(PROGRAM);
    program.env_clear().arg("audit").args(arguments);
    Process::spawn(&mut program).ended().await
}
