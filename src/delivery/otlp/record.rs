//! What a record becomes among a collector's logs.
//!
//! The body is the record's line as it stands in the journal, so that whoever has it can compute its hash. Attributes
//! repeat what is searched for. A member that this version does not know, or that is not as it should be, is no
//! attribute; the line has it.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value},
    logs::v1::{LogRecord, SeverityNumber},
};
use serde_json::{Map, Value};

use crate::{delivery::batch::Line, ids::JournalId};

/// Makes a log record of a record.
pub(in crate::delivery::otlp) fn of(
    line: &Line,
    journal: JournalId,
    observed: SystemTime,
) -> LogRecord {
    let record: Map<_, _> = serde_json::from_str(&line.text).unwrap_or_default();
    let word = |name| record.get(name).and_then(Value::as_str);
    let severity = severity(&record);
    LogRecord {
        time_unix_nano: word("time").map_or(0, nanoseconds),
        observed_time_unix_nano: since_epoch(observed),
        severity_number: severity.into(),
        severity_text: severity
            .as_str_name()
            .trim_start_matches(SEVERITY)
            .to_owned(),
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(line.text.clone())),
        }),
        attributes: attributes(line, journal, &record),
        trace_id: word("trace_id").map_or_else(Vec::new, trace),
        event_name: word("kind").map_or_else(String::new, name),
        ..LogRecord::default()
    }
}

/// An attribute that is a text.
pub(in crate::delivery::otlp) fn text(key: &str, value: String) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value))
}

fn attributes(line: &Line, journal: JournalId, record: &Map<String, Value>) -> Vec<KeyValue> {
    let seq = i64::try_from(line.seq).unwrap_or(i64::MAX);
    let own = [
        // By it, records that came twice can be told from two records:
        // https://opentelemetry.io/docs/specs/semconv/general/logs/#general-log-identification-attributes
        text("log.record.uid", line.id.to_string()),
        text(&name("journal"), journal.to_string()),
        attribute(&name("seq"), any_value::Value::IntValue(seq)),
    ];
    let members = MEMBERS.iter().filter_map(|member| {
        let value = match record.get(*member)? {
            Value::String(text) => any_value::Value::StringValue(text.clone()),
            Value::Number(number) => any_value::Value::IntValue(number.as_i64()?),
            _ => return None,
        };
        Some(attribute(&name(member), value))
    });
    own.into_iter().chain(members).collect()
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn name(part: &str) -> String {
    format!("partner_gateway.audit.{part}")
}

/// `ERROR` where nobody can say that the caller's wish was fulfilled or refused, `WARN` where it was refused or
/// something was found to be out of order, `INFO` for all else.
fn severity(record: &Map<String, Value>) -> SeverityNumber {
    let word = |name| record.get(name).and_then(Value::as_str);
    let status = record.get("status").and_then(Value::as_u64);
    match (word("kind"), word("outcome")) {
        (_, Some("failed")) => SeverityNumber::Error,
        (_, Some("refused")) | (Some("recovered" | "summary"), _) => SeverityNumber::Warn,
        _ if status.is_some_and(|status| status >= 400) => SeverityNumber::Warn,
        _ => SeverityNumber::Info,
    }
}

/// 0 stands for a time that is not known.
fn nanoseconds(time: &str) -> u64 {
    humantime::parse_rfc3339(time).map_or(0, since_epoch)
}

fn since_epoch(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since: Duration| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// Sixteen bytes, or none where it is no trace.
fn trace(digits: &str) -> Vec<u8> {
    let is_hex = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(digits, 16).unwrap_or(0);
    if is_hex && number != 0 {
        number.to_be_bytes().to_vec()
    } else {
        Vec::new()
    }
}

/// The members of a record that are attributes, too.
const MEMBERS: [&str; 16] = [
    "kind",
    "call",
    "operation",
    "customer",
    "transfer",
    "principal",
    "issuer",
    "auth",
    "account",
    "correlation_id",
    "decision",
    "rule",
    "status",
    "code",
    "outcome",
    "forwarded",
];

/// How the protocol's names of severities begin.
const SEVERITY: &str = "SEVERITY_NUMBER_";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::chain::LineHash, ids::RecordId};

    #[test]
    fn is_as_severe_as_what_the_record_tells() {
        for (members, severity) in [
            (r#""kind":"intent""#, "INFO"),
            (
                r#""kind":"outcome","outcome":"forwarded","status":200"#,
                "INFO",
            ),
            (r#""kind":"outcome","outcome":"reconciled""#, "INFO"),
            (
                r#""kind":"outcome","outcome":"replayed","status":200"#,
                "INFO",
            ),
            (
                r#""kind":"outcome","outcome":"replayed","status":404"#,
                "WARN",
            ),
            (
                r#""kind":"outcome","outcome":"forwarded","status":400"#,
                "WARN",
            ),
            (
                r#""kind":"outcome","outcome":"refused","status":403"#,
                "WARN",
            ),
            (
                r#""kind":"outcome","outcome":"failed","status":504"#,
                "ERROR",
            ),
            (r#""kind":"outcome","outcome":"failed""#, "ERROR"),
            (r#""kind":"checkpoint""#, "INFO"),
            (r#""kind":"recovered""#, "WARN"),
            (r#""kind":"summary""#, "WARN"),
        ] {
            let record = made_of(&format!("{{{members}}}"));

            assert_eq!(record.severity_text, severity, "{members}");
            let named = SeverityNumber::try_from(record.severity_number).unwrap();
            assert_eq!(named.as_str_name(), format!("{SEVERITY}{severity}"));
        }
    }

    #[test]
    fn has_the_whole_line_whatever_is_odd_about_it() {
        for line in [
            "",
            "no record",
            r#"["kind"]"#,
            r#"{"kind":7.5,"status":{},"time":7,"trace_id":[],"outcome":null,"code":true}"#,
            r#"{"time":"yesterday","trace_id":"4bf92f3577b34da6a3ce929d0e0e473","status":1e300}"#,
            r#"{"time":"1969-12-31T23:59:59Z","trace_id":"00000000000000000000000000000000"}"#,
            r#"{"trace_id":"+bf92f3577b34da6a3ce929d0e0e4736"}"#,
        ] {
            let record = made_of(line);

            let body = any_value::Value::StringValue(line.to_owned());
            assert_eq!(record.body.unwrap().value, Some(body));
            assert_eq!(record.time_unix_nano, 0, "{line}");
            assert!(record.trace_id.is_empty(), "{line}");
            assert!(record.event_name.is_empty(), "{line}");
            let keys: Vec<_> = record.attributes.iter().map(|it| &it.key).collect();
            let own = ["journal", "seq"].map(name);
            assert_eq!(keys, ["log.record.uid", &own[0], &own[1]], "{line}");
        }
    }

    fn made_of(text: &str) -> LogRecord {
        let line = Line {
            seq: 7,
            id: RecordId::next(),
            text: text.to_owned(),
            hash: LineHash::of(text.as_bytes()),
        };
        of(&line, JournalId::random(), SystemTime::UNIX_EPOCH)
    }
}
