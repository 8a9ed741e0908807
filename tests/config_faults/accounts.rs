//! Accounts: their names, tenants, credentials and endpoints.

use crate::site::{ACCOUNTS, CALLERS, Site, faults, with};

#[test]
fn refuses_the_words_that_stand_for_many_tenants() {
    let site = Site::new();
    let tenants = ["common", "organizations", "consumers", "contoso", "a/b.c"];
    let text = |tenant: &str| with("").replace("3a9a35ce-d5be-4814-ab58-4451c36fe157", tenant);

    insta::assert_snapshot!(site.faults_of_each(tenants.map(text)), @r#"
    config.yaml:3: accounts.contoso.tenant_id: found "common"; accepted: the GUID or a verified domain of one tenant
    config.yaml:3: accounts.contoso.tenant_id: found "organizations"; accepted: the GUID or a verified domain of one tenant
    config.yaml:3: accounts.contoso.tenant_id: found "consumers"; accepted: the GUID or a verified domain of one tenant
    config.yaml:3: accounts.contoso.tenant_id: found "contoso"; accepted: the GUID or a verified domain of one tenant
    config.yaml:3: accounts.contoso.tenant_id: found "a/b.c"; accepted: the GUID or a verified domain of one tenant
    "#);
}

#[test]
fn refuses_what_is_no_application_no_cloud_and_no_flow() {
    let site = Site::new();
    let changed = |key: &str| {
        let text = format!("{ACCOUNTS}{CALLERS}");
        text.replace("    tenant_id", &format!("    {key}\n    tenant_id"))
    };
    let ids = ["none", "00000000-0000-0000-0000-000000000000"];
    let id = |id: &str| changed("").replace("4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01", id);

    insta::assert_snapshot!(site.faults_of_each(ids.map(id)), @r#"
    config.yaml:5: accounts.contoso.client_id: found "none"; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
    config.yaml:5: accounts.contoso.client_id: found "00000000-0000-0000-0000-000000000000"; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
    "#);
    insta::assert_snapshot!(site.faults(&changed("cloud: mars"), &[]), @r#"config.yaml:3: accounts.contoso.cloud: found "mars"; accepted: global, china, germany, us_government"#);
    insta::assert_snapshot!(site.faults(&changed("flow: user"), &[]), @r#"config.yaml:3: accounts.contoso.flow: found "user"; accepted: app, app_user"#);
}

#[test]
fn refuses_every_credential_but_exactly_one() {
    let site = Site::new();
    let given =
        |credential: &str| with("").replace("{client_secret: {file: DIR/secret}}", credential);
    let credentials = [
        "{}",
        "",
        "secret",
        "{client_secret: {file: DIR/secret}, federated_token: {file: DIR/secret}}",
        "{password: {file: DIR/secret}}",
    ];

    insta::assert_snapshot!(site.faults_of_each(credentials.map(given)), @"
    config.yaml:5: accounts.contoso.credential: found none; accepted: exactly one of client_secret, certificate, federated_token
    config.yaml:5: accounts.contoso.credential: found nothing; accepted: a section with keys of its own
    config.yaml:5: accounts.contoso.credential: found a single value; accepted: a section with keys of its own
    config.yaml:5: accounts.contoso.credential: found several; accepted: exactly one of client_secret, certificate, federated_token
    config.yaml:5: accounts.contoso.credential: found none; accepted: exactly one of client_secret, certificate, federated_token
    config.yaml:5: accounts.contoso.credential.password: unknown key; accepted: certificate, client_secret, federated_token
    ");
}

#[test]
fn refuses_endpoints_that_must_not_get_a_credential() {
    let endpoints = "    endpoints:
      authority: http://login.example.com
      api: https://user:hunter2@api.example.com/v1
      scope: https://api.example.com
      token_version: v3
      ca_file: DIR/secret
";
    insta::assert_snapshot!(faults(&format!("{ACCOUNTS}{endpoints}{CALLERS}")), @r#"
    config.yaml: 5 faults
    config.yaml:7: accounts.contoso.endpoints.authority: found "http://login.example.com"; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:8: accounts.contoso.endpoints.api: found a URL with a user name or password; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:9: accounts.contoso.endpoints.scope: found "https://api.example.com"; accepted: one scope that ends in /.default
    config.yaml:10: accounts.contoso.endpoints.token_version: found "v3"; accepted: v2, v1
    config.yaml:11: accounts.contoso.endpoints.ca_file: "DIR/secret" holds no certificate; accepted: PEM
    "#);

    let urls = [
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "api.example.com",
        "https://api.example.com/v1",
    ];
    let text = |url: &str| format!("{ACCOUNTS}    endpoints: {{api: '{url}'}}\n{CALLERS}");
    insta::assert_snapshot!(Site::new().faults_of_each(urls.map(text)), @r#"
    config.yaml:6: accounts.contoso.endpoints.api: found "http://10.0.0.1"; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:6: accounts.contoso.endpoints.api: found "ftp://127.0.0.1"; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:6: accounts.contoso.endpoints.api: found "api.example.com"; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:6: accounts.contoso.endpoints.api: found "https://api.example.com/v1"; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    "#);
}

#[test]
fn takes_plain_http_on_loopback() {
    let endpoints = "    endpoints: {authority: 'http://127.0.0.1:1', api: 'http://localhost:2'}\n";

    let config = Site::new().config(&format!("{ACCOUNTS}{endpoints}{CALLERS}"), &[]);

    assert_eq!(config.accounts[0].token.authority, "http://127.0.0.1:1/");
    assert_eq!(config.accounts[0].api, "http://localhost:2/");
}

#[test]
fn wants_one_account_and_names_that_go_into_a_header() {
    let none = faults(&format!(
        "accounts: {{}}\ndefault_account: contoso\n{CALLERS}"
    ));
    assert!(
        none.contains("config.yaml:1: accounts: found no account; accepted: at least one"),
        "{none}"
    );

    let long = "x".repeat(65);
    let names = ["a/b", "''", &long].map(|name| {
        let named = ACCOUNTS.replace("contoso", name);
        format!("{named}{CALLERS}")
    });
    insta::assert_snapshot!(Site::new().faults_of_each(names), @"
    config.yaml:2: accounts.a/b: not the name of an account; accepted: 1 to 64 letters, digits, spaces, full stops, underscores and hyphens
    config.yaml:2: accounts.: not the name of an account; accepted: 1 to 64 letters, digits, spaces, full stops, underscores and hyphens
    config.yaml:2: accounts.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: not the name of an account; accepted: 1 to 64 letters, digits, spaces, full stops, underscores and hyphens
    ");
}

#[test]
fn wants_a_default_among_several_accounts() {
    let second = ACCOUNTS
        .replace("accounts:\n", "")
        .replace("contoso", "fabrikam");
    let two = format!("{ACCOUNTS}{second}{CALLERS}");

    insta::assert_snapshot!(faults(&two), @"config.yaml: default_account: is missing; accepted: one of contoso, fabrikam");
    insta::assert_snapshot!(faults(&format!("{two}default_account: fabricam\n")), @r#"config.yaml:11: default_account: found "fabricam"; accepted: the name of an account, the nearest of which is fabrikam"#);
    insta::assert_snapshot!(faults(&format!("{two}default_account: northwind\n")), @r#"config.yaml:11: default_account: found "northwind"; accepted: the name of an account: contoso, fabrikam"#);
}
