//! The three files under `config/`.

use std::path::Path;

use crate::{site::Site, tls::pair};

#[test]
fn reads_the_defaults_which_lack_an_account_and_a_way_in() {
    let faults = Site::new().load_file(Path::new("config/default.yaml"), &[]);

    insta::assert_snapshot!(faults.expect_err("no account"), @"
    config/default.yaml: 2 faults
    config/default.yaml: accounts: is missing
    config/default.yaml:104: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener
    ");
}

#[test]
fn reads_the_defaults_with_an_account_in_variables() {
    let site = Site::new();

    let loaded = site.load_file(
        Path::new("config/default.yaml"),
        &[
            (
                "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__TENANT_ID",
                "contoso.com",
            ),
            (
                "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CLIENT_ID",
                "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01",
            ),
            (
                "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET__ENV",
                "SECRET",
            ),
            ("PARTNER_GATEWAY__CALLERS__TOKEN_FILE", "DIR/tokens"),
            ("SECRET", "hunter2"),
        ],
    );

    insta::assert_snapshot!(site.notices_of(&loaded.expect("sound")), @"
    config/default.yaml: policy: no rule grants anything, so every call is refused
    config/default.yaml:226: audit.flush_interval: has no effect while audit.durability is strict
    ");
}

#[test]
fn reads_the_sandbox_with_its_files_in_another_place() {
    let site = Site::new();

    let loaded = site.load_file(
        Path::new("config/sandbox.yaml"),
        &[
            (
                "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET__FILE",
                "DIR/secret",
            ),
            ("PARTNER_GATEWAY__CALLERS__TOKEN_FILE", "DIR/tokens"),
        ],
    );

    let loaded = loaded.expect("sound");
    assert_eq!(site.notices_of(&loaded), "");
    assert!(loaded.config.server.listen.ip().is_loopback());
    assert_eq!(loaded.config.accounts[0].api, "http://127.0.0.1:8082/");
}

#[test]
fn reads_the_example_for_production_with_its_files_in_another_place() {
    let site = Site::new();
    let (certificate, key) = pair();
    site.write("tls.crt", certificate, 0o644);
    site.write("tls.key", key, 0o600);

    let loaded = site.load_file(
        Path::new("config/production.example.yaml"),
        &[
            (
                "PARTNER_GATEWAY__SERVER__TLS__CERTIFICATE_FILE",
                "DIR/tls.crt",
            ),
            (
                "PARTNER_GATEWAY__SERVER__TLS__PRIVATE_KEY_FILE",
                "DIR/tls.key",
            ),
            (
                "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET__FILE",
                "DIR/secret",
            ),
            ("PARTNER_GATEWAY__CALLERS__TOKEN_FILE", "DIR/tokens"),
        ],
    );

    let loaded = loaded.expect("sound");
    assert_eq!(site.notices_of(&loaded), "");
    assert!(loaded.config.server.tls.is_some());
    assert_eq!(loaded.config.default_account, "contoso");
    assert_eq!(loaded.config.authorization.rules.len(), 3);
}
