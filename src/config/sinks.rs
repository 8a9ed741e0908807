//! Reads `audit.sinks`.

use std::collections::HashSet;

use crate::{
    config::{
        collector::{self, Posted, certificates},
        endpoint::logs_url,
        environment::Environment,
        fault::quoted,
        node::Value,
        scalar::{one_of, truth},
        secret_file,
        section::{Cursor, Section},
    },
    delivery::{
        postgres,
        settings::{Kind, Settings},
    },
};

/// Reads every sink.
pub(crate) fn sinks(
    cursor: &Cursor<'_>,
    has_cluster: bool,
    environment: &Environment,
) -> Option<Vec<Settings>> {
    if let Value::List(items) = cursor.value()
        && items.is_empty()
    {
        return Some(Vec::new());
    }
    let items = cursor.items()?;
    let (mut taken, mut sinks) = (Taken::default(), Vec::new());
    for item in &items {
        let read = item.section(|section| sink(section, &mut taken, (has_cluster, environment)));
        sinks.extend(read);
    }
    (sinks.len() == items.len()).then_some(sinks)
}

/// What only one sink can have.
#[derive(Default)]
struct Taken {
    names: HashSet<String>,
    stdout: bool,
    nats: bool,
}

/// The kinds by the words for them.
#[derive(Clone, Copy)]
enum Word {
    Stdout,
    Otlp,
    Postgres,
    Nats,
}

fn sink(
    section: &Section<'_>,
    taken: &mut Taken,
    (has_cluster, environment): (bool, &Environment),
) -> Option<Settings> {
    let name = section
        .need("name")
        .and_then(|cursor| own_name(&cursor, taken));
    let is_required = section.take("required").map(|cursor| {
        let is_required = cursor.read(truth);
        (cursor, is_required)
    });
    let of_kind = section.need("kind");
    let word = of_kind
        .as_ref()
        .and_then(|cursor| cursor.read(one_of(&KINDS)));
    let Some((of_kind, word)) = of_kind.zip(word) else {
        // Nothing can be said of keys whose meaning is not known.
        for key in OWN_KEYS {
            section.skip(key);
        }
        return None;
    };
    refuse_foreign(section, word);
    let kind = match word {
        Word::Stdout => stdout(&of_kind, taken),
        Word::Otlp => collector::collector(section, &RECORDS, environment).map(Kind::Otlp),
        Word::Postgres => postgres(section, environment).map(Kind::Postgres),
        Word::Nats => nats(&of_kind, taken, has_cluster),
    };
    let is_required = match is_required {
        Some((cursor, Some(true))) if matches!(word, Word::Stdout) => {
            let accepted = "false, because nobody acknowledges what stands there";
            cursor.refuse("true for the standard output", accepted);
            None
        }
        Some((_, is_required)) => is_required,
        None => Some(false),
    };
    Some(Settings {
        name: name?,
        is_required: is_required?,
        kind: kind?,
    })
}

/// The name is that of a file, and stands in metrics.
fn own_name(cursor: &Cursor<'_>, taken: &mut Taken) -> Option<String> {
    let name = cursor.read(file_name)?;
    if !taken.names.insert(name.clone()) {
        let found = format!("{}, the name of another sink", quoted(&name));
        cursor.refuse(&found, "a name of its own");
        return None;
    }
    Some(name)
}

fn file_name(text: &str) -> Result<String, String> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let sound = (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(plain)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric());
    sound.then(|| text.to_owned()).ok_or_else(|| {
        format!("1 to {LONGEST_NAME} small letters, digits, hyphens and underscores")
    })
}

/// A key of another kind is one that somebody believes in.
fn refuse_foreign(section: &Section<'_>, word: Word) {
    let own: &[&str] = match word {
        Word::Stdout | Word::Nats => &[],
        Word::Otlp => &["endpoint", "headers", "ca_file"],
        Word::Postgres => &["url", "ca_file"],
    };
    let keys = [&["name", "kind", "required"], own].concat().join(", ");
    for key in OWN_KEYS.iter().filter(|key| !own.contains(key)) {
        if let Some(cursor) = section.take(key) {
            cursor.fault(format!("has no meaning for this kind; accepted: {keys}"));
        }
    }
}

fn stdout(of_kind: &Cursor<'_>, taken: &mut Taken) -> Option<Kind> {
    if std::mem::replace(&mut taken.stdout, true) {
        of_kind.refuse("stdout for a second sink", "one such sink");
        return None;
    }
    Some(Kind::Stdout)
}

fn nats(of_kind: &Cursor<'_>, taken: &mut Taken, has_cluster: bool) -> Option<Kind> {
    if std::mem::replace(&mut taken.nats, true) {
        of_kind.refuse("nats for a second sink", "one such sink");
        return None;
    }
    if !has_cluster {
        of_kind.fault("nats without cluster.nats; accepted: both, or another kind".to_owned());
        return None;
    }
    Some(Kind::Nats)
}

fn postgres(section: &Section<'_>, environment: &Environment) -> Option<postgres::Settings> {
    let url = section
        .need("url")
        .and_then(|cursor| secret_file::secret(&cursor, environment));
    let ca_file = section.take("ca_file").map(|cursor| certificates(&cursor));
    Some(postgres::Settings {
        url: url?,
        ca_file: ca_file.map_or(Some(None), |file| file.map(Some))?,
    })
}

const RECORDS: Posted = Posted {
    key: "endpoint",
    read: logs_url,
    what: "audit records go",
};

const KINDS: [(&str, Word); 4] = [
    ("stdout", Word::Stdout),
    ("otlp", Word::Otlp),
    ("postgres", Word::Postgres),
    ("nats", Word::Nats),
];

/// The keys that not every kind has.
const OWN_KEYS: [&str; 4] = ["endpoint", "headers", "url", "ca_file"];

/// In characters; with its ending it is the name of a file on every file system.
const LONGEST_NAME: usize = 64;
