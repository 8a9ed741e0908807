//! Overrides by variables of the environment.

use crate::site::{ACCOUNTS, CALLERS, Site, with};

#[test]
fn lets_the_environment_override_whatever_the_case_of_its_names() {
    let config = Site::new().config(
        &with("server: {listen: everywhere}"),
        &[
            ("PARTNER_GATEWAY__SERVER__LISTEN", "127.0.0.1:1"),
            (
                "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__TENANT_ID",
                "contoso.com",
            ),
            (
                "PARTNER_GATEWAY__accounts__contoso__endpoints__api",
                "http://127.0.0.1:2",
            ),
            ("PARTNER_GATEWAY__POLICY__0__PRINCIPALS__0", "dunning"),
            ("PARTNER_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ],
    );

    assert_eq!(config.server.listen.to_string(), "127.0.0.1:1");
    assert_eq!(config.accounts[0].tenant, "contoso.com");
    assert_eq!(config.accounts[0].token.tenant, "contoso.com");
    assert_eq!(config.accounts[0].api, "http://127.0.0.1:2/");
    assert_eq!(config.authorization.rules[0].principals, ["dunning"]);
}

#[test]
fn names_the_variable_of_an_override_that_cannot_be() {
    let faults = Site::new().faults(
        &with(""),
        &[
            ("PARTNER_GATEWAY__SERVER__LISEN", "127.0.0.1:1"),
            ("PARTNER_GATEWAY__SERVER", "127.0.0.1:1"),
            ("PARTNER_GATEWAY__SERVER__LISTEN__PORT", "1"),
            ("PARTNER_GATEWAY__POLICY__7__NAME", "x"),
            ("PARTNER_GATEWAY__POLICY__FIRST__NAME", "x"),
            ("PARTNER_GATEWAY____LISTEN", "x"),
            ("PARTNER_GATEWAY__", "x"),
            ("PARTNER_GATEWAY__SERVR__LISTEN", "x"),
        ],
    );

    insta::assert_snapshot!(faults, @"
    config.yaml: 8 faults
    PARTNER_GATEWAY__: not a key path; accepted: keys joined by two underscores
    PARTNER_GATEWAY__POLICY__7__NAME: policy.7.name: the list has no such element, counted from 0; accepted: a variable for one single value
    PARTNER_GATEWAY__POLICY__FIRST__NAME: policy.first.name: the list has no such element, counted from 0; accepted: a variable for one single value
    PARTNER_GATEWAY__SERVER: server: a section or a list stands there; accepted: a variable for one single value
    PARTNER_GATEWAY__SERVER__LISEN: server.lisen: unknown key; nearest: listen
    PARTNER_GATEWAY__SERVER__LISTEN__PORT: server.listen.port: a single value stands on the way; accepted: a variable for one single value
    PARTNER_GATEWAY__SERVR__LISTEN: servr: unknown key; nearest: server
    PARTNER_GATEWAY____LISTEN: not a key path; accepted: keys joined by two underscores
    ");
}

#[test]
fn names_the_variable_of_a_value_that_is_refused() {
    let faults = Site::new().faults(
        &with(""),
        &[
            ("PARTNER_GATEWAY__SERVER__LISTEN", ""),
            ("PARTNER_GATEWAY__UPSTREAM__DEADLINE", "soon"),
            ("PARTNER_GATEWAY__DEFAULT_ACCOUNT", "contosso"),
            ("PARTNER_GATEWAY__ACCOUNTS__CONTOSO__TENANT_ID", "common"),
            (
                "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET__FILE",
                "DIR/absent",
            ),
            ("PARTNER_GATEWAY__POLICY__0__CUSTOMERS__0", "fabrikam"),
        ],
    );

    insta::assert_snapshot!(faults, @r#"
    config.yaml: 6 faults
    PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET__FILE: accounts.contoso.credential.client_secret.file: reading "DIR/absent": No such file or directory (os error 2)
    PARTNER_GATEWAY__ACCOUNTS__CONTOSO__TENANT_ID: accounts.contoso.tenant_id: found "common"; accepted: the GUID or a verified domain of one tenant
    PARTNER_GATEWAY__DEFAULT_ACCOUNT: default_account: found "contosso"; accepted: the name of an account, the nearest of which is contoso
    PARTNER_GATEWAY__POLICY__0__CUSTOMERS__0: policy[0].customers[0]: found "fabrikam"; accepted: GUIDs of customers, or * alone
    PARTNER_GATEWAY__SERVER__LISTEN: server.listen: found ""; accepted: an IP address and a port, such as 127.0.0.1:8080
    PARTNER_GATEWAY__UPSTREAM__DEADLINE: upstream.deadline: found "soon"; accepted: a duration from 10ms to 10m, written such as 500ms, 30s, 5m, 1h, 400d
    "#);
}

#[test]
fn names_the_variable_of_a_value_that_does_not_go_with_another() {
    let faults = Site::new().faults(
        &format!("{ACCOUNTS}callers: {{}}\n"),
        &[
            ("PARTNER_GATEWAY__ADMIN__LISTEN", "0.0.0.0:1"),
            ("PARTNER_GATEWAY__SERVER__LISTEN", "0.0.0.0:1"),
            ("PARTNER_GATEWAY__CALLERS__ANONYMOUS", "true"),
            ("PARTNER_GATEWAY__UPSTREAM__DEADLINE", "1s"),
        ],
    );
    insta::assert_snapshot!(faults, @"
    config.yaml: 3 faults
    PARTNER_GATEWAY__ADMIN__LISTEN: admin.listen: overlaps server.listen; accepted: a port of its own
    PARTNER_GATEWAY__CALLERS__ANONYMOUS: callers.anonymous: found true; accepted: false, unless server.listen is a loopback address
    PARTNER_GATEWAY__UPSTREAM__DEADLINE: upstream.attempt_timeout: longer than deadline; accepted: at most deadline
    ");

    let variable = "PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET__ENV";
    let both = Site::new().faults(
        &format!("{ACCOUNTS}{CALLERS}"),
        &[(variable, "SECRET"), ("SECRET", "hunter2")],
    );
    insta::assert_snapshot!(both, @"PARTNER_GATEWAY__ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET__ENV: accounts.contoso.credential.client_secret.env: found both file and env; accepted: {file: PATH} or {env: NAME}");
}

#[test]
fn tells_what_an_account_lacks_that_stands_in_variables_only() {
    let variable = ("PARTNER_GATEWAY__ACCOUNTS__FABRIKAM__CLOUD", "global");

    insta::assert_snapshot!(Site::new().faults(&with("default_account: contoso"), &[variable]), @"
    config.yaml: 3 faults
    PARTNER_GATEWAY__ACCOUNTS__FABRIKAM__CLOUD: accounts.fabrikam.credential: is missing
    PARTNER_GATEWAY__ACCOUNTS__FABRIKAM__CLOUD: accounts.fabrikam.tenant_id: is missing; accepted: the GUID or a verified domain of one tenant
    PARTNER_GATEWAY__ACCOUNTS__FABRIKAM__CLOUD: accounts.fabrikam.client_id: is missing; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
    ");
}
