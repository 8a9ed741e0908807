//! Rules: who may do what, for whom, with whose credentials.

use crate::site::{ACCOUNTS, CALLERS, Site, faults};

#[test]
fn refuses_rules_that_are_not_whole() {
    let text = rules(
        "  - principals: []
    operations: [transfers.reject]
    customers: ['*']
    accounts: [contoso]
  - name: ' two '
    principals: billing
    operations: []
    customers: []
    accounts: []
  - everyone
",
    );

    insta::assert_snapshot!(faults(&text), @r#"
    config.yaml: 8 faults
    config.yaml:8: policy[0].name: is missing
    config.yaml:8: policy[0].principals: found an empty list; accepted: at least one element
    config.yaml:12: policy[1].name: found " two "; accepted: 1 to 128 printable characters
    config.yaml:13: policy[1].principals: found a single value; accepted: a list
    config.yaml:14: policy[1].operations: found an empty list; accepted: at least one element
    config.yaml:15: policy[1].customers: found an empty list; accepted: at least one element
    config.yaml:16: policy[1].accounts: found an empty list; accepted: at least one element
    config.yaml:17: policy[2]: found a single value; accepted: a section with keys of its own
    "#);
}

#[test]
fn refuses_what_a_rule_cannot_mean() {
    let text = rules(
        "  - name: one
    principals: ['*billing', 'bill*ing', '', [billing]]
    operations: [transfers.rejct, '*']
    customers: ['*', b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0, fabrikam]
    accounts: [contosso, '*', northwind]
  - name: one
    principals: ['*']
    operations: [transfers.read]
    customers: fabrikam
    accounts: [contoso]
",
    );

    insta::assert_snapshot!(faults(&text), @r#"
    config.yaml: 13 faults
    config.yaml:9: policy[0].principals[0]: found "*billing"; accepted: a principal, or the beginning of one followed by *
    config.yaml:9: policy[0].principals[1]: found "bill*ing"; accepted: a principal, or the beginning of one followed by *
    config.yaml:9: policy[0].principals[2]: found ""; accepted: a principal, or the beginning of one followed by *
    config.yaml:9: policy[0].principals[3]: found a list; accepted: a principal, or the beginning of one followed by *
    config.yaml:10: policy[0].operations[0]: found "transfers.rejct"; accepted: transfers.reject, transfers.read, audit.read
    config.yaml:10: policy[0].operations[1]: found "*"; accepted: transfers.reject, transfers.read, audit.read
    config.yaml:11: policy[0].customers[0]: found "*"; accepted: GUIDs of customers, or * alone
    config.yaml:11: policy[0].customers[2]: found "fabrikam"; accepted: GUIDs of customers, or * alone
    config.yaml:12: policy[0].accounts[0]: found "contosso"; accepted: the name of an account, the nearest of which is contoso
    config.yaml:12: policy[0].accounts[1]: found "*"; accepted: the name of an account: contoso
    config.yaml:12: policy[0].accounts[2]: found "northwind"; accepted: the name of an account: contoso
    config.yaml:13: policy[1].name: found "one", the name of another rule; accepted: a name of its own
    config.yaml:16: policy[1].customers: found "fabrikam"; accepted: GUIDs of customers, or * alone, as a list
    "#);
}

#[test]
fn tells_of_a_policy_that_grants_nothing() {
    let site = Site::new();

    insta::assert_snapshot!(site.notices(&format!("{ACCOUNTS}{CALLERS}")), @"config.yaml: policy: no rule grants anything, so every call is refused");
    insta::assert_snapshot!(site.notices(&format!("{ACCOUNTS}{CALLERS}policy: []\n")), @"config.yaml: policy: no rule grants anything, so every call is refused");
}

#[test]
fn refuses_rates_that_nobody_can_keep() {
    let rates = [
        "rate: {per_second: 0, burst: 0}",
        "rate: {per_second: 1000001, burst: -1}",
        "rate: {per_second: 0.5}",
        "rate: {burst: 3}",
        "rate: {}",
        "rate: 20",
        "rate:",
        "rate: {per_second: 1, per_minute: 3}",
    ];
    let text = |rate: &str| rules(&rule("one", "billing", rate));

    insta::assert_snapshot!(Site::new().faults_of_each(rates.map(text)), @r#"
    config.yaml:13: policy[0].rate.per_second: found "0"; accepted: a number from 1 to 1000000
    config.yaml:13: policy[0].rate.burst: found "0"; accepted: a number from 1 to 1000000
    config.yaml:13: policy[0].rate.per_second: found "1000001"; accepted: a number from 1 to 1000000
    config.yaml:13: policy[0].rate.burst: found "-1"; accepted: a number from 1 to 1000000
    config.yaml:13: policy[0].rate.per_second: found "0.5"; accepted: a number from 1 to 1000000
    config.yaml:13: policy[0].rate.per_second: is missing; accepted: a number from 1 to 1000000
    config.yaml:13: policy[0].rate.per_second: is missing; accepted: a number from 1 to 1000000
    config.yaml:13: policy[0].rate: found a single value; accepted: a section with keys of its own
    config.yaml:13: policy[0].rate: found nothing; accepted: a section with keys of its own
    config.yaml:13: policy[0].rate.per_minute: unknown key; accepted: burst, per_second
    "#);
}

#[test]
fn takes_as_many_calls_at_once_as_in_a_second_where_no_burst_is_told() {
    let site = Site::new();
    let rate = |rate: &str| {
        let config = site.config(&rules(&rule("one", "billing", rate)), &[]);
        let rate = config.authorization.rules[0].rate;
        rate.map(|rate| (rate.per_second.get(), rate.burst.get()))
    };

    assert_eq!(rate(""), None);
    assert_eq!(rate("rate: {per_second: 20}"), Some((20, 20)));
    assert_eq!(rate("rate: {per_second: 20, burst: 1}"), Some((20, 1)));
    let most = rate("rate: {per_second: 1000000, burst: 1000000}");
    assert_eq!(most, Some((1_000_000, 1_000_000)));
}

#[test]
fn tells_of_rules_that_never_decide() {
    let site = Site::new();
    let text = rules(
        &[
            rule("all", "billing, 'desk-*'", ""),
            rule("again", "'desk-*', billing", ""),
            rule(
                "again, slower",
                "billing, 'desk-*'",
                "rate: {per_second: 1}",
            ),
            rule("one of all", "desk-1", ""),
            rule("another", "desk", ""),
            rule("of two", "desk, desk-2", "rate: {per_second: 1}"),
        ]
        .concat(),
    );

    insta::assert_snapshot!(site.notices(&text), @r#"
    config.yaml:14: policy[1]: never decides: rule "all" before it grants the same
    config.yaml:20: policy[2]: never decides: rule "all" before it grants the same, and not at the same rate
    config.yaml:26: policy[3]: never decides: rule "all" before it grants all of it
    config.yaml:38: policy[5]: never decides: rules "all", "another" before it grant all of it, and not at the same rate
    "#);
}

#[test]
fn tells_of_rates_that_hang_on_the_order_of_rules() {
    let site = Site::new();
    let text = rules(
        &[
            rule("one", "a, b", "rate: {per_second: 1}"),
            rule("two", "b, c", "rate: {per_second: 2}"),
            rule("three", "d, e", ""),
            rule("four", "e, f", "rate: {per_second: 2}"),
            rule("all", "a, c, d, f, g", "rate: {per_second: 3}"),
            rule("the rest", "'*'", "rate: {per_second: 4}"),
        ]
        .concat(),
    );

    insta::assert_snapshot!(site.notices(&text), @r#"
    config.yaml:14: policy[1]: rule "one" before it grants some of it, and not at the same rate; the first rule that grants decides
    config.yaml:26: policy[3]: rule "three" before it grants some of it, and not at the same rate; the first rule that grants decides
    config.yaml:32: policy[4]: rules "one", "two", "three" and 1 more before it grant some of it, and not at the same rate; the first rule that grants decides
    "#);
}

fn rule(name: &str, principals: &str, more: &str) -> String {
    format!(
        "  - name: {name}
    principals: [{principals}]
    operations: [transfers.reject]
    customers: '*'
    accounts: [contoso]
    {more}
"
    )
}

fn rules(rules: &str) -> String {
    format!("{ACCOUNTS}{CALLERS}policy:\n{rules}")
}
