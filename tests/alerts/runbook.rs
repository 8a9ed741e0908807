//! The runbook: a section for each alert, and nothing in it that is not there.

use std::process::Command;

use crate::reading::{alerts, metrics, text, words};

#[test]
fn has_a_section_for_every_alert_and_no_other() {
    let runbook = text(RUNBOOK);
    let sections: Vec<_> = sections(&runbook);

    let names: Vec<_> = sections.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, alerts());
    for (name, section) in &sections {
        let section = section.to_lowercase();
        for part in ["**means.**", "**check", "**mend"] {
            assert!(section.contains(part), "{name}: {part}");
        }
    }
}

#[test]
fn leads_only_to_sections_that_exist() {
    let runbook = text(RUNBOOK);
    let anchors: Vec<_> = sections(&runbook)
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();

    let links: Vec<_> = runbook.split("](#").skip(1).collect();

    assert!(links.len() > 20);
    for link in links {
        let anchor = link.split(')').next().unwrap_or_default();
        assert!(anchors.iter().any(|is| is == anchor), "{anchor}");
    }
}

#[test]
fn names_only_commands_that_the_program_has() {
    let runbook = text(RUNBOOK);
    let commands: Vec<_> = commands(&runbook);

    assert!(commands.len() > 25, "{commands:?}");
    for command in commands {
        let words: Vec<_> = command.split_whitespace().collect();
        let subcommands = words.iter().take_while(|word| !word.starts_with('-'));
        let program = env!("CARGO_BIN_EXE_partner-gateway");
        let help = Command::new(program)
            .args(subcommands)
            .arg("--help")
            .output();
        let help = help.expect("the program");
        assert!(help.status.success(), "{command}");
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        for flag in words.iter().filter(|word| word.starts_with('-')) {
            let known = help.split([' ', ',', '\n']).any(|word| word == *flag);
            assert!(known, "{command}: {flag}");
        }
    }
}

#[test]
fn asks_only_for_what_the_operators_listener_tells() {
    let runbook = text(RUNBOOK);
    let metrics = metrics();

    let asked: Vec<_> = runbook.split("http://127.0.0.1:9090").skip(1).collect();
    assert!(asked.len() > 8);
    for target in asked {
        let path = target.split(['?', '\'', ' ', '\n']).next();
        let routes = ["/livez", "/readyz", "/metrics", "/audit/records"];
        assert!(path.is_some_and(|path| routes.contains(&path)), "{path:?}");
    }
    for word in words(&runbook) {
        // `grep` takes beginnings.
        let told = |metric: &String| (metric.clone() + "_count").starts_with(&word);
        let is_metric = word.starts_with("partner_gateway_");
        assert!(!is_metric || metrics.iter().any(told), "{word}");
    }
}

/// The sections of the alerts, by their names, in their order.
fn sections(runbook: &str) -> Vec<(&str, &str)> {
    let sections = runbook.split("\n### ").skip(1);
    sections
        .filter_map(|section| section.split_once('\n'))
        .collect()
}

/// The commands of the program, in blocks and in sentences.
fn commands(runbook: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (number, part) in runbook.split("```").enumerate() {
        let in_block = number % 2 == 1;
        let pieces: Vec<_> = if in_block {
            part.lines().collect()
        } else {
            part.split('`').skip(1).step_by(2).collect()
        };
        for piece in pieces {
            found.extend(command(piece));
        }
    }
    found
}

/// What is behind the program's name; the pod and the directory are named after it.
fn command(piece: &str) -> Option<&str> {
    let (before, command) = piece.split_once("partner-gateway ")?;
    (before.is_empty() || before.ends_with(' ')).then_some(command)
}

const RUNBOOK: &str = "docs/runbook.md";
