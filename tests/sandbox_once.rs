//! The README's first command, as a newcomer runs it: it tells whether the whole path is sound.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    fs,
    process::{Command, Output},
};

#[test]
fn shows_one_sound_call_and_exits_with_0() {
    let shown = once(None);

    let text = String::from_utf8_lossy(&shown.stdout);
    assert_eq!(
        shown.status.code(),
        Some(0),
        "{text}{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    assert!(!text.contains("\nNO "), "{text}");
    for part in [
        "POST /transfers/b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0/ac4a9d22-ba07-444e-890f-cfe084eed498/reject",
        "PATCH /v1/customers/b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0/transfers/ac4a9d22-ba07-444e-890f-cfe084eed498",
        r#"{"id":"ac4a9d22-ba07-444e-890f-cfe084eed498","status":"reject"}"#,
        "HTTP/1.1 200 OK",
        r#""kind":"intent""#,
        r#""kind":"outcome""#,
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn exits_with_1_when_anything_is_not_as_it_must_be() {
    for fault in [
        r#"{"partner_center":[{"fault":"wrong_status","status":"Active"}]}"#,
        r#"{"partner_center":[{"fault":"status","status":500}]}"#,
        r#"{"partner_center":[{"fault":"commit_then_silence"}]}"#,
        r#"{"partner_center":[{"fault":"cut_body"}]}"#,
        r#"{"partner_center":[{"fault":"status","status":401}]}"#,
        r#"{"token":[{"fault":"status","status":500}]}"#,
        r#"{"token":[{"fault":"token_type","value":"mac"}]}"#,
    ] {
        let shown = once(Some(fault));

        let text = String::from_utf8_lossy(&shown.stdout);
        assert_eq!(shown.status.code(), Some(1), "{fault}: {text}");
        assert!(text.contains("\nNO "), "{fault}: {text}");
        assert!(
            text.contains(r#""kind":"outcome""#),
            "{fault}: even then there is a record"
        );
    }
}

#[test]
fn tells_what_is_wrong_with_a_script() {
    let shown = once(Some(r#"{"token":[{"fault":"dealy"}]}"#));

    let told = String::from_utf8_lossy(&shown.stderr);
    assert_eq!(shown.status.code(), Some(1), "{told}");
    assert!(
        told.contains("--script") && told.contains("unknown variant `dealy`"),
        "{told}"
    );
}

fn once(script: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args([
        "run",
        "--quiet",
        "--locked",
        "--example",
        "sandbox",
        "--",
        "--once",
    ]);
    let dir = tempfile::tempdir().expect("temporary directory");
    if let Some(script) = script {
        let file = dir.path().join("script.json");
        fs::write(&file, script).expect("script");
        command.arg("--script").arg(file);
    }
    command.output().expect("cargo runs")
}
