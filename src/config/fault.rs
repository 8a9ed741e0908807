//! What is wrong with a configuration, and what is merely worth telling.
//!
//! Messages name the place, the key, what was found and what is accepted; never a secret.

use std::{fmt, sync::Arc};

/// Everything wrong with one configuration, in the order of its lines.
#[derive(Debug)]
pub struct Faults {
    file: Arc<str>,
    faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    place: Place,
    key: String,
    problem: String,
}

/// One thing that an operator should know of a sound configuration.
#[derive(Clone, Debug)]
pub struct Notice {
    place: Place,
    key: String,
    text: String,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// The built-in defaults.
    Default,
    /// The file as a whole.
    File(Arc<str>),
    /// A line of the file, from 1.
    Line(Arc<str>, usize),
    /// An environment variable.
    Variable(Arc<str>),
}

impl Faults {
    /// Gathers faults in the order of their lines; those of environment variables come last.
    pub(crate) fn new(file: Arc<str>, mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|one, other| one.place.cmp(&other.place));
        Self { file, faults }
    }
}

impl Fault {
    pub(crate) fn new(place: Place, key: &str, problem: String) -> Self {
        Self {
            place,
            key: key.to_owned(),
            problem,
        }
    }
}

impl Notice {
    pub(crate) fn new(place: Place, key: &str, text: &str) -> Self {
        Self {
            place,
            key: key.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.faults.as_slice() {
            return write!(f, "{only}");
        }
        write!(f, "{}: {} faults", self.file, self.faults.len())?;
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n{fault}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.place, &self.key, &self.problem)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.place, &self.key, &self.text)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(file) => f.write_str(file),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// Quotes a value for a message: escaped, cut when long, and without the credentials of a URL.
pub(crate) fn quoted(text: &str) -> String {
    if text.contains("://") && text.contains('@') {
        return "a URL with a user name or password".to_owned();
    }
    let mut shown: String = text.chars().take(LONGEST_QUOTE).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{}\"", shown.escape_debug())
}

fn line(f: &mut fmt::Formatter<'_>, place: &Place, key: &str, text: &str) -> fmt::Result {
    match key {
        "" => write!(f, "{place}: {text}"),
        key => write!(f, "{place}: {}: {text}", key.escape_debug()),
    }
}

/// In characters; longer than most paths and URLs.
const LONGEST_QUOTE: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_faults_by_line_and_variables_last() {
        let file: Arc<str> = "gateway.yaml".into();
        let fault = |place| Fault::new(place, "key", "wrong".to_owned());

        let faults = Faults::new(
            Arc::clone(&file),
            vec![
                fault(Place::Variable("VARIABLE".into())),
                fault(Place::Line(Arc::clone(&file), 10)),
                fault(Place::Line(Arc::clone(&file), 9)),
                fault(Place::File(file)),
            ],
        );

        insta::assert_snapshot!(faults, @"
        gateway.yaml: 4 faults
        gateway.yaml: key: wrong
        gateway.yaml:9: key: wrong
        gateway.yaml:10: key: wrong
        VARIABLE: key: wrong
        ");
    }

    #[test]
    fn quotes_neither_control_characters_nor_credentials_nor_without_end() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(
            quoted("https://user:pass@host"),
            "a URL with a user name or password"
        );
        assert_eq!(quoted(&"x".repeat(200)).chars().count(), LONGEST_QUOTE + 3);
    }
}
