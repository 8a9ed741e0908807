//! What the log tells: fields from one list, and one line for each call.

use std::{collections::BTreeSet, fs, path::Path};

use partner_gateway::telemetry::FIELDS;

use crate::harness::{World, log::Log, while_time_flows};
use crate::traces::trouble;

#[test]
fn names_every_field_from_the_list_and_lists_no_other() {
    let used: BTreeSet<String> = sources(Path::new("src"))
        .iter()
        .flat_map(|text| fields(text.split("#[cfg(test)]").next().unwrap_or_default()))
        .collect();

    let listed: BTreeSet<String> = FIELDS.map(str::to_owned).into();
    assert_eq!(used, listed);
}

#[test]
fn finds_the_fields_of_a_line() {
    let text = r#"
        info!(a.b = f(1, ")"), error = %why, %short, ?long, plain, "told {}, x = 1", later);
        let span = info_span!("call", call.id = %id,);
        // no macro: println!(other = 1)
        warn!("alone");
    "#;

    let expected = ["a.b", "error", "short", "long", "plain", "call.id"];

    assert_eq!(fields(text), expected);
}

#[tokio::test(start_paused = true)]
async fn writes_one_line_for_each_call() {
    let log = Log::begin();
    let world = World::new().await;
    world.reject().send().await;
    let before = log.at("INFO").len();

    world.reject().send().await;
    world.reject().without("authorization").send().await;
    world.reject().at("/nowhere").send().await;
    trouble(&world.sandbox);
    while_time_flows(&world, world.reject().send()).await;

    let lines = log.at("INFO").split_off(before);
    let told: Vec<_> = lines.iter().map(|line| &line["message"]).collect();
    let expected = [
        "call answered",
        "call answered",
        "call answered",
        // The refused token was replaced, which is a change of state.
        "token obtained",
        "call answered",
    ];
    assert_eq!(told, expected);
    let mut calls = lines
        .iter()
        .filter(|line| line["message"] == "call answered");
    assert!(calls.all(|line| line["trace.id"].is_string()));
}

fn sources(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.extension() {
            None => sources(&path),
            Some(_) => vec![fs::read_to_string(&path).unwrap()],
        })
        .collect()
}

/// The names of the fields of all lines and spans in a source.
fn fields(text: &str) -> Vec<String> {
    let macros = ["trace", "debug", "info", "warn", "error"];
    let macros = macros.map(|level| [format!("{level}!("), format!("{level}_span!(")]);
    let mut starts: Vec<_> = macros
        .as_flattened()
        .iter()
        .flat_map(|name| text.match_indices(name.as_str()))
        .map(|(at, name)| (at, at + name.len()))
        .filter(|(at, _)| {
            !text
                .split_at(*at)
                .0
                .ends_with(|c: char| c.is_alphanumeric() || c == '_')
        })
        .collect();
    starts.sort_unstable();
    let named = |(_, start): (usize, usize)| {
        let (before, after) = text.split_at(start);
        let is_span = before.ends_with("_span!(");
        let arguments = arguments(after);
        let arguments = arguments.into_iter().skip(usize::from(is_span));
        arguments.map_while(|it| field(&it)).collect::<Vec<_>>()
    };
    starts.into_iter().flat_map(named).collect()
}

/// The name in an argument; nothing where it is the message.
fn field(argument: &str) -> Option<String> {
    let name = argument.split(" = ").next().unwrap();
    (!argument.starts_with('"')).then(|| name.trim_start_matches(['%', '?']).to_owned())
}

/// What stands between the commas, up to the end of the macro.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut current, mut depth) = (Vec::new(), String::new(), 0);
    let mut letters = text.chars();
    let mut is_text = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if is_text => {
                letters.next();
            }
            '"' => is_text = !is_text,
            '(' | '[' | '{' if !is_text => depth += 1,
            ')' if !is_text && depth == 0 => break,
            ')' | ']' | '}' if !is_text => depth -= 1,
            ',' if !is_text && depth == 0 => {
                all.push(std::mem::take(&mut current).trim().to_owned());
                continue;
            }
            _ => {}
        }
        current.push(letter);
    }
    all.push(current.trim().to_owned());
    all.retain(|argument| !argument.is_empty());
    all
}
