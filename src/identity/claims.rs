//! The claims of a JWT: one JSON object in which no name stands twice.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::Value;

/// A claims set (RFC 7519, section 4).
///
/// Anything but an object is refused, and so is a name that stands twice: what one reader takes from
/// the first of two, another takes from the second.
#[derive(Debug)]
pub(in crate::identity) struct Claims(BTreeMap<String, Value>);

/// A claim is not of the type that it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::identity) struct Odd;

impl Claims {
    /// Whether a claim is there at all.
    pub(in crate::identity) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A claim that is a string.
    pub(in crate::identity) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A string inside a claim that is an object, and so on down a path of names.
    pub(in crate::identity) fn text_within(&self, name: &str, path: &[&str]) -> Option<&str> {
        path.iter()
            .try_fold(self.0.get(name)?, |value, name| value.get(name))?
            .as_str()
    }

    /// A claim that is one string or a list of strings; nothing where it is neither.
    pub(in crate::identity) fn texts(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::String(only)) => vec![only],
            Some(Value::Array(items)) => {
                let all: Option<_> = items.iter().map(Value::as_str).collect();
                all.unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// A claim that is a time in whole seconds since 1970, where it is there.
    ///
    /// A fraction, a string and a time after the year 9999 are odd.
    pub(in crate::identity) fn seconds(&self, name: &str) -> Result<Option<u64>, Odd> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds = value.as_u64().filter(|seconds| *seconds <= LATEST);
        seconds.map(Some).ok_or(Odd)
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let mut claims = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if claims.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Claims(claims))
    }
}

/// The last second of the year 9999, the last that RFC 3339 can write.
const LATEST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn is_one_object_in_which_no_name_stands_twice() {
        for json in ["[]", r#"[1,2,"sub"]"#, "1", "null", r#"{"a":1,"a":1}"#, "{"] {
            assert!(serde_json::from_str::<Claims>(json).is_err(), "{json}");
        }
        let list = serde_json::from_str::<Claims>("[]").unwrap_err();
        assert!(list.to_string().contains("expected a JSON object"));
    }

    #[test]
    fn has_a_claim_whatever_it_says() {
        let some = claims(r#"{"cnf":null}"#);

        assert!(some.has("cnf"));
        assert!(!some.has("sub"));
    }

    #[test]
    fn reads_times_in_whole_seconds_only() {
        let some = claims(
            r#"{"exp":1,"last":253402300799,"late":253402300800,"text":"1","part":1.5,"whole":1.0,"past":-1,"huge":1e300,"null":null}"#,
        );

        assert_eq!(some.seconds("exp"), Ok(Some(1)));
        assert_eq!(some.seconds("last"), Ok(Some(LATEST)));
        assert_eq!(some.seconds("none"), Ok(None));
        for odd in ["late", "text", "part", "whole", "past", "huge", "null"] {
            assert_eq!(some.seconds(odd), Err(Odd), "{odd}");
        }
    }

    #[test]
    fn reads_strings_and_lists_of_strings() {
        let some = claims(r#"{"one":"a","two":["a","b"],"odd":["a",7],"map":{"x":{"y":"z"}}}"#);

        assert_eq!(some.text("one"), Some("a"));
        assert_eq!(some.text("two"), None);
        assert_eq!(some.texts("one"), ["a"]);
        assert_eq!(some.texts("two"), ["a", "b"]);
        assert_eq!(some.texts("odd"), [""; 0]);
        assert_eq!(some.texts("none"), [""; 0]);
        assert_eq!(some.text_within("map", &["x", "y"]), Some("z"));
        assert_eq!(some.text_within("map", &["y"]), None);
    }
}
