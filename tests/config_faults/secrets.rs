//! Secrets: where they are, who can read them, and that no message repeats them.

use std::{fs, os::unix::fs::symlink};

use rcgen::KeyPair;

use crate::site::{ACCOUNTS, CALLERS, SECRET, Site, with};

#[test]
fn refuses_a_secret_that_is_not_where_it_should_be() {
    let site = Site::new();
    site.write("empty", " \n", 0o600);
    site.write("latin1", b"\xe9", 0o600);
    symlink("nowhere", site.path("dangling")).expect("a link");
    let references = [
        "{file: DIR/absent}",
        "{file: DIR/dangling}",
        "{file: DIR/empty}",
        "{file: DIR/latin1}",
        "{file: DIR}",
        "{file: ''}",
        "{env: ABSENT}",
        "{}",
        "{file: DIR/secret, env: SECRET}",
    ];

    insta::assert_snapshot!(site.faults_of_each(references.map(referring)), @r#"
    config.yaml:5: accounts.contoso.credential.client_secret.file: reading "DIR/absent": No such file or directory (os error 2)
    config.yaml:5: accounts.contoso.credential.client_secret.file: reading "DIR/dangling": No such file or directory (os error 2)
    config.yaml:5: accounts.contoso.credential.client_secret.file: "DIR/empty" is empty; accepted: a file that holds the secret
    config.yaml:5: accounts.contoso.credential.client_secret.file: "DIR/latin1" is not UTF-8; accepted: text
    config.yaml:5: accounts.contoso.credential.client_secret.file: reading "DIR": Is a directory (os error 21)
    config.yaml:5: accounts.contoso.credential.client_secret.file: found ""; accepted: a path
    config.yaml:5: accounts.contoso.credential.client_secret.env: found "ABSENT", which is not set; accepted: the name of an environment variable that is set, in capitals
    config.yaml:5: accounts.contoso.credential.client_secret: found neither; accepted: {file: PATH} or {env: NAME}
    config.yaml:5: accounts.contoso.credential.client_secret.file: found both file and env; accepted: {file: PATH} or {env: NAME}
    "#);
}

#[test]
fn refuses_a_secret_in_a_variable_that_is_empty() {
    let site = Site::new();

    let faults = site.faults(&referring("{env: SECRET}"), &[("SECRET", " ")]);

    insta::assert_snapshot!(faults, @r#"config.yaml:5: accounts.contoso.credential.client_secret.env: found "SECRET", which is not set; accepted: the name of an environment variable that is set, in capitals"#);
    assert!(
        site.load(&referring("{env: SECRET}"), &[("SECRET", SECRET)])
            .is_ok()
    );
}

#[test]
fn refuses_a_secret_file_that_others_may_read() {
    let site = Site::new();
    let modes = [0o644, 0o604, 0o666].map(|mode| {
        let name = format!("open-{mode:o}");
        site.write(&name, SECRET, mode);
        referring(&format!("{{file: DIR/{name}}}"))
    });

    insta::assert_snapshot!(site.faults_of_each(modes), @r#"
    config.yaml:5: accounts.contoso.credential.client_secret.file: "DIR/open-644" can be read by everyone (mode 0644); accepted: a file closed to others, such as mode 0640, or a projected volume
    config.yaml:5: accounts.contoso.credential.client_secret.file: "DIR/open-604" can be read by everyone (mode 0604); accepted: a file closed to others, such as mode 0640, or a projected volume
    config.yaml:5: accounts.contoso.credential.client_secret.file: "DIR/open-666" can be read by everyone (mode 0666); accepted: a file closed to others, such as mode 0640, or a projected volume
    "#);
    site.write("group", SECRET, 0o640);
    assert!(site.load(&referring("{file: DIR/group}"), &[]).is_ok());
}

#[test]
fn takes_a_readable_secret_from_a_projected_volume() {
    let site = Site::new();
    fs::create_dir(site.path("..2")).expect("a directory");
    site.write("..2/client-secret", SECRET, 0o644);
    symlink("..2", site.path("..data")).expect("a link");
    symlink("..data/client-secret", site.path("client-secret")).expect("a link");

    let config = site.config(&referring("{file: DIR/client-secret}"), &[]);

    assert_eq!(config.accounts.len(), 1);
}

#[test]
fn never_repeats_a_secret() {
    let site = Site::new();
    let written = [
        "hunter2",
        "[hunter2]",
        "{hunter2}",
        "{value: hunter2}",
        "{file: DIR/secret, value: hunter2}",
        "{env: hunter2}",
        "{env: [hunter2]}",
        "{file: [hunter2]}",
        "{file: {hunter2: hunter2}}",
        "",
    ];
    let told = site.faults_of_each(written.map(referring));

    assert!(!told.contains(SECRET), "{told}");
    insta::assert_snapshot!(told, @"
    config.yaml:5: accounts.contoso.credential.client_secret: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:5: accounts.contoso.credential.client_secret: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:5: accounts.contoso.credential.client_secret: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:5: accounts.contoso.credential.client_secret: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:5: accounts.contoso.credential.client_secret: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:5: accounts.contoso.credential.client_secret.env: not a name (not shown); accepted: the name of an environment variable that is set, in capitals
    config.yaml:5: accounts.contoso.credential.client_secret.env: not a name (not shown); accepted: the name of an environment variable that is set, in capitals
    config.yaml:5: accounts.contoso.credential.client_secret.file: found a list; accepted: a path
    config.yaml:5: accounts.contoso.credential.client_secret.file: found a section; accepted: a path
    config.yaml:5: accounts.contoso.credential.client_secret: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    ");
}

#[test]
fn never_repeats_a_secret_that_stands_in_a_variable_or_beside_its_place() {
    let site = Site::new();
    let account = "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__";
    let mut told = Vec::new();
    for key in [
        "CLIENT_SECRET",
        "CREDENTIAL",
        "CREDENTIAL__CLIENT_SECRET",
        "CREDENTIAL__CLIENT_SECRET__VALUE",
        "CREDENTIAL__CLIENT_SECRT",
    ] {
        let key = format!("{account}{key}");
        told.push(site.faults(&referring("{file: DIR/secret}"), &[(&key, SECRET)]));
    }
    let open = ACCOUNTS.replace(
        "credential: {client_secret",
        "client_secret: hunter2\n    credential: {secret: hunter2, client_secret",
    );
    told.push(site.faults(&format!("{open}{CALLERS}"), &[]));
    let told = told.join("\n");

    assert!(!told.contains(SECRET), "{told}");
    insta::assert_snapshot!(told, @"
    PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CLIENT_SECRET: accounts.contoso.client_secret: unknown key; accepted: client_id, cloud, credential, endpoints, flow, refresh_token, tenant_id
    PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL: accounts.contoso.credential: a section or a list stands there; accepted: a variable for one single value
    PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET: accounts.contoso.credential.client_secret: a section or a list stands there; accepted: a variable for one single value
    config.yaml:5: accounts.contoso.credential.client_secret: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRT: accounts.contoso.credential.client_secrt: unknown key; nearest: client_secret
    config.yaml: 2 faults
    config.yaml:5: accounts.contoso.client_secret: unknown key; accepted: client_id, cloud, credential, endpoints, flow, refresh_token, tenant_id
    config.yaml:6: accounts.contoso.credential.secret: unknown key; accepted: certificate, client_secret, federated_token
    ");
}

fn referring(reference: &str) -> String {
    let accounts = ACCOUNTS.replace("{file: DIR/secret}", reference);
    format!("{accounts}{CALLERS}")
}

#[test]
fn tries_the_key_that_signs_checkpoints() {
    let site = Site::new();
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let p256 = KeyPair::generate().expect("a key");
    site.write("ed25519.key", ed25519.serialize_pem(), 0o600);
    site.write("open.key", ed25519.serialize_pem(), 0o644);
    site.write("p256.key", p256.serialize_pem(), 0o600);
    let with_key = |name| with(&format!("audit: {{signing_key_file: DIR/{name}}}"));

    let config = site.config(&with_key("ed25519.key"), &[]);
    let refused = ["absent.key", "open.key", "p256.key", "secret"];
    let faults = site.faults_of_each(refused.map(with_key));

    let path = Some(site.path("ed25519.key"));
    assert_eq!(config.audit.signing_key_file, path);
    insta::assert_snapshot!(faults, @r#"
    config.yaml:13: audit.signing_key_file: reading "DIR/absent.key": No such file or directory (os error 2)
    config.yaml:13: audit.signing_key_file: "DIR/open.key" can be read by everyone (mode 0644); accepted: a file closed to others, such as mode 0640, or a projected volume
    config.yaml:13: audit.signing_key_file: "DIR/p256.key" holds no Ed25519 key; accepted: an Ed25519 private key as PKCS#8 in PEM, such as `openssl genpkey -algorithm ed25519` makes
    config.yaml:13: audit.signing_key_file: "DIR/secret" holds no Ed25519 key; accepted: an Ed25519 private key as PKCS#8 in PEM, such as `openssl genpkey -algorithm ed25519` makes
    "#);
}
