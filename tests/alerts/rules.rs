//! The rules: what each has to have, and what it may name.

use std::collections::BTreeSet;

use crate::reading::{Rule, metrics, named, rules, text, words};

#[test]
fn says_of_each_alert_who_is_told_what_and_where_the_mend_stands() {
    let rules = rules();
    let names: BTreeSet<_> = rules.iter().map(Rule::name).collect();

    assert_eq!(names.len(), rules.len(), "two rules have one name");
    for rule in rules.iter().filter(|rule| rule.is_alert()) {
        let name = rule.name();
        assert!(name.starts_with("PartnerGateway"), "{name}");
        let severity = rule.says("labels", "severity");
        assert!(["page", "ticket"].contains(&severity), "{name}: {severity}");
        for part in ["summary", "description"] {
            assert!(rule.says("annotations", part).len() > 15, "{name}: {part}");
        }
        let section = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(rule.says("annotations", "runbook_url"), section);
    }
}

#[test]
fn watches_only_what_is_told_and_nobody_in_particular() {
    let metrics = metrics();
    let rules = rules();
    let recorded: BTreeSet<_> = rules.iter().map(Rule::name).collect();

    for rule in &rules {
        let untold: Vec<_> = named(rule.expression())
            .into_iter()
            .filter(|metric| !metrics.contains(metric))
            .collect();
        assert!(untold.is_empty(), "{}: {untold:?}", rule.name());
        let words = words(rule.expression());
        for word in words.iter().filter(|word| word.contains(":partner")) {
            assert!(recorded.contains(&**word), "{}: {word}", rule.name());
        }
        for unbounded in ["customer", "transfer", "principal", "caller"] {
            assert!(!words.contains(unbounded), "{}", rule.name());
        }
    }
}

/// A code that nobody thought of would count as an answer, and its failures would burn no budget.
#[test]
fn counts_every_code_as_one_thing() {
    let rules = rules();
    let of = |name: &str| {
        let rule = rules.iter().find(|rule| rule.name() == name);
        codes(rule.expect("a rule").expression())
    };
    let failed = of("namespace_job:partner_gateway_failed_calls:rate5m");
    let not_admitted = of("namespace_job:partner_gateway_admitted_calls:rate5m");
    let upstream = of("namespace_job:partner_gateway_upstream_failures:rate15m");

    let mut all = [&failed[..], &not_admitted, &upstream].concat();
    all.sort();
    let mut listed = listed_codes();
    listed.sort();

    assert_eq!(all, listed);
    for window in ["15m", "30m", "1h", "2h", "6h", "1d", "3d"] {
        let admitted = format!("namespace_job:partner_gateway_admitted_calls:rate{window}");
        assert_eq!(of(&admitted), not_admitted, "{window}");
        if window != "15m" {
            let name = format!("namespace_job:partner_gateway_failed_calls:rate{window}");
            assert_eq!(of(&name), failed, "{window}");
        }
    }
}

/// The codes that an expression matches, each once.
fn codes(expression: &str) -> Vec<String> {
    let matched = expression.split(['"']).collect::<Vec<_>>();
    let pairs = matched
        .chunks(2)
        .filter_map(|pair| Some((pair[0], pair.get(1)?)));
    let lists = pairs
        .filter(|(before, _)| before.ends_with("code=~") || before.ends_with("code!~"))
        .flat_map(|(_, list)| list.split('|'));
    let codes: BTreeSet<_> = lists.map(str::to_owned).collect();
    codes.into_iter().collect()
}

/// The codes in the README's table of them.
fn listed_codes() -> Vec<String> {
    let readme = text("README.md");
    let (_, table) = readme
        .split_once("| `code` | status | |\n")
        .expect("a table");
    let (table, _) = table.split_once("\n\n").expect("an end");
    let first = table
        .lines()
        .skip(1)
        .filter_map(|row| row.split('|').nth(1));
    first
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}
