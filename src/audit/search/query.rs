//! What is asked for over the network, from names and values to types.

use std::{borrow::Cow, collections::HashSet, ops::RangeInclusive, str::FromStr, time::SystemTime};

use crate::audit::search::{cursor::Cursor, filters::Filters};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which records.
    pub filters: Filters,
    /// How many at most.
    pub limit: usize,
    /// Where to begin; at the newest, without one.
    pub cursor: Option<Cursor>,
}

/// What a query may say, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// About which customer.
    Customer,
    /// About which transfer.
    Transfer,
    /// Of which caller.
    Principal,
    /// Of which call.
    CorrelationId,
    /// The one record of this ID.
    AuditId,
    /// Answered with which status.
    Status,
    /// Ended how.
    Outcome,
    /// From when on.
    Since,
    /// Before when.
    Until,
    /// How many at most.
    Limit,
    /// Where to begin.
    Cursor,
}

/// A parameter is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter {name:?}: found {found}; accepted: {accepted}")]
pub struct BadParameter {
    name: String,
    found: String,
    accepted: &'static str,
}

impl Query {
    /// Reads the parameters of a query.
    ///
    /// # Errors
    ///
    /// When one is unknown, is given twice, is empty, or has a value that is not accepted.
    pub fn read<'a>(
        parameters: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<Self, BadParameter> {
        let mut query = Self {
            filters: Filters::default(),
            limit: USUAL_LIMIT,
            cursor: None,
        };
        let mut names = HashSet::new();
        for (name, value) in parameters {
            let bad = |found: &str, accepted| BadParameter {
                name: shown(&name),
                found: found.to_owned(),
                accepted,
            };
            let twice = !names.insert(name.clone());
            if twice {
                return Err(bad("it twice", "it once"));
            }
            let taken = query.take(&name, &value);
            taken.map_err(|accepted| match &*value {
                _ if accepted == NAMES => bad("no such parameter", accepted),
                "" => bad("nothing", accepted),
                value => bad(&format!("{:?}", shown(value)), accepted),
            })?;
        }
        Ok(query)
    }

    /// Takes one parameter, or says what is accepted.
    fn take(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let filters = &mut self.filters;
        let mut all = Parameter::ALL.into_iter();
        let parameter = all.find(|known| known.as_str() == name);
        match parameter.ok_or(NAMES)? {
            Parameter::Customer => filters.customer = Some(guid(value)?),
            Parameter::Transfer => filters.transfer = Some(guid(value)?),
            Parameter::Principal => filters.principal = Some(principal(value)?),
            Parameter::CorrelationId => filters.correlation_id = Some(guid(value)?),
            Parameter::AuditId => filters.audit_id = Some(guid(value)?),
            Parameter::Status => filters.status = Some(status(value)?),
            Parameter::Outcome => filters.outcome = Some(outcome(value)?),
            Parameter::Since => filters.since = Some(time(value)?),
            Parameter::Until => filters.until = Some(time(value)?),
            Parameter::Limit => self.limit = limit(value)?,
            Parameter::Cursor => self.cursor = Some(value.parse().map_err(|_| CURSOR)?),
        }
        Ok(())
    }
}

impl Parameter {
    /// Every parameter, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Customer,
        Self::Transfer,
        Self::Principal,
        Self::CorrelationId,
        Self::AuditId,
        Self::Status,
        Self::Outcome,
        Self::Since,
        Self::Until,
        Self::Limit,
        Self::Cursor,
    ];

    /// Its name in a query.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Transfer => "transfer",
            Self::Principal => "principal",
            Self::CorrelationId => "correlation_id",
            Self::AuditId => "audit_id",
            Self::Status => "status",
            Self::Outcome => "outcome",
            Self::Since => "since",
            Self::Until => "until",
            Self::Limit => "limit",
            Self::Cursor => "cursor",
        }
    }
}

/// Reads an ID.
///
/// # Errors
///
/// Says what is accepted, as all of these do.
pub fn guid<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse()
        .map_err(|_| "a GUID of 8-4-4-4-12 hexadecimal digits, not all zero")
}

/// Reads a principal.
///
/// # Errors
///
/// When it is none.
pub fn principal(text: &str) -> Result<String, &'static str> {
    let sound = !text.is_empty() && !text.contains(char::is_control);
    sound
        .then(|| text.to_owned())
        .ok_or("the whole name of a caller, as records have it")
}

/// Reads a status.
///
/// # Errors
///
/// When it is none.
pub fn status(text: &str) -> Result<u16, &'static str> {
    number(text)
        .filter(|status| STATUSES.contains(status))
        .ok_or("100 to 599")
}

/// Reads how a call ended.
///
/// # Errors
///
/// When none can have ended so.
pub fn outcome(text: &str) -> Result<&'static str, &'static str> {
    let known = OUTCOMES.into_iter().find(|word| *word == text);
    known.ok_or("forwarded, reconciled, replayed, answered, refused, failed")
}

/// Reads a time.
///
/// # Errors
///
/// When it is none.
pub fn time(text: &str) -> Result<SystemTime, &'static str> {
    humantime::parse_rfc3339(text)
        .map_err(|_| "a time by RFC 3339 in UTC, such as 2026-03-01T12:00:00Z")
}

fn limit(text: &str) -> Result<usize, &'static str> {
    number(text)
        .filter(|limit| (1..=MOST).contains(limit))
        .ok_or("1 to 1000")
}

/// Reads decimal digits and nothing else.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Keeps what is told of a stranger's text short.
fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).collect()
}

/// How a call can have ended.
pub const OUTCOMES: [&str; 6] = [
    "forwarded",
    "reconciled",
    "replayed",
    "answered",
    "refused",
    "failed",
];

/// The statuses that an answer can have.
pub const STATUSES: RangeInclusive<u16> = 100..=599;

const NAMES: &str = "customer, transfer, principal, correlation_id, audit_id, status, outcome, since, until, \
                     limit, cursor";
const CURSOR: &str = "the next of an earlier answer";

/// How many records a page has where nothing is said.
pub const USUAL_LIMIT: usize = 100;

/// How many records a page can have.
pub const MOST: usize = 1000;

/// In letters: more than any value that is accepted needs, but for a cursor.
const LONGEST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";

    fn read(parameters: &[(&str, &str)]) -> Result<Query, String> {
        let parameters = parameters.iter().map(|(name, value)| {
            (
                Cow::Owned((*name).to_owned()),
                Cow::Owned((*value).to_owned()),
            )
        });
        Query::read(parameters).map_err(|bad| bad.to_string())
    }

    #[test]
    fn asks_for_the_newest_hundred_where_nothing_is_said() {
        let query = read(&[]).unwrap();

        assert!(query.filters.are_none());
        assert_eq!((query.limit, query.cursor), (100, None));
    }

    #[test]
    fn takes_every_parameter() {
        let cursor = Cursor {
            journal: GUID.parse().unwrap(),
            below: 7,
        };
        let time = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);

        let query = read(&[
            ("customer", &GUID.to_uppercase()),
            ("transfer", GUID),
            ("principal", "system:serviceaccount:a:b c"),
            ("correlation_id", GUID),
            ("audit_id", GUID),
            ("status", "409"),
            ("outcome", "refused"),
            ("since", "1970-01-01T00:00:01Z"),
            ("until", "1970-01-01T00:00:02.5Z"),
            ("limit", "1000"),
            ("cursor", &cursor.to_string()),
        ]);

        let filters = Filters {
            customer: GUID.parse().ok(),
            transfer: GUID.parse().ok(),
            principal: Some("system:serviceaccount:a:b c".to_owned()),
            correlation_id: GUID.parse().ok(),
            audit_id: GUID.parse().ok(),
            status: Some(409),
            outcome: Some("refused"),
            since: Some(time(1)),
            until: Some(time(2) + std::time::Duration::from_millis(500)),
        };
        assert_eq!(
            query,
            Ok(Query {
                filters,
                limit: 1000,
                cursor: Some(cursor)
            })
        );
    }

    #[test]
    fn names_every_parameter_where_one_is_unknown() {
        let names = Parameter::ALL.map(Parameter::as_str);

        assert_eq!(NAMES, names.join(", "));
    }

    #[test]
    fn names_the_parameter_what_was_found_and_what_is_accepted() {
        let long = "x".repeat(500);
        let refusals: Vec<String> = [
            &[("customer", "1")][..],
            &[("transfer", "00000000-0000-0000-0000-000000000000")],
            &[("principal", "a\nb")],
            &[("correlation_id", "")],
            &[("audit_id", &long)],
            &[("status", "99")],
            &[("status", "+200")],
            &[("outcome", "Refused")],
            &[("since", "2026-03-01")],
            &[("until", "2026-03-01T12:00:00+01:00")],
            &[("limit", "0")],
            &[("limit", "1001")],
            &[("cursor", "x")],
            &[("customers", GUID)],
            &[("", "")],
            &[("limit", "5"), ("limit", "5")],
        ]
        .into_iter()
        .map(|parameters| read(parameters).unwrap_err())
        .collect();

        insta::assert_snapshot!(refusals.join("\n"), @r#"
        parameter "customer": found "1"; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
        parameter "transfer": found "00000000-0000-0000-0000-000000000000"; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
        parameter "principal": found "a\nb"; accepted: the whole name of a caller, as records have it
        parameter "correlation_id": found nothing; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
        parameter "audit_id": found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
        parameter "status": found "99"; accepted: 100 to 599
        parameter "status": found "+200"; accepted: 100 to 599
        parameter "outcome": found "Refused"; accepted: forwarded, reconciled, replayed, answered, refused, failed
        parameter "since": found "2026-03-01"; accepted: a time by RFC 3339 in UTC, such as 2026-03-01T12:00:00Z
        parameter "until": found "2026-03-01T12:00:00+01:00"; accepted: a time by RFC 3339 in UTC, such as 2026-03-01T12:00:00Z
        parameter "limit": found "0"; accepted: 1 to 1000
        parameter "limit": found "1001"; accepted: 1 to 1000
        parameter "cursor": found "x"; accepted: the next of an earlier answer
        parameter "customers": found no such parameter; accepted: customer, transfer, principal, correlation_id, audit_id, status, outcome, since, until, limit, cursor
        parameter "": found no such parameter; accepted: customer, transfer, principal, correlation_id, audit_id, status, outcome, since, until, limit, cursor
        parameter "limit": found it twice; accepted: it once
        "#);
    }
}
