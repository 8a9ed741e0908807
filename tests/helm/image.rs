//! The image: what is in it, and whether the program runs with that alone.
//!
//! The release program is built before (`cargo build --release`), because a debug build is far over the size.

use std::{fs, path::Path};

use serde_json::json;

use crate::node::{BUILT, CONFIG, Image, build};

#[test]
fn holds_the_program_what_it_is_linked_with_and_nothing_else() {
    let image = Image::new();

    let files = image.files();

    let expected = [
        "etc/group",
        "etc/nsswitch.conf",
        "etc/passwd",
        "etc/ssl/certs/ca-certificates.crt",
        "lib/x86_64-linux-gnu/libc.so.6",
        "lib/x86_64-linux-gnu/libgcc_s.so.1",
        "lib/x86_64-linux-gnu/libm.so.6",
        "lib64/ld-linux-x86-64.so.2",
        "usr/local/bin/partner-gateway",
        "usr/share/doc/libc6/copyright",
        "usr/share/doc/libgcc-s1/copyright",
        "usr/share/doc/partner-gateway/LICENSE",
    ];
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    let unpacked: u64 = files.values().sum();
    assert!(unpacked <= 25 << 20, "{unpacked} bytes");
    assert!(unpacked > 1 << 20, "{unpacked} bytes");
}

#[test]
fn is_run_as_a_user_with_a_number_and_says_what_it_is() {
    let image = Image::new();

    let config = &image.config()["config"];

    assert_eq!(config["User"], "65532:65532");
    assert_eq!(
        config["Entrypoint"],
        json!(["/usr/local/bin/partner-gateway"])
    );
    assert_eq!(config["Env"], json!(["PATH=/usr/local/bin"]));
    assert!(config["Cmd"].is_null());
    assert!(config["Volumes"].is_null());
    let labels = &config["Labels"];
    for (label, value) in [
        ("title", "partner-gateway"),
        ("licenses", "Apache-2.0"),
        ("version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(labels[format!("org.opencontainers.image.{label}")], value);
    }
    let revision = labels["org.opencontainers.image.revision"].as_str();
    assert_eq!(revision.map(str::len), Some(40), "{labels}");
}

#[test]
fn is_the_same_image_when_it_is_built_again() {
    let dir = tempfile::tempdir().expect("directory");

    let again = build(dir.path().join("image"));

    let index = |image: &Path| fs::read_to_string(image.join("oci/index.json")).expect("an index");
    assert_eq!(index(&again), index(&BUILT));
}

#[test]
fn answers_with_its_help() {
    let image = Image::new();
    image.configure("/var/lib/partner-gateway/audit");

    let output = image.run(&["--help"]);

    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("Usage: partner-gateway <COMMAND>"), "{told}");
}

#[test]
fn can_write_to_its_volume_only() {
    let image = Image::new();
    image.configure("/audit");

    let output = image.run(&["serve", "--config", CONFIG]);

    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("Read-only file system"), "{told}");
}

/// Names are looked up by what is in libc, of which the loader brings no more than is there.
#[test]
fn looks_names_up() {
    let image = Image::new();
    image.configure("/var/lib/partner-gateway/audit");
    let asked = |hosts: &str| {
        fs::write(image.path("configuration/hosts"), hosts).expect("written");
        let output = image.run(&["check", "--online", "--config", CONFIG]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };

    let known = asked("127.0.0.1 localhost\n");
    let unknown = asked("");

    assert!(known.contains("Connection refused"), "{known}");
    assert!(!unknown.contains("Connection refused"), "{unknown}");
}

#[test]
fn serves_and_drains_in_the_image_and_passes_the_test_of_the_chart() {
    let image = Image::new();
    image.configure("/var/lib/partner-gateway/audit");
    let gateway = image.serve();

    let tested = gateway.tested_by("audit-token-with-32-bytes-of-entropy");
    let refused = gateway.tested_by("no-token-of-anybody");
    let (code, said) = gateway.leave();

    let told = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(
        tested.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&tested.stderr)
    );
    assert!(told.contains("refused, and recorded"), "{told}");
    assert!(told.contains("\"code\":\"unauthenticated\""), "{told}");
    let told = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success(), "{told}");
    assert!(
        told.contains("the journal did not show the record"),
        "{told}"
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("SIGTERM received, leaving"), "{said}");
    assert_eq!(image.last_kinds(), ["stopped", "checkpoint"]);
}
