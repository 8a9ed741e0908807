//! JSON objects, written member by member into one text.
//!
//! Records and lines of the log are many and all alike. What a general serialiser looks at anew each time, the names of
//! members and what is sure to need no escape, is not looked at here.

use std::fmt::{Display, Write as _};

use serde::Serialize;
use serde_json::to_string;

/// The members of an object, without the braces around them.
#[derive(Debug, Default)]
pub struct Members(String);

/// The value of a member.
#[expect(
    missing_debug_implementations,
    reason = "what is to be shown is not to be debugged"
)]
pub enum Value<'a> {
    /// There is no such member.
    Absent,
    /// A text, which may be anybody's.
    Text(&'a str),
    /// A text, as it is shown.
    Shown(&'a dyn Display),
    /// A number or a truth value, whose form is the same in JSON.
    Plain(&'a dyn Display),
    /// A number.
    Number(u64),
    /// JSON already.
    Json(String),
}

impl Members {
    /// Makes room for so many bytes.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Adds a member, unless it is absent. The name is written as it is.
    pub fn put(&mut self, name: &str, value: &Value<'_>) {
        if matches!(value, Value::Absent) {
            return;
        }
        self.part();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        value.put(&mut self.0);
    }

    /// Adds members that are written already.
    pub fn join(&mut self, members: &str) {
        if !members.is_empty() {
            self.part();
            self.0.push_str(members);
        }
    }

    /// What was written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    fn part(&mut self) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
    }
}

impl<'a> FromIterator<(&'static str, Value<'a>)> for Members {
    fn from_iter<T: IntoIterator<Item = (&'static str, Value<'a>)>>(these: T) -> Self {
        let mut members = Self::with_room(TYPICAL_BYTES);
        for (name, value) in these {
            members.put(name, &value);
        }
        members
    }
}

/// Writes a list; one without anything is absent.
pub fn list<'a, T>(items: &'a [T], value: impl Fn(&'a T) -> Value<'a>) -> Value<'a> {
    if items.is_empty() {
        return Value::Absent;
    }
    let mut text = String::with_capacity(items.len().saturating_mul(TYPICAL_ITEM_BYTES));
    text.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        value(item).put(&mut text);
    }
    text.push(']');
    Value::Json(text)
}

/// What is seldom there, by way of the general serialiser.
pub fn any<'a>(value: Option<&(impl Serialize + ?Sized)>) -> Value<'a> {
    // Strings and numbers into memory cannot fail.
    let written = value.and_then(|value| to_string(value).ok());
    written.map_or(Value::Absent, Value::Json)
}

/// What may be there, as it is shown.
#[must_use]
pub fn shown<T: Display>(value: Option<&T>) -> Value<'_> {
    value.map_or(Value::Absent, |value| Value::Shown(value))
}

impl Value<'_> {
    fn put(&self, text: &mut String) {
        match self {
            Self::Absent => text.push_str("null"),
            Self::Text(value) => quote(text, |text| text.push_str(value)),
            Self::Shown(value) => quote(text, |text| show(text, value)),
            Self::Plain(value) => show(text, value),
            Self::Number(number) => show(text, number),
            Self::Json(json) => text.push_str(json),
        }
    }
}

/// Writes to memory, which cannot fail.
fn show(text: &mut String, value: &dyn Display) {
    write!(text, "{value}").unwrap_or_default();
}

/// Puts a text in quotes; what JSON does not have in a string, by its escape.
fn quote(text: &mut String, value: impl FnOnce(&mut String)) {
    let from = text.len();
    text.push('"');
    value(text);
    let quoted = text.get(from..).and_then(|quoted| quoted.get(1..));
    match quoted.filter(|quoted| has_escapes(quoted.as_bytes())) {
        None => text.push('"'),
        Some(odd) => {
            let escaped = to_string(odd).unwrap_or_default();
            text.truncate(from);
            text.push_str(&escaped);
        }
    }
}

/// Looks at all of them, which a processor does many at a time; stopping at the first one would be one by one.
fn has_escapes(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(false, |found, byte| found | is_escaped(*byte))
}

/// As RFC 8259 section 7 has it.
fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Absent, Self::Text)
    }
}

impl<'a> From<Option<&'a dyn Display>> for Value<'a> {
    fn from(shown: Option<&'a dyn Display>) -> Self {
        shown.map_or(Self::Absent, Self::Shown)
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Absent, Self::Number)
    }
}

/// An identifier in quotes, and a comma; an attempt is a few of them.
const TYPICAL_ITEM_BYTES: usize = 40;

/// An intent has some 1100, an outcome some 800, a line of the log some 600.
const TYPICAL_BYTES: usize = 1280;

#[cfg(test)]
mod tests {
    use proptest::{
        prelude::{any as some, proptest},
        prop_assert_eq,
    };

    use super::*;

    #[test]
    fn leaves_out_what_is_absent_and_lists_what_is_there() {
        let written: Members = [
            ("a", Value::Absent),
            ("b", Value::Number(7)),
            ("c", Value::Plain(&-1.5)),
            ("d", list::<u8>(&[], |_| Value::Absent)),
            ("e", list(&["x", "y"], |it| Value::Shown(it))),
            ("f", any(Some(&[1, 2]))),
            ("g", shown(None::<&u8>)),
        ]
        .into_iter()
        .collect();

        let text = written.into_text();

        assert_eq!(text, r#""b":7,"c":-1.5,"e":["x","y"],"f":[1,2]"#);
    }

    #[test]
    fn joins_members_that_are_written() {
        let mut members = Members::default();
        members.join("");
        members.put("a", &Value::Number(1));
        members.join("");
        members.join(r#""b":2,"c":3"#);

        assert_eq!(members.into_text(), r#""a":1,"b":2,"c":3"#);
    }

    proptest! {
        #[test]
        fn writes_every_text_as_the_general_serialiser_does(text in some::<String>()) {
            let general = to_string(&text).unwrap();

            let mut said = Members::default();
            said.put("a", &Value::Text(&text));
            let mut told = Members::default();
            told.put("a", &Value::Shown(&text));

            let expected = format!("\"a\":{general}");
            prop_assert_eq!(said.into_text(), expected.clone());
            prop_assert_eq!(told.into_text(), expected);
        }
    }
}
