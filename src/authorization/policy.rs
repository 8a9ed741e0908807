//! The policy: deny by default, the first rule that grants decides.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use aws_lc_rs::digest::{Context, SHA256};

use crate::{
    authorization::{
        Customers, Rate, RuleSettings, Settings, Wish, index::Index, permit::Permit,
        rate::Allowances,
    },
    command::{Command, Operation},
    identity::caller::Caller,
};

/// The rules in force.
#[derive(Debug)]
pub struct Policy {
    rules: Index,
    hash: Box<str>,
}

/// Policy says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No rule names the caller.
    #[error("no rule names the caller")]
    Stranger,
    /// No rule grants this operation on this customer.
    #[error("no rule grants this")]
    Operation,
    /// The caller may not use this account.
    #[error("no rule grants this account")]
    Account,
}

/// A rule in force.
#[derive(Debug)]
pub struct Rule {
    place: usize,
    name: Arc<str>,
    operations: BTreeSet<Operation>,
    customers: Customers,
    accounts: BTreeSet<String>,
    allowances: Option<Arc<Allowances>>,
}

impl Policy {
    /// Puts rules into force.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self::carrying(settings, &HashMap::new())
    }

    /// Puts rules into force in the place of older ones.
    ///
    /// A rule with the name and the rate of an older one goes on with the older one's allowances, so
    /// that no caller gains or loses a call by the change.
    #[must_use]
    pub fn succeeding(settings: &Settings, old: &Self) -> Self {
        let rules = old.rules.all();
        let old = rules.filter_map(|rule| Some((&*rule.name, rule.allowances.as_ref()?)));
        Self::carrying(settings, &old.collect())
    }

    fn carrying(settings: &Settings, old: &HashMap<&str, &Arc<Allowances>>) -> Self {
        let allowances = |rule: &RuleSettings| {
            let rate = rule.rate?;
            let kept = old.get(rule.name.as_str()).copied();
            let kept = kept.filter(|kept| kept.rate() == rate).cloned();
            Some(kept.unwrap_or_else(|| Arc::new(Allowances::new(rate))))
        };
        let mut rules = Index::default();
        for (place, rule) in settings.rules.iter().enumerate() {
            let shared = Arc::new(Rule {
                place,
                name: rule.name.as_str().into(),
                operations: rule.operations.clone(),
                customers: rule.customers.clone(),
                accounts: rule.accounts.clone(),
                allowances: allowances(rule),
            });
            for principal in &rule.principals {
                rules.add(principal, &shared);
            }
        }
        Self {
            rules,
            hash: hash(&settings.rules),
        }
    }

    /// Decides whether the caller may have this command carried out through this account.
    ///
    /// # Errors
    ///
    /// [`Denial::Stranger`] where no rule names the caller, [`Denial::Account`] where none of the
    /// caller's names the account, else [`Denial::Operation`] where none grants the rest.
    pub fn permit<C: Command>(
        &self,
        caller: &Caller,
        command: C,
        account: &Arc<str>,
    ) -> Result<Permit<C>, Denial> {
        let principal = caller.principal();
        let rule = self.decide(&Wish {
            principal,
            operation: C::OPERATION,
            customer: command.about(),
            account,
        })?;
        let allowances = rule.allowances.as_ref();
        Ok(Permit::new(
            command, account, &rule.name, principal, allowances,
        ))
    }

    /// Finds the rule that decides. Takes nothing from an allowance, and permits nothing by itself.
    ///
    /// # Errors
    ///
    /// Those of [`Policy::permit`].
    pub fn decide(&self, wish: &Wish<'_>) -> Result<&Rule, Denial> {
        self.rules.decide(wish)
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the rules in force.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl Rule {
    /// The name that audit records carry.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it stands in the settings, from 0.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    /// How often each caller may do what it grants.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        Some(self.allowances.as_ref()?.rate())
    }

    pub(in crate::authorization) fn accounts(&self) -> &BTreeSet<String> {
        &self.accounts
    }

    pub(in crate::authorization) fn customers(&self) -> &Customers {
        &self.customers
    }

    /// Whether it grants a wish of one whom it names.
    pub(in crate::authorization) fn grants(&self, wish: &Wish<'_>) -> bool {
        self.operations.contains(&wish.operation)
            && self.customers.include_all_of(wish.customer)
            && self.accounts.contains(wish.account)
    }
}

/// Hashes the rules with every part's length before it and every list's end behind it, so that no two
/// policies look alike.
fn hash(rules: &[RuleSettings]) -> Box<str> {
    let mut context = Context::new(&SHA256);
    let mut put = |part: &str| {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part.as_bytes());
    };
    for rule in rules {
        put(&rule.name);
        // No part is empty, so an empty one ends each list.
        rule.principals.iter().for_each(|principal| put(principal));
        put("");
        rule.accounts.iter().for_each(|account| put(account));
        put("");
        rule.operations.iter().for_each(|it| put(it.as_str()));
        put("");
        match &rule.customers {
            Customers::Any => put("*"),
            Customers::These(these) => these.iter().for_each(|id| put(&id.to_string())),
        }
        put("");
        if let Some(rate) = &rule.rate {
            put(&rate.to_string());
        }
        put("");
    }
    let hash = context.finish();
    let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first)).into()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::command::RejectTransfer;

    const CUSTOMER: &str = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";

    fn anonymous() -> Caller {
        Caller::named("anonymous")
    }

    fn command(customer: &str) -> RejectTransfer {
        RejectTransfer {
            customer: customer.parse().unwrap(),
            transfer: "ac4a9d22-ba07-444e-890f-cfe084eed498".parse().unwrap(),
        }
    }

    fn rule(name: &str, principal: &str, customers: Customers) -> RuleSettings {
        RuleSettings {
            name: name.to_owned(),
            principals: vec![principal.to_owned()],
            operations: BTreeSet::from([Operation::TransfersReject]),
            customers,
            accounts: BTreeSet::from(["contoso".to_owned()]),
            rate: None,
        }
    }

    fn decide(rules: Vec<RuleSettings>, customer: &str, account: &str) -> Result<String, Denial> {
        Policy::new(&Settings { rules })
            .permit(&anonymous(), command(customer), &account.into())
            .map(|permit| permit.rule().to_string())
    }

    #[test]
    fn denies_by_default() {
        assert_eq!(decide(vec![], CUSTOMER, "contoso"), Err(Denial::Stranger));
        let others = vec![rule("r", "anonymous2", Customers::Any)];
        assert_eq!(decide(others, CUSTOMER, "contoso"), Err(Denial::Stranger));
    }

    #[test]
    fn lets_the_first_rule_that_grants_decide() {
        let only = Customers::These(BTreeSet::from([CUSTOMER.parse().unwrap()]));
        let rules = || {
            vec![
                rule("only one", "anon*", only.clone()),
                rule("any", "anonymous", Customers::Any),
            ]
        };

        assert_eq!(decide(rules(), CUSTOMER, "contoso").unwrap(), "only one");
        let other = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf1";
        assert_eq!(decide(rules(), other, "contoso").unwrap(), "any");
    }

    #[test]
    fn denies_another_customer_operation_and_account() {
        let only = Customers::These(BTreeSet::from([CUSTOMER.parse().unwrap()]));
        let rules = vec![rule("r", "*", only)];
        let other = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf1";
        assert_eq!(
            decide(rules.clone(), other, "contoso"),
            Err(Denial::Operation)
        );
        assert_eq!(
            decide(rules.clone(), CUSTOMER, "fabrikam"),
            Err(Denial::Account)
        );

        let mut reads = rules;
        for rule in &mut reads {
            rule.operations = BTreeSet::from([Operation::TransfersRead]);
        }
        assert_eq!(decide(reads, CUSTOMER, "contoso"), Err(Denial::Operation));
    }

    #[test]
    fn carries_allowances_over_where_name_and_rate_stay() {
        let limited = |name: &str, principal: &str, per_second| {
            let mut rule = rule(name, principal, Customers::Any);
            rule.rate = NonZeroU32::new(per_second).map(|per_second| Rate {
                per_second,
                burst: NonZeroU32::MIN,
            });
            rule
        };
        let admitted = |policy: &Policy| {
            let permit = policy.permit(&anonymous(), command(CUSTOMER), &"contoso".into());
            permit.unwrap().admit().is_ok()
        };
        let settings = |rule| Settings { rules: vec![rule] };
        for principal in ["anonymous", "anon*"] {
            let old = Policy::new(&settings(limited("one", principal, 1)));
            assert!(admitted(&old));
            let next = |rule| Policy::succeeding(&settings(rule), &old);

            assert!(!admitted(&next(limited("one", principal, 1))));
            assert!(!admitted(&next(limited("one", "*", 1))), "other callers");
            assert!(admitted(&next(limited("two", principal, 1))), "other name");
            assert!(admitted(&next(limited("one", principal, 2))), "other rate");
            assert!(admitted(&next(limited("one", principal, 0))), "no rate");
            let unlimited = Policy::new(&settings(limited("one", principal, 0)));
            let limited = settings(limited("one", principal, 1));
            assert!(admitted(&Policy::succeeding(&limited, &unlimited)));
        }
    }

    #[test]
    fn names_two_policies_differently() {
        let hash = |rules| Policy::new(&Settings { rules }).hash().to_owned();
        let one = hash(vec![rule("a", "bc", Customers::Any)]);
        let two = hash(vec![rule("ab", "c", Customers::Any)]);

        let grants = |principals: &[&str], accounts: &[&str]| {
            let mut rule = rule("a", "x", Customers::Any);
            rule.principals = principals.iter().map(|&it| it.to_owned()).collect();
            rule.accounts = accounts.iter().map(|&it| it.to_owned()).collect();
            hash(vec![rule])
        };

        assert_eq!(one.len(), 16);
        assert_ne!(one, two);
        assert_ne!(
            grants(&["alice"], &["black", "contoso"]),
            grants(&["alice", "black"], &["contoso"])
        );
    }

    #[test]
    fn names_a_policy_anew_when_any_part_of_it_changes() {
        let hash = |change: &dyn Fn(&mut RuleSettings)| {
            let mut rule = rule("a", "x", Customers::Any);
            change(&mut rule);
            let rules = vec![rule];
            Policy::new(&Settings { rules }).hash().to_owned()
        };
        let rate = |per_second, burst| {
            Some(Rate {
                per_second: NonZeroU32::new(per_second).unwrap(),
                burst: NonZeroU32::new(burst).unwrap(),
            })
        };
        let only = Customers::These(BTreeSet::from([CUSTOMER.parse().unwrap()]));

        let hashes = BTreeSet::from([
            hash(&|_| ()),
            hash(&|rule| rule.operations = BTreeSet::from([Operation::AuditRead])),
            hash(&|rule| rule.customers = only.clone()),
            hash(&|rule| rule.rate = rate(1, 12)),
            hash(&|rule| rule.rate = rate(11, 2)),
        ]);

        assert_eq!(hashes.len(), 5, "{hashes:?}");
    }
}
