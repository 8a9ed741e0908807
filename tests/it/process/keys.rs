//! The key that signs checkpoints is replaced: what a start says of it, and that the journal is proved with both.

use std::{fs, process::Command};

use serde_json::Value;

use super::site::{PROGRAM, Site, private};
use crate::{
    harness::{
        TRANSFER,
        process::{Ended, Process},
    },
    verifying::made::Signer,
};

#[tokio::test]
async fn says_once_that_the_key_is_another_one_and_what_proves_the_journal() {
    let changed = Changed::new().await;

    let alone = changed.audit(&["verify"], &[]).await;

    let told = changed
        .logs
        .iter()
        .map(|log| changes(log))
        .collect::<Vec<_>>();
    assert_eq!([told[0].len(), told[2].len()], [0, 0], "{told:?}");
    let [change] = &told[1][..] else {
        panic!("{told:?}")
    };
    assert_eq!(change["level"], "ERROR");
    assert_eq!(change["audit.key_id"], changed.signer.id());
    assert_eq!(change["audit.former_key_id"], changed.former.id());
    assert_eq!(alone.code, Some(1), "{alone:?}");
    for part in [
        format!("it was signed with key {:?}", changed.former.id()),
        "mend: where the key was replaced on purpose, give the public key of each".to_owned(),
        format!(
            "key: {}, of {}, which the gateway signs with;",
            changed.signer.id(),
            changed.site.path("elsewhere.key").display()
        ),
    ] {
        assert!(alone.stdout.contains(&part), "{alone:?}");
    }
}

#[tokio::test]
async fn tells_which_key_vouches_for_which_records() {
    let changed = Changed::new().await;

    let people = changed.audit(&["verify"], &["old.pub", "new.pub"]).await;
    let all = ["verify", "--all", "--json"];
    let all = changed.audit(&all, &["new.pub", "old.pub"]).await;

    let handed = changed.handed_over_at();
    let (former, signer) = (changed.former.id(), changed.signer.id());
    assert_eq!(people.code, Some(0), "{people:?}");
    let vouched = format!(
        "keys: {former} and {signer}, given by --key\nsigned with {former}: records 1 to {handed}\n\
         signed with {signer}: records {} to ",
        handed + 1
    );
    assert!(people.stdout.contains(&vouched), "{people:?}");
    let told: Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!((all.code, &told["intact"]), (Some(0), &true.into()));
    let one = &told["journals"][0];
    assert_eq!(one["key_id"], signer);
    assert_eq!(one["signed_by"][0]["key_id"], former);
    assert_eq!(one["signed_by"][0]["upto"], handed);
    assert_eq!(one["signed_by"][1]["from"], handed + 1);
}

#[tokio::test]
async fn proves_a_transfer_with_the_former_key_beside_the_one_that_signs() {
    let changed = Changed::new().await;
    let evidence = ["evidence", "--transfer", TRANSFER];

    let refused = changed.audit(&evidence, &[]).await;
    let document = changed.audit(&evidence, &["old.pub"]).await;
    let file = changed.site.path("transfer.json");
    fs::write(&file, &document.stdout).unwrap();
    let mut program = Command::new(PROGRAM);
    program.env_clear().args(["audit", "verify", "--evidence"]);
    program
        .arg(file)
        .args(changed.keys(&["new.pub", "old.pub"]));
    let examined = Process::spawn(&mut program).ended().await;

    assert_eq!((refused.code, &*refused.stdout), (Some(1), ""));
    let mend = "give the public key of the former one by --key";
    assert!(refused.stderr.contains(mend), "{refused:?}");
    let codes = [document.code, examined.code];
    assert_eq!(codes, [Some(0); 2], "{document:?} {examined:?}");
    for key in [&changed.former, &changed.signer] {
        let vouched = format!("signed with {}: records ", key.id());
        assert!(examined.stdout.contains(&vouched), "{examined:?}");
    }
}

/// A journal of three runs, each with a call; behind the first one the key was replaced.
struct Changed {
    site: Site,
    former: Signer,
    signer: Signer,
    logs: [String; 3],
}

impl Changed {
    async fn new() -> Self {
        let site = Site::new().await;
        let (former, signer) = (Signer::new(), Signer::new());
        let own = site.path("elsewhere.key");
        let named = format!("/audit, signing_key_file: {}}}", own.display());
        site.edit("/audit}", &named);
        fs::write(site.path("old.pub"), former.public_pem()).unwrap();
        fs::write(site.path("new.pub"), signer.public_pem()).unwrap();
        private(&own, &former.private_pem());
        let first = run(&site).await;
        private(&own, &signer.private_pem());
        let logs = [first, run(&site).await, run(&site).await];
        Self {
            site,
            former,
            signer,
            logs,
        }
    }

    /// Runs a command over the site's configuration, with these public keys.
    async fn audit(&self, arguments: &[&str], keys: &[&str]) -> Ended {
        let mut program = Command::new(PROGRAM);
        program.env_clear().arg("audit").args(arguments);
        program.arg("--config").arg(self.site.config());
        Process::spawn(program.args(self.keys(keys))).ended().await
    }

    fn keys(&self, names: &[&str]) -> Vec<String> {
        let files = names.iter().map(|name| self.site.path(name));
        let given = files.map(|file| ["--key".to_owned(), file.display().to_string()]);
        given.flatten().collect()
    }

    /// The last record that the former key signed.
    fn handed_over_at(&self) -> u64 {
        let records = self.site.journal().records();
        let mut newest_first = records.iter().rev();
        let last = newest_first.find(|it| it["key_id"] == self.former.id());
        last.expect("checkpoint")["upto"].as_u64().expect("upto")
    }
}

/// A gateway from its start to its end, with a call; what it said.
async fn run(site: &Site) -> String {
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    gateway.process.signal("TERM");
    gateway.process.ended().await.stderr
}

fn changes(log: &str) -> Vec<Value> {
    let lines = log.lines();
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_change = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("the key that signs audit checkpoints is another one than before")
    };
    lines.filter(is_change).collect()
}
