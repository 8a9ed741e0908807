//! What was mended after it had been come by here.

use std::os::unix::net::UnixListener;

use crate::site::{ACCOUNTS, CALLERS, Site, faults, with};

#[test]
fn reads_a_file_that_begins_with_a_byte_order_mark() {
    let config = Site::new().config(&format!("\u{feff}{}", with("")), &[]);

    assert_eq!(config.default_account, "contoso");
}

#[test]
fn refuses_keys_after_the_end_of_the_document() {
    insta::assert_snapshot!(faults(&with("...\n# nothing\nserver: {listen: x}")), @"config.yaml:15: found a second document; accepted: one");
    assert!(Site::new().load(&with("...\n# nothing\n"), &[]).is_ok());
}

#[test]
fn escapes_control_characters_of_keys() {
    insta::assert_snapshot!(faults(&with("\"\\u001b[31m\\n\": x")), @r"config.yaml:13: \u{1b}[31m\n: unknown key; accepted: accounts, admin, audit, callers, client, cluster, default_account, idempotency, policy, server, telemetry, upstream");
}

#[test]
fn tells_no_more_than_the_misspelt_accounts() {
    insta::assert_snapshot!(faults(&with("").replacen("accounts", "acounts", 1)), @"
    config.yaml: 2 faults
    config.yaml: accounts: is missing
    config.yaml:1: acounts: unknown key; nearest: accounts
    ");
    insta::assert_snapshot!(faults(&format!("accounts: {{}}\ndefault_account: contoso\n{CALLERS}")), @"config.yaml:1: accounts: found no account; accepted: at least one");
}

#[test]
fn refuses_ways_in_that_let_nobody_in() {
    let site = Site::new();
    site.write("tokens", "# none yet\n", 0o644);

    insta::assert_snapshot!(site.faults(&with(""), &[]), @"config.yaml:6: callers.token_file: the token file holds no entry; accepted: lines of name:sha256-of-the-token");
    insta::assert_snapshot!(faults(&format!("{ACCOUNTS}callers: {{issuers: []}}\n")), @"config.yaml:6: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener");
    insta::assert_snapshot!(faults(&format!("{ACCOUNTS}callers: {{issuers: }}\n")), @"config.yaml:6: callers.issuers: found nothing; accepted: a list");
}

#[test]
fn refuses_listeners_that_want_one_port() {
    let site = Site::new();
    let text = |(one, other): (&str, &str)| {
        with(&format!(
            "server: {{listen: '{one}'}}\nadmin: {{listen: '{other}'}}"
        ))
    };
    let pairs = [
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("[::]:8080", "0.0.0.0:8080"),
    ];

    insta::assert_snapshot!(site.faults_of_each(pairs.map(text)), @"
    config.yaml:14: admin.listen: overlaps server.listen; accepted: a port of its own
    config.yaml:14: admin.listen: overlaps server.listen; accepted: a port of its own
    ");
    assert!(
        site.load(&text(("127.0.0.1:8080", "127.0.0.2:8080")), &[])
            .is_ok()
    );
}

#[test]
fn refuses_secret_files_that_are_too_large_or_no_files() {
    let site = Site::new();
    site.write("large", vec![b'x'; (16 << 20) + 1], 0o600);
    let _socket = UnixListener::bind(site.path("socket")).expect("a socket");
    let files = ["large", "socket"].map(|file| {
        let accounts = ACCOUNTS.replace("DIR/secret", &format!("DIR/{file}"));
        format!("{accounts}{CALLERS}")
    });

    insta::assert_snapshot!(site.faults_of_each(files), @r#"
    config.yaml:5: accounts.contoso.credential.client_secret.file: reading "DIR/large": it is over 16777216 bytes
    config.yaml:5: accounts.contoso.credential.client_secret.file: reading "DIR/socket": it is a pipe or a device
    "#);
}
