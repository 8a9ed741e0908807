//! The description of both listeners, held against the program: by a validator of OpenAPI, and by
//! schemathesis, which makes requests of it, sound ones and others, and looks whether the answers are
//! as described.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use http::Method;
use sandbox::{Fault, Target, Turn};
use serde_json::json;

use super::site::{PROGRAM, Running, Site};
use crate::harness::{
    BILLING, CUSTOMER, TRANSFER,
    process::{Ended, Process, asking_every},
    served::ask_as,
};

#[tokio::test]
async fn prints_a_description_that_is_valid() {
    let document = document();

    let printed = ended(Command::new(PROGRAM).env_clear().arg("openapi")).await;
    let validated = ended(
        python()
            .args(["-m", "openapi_spec_validator", "--schema", "3.1"])
            .arg(&document),
    )
    .await;

    assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
    assert_eq!(printed.stdout, std::fs::read_to_string(&document).unwrap());
    assert_eq!(validated.code, Some(0), "{validated:?}");
}

#[tokio::test]
async fn answers_as_it_is_described() {
    let site = Site::new().await;
    site.edit(
        "drain_timeout: 15s",
        "drain_timeout: 15s, max_body_bytes: 16KiB",
    );
    site.edit(
        "[transfers.reject]",
        "[transfers.reject, transfers.read, audit.read]",
    );
    site.edit(&format!("[{CUSTOMER}]"), "[\"*\"]");
    site.edit("filter: trace", "filter: info");
    // Rejecting the documented transfer works each time, or all but the first would be refused upstream.
    site.sandbox.push_turn(Target::PartnerCenter, rejected());
    let gateway = site.start().await;
    for _ in 0..3 {
        gateway.reject(TRANSFER).await;
    }
    let cursor = cursor(&gateway).await;

    let known = Some(BILLING);
    let asked = tokio::join!(
        ask_everything(&site, &gateway, "callers", known, &cursor),
        ask_everything(&site, &gateway, "operators", known, &cursor),
        ask_everything(&site, &gateway, "callers", None, &cursor),
        ask_everything(&site, &gateway, "operators", None, &cursor),
    );

    for ended in <[Ended; 4]>::from(asked) {
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains(" passed"), "{}", ended.stdout);
    }
    site.journal();
}

/// Has schemathesis make requests to one listener; without a token, fewer.
async fn ask_everything(
    site: &Site,
    gateway: &Running,
    listener: &str,
    token: Option<&str>,
    cursor: &str,
) -> Ended {
    let address = match listener {
        "callers" => gateway.address,
        _ => gateway.admin,
    };
    let mut command = python();
    command
        .current_dir(site.path(""))
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", dir())
        .env("CURSOR", cursor)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(dir().join("schemathesis.toml"))
        .arg("run")
        .arg(document())
        .args(["--no-color", "--include-tag", listener])
        .args(["--url", &format!("http://{address}")]);
    match token {
        Some(token) => command.args(["-H", &format!("Authorization: Bearer {token}")]),
        None => command.args(["--phases", "examples,fuzzing", "--max-examples", "5"]),
    };
    ended(&mut command).await
}

/// Where a second page begins, of the journal as it is.
async fn cursor(gateway: &Running) -> String {
    let (status, page) = ask_as(gateway.admin, "/audit/records?limit=1", BILLING).await;
    assert_eq!(status, 200, "{page}");
    page["next"].as_str().expect("a next page").to_owned()
}

fn rejected() -> Turn {
    let fault = Fault::Body {
        status: 200,
        body: json!({"id": TRANSFER, "status": "Reject"}).to_string(),
        content_type: Some("application/json".to_owned()),
    };
    let turn = Turn::of(fault).on(Method::PATCH);
    turn.of_transfer(TRANSFER).always()
}

/// Waits for a program that may take its time.
async fn ended(command: &mut Command) -> Ended {
    let mut process = Process::spawn(command);
    let (often, longest) = (Duration::from_millis(50), Duration::from_mins(3));
    asking_every(often, longest, async || process.has_ended()).await;
    process.ended().await
}

/// The Python that has the packages, with nothing of the test's environment.
fn python() -> Command {
    let python = dir().join("venv/bin/python");
    assert!(
        dir().join("venv/.installed").is_file() && python.exists(),
        "schemathesis is not installed: run scripts/test"
    );
    let mut command = Command::new(python);
    command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json")
}

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi")
}
