//! Finds the rules that speak of a caller and a customer without looking at any other, however many there are.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    authorization::{
        Customers, Wish,
        policy::{Denial, Rule},
    },
    ids::CustomerId,
};

/// Rules by whom they name.
#[derive(Debug, Default)]
pub(in crate::authorization) struct Index {
    exact: HashMap<Box<str>, Rules>,
    /// By the beginning of a name.
    beginnings: HashMap<Box<str>, Rules>,
    /// The lengths that beginnings have, in bytes.
    lengths: BTreeSet<usize>,
}

/// The rules of one principal, or of all whose names begin alike; each list in the order of the file.
#[derive(Debug, Default)]
struct Rules {
    /// Accounts that any of them names.
    accounts: HashSet<String>,
    of_one: HashMap<CustomerId, Vec<Arc<Rule>>>,
    of_all: Vec<Arc<Rule>>,
}

impl Index {
    /// Adds a rule, which comes after those that are there, for a principal or a prefix that ends in `*`.
    pub(in crate::authorization) fn add(&mut self, principal: &str, rule: &Arc<Rule>) {
        let rules = match principal.strip_suffix('*') {
            Some(beginning) => {
                self.lengths.insert(beginning.len());
                self.beginnings.entry(beginning.into()).or_default()
            }
            None => self.exact.entry(principal.into()).or_default(),
        };
        rules.add(rule);
    }

    /// All rules, some more than once.
    pub(in crate::authorization) fn all(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let rules = self.exact.values().chain(self.beginnings.values());
        rules.flat_map(|rules| rules.of_one.values().flatten().chain(&rules.of_all))
    }

    /// Finds the first rule that grants.
    pub(in crate::authorization) fn decide(&self, wish: &Wish<'_>) -> Result<&Rule, Denial> {
        let mut denial = Denial::Stranger;
        let mut first: Option<&Rule> = None;
        for rules in self.about(wish.principal) {
            denial = match denial {
                Denial::Stranger | Denial::Account if !rules.accounts.contains(wish.account) => {
                    Denial::Account
                }
                _ => Denial::Operation,
            };
            let earlier = rules.first(wish).into_iter().chain(first);
            first = earlier.min_by_key(|rule| rule.place());
        }
        first.ok_or(denial)
    }

    /// What speaks of a principal.
    fn about(&self, principal: &str) -> impl Iterator<Item = &Rules> {
        let beginnings = self.lengths.iter().map_while(|length| {
            // Within a character there is no beginning.
            (*length <= principal.len()).then(|| principal.get(..*length))
        });
        let beginnings = beginnings
            .flatten()
            .filter_map(|it| self.beginnings.get(it));
        self.exact.get(principal).into_iter().chain(beginnings)
    }
}

impl Rules {
    fn add(&mut self, rule: &Arc<Rule>) {
        self.accounts.extend(rule.accounts().iter().cloned());
        match rule.customers() {
            Customers::Any => self.of_all.push(Arc::clone(rule)),
            Customers::These(these) => {
                for customer in these {
                    let rules = self.of_one.entry(*customer).or_default();
                    rules.push(Arc::clone(rule));
                }
            }
        }
    }

    /// The first that grants.
    fn first(&self, wish: &Wish<'_>) -> Option<&Rule> {
        let of_one = wish
            .customer
            .and_then(|customer| self.of_one.get(&customer));
        let of_one = of_one.and_then(|rules| first(rules, wish));
        let of_all = first(&self.of_all, wish);
        of_one
            .into_iter()
            .chain(of_all)
            .min_by_key(|rule| rule.place())
    }
}

fn first<'a>(rules: &'a [Arc<Rule>], wish: &Wish<'_>) -> Option<&'a Rule> {
    rules
        .iter()
        .map(|rule| &**rule)
        .find(|rule| rule.grants(wish))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::subsequence};

    use super::*;
    use crate::{
        authorization::{RuleSettings, Settings, policy::Policy},
        command::Operation,
    };

    proptest! {
        #[test]
        fn decides_as_one_does_who_reads_all_rules(rules in vec(rule(), 0..8), call in call()) {
            let (principal, operation, customer, account) = call;
            let wish = Wish { principal, operation, customer, account };
            let policy = Policy::new(&Settings { rules: rules.clone() });

            let decided = policy.decide(&wish).map(Rule::place);

            prop_assert_eq!(decided, read(&rules, &wish));
        }
    }

    fn read(rules: &[RuleSettings], wish: &Wish<'_>) -> Result<usize, Denial> {
        let is_named = |named: &String| match named.strip_suffix('*') {
            Some(beginning) => wish.principal.starts_with(beginning),
            None => named == wish.principal,
        };
        let mut mine: Vec<_> = rules.iter().enumerate().collect();
        mine.retain(|(_, rule)| rule.principals.iter().any(is_named));
        if mine.is_empty() {
            return Err(Denial::Stranger);
        }
        mine.retain(|(_, rule)| rule.accounts.contains(wish.account));
        if mine.is_empty() {
            return Err(Denial::Account);
        }
        mine.retain(|(_, rule)| {
            rule.operations.contains(&wish.operation)
                && rule.customers.include_all_of(wish.customer)
        });
        mine.first()
            .map(|(place, _)| *place)
            .ok_or(Denial::Operation)
    }

    fn rule() -> impl Strategy<Value = RuleSettings> {
        let names = vec!["a", "ab", "é", "a*", "ab*", "é*", "*"];
        let customers = prop_oneof![
            Just(Customers::Any),
            subsequence(vec![0, 1, 2], 1..3)
                .prop_map(|these| { Customers::These(these.into_iter().map(customer).collect()) }),
        ];
        let operations = subsequence(Operation::ALL.to_vec(), 1..=2);
        let accounts = subsequence(vec!["contoso", "fabrikam"], 1..=2);
        let parts = (subsequence(names, 1..3), operations, customers, accounts);
        parts.prop_map(
            |(principals, operations, customers, accounts)| RuleSettings {
                name: "a rule".to_owned(),
                principals: principals.into_iter().map(str::to_owned).collect(),
                operations: operations.into_iter().collect(),
                customers,
                accounts: accounts.into_iter().map(str::to_owned).collect(),
                rate: None,
            },
        )
    }

    fn call() -> impl Strategy<Value = (&'static str, Operation, Option<CustomerId>, &'static str)>
    {
        (
            prop::sample::select(vec!["a", "ab", "abc", "é", "éa", "b", ""]),
            prop::sample::select(Operation::ALL.to_vec()),
            prop::option::of((0_u8..4).prop_map(customer)),
            prop::sample::select(vec!["contoso", "fabrikam", "other"]),
        )
    }

    fn customer(number: u8) -> CustomerId {
        let text = format!("b67f0b00-f9e8-4c57-bcb5-0b8b95c6cc{number:02x}");
        text.parse().unwrap()
    }
}
