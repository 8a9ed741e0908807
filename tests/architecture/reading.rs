//! Reads Rust and Markdown as far as the architecture test needs it.

use std::{
    fs,
    iter::Peekable,
    path::{Path, PathBuf},
};

/// A file with its path from the package's root, written with `/`.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A piece of Rust that matters for paths: a word, `::`, or one other character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    PathSeparator,
    Mark(char),
}

impl Source {
    /// The file's part that is compiled into the library: without the test module at its end. A test
    /// has no such part and stays whole.
    pub(crate) fn without_tests(&self) -> &str {
        if self.path.starts_with("tests/") || self.path.contains("/tests/") {
            return &self.text;
        }
        let cut = self.text.split_once("\n#[cfg(test)]\nmod ");
        cut.map_or(&self.text, |(before, _)| before)
    }

    /// The room a file under `src` belongs to.
    pub(crate) fn room(&self) -> Option<&str> {
        let place = self.path.strip_prefix("src/")?;
        place
            .split('/')
            .next()
            .map(|room| room.trim_end_matches(".rs"))
    }

    /// Whether `super` is the root of the crate in this file.
    pub(crate) fn stands_on_top(&self) -> bool {
        let place = self.path.trim_start_matches("src/");
        !place.contains('/') || place.matches('/').count() == 1 && place.ends_with("/mod.rs")
    }
}

/// Reads every file below a directory of the package whose name ends so; none where it is absent.
pub(crate) fn files(root: &Path, below: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut directories = vec![root.join(below)];
    while let Some(directory) = directories.pop() {
        for path in entries(&directory) {
            if path.is_dir() {
                directories.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(file(root, &path));
            }
        }
    }
    found
}

/// Lists what stands in a directory, in the order of names; nothing where it is absent.
pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("directory entry").path())
        .collect();
    paths.sort();
    paths
}

/// Reads one file of the package.
pub(crate) fn file(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("a file of the package in UTF-8");
    let path = path.strip_prefix(root).expect("a path in the package");
    Source {
        path: path.to_string_lossy().replace('\\', "/"),
        text,
    }
}

/// Lists every path that Rust source names, groups taken apart, `self` and `as` left as they stand.
///
/// A single word is a path only right after `use`.
pub(crate) fn paths(text: &str) -> Vec<Vec<String>> {
    let code = code(text);
    let mut tokens = tokens(&code).into_iter().peekable();
    let mut found = Vec::new();
    let mut before = None;
    while let Some(token) = tokens.peek().copied() {
        if matches!(token, Token::Word(_)) && before != Some(Token::Mark('.')) {
            let known = found.len();
            path(&mut tokens, &[], &mut found);
            let lone = found.len() == known + 1 && found.last().is_some_and(|it| it.len() == 1);
            if lone && before != Some(Token::Word("use")) {
                found.pop();
            }
        } else {
            tokens.next();
        }
        before = Some(token);
    }
    found
}

/// Reads one path behind a prefix, and the group it may end in.
fn path<'a, I>(tokens: &mut Peekable<I>, prefix: &[&'a str], found: &mut Vec<Vec<String>>)
where
    I: Iterator<Item = Token<'a>>,
{
    let mut segments = prefix.to_vec();
    loop {
        match tokens.peek().copied() {
            Some(Token::Word(word)) => segments.push(word),
            Some(Token::Mark('*')) => segments.push("*"),
            Some(Token::Mark('{')) => {
                tokens.next();
                return group(tokens, &segments, found);
            }
            _ => break,
        }
        tokens.next();
        if tokens.next_if_eq(&Token::PathSeparator).is_none() {
            break;
        }
    }
    found.push(segments.into_iter().map(str::to_owned).collect());
}

/// Reads the members of a group up to its closing brace.
fn group<'a, I>(tokens: &mut Peekable<I>, prefix: &[&'a str], found: &mut Vec<Vec<String>>)
where
    I: Iterator<Item = Token<'a>>,
{
    while let Some(token) = tokens.peek().copied() {
        match token {
            Token::Mark('}') => {
                tokens.next();
                return;
            }
            Token::Word("as") => {
                tokens.next();
                tokens.next();
            }
            Token::Word(_) | Token::Mark('*') => path(tokens, prefix, found),
            Token::Mark(_) | Token::PathSeparator => {
                tokens.next();
            }
        }
    }
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (token, length) = if word > 0 {
            (Token::Word(rest.split_at(word).0), word)
        } else if rest.starts_with("::") {
            (Token::PathSeparator, 2)
        } else {
            (Token::Mark(first), first.len_utf8())
        };
        tokens.push(token);
        rest = rest.split_at(length).1.trim_start();
    }
    tokens
}

/// Puts a blank in the place of every comment, string and character.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = silent_length(rest);
        if length == 0 {
            code.push(first);
        } else {
            code.push(' ');
        }
        rest = rest.split_at(length.max(first.len_utf8())).1;
    }
    code
}

/// The length of the comment, string or character that a text begins with; 0 where it is code.
fn silent_length(text: &str) -> usize {
    let end_of = |end: &str, from: usize| {
        let found = text.split_at(from).1.find(end);
        found.map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return end_of("*/", 2);
    }
    if text.starts_with('"') {
        return quoted_length(text, '"');
    }
    if text.starts_with('\'') {
        let mut inside = text.chars().skip(1);
        let lifetime = inside.next() != Some('\\') && inside.next() != Some('\'');
        return if lifetime {
            0
        } else {
            quoted_length(text, '\'')
        };
    }
    let hashes = text.strip_prefix('r').map_or("", |raw| {
        raw.split_at(raw.len() - raw.trim_start_matches('#').len())
            .0
    });
    if text.starts_with(&format!("r{hashes}\"")) {
        return end_of(&format!("\"{hashes}"), hashes.len() + 2);
    }
    0
}

/// The length of a literal up to its closing quote, which no backslash precedes.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The part of a document between `<!-- name:begin -->` and `<!-- name:end -->`.
pub(crate) fn marked<'a>(document: &'a str, name: &str) -> &'a str {
    let (begin, end) = (
        format!("<!-- {name}:begin -->"),
        format!("<!-- {name}:end -->"),
    );
    let after = document
        .split_once(&begin)
        .expect("the marker before the part")
        .1;
    after
        .split_once(&end)
        .expect("the marker behind the part")
        .0
}

/// The words in backticks, in their order.
pub(crate) fn ticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The targets of a document's local links, without fragments; code is left out.
pub(crate) fn links(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in document.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        let words: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let inline = words
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next());
        let definition = words
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        for target in inline.chain(definition.map(|(_, target)| target.trim())) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains(':') {
                found.push(file.to_owned());
            }
        }
    }
    found
}
