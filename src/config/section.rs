//! Takes values out of the tree by key, and notices what nobody takes.

use std::{io, path::Path};

use crate::config::{
    fault::{Place, quoted},
    nearest::advice,
    node::{Node, Value, joined},
    report::Report,
};

/// A value with its path.
pub(crate) struct Cursor<'a> {
    report: &'a Report,
    path: String,
    node: &'a Node,
}

/// A value that has keys of its own.
pub(crate) struct Section<'a> {
    cursor: Cursor<'a>,
    entries: &'a [(String, Node)],
}

impl<'a> Cursor<'a> {
    /// Stands at the root of a tree.
    pub(crate) fn root(report: &'a Report, node: &'a Node) -> Self {
        Self {
            report,
            path: String::new(),
            node,
        }
    }

    /// The last part of the key's path.
    pub(crate) fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Where the value comes from.
    pub(crate) fn place(&self) -> &'a Place {
        &self.node.place
    }

    /// What stands here.
    pub(crate) fn value(&self) -> &'a Value {
        &self.node.value
    }

    /// Reads a single value; `read` tells what is accepted where it refuses.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let Value::Scalar(text) = &self.node.value else {
            let accepted = read("").err();
            let accepted = accepted.as_deref().unwrap_or("a single value");
            self.refuse(self.node.shape(), accepted);
            return None;
        };
        read(text)
            .map_err(|accepted| self.refuse(&quoted(text), &accepted))
            .ok()
    }

    /// Reads a section and then reports the keys that were not asked for.
    pub(crate) fn section<T>(&self, read: impl FnOnce(&Section<'a>) -> Option<T>) -> Option<T> {
        let entries = self.entries()?;
        let section = Section {
            cursor: self.again(),
            entries,
        };
        let value = read(&section);
        section.report_unknown();
        value
    }

    /// The elements of a list that must not be empty.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            self.refuse(self.node.shape(), "a list");
            return None;
        };
        if items.is_empty() {
            self.refuse("an empty list", "at least one element");
            return None;
        }
        let at = |(index, node)| self.at(format!("{}[{index}]", self.path), node);
        Some(items.iter().enumerate().map(at).collect())
    }

    /// Reads the elements of a list that must not be empty: all of them, or none.
    pub(crate) fn each<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let items = self.items()?;
        let sound: Vec<T> = items.iter().filter_map(|item| item.read(&read)).collect();
        (sound.len() == items.len()).then_some(sound)
    }

    /// The values of a section whose keys are names that the operator chose.
    pub(crate) fn named(&self) -> Option<Vec<(&'a str, Self)>> {
        let name = |(name, node): &'a (String, Node)| {
            (name.as_str(), self.at(joined(&self.path, name), node))
        };
        Some(self.entries()?.iter().map(name).collect())
    }

    /// Notes that something else was expected here.
    pub(crate) fn refuse(&self, found: &str, accepted: &str) {
        self.fault(format!("found {found}; accepted: {accepted}"));
    }

    /// Notes a fault here.
    pub(crate) fn fault(&self, problem: String) {
        self.report.fault(&self.node.place, &self.path, problem);
    }

    /// Notes something worth telling here.
    pub(crate) fn notice(&self, text: &str) {
        self.report.notice(&self.node.place, &self.path, text);
    }

    /// Whether anything stands here: a key may be left empty.
    pub(crate) fn is_filled(&self) -> bool {
        match &self.node.value {
            Value::Nothing => false,
            Value::Map(entries) => !entries.is_empty(),
            Value::Scalar(_) | Value::List(_) => true,
        }
    }

    /// Reads a whole file, which is watched from then on.
    pub(crate) fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.report.read_file(path)
    }

    fn entries(&self) -> Option<&'a [(String, Node)]> {
        let Value::Map(entries) = &self.node.value else {
            self.refuse(self.node.shape(), "a section with keys of its own");
            return None;
        };
        Some(entries)
    }

    fn again(&self) -> Self {
        self.at(self.path.clone(), self.node)
    }

    fn at(&self, path: String, node: &'a Node) -> Self {
        Self {
            report: self.report,
            path,
            node,
        }
    }
}

impl<'a> Section<'a> {
    /// Stands at a key; nothing where the key is absent.
    pub(crate) fn take(&self, key: &str) -> Option<Cursor<'a>> {
        let path = joined(&self.cursor.path, key);
        self.cursor.report.ask(&path);
        let (_, node) = self.entries.iter().find(|(name, _)| name == key)?;
        Some(self.cursor.at(path, node))
    }

    /// Stands at what was set at a path from here, such as `server.listen`, without asking for it.
    pub(crate) fn find(&self, path: &str) -> Option<Cursor<'a>> {
        let (_, node) = self.cursor.node.select(path).pop()?;
        Some(self.cursor.at(joined(&self.cursor.path, path), node))
    }

    /// Stands at a key that must be there.
    pub(crate) fn need(&self, key: &str) -> Option<Cursor<'a>> {
        let cursor = self.take(key);
        if cursor.is_none() {
            self.fault_of_absent(key, "is missing".to_owned());
        }
        cursor
    }

    /// Reads a single value that must be there.
    pub(crate) fn required<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(cursor) = self.take(key) else {
            let accepted = read("")
                .err()
                .map(|accepted| format!("; accepted: {accepted}"));
            self.fault_of_absent(key, format!("is missing{}", accepted.unwrap_or_default()));
            return None;
        };
        cursor.read(read)
    }

    /// Reads a single value where it is there.
    pub(crate) fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.take(key)?.read(read)
    }

    /// Reads a section that must be there.
    pub(crate) fn section<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Section<'a>) -> Option<T>,
    ) -> Option<T> {
        self.need(key)?.section(read)
    }

    /// Takes a key as known without looking at it, and tells whether it is there.
    pub(crate) fn skip(&self, key: &str) -> bool {
        self.take(key).is_some()
    }

    /// Takes the one of several keys that must stand alone.
    pub(crate) fn exactly_one(&self, keys: &[&str]) -> Option<Cursor<'a>> {
        let mut present: Vec<Cursor<'a>> = keys.iter().filter_map(|key| self.take(key)).collect();
        if present.len() != 1 {
            let found = if present.is_empty() {
                "none"
            } else {
                "several"
            };
            self.cursor
                .refuse(found, &format!("exactly one of {}", keys.join(", ")));
            return None;
        }
        present.pop()
    }

    /// Notes a fault of this section as a whole.
    pub(crate) fn fault_here(&self, problem: String) {
        self.cursor.fault(problem);
    }

    /// Notes a fault of a key that is absent.
    pub(crate) fn fault_of_absent(&self, key: &str, problem: String) {
        self.fault(&self.cursor.node.place, key, problem);
    }

    /// Notes something worth telling of a key that is absent.
    pub(crate) fn notice_of_absent(&self, key: &str, text: &str) {
        let path = joined(&self.cursor.path, key);
        self.cursor
            .report
            .notice(&self.cursor.node.place, &path, text);
    }

    /// Notes that a value does not go with another, at the line of whichever was set.
    ///
    /// Both are given as paths from here, such as `listen` or `server.listen`.
    pub(crate) fn conflict(&self, key: &str, other: &str, problem: String) {
        let found = |path: &str| self.cursor.node.select(path).pop();
        let places = [found(key), found(other)]
            .into_iter()
            .flatten()
            .map(|(_, node)| &node.place);
        let set = places.into_iter().find(|place| **place != Place::Default);
        self.fault(set.unwrap_or(&self.cursor.node.place), key, problem);
    }

    fn fault(&self, place: &Place, key: &str, problem: String) {
        self.cursor
            .report
            .fault(place, &joined(&self.cursor.path, key), problem);
    }

    fn report_unknown(&self) {
        let report = self.cursor.report;
        for (name, node) in self.entries {
            let path = joined(&self.cursor.path, name);
            if !report.asked(&path) {
                let known = report.asked_under(&joined(&self.cursor.path, ""));
                report.fault(
                    &node.place,
                    &path,
                    format!("unknown key; {}", advice(name, &known)),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn reads_all_elements_of_a_list_or_none() {
        let report = Report::new("gateway.yaml".into());
        let tree = "{sound: [1, 2], bad: [1, x, y], empty: []}";
        let tree = yaml::parse_file(tree, &report).unwrap();
        let number = |text: &str| text.parse().map_err(|_| "a number".to_owned());
        let each = |key: &str| -> Option<Vec<u8>> {
            Cursor::root(&report, &tree).section(|section| {
                for key in ["sound", "bad", "empty"] {
                    section.skip(key);
                }
                section.need(key)?.each(number)
            })
        };

        assert_eq!(each("sound"), Some(vec![1, 2]));
        assert_eq!(each("bad"), None);
        assert_eq!(each("empty"), None);
        insta::assert_snapshot!(report.faults(), @r#"
        gateway.yaml: 3 faults
        gateway.yaml:1: bad[1]: found "x"; accepted: a number
        gateway.yaml:1: bad[2]: found "y"; accepted: a number
        gateway.yaml:1: empty: found an empty list; accepted: at least one element
        "#);
    }
}
