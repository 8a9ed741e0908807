//! What is suspicious in a sound policy: rules that never decide, and rates that hang on the order of
//! rules.
//!
//! Nothing here is wrong by itself, and nothing here has a say in a decision.

use std::collections::{BTreeSet, HashMap};

use crate::{
    authorization::{Customers, RuleSettings},
    ids::CustomerId,
};

/// One suspicious rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where the rule stands in the settings, from 0.
    pub place: usize,
    /// What is suspicious.
    pub oddity: Oddity,
    /// Where the rules before it stand that make it so; at least one.
    pub earlier: Vec<usize>,
    /// Whether any of those has another rate, or one has none and the other does.
    pub rates_differ: bool,
}

/// What is suspicious of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// A rule before it grants the very same, so it never decides.
    Repeats,
    /// The rules before it grant all that it grants, so it never decides.
    NeverDecides,
    /// A rule before it grants some of what it grants, at another rate, and is no exception to it.
    ///
    /// An exception grants nothing beyond the rule behind it; that is how a special rate is written.
    OtherRate,
}

/// Finds what is suspicious, in the order of the rules and at most once for each.
#[must_use]
pub fn findings(rules: &[RuleSettings]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut deciding = Deciding::default();
    for (place, rule) in rules.iter().enumerate() {
        let near = deciding.near(rule);
        let (oddity, earlier) = if let Some(twin) = twin(rule, &near) {
            (Oddity::Repeats, vec![twin])
        } else if let Some(earlier) = covering(rule, &near) {
            (Oddity::NeverDecides, earlier.into_iter().collect())
        } else {
            let crossing = crossing(rule, &near);
            deciding.add(place, rule);
            (Oddity::OtherRate, crossing)
        };
        if !earlier.is_empty() {
            let other = |place: &usize| rules.get(*place).is_some_and(|it| it.rate != rule.rate);
            findings.push(Finding {
                place,
                oddity,
                rates_differ: earlier.iter().any(other),
                earlier,
            });
        }
    }
    findings
}

/// A rule and where it stands.
type Placed<'a> = (usize, &'a RuleSettings);

/// Rules that decide something, in their order, so that a rule is held against those alone with which it may have
/// a call in common.
#[derive(Default)]
struct Deciding<'a> {
    rules: Vec<Placed<'a>>,
    /// Where in `rules` those stand that name a principal whole, or a customer.
    of_principal: HashMap<&'a str, Vec<usize>>,
    of_customer: HashMap<CustomerId, Vec<usize>>,
    /// And those that mean more than they name.
    of_beginnings: Vec<usize>,
    of_any_customer: Vec<usize>,
}

impl<'a> Deciding<'a> {
    fn add(&mut self, place: usize, rule: &'a RuleSettings) {
        let at = self.rules.len();
        self.rules.push((place, rule));
        for principal in &rule.principals {
            if principal.ends_with('*') {
                self.of_beginnings.push(at);
            } else {
                self.of_principal.entry(principal).or_default().push(at);
            }
        }
        match &rule.customers {
            Customers::Any => self.of_any_customer.push(at),
            Customers::These(these) => {
                for customer in these {
                    self.of_customer.entry(*customer).or_default().push(at);
                }
            }
        }
    }

    /// All that may have a call in common with a rule, and perhaps others.
    fn near(&self, rule: &RuleSettings) -> Vec<Placed<'a>> {
        let near = match (self.by_principals(rule), self.by_customers(rule)) {
            (Some(one), Some(other)) if one.len() < other.len() => one,
            (one, other) => match other.or(one) {
                Some(near) => near,
                None => return self.rules.clone(),
            },
        };
        let near: BTreeSet<usize> = near.into_iter().collect();
        let rules = near.into_iter().filter_map(|at| self.rules.get(at));
        rules.copied().collect()
    }

    /// Nothing where any principal may be meant.
    fn by_principals(&self, rule: &RuleSettings) -> Option<Vec<usize>> {
        let mut near = self.of_beginnings.clone();
        for principal in &rule.principals {
            if principal.ends_with('*') {
                return None;
            }
            near.extend(self.of_principal.get(&**principal).into_iter().flatten());
        }
        Some(near)
    }

    /// Nothing where any customer is meant.
    fn by_customers(&self, rule: &RuleSettings) -> Option<Vec<usize>> {
        let Customers::These(these) = &rule.customers else {
            return None;
        };
        let mut near = self.of_any_customer.clone();
        for customer in these {
            near.extend(self.of_customer.get(customer).into_iter().flatten());
        }
        Some(near)
    }
}

/// The rule that grants the very same.
fn twin(rule: &RuleSettings, earlier: &[Placed<'_>]) -> Option<usize> {
    let principals = |rule: &RuleSettings| rule.principals.iter().cloned().collect::<BTreeSet<_>>();
    let same = |other: &RuleSettings| {
        other.operations == rule.operations
            && other.customers == rule.customers
            && other.accounts == rule.accounts
            && principals(other) == principals(rule)
    };
    let (place, _) = earlier.iter().find(|(_, other)| same(other))?;
    Some(*place)
}

/// The rules that together grant all that this one grants.
///
/// Each principal or prefix has to stand under one of theirs: no list of longer prefixes that a person
/// would write is as good as a shorter one.
fn covering(rule: &RuleSettings, earlier: &[Placed<'_>]) -> Option<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    for principal in &rule.principals {
        for operation in &rule.operations {
            for account in &rule.accounts {
                let granting = earlier.iter().copied().filter(|(_, it)| {
                    it.operations.contains(operation)
                        && it.accounts.contains(account)
                        && it.principals.iter().any(|wide| covers(wide, principal))
                });
                found.extend(covering_customers(&rule.customers, granting)?);
            }
        }
    }
    Some(found)
}

/// The first of the rules that together grant something for all of these customers.
fn covering_customers<'a>(
    customers: &Customers,
    mut granting: impl Iterator<Item = Placed<'a>>,
) -> Option<Vec<usize>> {
    let Customers::These(these) = customers else {
        let (place, _) = granting.find(|(_, it)| it.customers == Customers::Any)?;
        return Some(vec![place]);
    };
    let mut found = Vec::new();
    let mut left: Vec<CustomerId> = these.iter().copied().collect();
    for (place, it) in granting {
        let before = left.len();
        left.retain(|customer| !it.customers.include(*customer));
        if left.len() < before {
            found.push(place);
        }
        if left.is_empty() {
            return Some(found);
        }
    }
    None
}

/// The rules at another rate that grant some of what this one grants and more than that.
fn crossing(rule: &RuleSettings, earlier: &[Placed<'_>]) -> Vec<usize> {
    let crosses = |other: &RuleSettings| {
        other.rate != rule.rate
            && share(other, rule)
            && covering(other, &[(usize::MAX, rule)]).is_none()
    };
    let crossing = earlier.iter().filter(|(_, other)| crosses(other));
    crossing.map(|(place, _)| *place).collect()
}

/// Whether there is a call that both rules grant.
fn share(one: &RuleSettings, other: &RuleSettings) -> bool {
    let customers = match (&one.customers, &other.customers) {
        (Customers::These(here), Customers::These(there)) => !here.is_disjoint(there),
        (Customers::Any, _) | (_, Customers::Any) => true,
    };
    let meet = |here: &String| {
        let mut there = other.principals.iter();
        there.any(|there| covers(here, there) || covers(there, here))
    };
    customers
        && !one.operations.is_disjoint(&other.operations)
        && !one.accounts.is_disjoint(&other.accounts)
        && one.principals.iter().any(meet)
}

/// Whether every caller that one pattern means is meant by another.
fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_suffix('*') {
        Some(prefix) => narrow
            .strip_suffix('*')
            .unwrap_or(narrow)
            .starts_with(prefix),
        None => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{
        authorization::{
            Rate, Settings, Wish,
            policy::{Policy, Rule},
        },
        command::Operation,
    };

    const NOTHING: [(usize, Oddity, Vec<usize>); 0] = [];

    #[test]
    fn finds_nothing_in_rules_that_each_decide_something() {
        assert_eq!(found(&[]), NOTHING);
        assert_eq!(found(&[rule("a", 1..3, None)]), NOTHING);
        let apart = [rule("a", 1..3, None), rule("a", 3..4, Some(1))];
        assert_eq!(found(&apart), NOTHING);
        let half = [rule("a b", 1..3, None), rule("b c", 2..4, None)];
        assert_eq!(found(&half), NOTHING);
    }

    #[test]
    fn finds_a_rule_that_grants_the_very_same() {
        let same = [rule("a b", 1..3, None), rule("b a", 1..3, None)];
        let otherwise = [rule("a", 1..3, None), rule("a", 1..3, Some(1))];

        assert_eq!(found(&same), [(1, Oddity::Repeats, vec![0])]);
        assert_eq!(found(&otherwise), [(1, Oddity::Repeats, vec![0])]);
        assert!(!findings(&same)[0].rates_differ);
        assert!(findings(&otherwise)[0].rates_differ);
    }

    #[test]
    fn finds_a_rule_of_which_those_before_it_grant_all() {
        let never = |earlier| [(2, Oddity::NeverDecides, earlier)];

        let by_customer = [
            rule("a", 1..3, None),
            rule("a", 3..5, None),
            rule("a", 2..4, None),
        ];
        assert_eq!(found(&by_customer), never(vec![0, 1]));
        let by_one_of_two = [
            rule("a", 7..9, None),
            rule("a", 1..3, None),
            rule("a", 1..2, None),
        ];
        assert_eq!(found(&by_one_of_two), never(vec![1]));
        let by_caller = [
            rule("a*", 1..3, None),
            rule("b", 0..0, None),
            rule("ab* b", 1..2, None),
        ];
        assert_eq!(found(&by_caller), never(vec![0, 1]));
        let mut by_operation = [
            rule("a", 0..0, None),
            rule("a", 0..0, None),
            rule("a", 0..0, None),
        ];
        by_operation[1].operations = BTreeSet::from([Operation::AuditRead]);
        by_operation[2].operations.insert(Operation::AuditRead);
        assert_eq!(found(&by_operation), never(vec![0, 1]));
        by_operation[1].accounts = BTreeSet::from(["fabrikam".to_owned()]);
        assert_eq!(found(&by_operation), NOTHING);
    }

    #[test]
    fn takes_no_list_for_everyone() {
        let customers = [rule("a", 1..9, None), rule("a", 0..0, None)];
        assert_eq!(found(&customers), NOTHING);
        let callers = [rule("aa* ab* a", 1..3, None), rule("a*", 1..3, None)];
        assert_eq!(found(&callers), NOTHING);
        let longer = [rule("ab", 1..3, None), rule("a b abc", 1..3, None)];
        assert_eq!(found(&longer), NOTHING);
    }

    #[test]
    fn finds_rates_that_hang_on_the_order_of_rules() {
        let other = [(1, Oddity::OtherRate, vec![0])];

        let customers = [rule("a", 1..3, Some(1)), rule("a", 2..4, Some(2))];
        assert_eq!(found(&customers), other);
        let callers = [rule("a* b", 0..0, Some(1)), rule("ab* c*", 0..0, None)];
        assert_eq!(found(&callers), other);
        let at_one_rate = [rule("a", 1..3, Some(1)), rule("a", 2..4, Some(1))];
        assert_eq!(found(&at_one_rate), NOTHING);
        let apart = [rule("a", 1..3, Some(1)), rule("b", 2..4, Some(2))];
        assert_eq!(found(&apart), NOTHING);
        let mut accounts = customers.clone();
        accounts[1].accounts = BTreeSet::from(["fabrikam".to_owned()]);
        assert_eq!(found(&accounts), NOTHING);
    }

    #[test]
    fn takes_an_exception_before_a_rule_for_what_it_is() {
        let exception = [
            rule("billing", 1..2, Some(9)),
            rule("billing", 0..0, Some(2)),
            rule("*", 0..0, Some(1)),
        ];
        let too_late: Vec<_> = exception.iter().rev().cloned().collect();

        assert_eq!(found(&exception), NOTHING);
        let never = |place| (place, Oddity::NeverDecides, vec![0]);
        assert_eq!(found(&too_late), [never(1), never(2)]);
        assert!(findings(&too_late).iter().all(|it| it.rates_differ));
    }

    #[test]
    fn agrees_with_the_policy_about_rules_that_never_decide() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut seen = [0, 0];
        for _ in 0..500 {
            let rules: Vec<_> = (0..6).map(|_| any_rule(&mut random)).collect();
            let never: BTreeSet<_> = findings(&rules)
                .into_iter()
                .filter(|it| it.oddity != Oddity::OtherRate)
                .map(|it| it.place)
                .collect();

            let deciding = deciding(rules.clone());

            for place in 0..rules.len() {
                let told = never.contains(&place);
                assert_ne!(told, deciding.contains(&place), "{place}: {rules:#?}");
                seen[usize::from(told)] += 1;
            }
        }
        assert!(seen.iter().all(|&times| times > 300), "{seen:?}");
    }

    /// The places of all rules that decide any of many calls.
    fn deciding(rules: Vec<RuleSettings>) -> BTreeSet<usize> {
        let policy = Policy::new(&Settings { rules });
        let ways = ["contoso", "fabrikam"]
            .into_iter()
            .flat_map(|account| (0..4).map(move |number| (customer(number), account)));
        let mut deciding = BTreeSet::new();
        for principal in ["a", "ab", "ax", "abx", "b", "x"] {
            for operation in Operation::ALL {
                for (customer, account) in ways.clone() {
                    let rule = policy.decide(&Wish {
                        principal,
                        operation,
                        customer: Some(customer),
                        account,
                    });
                    deciding.extend(rule.map(Rule::place));
                }
            }
        }
        deciding
    }

    fn any_rule(random: &mut fastrand::Rng) -> RuleSettings {
        let mut any = |from: &[&'static str]| {
            let count = random.usize(1..3);
            random.choose_multiple(from.iter().copied(), count)
        };
        let principals = any(&["a", "ab", "a*", "ab*", "b", "*"]);
        let operations = any(&["transfers.reject", "transfers.read", "audit.read"]);
        let accounts = any(&["contoso", "fabrikam"]);
        let first = random.u8(0..3);
        let mut rule = rule(&principals.join(" "), first..random.u8(first..4), None);
        rule.operations = Operation::ALL.into_iter().collect();
        rule.operations
            .retain(|it| operations.contains(&it.as_str()));
        rule.accounts = accounts.into_iter().map(str::to_owned).collect();
        rule
    }

    fn found(rules: &[RuleSettings]) -> Vec<(usize, Oddity, Vec<usize>)> {
        let findings = findings(rules).into_iter();
        findings
            .map(|it| (it.place, it.oddity, it.earlier))
            .collect()
    }

    /// A rule for these callers, parted by spaces; no customers stand for any customer.
    fn rule(
        principals: &str,
        customers: std::ops::Range<u8>,
        per_second: Option<u32>,
    ) -> RuleSettings {
        let these: BTreeSet<_> = customers.map(customer).collect();
        RuleSettings {
            name: "a rule".to_owned(),
            principals: principals.split(' ').map(str::to_owned).collect(),
            operations: BTreeSet::from([Operation::TransfersReject]),
            customers: if these.is_empty() {
                Customers::Any
            } else {
                Customers::These(these)
            },
            accounts: BTreeSet::from(["contoso".to_owned()]),
            rate: per_second.map(|per_second| Rate {
                per_second: NonZeroU32::new(per_second).unwrap(),
                burst: NonZeroU32::MIN,
            }),
        }
    }

    fn customer(number: u8) -> CustomerId {
        let text = format!("b67f0b00-f9e8-4c57-bcb5-0b8b95c6cc{number:02x}");
        text.parse().unwrap()
    }
}
