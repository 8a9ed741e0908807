//! The configuration as a tree whose every value knows where it comes from.

use crate::config::fault::Place;

/// A value and where it comes from.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone)]
pub(crate) enum Value {
    /// A key without a value.
    Nothing,
    /// A single value, as text.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with values, in the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Lays another tree over this one: its values win, its lists replace.
    pub(crate) fn overlaid(self, over: Self) -> Self {
        let value = match (self.value, over.value) {
            (Value::Map(base), Value::Map(entries)) => Value::Map(overlaid(base, entries)),
            // A section whose keys are all commented out.
            (base @ Value::Map(_), Value::Nothing) => base,
            (_, value) => value,
        };
        Self {
            place: over.place,
            value,
        }
    }

    /// Puts a value where the segments lead, making sections on the way.
    ///
    /// # Errors
    ///
    /// Tells what is in the way.
    pub(crate) fn set(&mut self, segments: &[&str], leaf: Self) -> Result<(), &'static str> {
        let Some((first, rest)) = segments.split_first() else {
            return match self.value {
                Value::Map(_) | Value::List(_) => Err("a section or a list stands there"),
                Value::Nothing | Value::Scalar(_) => {
                    *self = leaf;
                    Ok(())
                }
            };
        };
        if let Value::Nothing = self.value {
            self.value = Value::Map(Vec::new());
        }
        match &mut self.value {
            Value::Map(entries) => set_entry(entries, first, rest, leaf),
            Value::List(items) => first
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index))
                .ok_or("the list has no such element, counted from 0")?
                .set(rest, leaf),
            Value::Nothing | Value::Scalar(_) => Err("a single value stands on the way"),
        }
    }

    /// Finds every node that a pattern such as `accounts.*.flow` leads to, with its path.
    pub(crate) fn select(&self, pattern: &str) -> Vec<(String, &Self)> {
        let mut found = vec![(String::new(), self)];
        for segment in pattern.split('.') {
            found = found
                .iter()
                .flat_map(|(path, node)| node.children(path, segment))
                .collect();
        }
        found
    }

    /// Visits every single value with its path.
    pub(crate) fn each_leaf(&self, path: &str, visit: &mut dyn FnMut(&str, &str)) {
        match &self.value {
            Value::Nothing => {}
            Value::Scalar(text) => visit(path, text),
            Value::List(_) | Value::Map(_) => {
                for (path, node) in self.children(path, "*") {
                    node.each_leaf(&path, visit);
                }
            }
        }
    }

    /// Names the kind of value for a message that must not quote it.
    pub(crate) fn shape(&self) -> &'static str {
        match self.value {
            Value::Nothing => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a section",
        }
    }

    fn children<'a>(&'a self, path: &str, segment: &str) -> Vec<(String, &'a Self)> {
        let named = |(name, node): &'a (String, Self)| (joined(path, name), node);
        let numbered = |(index, node)| (format!("{path}[{index}]"), node);
        match &self.value {
            Value::Map(entries) => {
                let chosen = entries
                    .iter()
                    .filter(|(name, _)| segment == "*" || name == segment);
                chosen.map(named).collect()
            }
            Value::List(items) if segment == "*" => {
                items.iter().enumerate().map(numbered).collect()
            }
            Value::Nothing | Value::Scalar(_) | Value::List(_) => Vec::new(),
        }
    }
}

/// Extends a key path.
pub(crate) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn overlaid(mut base: Vec<(String, Node)>, over: Vec<(String, Node)>) -> Vec<(String, Node)> {
    for (name, node) in over {
        match base.iter_mut().find(|(known, _)| *known == name) {
            Some((_, under)) => *under = under.clone().overlaid(node),
            None => base.push((name, node)),
        }
    }
    base
}

/// Finds the key without regard to case, or makes it, in lower case.
fn set_entry(
    entries: &mut Vec<(String, Node)>,
    key: &str,
    rest: &[&str],
    leaf: Node,
) -> Result<(), &'static str> {
    if let Some((_, node)) = entries
        .iter_mut()
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
    {
        return node.set(rest, leaf);
    }
    let mut node = Node {
        place: leaf.place.clone(),
        value: Value::Nothing,
    };
    node.set(rest, leaf)?;
    entries.push((key.to_ascii_lowercase(), node));
    Ok(())
}
