//! How callers are known: a token file, or nobody knows them.

use crate::site::{ACCOUNTS, Site, faults, with};

#[test]
fn refuses_a_gateway_that_nobody_could_call() {
    insta::assert_snapshot!(faults(&format!("{ACCOUNTS}callers: {{}}\n")), @"config.yaml:6: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener");
    insta::assert_snapshot!(faults(&format!("{ACCOUNTS}callers: {{anonymous: false}}\n")), @"config.yaml:6: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener");
}

#[test]
fn refuses_callers_without_a_name_where_others_reach_the_listener() {
    let site = Site::new();
    let open = |listen: &str| {
        format!("{ACCOUNTS}callers: {{anonymous: true}}\nserver: {{listen: '{listen}'}}\n")
    };
    let reachable = ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:8080"];

    insta::assert_snapshot!(site.faults_of_each(reachable.map(open)), @"
    config.yaml:6: callers.anonymous: found true; accepted: false, unless server.listen is a loopback address
    config.yaml:6: callers.anonymous: found true; accepted: false, unless server.listen is a loopback address
    config.yaml:6: callers.anonymous: found true; accepted: false, unless server.listen is a loopback address
    ");
    for loopback in ["127.0.0.1:8080", "[::1]:8080"] {
        assert!(site.config(&open(loopback), &[]).identity.anonymous);
    }
}

#[test]
fn tells_every_line_of_a_token_file_that_is_no_entry() {
    let site = Site::new();
    let (zeros, ones) = ("0".repeat(64), "1".repeat(64));
    let long = "x".repeat(257);
    let lines = format!(
        "# callers\n\nbilling:{zeros}\nbilling\n:{ones}\nbilling:12\nbilling:{}\ndunning:{zeros}\n{long}:{ones}\n",
        "g".repeat(64)
    );
    site.write("tokens", lines, 0o644);

    insta::assert_snapshot!(site.faults(&with(""), &[]), @r#"
    config.yaml: 6 faults
    config.yaml:6: callers.token_file: line 4 of the file: no colon; expected name:sha256-of-the-token
    config.yaml:6: callers.token_file: line 5 of the file: the name is empty or over 256 characters
    config.yaml:6: callers.token_file: line 6 of the file: the hash of "billing" is not 64 hexadecimal digits
    config.yaml:6: callers.token_file: line 7 of the file: the hash of "billing" is not 64 hexadecimal digits
    config.yaml:6: callers.token_file: line 8 of the file: the hash of "dunning" stands in the file twice
    config.yaml:6: callers.token_file: line 9 of the file: the name is empty or over 256 characters
    "#);
}

#[test]
fn refuses_a_token_file_that_cannot_be_read() {
    let site = Site::new();
    site.write("latin1", b"\xe9", 0o644);
    let files = ["DIR/absent", "DIR/latin1", "DIR", "''"];
    let text = |file: &str| format!("{ACCOUNTS}callers: {{token_file: {file}}}\n");

    insta::assert_snapshot!(site.faults_of_each(files.map(text)), @r#"
    config.yaml:6: callers.token_file: reading "DIR/absent": No such file or directory (os error 2)
    config.yaml:6: callers.token_file: the token file is not UTF-8; accepted: text
    config.yaml:6: callers.token_file: reading "DIR": Is a directory (os error 21)
    config.yaml:6: callers.token_file: found ""; accepted: a path
    "#);
}

#[test]
fn tells_of_a_token_instead_of_its_hash_without_repeating_it() {
    let site = Site::new();
    site.write("tokens", "billing:hunter2\nhunter2\n", 0o644);

    let told = site.faults(&with(""), &[]);

    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @r#"
    config.yaml: 2 faults
    config.yaml:6: callers.token_file: line 1 of the file: the hash of "billing" is not 64 hexadecimal digits
    config.yaml:6: callers.token_file: line 2 of the file: no colon; expected name:sha256-of-the-token
    "#);
}
