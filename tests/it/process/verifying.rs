//! What `audit verify` says and how it exits, over journals that the gateway wrote.

use std::{fs, process::Command};

use serde_json::Value;

use super::site::{PROGRAM, Site};
use crate::{
    harness::{
        TRANSFER,
        journal::segments,
        process::{Ended, Process},
    },
    verifying::made::{Made, RECORDS, Signer},
};

#[tokio::test]
async fn verifies_the_journal_of_a_gateway_that_runs() {
    let site = Site::new().await;
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let before = fs::read(&segments(&site.path("audit"))[0]).unwrap();

    let config = site.config();
    let verified = verify(&["--config", &config.to_string_lossy(), "--json"]).await;

    assert_eq!(verified.code, Some(0), "{verified:?}");
    let told: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(told["intact"], true);
    assert_eq!(told["damage"], Value::Null);
    assert_eq!(told["first"]["seq"], 1);
    assert_eq!(told["journal"], site.journal().records()[0]["journal"]);
    assert!(told["records"].as_u64().unwrap() >= 3, "{told}");
    assert!(verified.stderr.is_empty(), "{verified:?}");
    let after = fs::read(&segments(&site.path("audit"))[0]).unwrap();
    assert!(after.starts_with(&before), "nothing is changed");
    let again = gateway.reject(TRANSFER).await;
    let record = site.journal().outcome(&again.audit_id);
    assert_eq!(record["status"], again.status, "it writes on");
}

#[tokio::test]
async fn leads_from_a_refused_start_to_the_first_bad_record() {
    let site = Site::new().await;
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    gateway.process.signal("TERM");
    gateway.process.ended().await;
    let segment = segments(&site.path("audit")).remove(0);
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("\"seq\":2", "\"seq\":3", 1)).unwrap();
    let dir = site.path("audit").display().to_string();

    let refused = site.spawn("serve").ended().await;
    let verified = verify(&["--dir", &dir]).await;

    assert_eq!(refused.code, Some(1), "{refused:?}");
    let lead = format!("`partner-gateway audit verify --dir {dir}`");
    assert!(
        refused.stderr.contains("damaged at record 2, in"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains(&lead), "{refused:?}");
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(
        verified.stdout.contains("\nfirst bad record: 2\n"),
        "{verified:?}"
    );
}

#[tokio::test]
async fn tells_people_how_far_a_journal_is_signed() {
    let signer = Signer::new();
    let made = Made::by(&signer);
    let dir = made.written();
    let path = dir.path().display().to_string();
    let key = format!("{path}/key.pub");
    fs::write(&key, signer.public_pem()).unwrap();

    let unsigned = verify(&["--dir", &path]).await;
    fs::write(format!("{path}/signing.key"), signer.private_pem()).unwrap();
    let beside = verify(&["--dir", &path]).await;
    let given = verify(&["--dir", &path, "--key", &key]).await;

    let id = signer.id();
    assert_eq!([&unsigned, &beside, &given].map(|it| it.code), [Some(0); 3]);
    let whole = TOLD
        .replace("DIR", &path)
        .replace("HASH", &made.hash(RECORDS))
        .replace("KEY", &id);
    assert_eq!(given.stdout, whole);
    assert!(
        beside
            .stdout
            .contains(&format!("key: {id}, of signing.key beside"))
    );
    assert!(unsigned.stdout.contains("signed: not checked"));
    assert!(unsigned.stdout.contains("signatures not checked: 6\n"));
}

#[tokio::test]
async fn says_what_a_copy_must_contain() {
    let dir = Made::by(&Signer::new()).written();
    let path = dir.path().display().to_string();
    fs::remove_file(dir.path().join("journal.id")).unwrap();

    let nameless = verify(&["--dir", &path]).await;

    assert_eq!((nameless.code, &*nameless.stdout), (Some(2), ""));
    let why = "journal.id\" is missing, so that nobody knows which journal this is; a copy of a journal is the whole \
               directory, without index, *.lock and signing.key";
    assert!(nameless.stderr.contains(why), "{nameless:?}");
}

#[tokio::test]
async fn tells_people_and_programs_the_same_damage() {
    let signer = Signer::new();
    let mut made = Made::by(&signer);
    made.line_mut(20)[30] ^= 1;
    let dir = made.written();
    let path = dir.path().display().to_string();

    let people = verify(&["--dir", &path]).await;
    let program = verify(&["--dir", &path, "--json"]).await;

    assert_eq!([people.code, program.code], [Some(1); 2]);
    let told: Value = serde_json::from_str(&program.stdout).unwrap();
    let damage = &told["damage"];
    assert_eq!(
        (&told["intact"], &damage["seq"]),
        (&false.into(), &20.into())
    );
    let (file, what) = (
        damage["file"].as_str().unwrap(),
        damage["what"].as_str().unwrap(),
    );
    assert!(
        file.ends_with("/journal-00000000000000000013.jsonl"),
        "{told}"
    );
    let place = format!(
        "\nwhere: {file} at byte {}\nwhat: {what}\nmend: ",
        damage["offset"]
    );
    assert!(
        people
            .stdout
            .contains(": NOT INTACT\nfirst bad record: 20\n"),
        "{people:?}"
    );
    assert!(people.stdout.contains(&place), "{people:?}");
}

#[tokio::test]
async fn finds_a_missing_end_by_a_checkpoint_in_a_file() {
    let signer = Signer::new();
    let mut made = Made::by(&signer);
    let kept = made.line(RECORDS).clone();
    made.files[2].1.truncate(4);
    let dir = made.written();
    let path = dir.path().display().to_string();
    let file = format!("{path}/kept");
    fs::write(&file, kept).unwrap();

    let verified = verify(&["--dir", &path, "--checkpoint", &file]).await;

    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(
        verified.stdout.contains("\nfirst bad record: 29\n"),
        "{verified:?}"
    );
}

#[tokio::test]
async fn tells_what_could_not_be_read_from_what_is_not_intact() {
    let signer = Signer::new();
    let dir = Made::by(&signer).written();
    let path = dir.path().display().to_string();
    let odd = format!("{path}/odd");
    fs::write(&odd, "odd").unwrap();
    let absent = format!("{path}/absent");
    let empty = format!("{path}/empty");
    fs::create_dir(&empty).unwrap();
    fs::copy(format!("{path}/journal.id"), format!("{empty}/journal.id")).unwrap();

    for arguments in [
        vec!["--dir", &absent],
        vec!["--dir", &empty],
        vec!["--config", &absent],
        vec!["--dir", &path, "--key", &odd],
        vec!["--dir", &path, "--key", &absent],
        vec!["--dir", &path, "--checkpoint", &odd],
        vec!["--dir", &path, "--config", &path],
        vec![],
    ] {
        let verified = verify(&arguments).await;

        assert_eq!(verified.code, Some(2), "{arguments:?}: {verified:?}");
        assert!(verified.stdout.is_empty(), "{verified:?}");
        assert!(!verified.stderr.is_empty(), "{verified:?}");
    }
}

async fn verify(arguments: &[&str]) -> Ended {
    let mut program = Command::new(PROGRAM);
    program
        .env_clear()
        .args(["audit", "verify"])
        .args(arguments);
    Process::spawn(&mut program).ended().await
}

const TOLD: &str = "\
journal 0f8fad5b-d9cb-469f-a165-70867728950e in DIR: intact
records: 36; segments: 3; checkpoints: 6
from: record 1, 2026-11-21T10:01:00.000000Z
to: record 36, 2026-11-21T10:36:00.000000Z
head: HASH
signed: up to record 35, by checkpoint 36
key: KEY, given by --key
records behind the last checkpoint: 0
checkpoint.json: not there, so that an end that was cut off does not show; it belongs to every copy of a journal
";
