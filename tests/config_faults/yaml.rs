//! Files that cannot be read, or are not plain YAML.

use crate::site::{Site, faults, with};

#[test]
fn tells_of_a_file_that_cannot_be_read() {
    let site = Site::new();
    site.write("latin1.yaml", b"client: {locale: \xe9}\n", 0o644);
    let told = |name: &str| {
        site.load_file(&site.path(name), &[])
            .expect_err("not readable")
    };

    insta::assert_snapshot!(told("absent.yaml"), @"DIR/absent.yaml: reading it: No such file or directory (os error 2)");
    insta::assert_snapshot!(told("latin1.yaml"), @"DIR/latin1.yaml: reading it: it is not valid UTF-8");
    insta::assert_snapshot!(told("."), @"DIR/.: reading it: Is a directory (os error 21)");
}

#[test]
fn tells_of_a_file_that_a_crash_has_left_half_empty() {
    insta::assert_snapshot!(faults(&format!("{}\0\0\0\0", with(""))), @"config.yaml:13: a NUL character; accepted: text");
    insta::assert_snapshot!(faults("\0"), @"config.yaml:1: a NUL character; accepted: text");
}

#[test]
fn tells_of_a_file_without_keys() {
    insta::assert_snapshot!(faults(""), @"
    config.yaml: 2 faults
    config.yaml: accounts: is missing
    config.yaml: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener
    ");
    insta::assert_snapshot!(faults("# nothing yet\n"), @"
    config.yaml: 2 faults
    config.yaml: accounts: is missing
    config.yaml: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener
    ");
    insta::assert_snapshot!(faults("- server\n"), @"config.yaml:1: found no keys; accepted: keys with values");
    insta::assert_snapshot!(faults("server\n"), @"config.yaml:1: found no keys; accepted: keys with values");
}

#[test]
fn tells_the_line_of_what_is_not_yaml() {
    insta::assert_snapshot!(faults("server:\n  listen: 'open\n"), @"config.yaml:2: not YAML: while scanning a quoted scalar, found unexpected end of stream");
    insta::assert_snapshot!(faults("server:\n\tlisten: x\n"), @"config.yaml:2: not YAML: tabs disallowed within this context (block indentation)");
    insta::assert_snapshot!(faults("server: {listen: x\nadmin: {}\n"), @"config.yaml:2: not YAML: while parsing a flow mapping, did not find expected ',' or '}'");
    insta::assert_snapshot!(faults("server:\n  listen: x\n admin: y\n"), @"config.yaml:3: not YAML: while parsing a block mapping, did not find expected key");
    insta::assert_snapshot!(faults("server: listen: x\n"), @"config.yaml:1: not YAML: mapping values are not allowed in this context");
}

#[test]
fn takes_plain_yaml_only() {
    insta::assert_snapshot!(faults("a: &x 1\nb: *x\n"), @"config.yaml:1: found an anchor; accepted: YAML without anchors and aliases");
    insta::assert_snapshot!(faults("a: !!int 1\n"), @"config.yaml:1: found a tag; accepted: YAML without tags");
    insta::assert_snapshot!(faults("{a: 1}: b\n"), @"config.yaml:1: found a list or a section as a key; accepted: a name");
    insta::assert_snapshot!(faults(&with("---\nserver: {}")), @"config.yaml:13: found a second document; accepted: one");
}

#[test]
fn tells_both_lines_of_a_key_that_stands_twice_and_goes_on() {
    insta::assert_snapshot!(faults(&with("server:\n  listen: 127.0.0.1:1\n  max_in_flight: 0\n  listen: 127.0.0.1:2")), @r#"
    config.yaml: 2 faults
    config.yaml:15: server.max_in_flight: found "0"; accepted: a number from 1 to 65535
    config.yaml:16: server.listen: stands in line 14 and again in line 16; accepted: once
    "#);
    insta::assert_snapshot!(faults(&with("client: {locale: en-US}\nclient: {locale: de-DE}")), @"config.yaml:14: client: stands in line 13 and again in line 14; accepted: once");
}
