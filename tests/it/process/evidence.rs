//! What `audit evidence` writes of a gateway's journal, and what `audit verify --evidence` says of it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::Value;

use super::site::{PROGRAM, Site};
use crate::{
    harness::{
        CUSTOMER, TRANSFER,
        journal::segments,
        process::{Ended, Process},
    },
    verifying::made::Signer,
};

#[tokio::test]
async fn proves_what_became_of_a_transfer_with_nothing_else_at_hand() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let answer = gateway.reject(TRANSFER).await;
    gateway.process.signal("TERM");
    gateway.process.ended().await;
    let config = text(&site.config());
    let (out, elsewhere) = (site.path("transfer.json"), site.path("elsewhere.json"));
    let public = site.path("audit.pub");
    let printed = audit(&["key", "--config", &config]).await;
    fs::write(&public, printed.stdout).unwrap();
    let asked = ["evidence", "--config", &config, "--transfer", TRANSFER];

    let written = audit(&[&asked[..], &["--out", &text(&out)]].concat()).await;
    let shown = audit(&asked).await;
    let mode = fs::metadata(&out).unwrap().permissions().mode() & 0o777;
    fs::rename(&out, &elsewhere).unwrap();
    fs::rename(site.path("audit"), site.path("gone")).unwrap();
    let arguments = ["verify", "--evidence", &text(&elsewhere)];
    let people = audit(&[&arguments[..], &["--key", &text(&public)]].concat()).await;
    let own = audit(&arguments).await;
    let program = audit(&[&arguments[..], &["--json"]].concat()).await;

    assert_eq!(
        (written.code, &*written.stderr),
        (Some(0), ""),
        "{written:?}"
    );
    assert!(
        written.stdout.contains(&format!(
            "2 records of transfer {TRANSFER}, 0 of them not signed yet"
        )),
        "{written:?}"
    );
    assert_eq!((shown.code, mode), (Some(0), 0o600));
    assert_eq!([&people, &own, &program].map(|it| it.code), [Some(0); 3]);
    assert!(people.stdout.contains(": intact\ntransfer: "), "{people:?}");
    let intent = format!(", intent, transfers.reject, customer {CUSTOMER}, for billing\n");
    let outcome = format!(
        ", outcome, transfers.reject, 200 forwarded, sent to Partner Center: yes, transfer is \"Reject\", \
         customer {CUSTOMER}, for billing\n"
    );
    for line in [intent, outcome] {
        assert!(people.stdout.contains(&line), "{people:?}");
    }
    assert!(people.stdout.ends_with(", given by --key\n"), "{people:?}");
    assert!(
        own.stdout.contains(", the document's own, which"),
        "{own:?}"
    );
    let told: Value = serde_json::from_str(&program.stdout).unwrap();
    assert_eq!(
        (&told["intact"], &told["transfer"]),
        (&true.into(), &TRANSFER.into())
    );
    assert_eq!(told["key_from"], "evidence");
    let records = told["records"].as_array().unwrap();
    assert_eq!(records.len(), 2, "{told}");
    assert_eq!(records[0]["record"]["kind"], "intent");
    assert_eq!(records[1]["record"]["id"], answer.audit_id);
    assert!(records.iter().all(|it| it["signed"] == true), "{told}");
}

#[tokio::test]
async fn tells_of_a_gateway_that_runs_what_is_not_signed_yet() {
    let site = Site::new().await;
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let config = text(&site.config());
    let out = text(&site.path("transfer.json"));

    let asked = ["evidence", "--config", &config, "--transfer", TRANSFER];
    let written = audit(&[&asked[..], &["--out", &out]].concat()).await;
    let verified = audit(&["verify", "--evidence", &out]).await;

    assert_eq!((written.code, verified.code), (Some(0), Some(0)));
    assert!(
        written.stdout.contains(", 2 of them not signed yet"),
        "{written:?}"
    );
    assert!(
        verified
            .stdout
            .contains("records: 2; not signed by a checkpoint yet: 2;"),
        "{verified:?}"
    );
    assert_eq!(gateway.reject(TRANSFER).await.status, 400, "it goes on");
}

#[tokio::test]
async fn writes_no_document_where_there_is_nothing_to_prove() {
    let site = Site::new().await;
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    gateway.process.signal("TERM");
    gateway.process.ended().await;
    let config = text(&site.config());
    let out = text(&site.path("out.json"));
    fs::write(&out, "mine").unwrap();
    let ask = async |transfer: &str, out: &str| {
        let asked = ["evidence", "--config", &config, "--transfer", transfer];
        audit(&[&asked[..], &["--out", out]].concat()).await
    };

    let taken = ask(TRANSFER, &out).await;
    let new = text(&site.path("new.json"));
    let unknown = ask(CUSTOMER, &new).await;
    let odd = ask("odd", &new).await;
    let nowhere = ask(TRANSFER, &text(&site.path("no/where"))).await;
    let segment = segments(&site.path("audit")).remove(0);
    let journal = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, journal.replacen("\"seq\":2", "\"seq\":3", 1)).unwrap();
    let damaged = ask(TRANSFER, &new).await;
    fs::remove_file(site.path("audit/signing.key")).unwrap();
    let unsigned = ask(TRANSFER, &new).await;

    for (said, code, why) in [
        (&taken, 2, "is there already, and is left as it is"),
        (&unknown, 1, "no record of the journal names transfer"),
        (&odd, 2, "not a GUID"),
        (&nowhere, 2, "No such file"),
        (&damaged, 1, "not intact"),
        (&unsigned, 2, "there is no key in"),
    ] {
        assert_eq!((said.code, &*said.stdout), (Some(code), ""), "{said:?}");
        assert!(said.stderr.contains(why), "{said:?}");
    }
    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    assert!(!Path::new(&new).exists());
}

#[tokio::test]
async fn tells_a_document_that_was_changed_from_one_that_cannot_be_read() {
    let site = Site::new().await;
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    gateway.process.signal("TERM");
    gateway.process.ended().await;
    let config = text(&site.config());
    let asked = ["evidence", "--config", &config, "--transfer", TRANSFER];
    let document = audit(&asked).await.stdout;
    let [sound, changed] = ["sound", "changed"].map(|name| text(&site.path(name)));
    fs::write(&sound, &document).unwrap();
    fs::write(&changed, document.replacen("200", "500", 1)).unwrap();
    let other = text(&site.path("other.pub"));
    fs::write(&other, Signer::new().public_pem()).unwrap();
    let absent = text(&site.path("absent"));

    let of_changed = audit(&["verify", "--evidence", &changed]).await;
    let in_json = audit(&["verify", "--evidence", &changed, "--json"]).await;
    let of_other = audit(&["verify", "--evidence", &sound, "--key", &other]).await;

    for (said, what) in [
        (&of_changed, "what: its signature does not hold"),
        (&of_other, "what: it names key "),
    ] {
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stdout.contains(": NOT INTACT\n"), "{said:?}");
        assert!(said.stdout.contains(what), "{said:?}");
    }
    let told: Value = serde_json::from_str(&in_json.stdout).unwrap();
    assert_eq!((in_json.code, &told["intact"]), (Some(1), &false.into()));
    for arguments in [
        vec!["--evidence", &absent],
        vec!["--evidence", &sound, "--key", &sound],
        vec!["--evidence", &sound, "--key", &absent],
        vec!["--evidence", &sound, "--config", &config],
        vec!["--evidence", &sound, "--checkpoint", &sound],
    ] {
        let said = audit(&[&["verify"], &arguments[..]].concat()).await;
        assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
        assert!(!said.stderr.is_empty(), "{said:?}");
    }
}

async fn audit(arguments: &[&str]) -> Ended {
    let mut program = Command::new(PROGRAM);
    program.env_clear().arg("audit").args(arguments);
    Process::spawn(&mut program).ended().await
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
