//! Reads `policy`.

use std::{collections::HashSet, num::NonZeroU32};

use crate::{
    authorization::{
        Customers, Rate, RuleSettings, Settings,
        review::{self, Finding, Oddity},
    },
    command::Operation,
    config::{
        fault::quoted,
        nearest::one_of_names,
        node::Value,
        scalar::{name, number, one_of},
        section::{Cursor, Section},
    },
    ids::CustomerId,
};

/// Reads every rule; `accounts` are the names of all accounts.
pub(crate) fn policy(cursor: &Cursor<'_>, accounts: Option<&[String]>) -> Option<Settings> {
    if let Value::List(items) = cursor.value()
        && items.is_empty()
    {
        return Some(Settings::default());
    }
    let mut names = HashSet::new();
    let (mut rules, mut cursors) = (Vec::new(), Vec::new());
    for rule in cursor.items()? {
        if let Some(settings) = rule.section(|section| settings(section, accounts, &mut names)) {
            rules.push(settings);
            cursors.push(rule);
        }
    }
    for finding in review::findings(&rules) {
        if let Some(rule) = cursors.get(finding.place) {
            rule.notice(&told(&finding, &rules));
        }
    }
    Some(Settings { rules })
}

/// Puts a finding into words.
fn told(finding: &Finding, rules: &[RuleSettings]) -> String {
    let Finding {
        oddity, earlier, ..
    } = finding;
    let names = earlier.iter().filter_map(|place| rules.get(*place));
    let names: Vec<_> = names
        .map(|rule| quoted(&rule.name))
        .take(MOST_NAMES)
        .collect();
    let (noun, verb) = match earlier.as_slice() {
        [_] => ("rule", "grants"),
        _ => ("rules", "grant"),
    };
    let more = match earlier.len().saturating_sub(names.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let before = format!("{noun} {}{more} before it {verb}", names.join(", "));
    let rates = if finding.rates_differ {
        ", and not at the same rate"
    } else {
        ""
    };
    match oddity {
        Oddity::Repeats => format!("never decides: {before} the same{rates}"),
        Oddity::NeverDecides => format!("never decides: {before} all of it{rates}"),
        Oddity::OtherRate => {
            format!("{before} some of it{rates}; the first rule that grants decides")
        }
    }
}

fn settings(
    section: &Section<'_>,
    accounts: Option<&[String]>,
    names: &mut HashSet<String>,
) -> Option<RuleSettings> {
    let name = section
        .need("name")
        .and_then(|cursor| rule_name(&cursor, names));
    let principals = section
        .need("principals")
        .and_then(|cursor| principals(&cursor));
    let operations = section
        .need("operations")
        .and_then(|cursor| cursor.each(operation));
    let customers = section
        .need("customers")
        .and_then(|cursor| customers(&cursor));
    let through = section
        .need("accounts")
        .and_then(|cursor| cursor.each(|text| account(text, accounts)));
    let rate = section.take("rate");
    let rate = rate.map(|cursor| cursor.section(rate_of));
    Some(RuleSettings {
        name: name?,
        principals: principals?,
        operations: operations?.into_iter().collect(),
        customers: customers?,
        accounts: through?.into_iter().collect(),
        rate: match rate {
            Some(rate) => Some(rate?),
            None => None,
        },
    })
}

/// Reads a rate; without a burst, as many calls may come at once as in a second.
fn rate_of(section: &Section<'_>) -> Option<Rate> {
    let calls = || number(NonZeroU32::MIN..=MOST_CALLS);
    let per_second = section.required("per_second", calls());
    let burst = match section.take("burst") {
        Some(burst) => burst.read(calls()),
        None => per_second,
    };
    Some(Rate {
        per_second: per_second?,
        burst: burst?,
    })
}

/// Audit records name rules, so a name must mean one rule.
fn rule_name(cursor: &Cursor<'_>, names: &mut HashSet<String>) -> Option<String> {
    let name = cursor.read(name)?;
    if !names.insert(name.clone()) {
        cursor.refuse(
            &format!("{}, the name of another rule", quoted(&name)),
            "a name of its own",
        );
    }
    Some(name)
}

/// Tells of names that look like those of Kubernetes service accounts and mean others than one may think.
fn principals(cursor: &Cursor<'_>) -> Option<Vec<String>> {
    let principals = cursor.each(principal)?;
    for (item, text) in cursor.items()?.iter().zip(&principals) {
        if let Some(odd) = odd_service_account(text) {
            item.notice(&odd);
        }
    }
    Some(principals)
}

/// What is odd of a principal within `system:serviceaccount:NAMESPACE:NAME`
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens>).
fn odd_service_account(principal: &str) -> Option<String> {
    let rest = principal.strip_prefix(SERVICE_ACCOUNT)?;
    match (rest.strip_suffix('*'), rest.split_once(':')) {
        (Some(begun), None) if !begun.is_empty() => Some(format!(
            "{} ends within the name of a namespace, and means the service accounts of every namespace whose name \
             begins so, such as \"{begun}-2\"; for one namespace write \"{SERVICE_ACCOUNT}{begun}:*\"",
            quoted(principal)
        )),
        (None, None | Some((_, ""))) => {
            let namespace = rest.trim_end_matches(':');
            Some(format!(
                "{} is nobody's name, because the account is missing; write \"{SERVICE_ACCOUNT}{namespace}:NAME\", or \
                 \"{SERVICE_ACCOUNT}{namespace}:*\" for all of the namespace",
                quoted(principal)
            ))
        }
        _ => None,
    }
}

fn principal(text: &str) -> Result<String, String> {
    let exact = text.strip_suffix('*').unwrap_or(text);
    let sound = !exact.contains('*') && !text.contains(char::is_control) && !text.is_empty();
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "a principal, or the beginning of one followed by *".to_owned())
}

fn operation(text: &str) -> Result<Operation, String> {
    let words = Operation::ALL.map(|operation| (operation.as_str(), operation));
    one_of(&words)(text)
}

/// Where the accounts themselves are at fault, every name passes.
fn account(text: &str, accounts: Option<&[String]>) -> Result<String, String> {
    accounts.map_or_else(
        || Ok(text.to_owned()),
        |accounts| one_of_names(text, accounts),
    )
}

/// Reads a list of GUIDs, or `*` alone, with or without the brackets of a list.
fn customers(cursor: &Cursor<'_>) -> Option<Customers> {
    if let Value::Scalar(_) = cursor.value() {
        return cursor.read(one_of_all);
    }
    let items = cursor.items()?;
    if let [only] = items.as_slice()
        && matches!(only.value(), Value::Scalar(text) if text == "*")
    {
        return Some(Customers::Any);
    }
    let ids = cursor.each(customer)?;
    Some(Customers::These(ids.into_iter().collect()))
}

fn one_of_all(text: &str) -> Result<Customers, String> {
    if text == "*" {
        Ok(Customers::Any)
    } else {
        Err(format!("{CUSTOMERS}, as a list"))
    }
}

fn customer(text: &str) -> Result<CustomerId, String> {
    text.parse().map_err(|_| CUSTOMERS.to_owned())
}

/// What a rule may say of customers.
const CUSTOMERS: &str = "GUIDs of customers, or * alone";

/// How the names of Kubernetes service accounts begin.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// How many rules a notice names before it only counts them.
const MOST_NAMES: usize = 3;

/// In calls; a million is far beyond what one gateway can carry.
const MOST_CALLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999_999);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_of_service_accounts_that_mean_others_than_one_may_think() {
        let told = |name: &str| odd_service_account(&format!("system:serviceaccount:{name}"));

        insta::assert_snapshot!(told("renewals*").unwrap(), @r#""system:serviceaccount:renewals*" ends within the name of a namespace, and means the service accounts of every namespace whose name begins so, such as "renewals-2"; for one namespace write "system:serviceaccount:renewals:*""#);
        insta::assert_snapshot!(told("renewals").unwrap(), @r#""system:serviceaccount:renewals" is nobody's name, because the account is missing; write "system:serviceaccount:renewals:NAME", or "system:serviceaccount:renewals:*" for all of the namespace"#);
        assert_eq!(
            told("renewals:"),
            told("renewals").map(|it| it.replacen("renewals\"", "renewals:\"", 1))
        );
        for sound in ["renewals:*", "renewals:worker", "renewals:worker-*", "*"] {
            assert_eq!(told(sound), None, "{sound}");
        }
        assert_eq!(odd_service_account("billing"), None);
    }
}
