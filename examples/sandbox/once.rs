//! One call through the whole path, shown and checked at every place it passes.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use crate::{
    Arguments, Fault, call,
    checks::{Evidence, findings},
    site::{Site, Wanted},
};

/// Makes the call; `true` when everything about it is as it must be.
pub(crate) async fn run(arguments: Arguments) -> Result<bool, Fault> {
    let passing = tempfile::tempdir()?;
    let free = ([127, 0, 0, 1], 0).into();
    let site = Site::build(Wanted {
        listen: arguments.listen.unwrap_or(free),
        admin: arguments.admin.unwrap_or(free),
        dir: arguments.dir.unwrap_or_else(|| passing.path().to_owned()),
        script: arguments.script,
        log: "warn",
    })
    .await?;
    let Site {
        sandbox,
        bound,
        drain,
        address,
        journal,
        token,
        ..
    } = site;
    let request = call::documented(address, &token);
    let already = lines(&journal)?.len();
    let calling = async {
        let answer = call::send(address, &request).await;
        drain.begin();
        answer
    };
    let (served, answer) = tokio::join!(bound.serve(), calling);
    served?;
    let evidence = Evidence {
        token,
        answer: answer?,
        seen: sandbox.seen(),
        lines: lines(&journal)?.split_off(already),
        token_requests: sandbox.token_requests().len(),
        request,
    };
    show(&evidence)?;
    Ok(judge(&evidence)?)
}

fn show(evidence: &Evidence) -> io::Result<()> {
    section("The caller sends", evidence.request.as_bytes())?;
    for seen in &evidence.seen {
        section(
            "Partner Center receives",
            seen.raw.as_deref().unwrap_or_default(),
        )?;
    }
    section("The caller is answered", &evidence.answer)?;
    for line in &evidence.lines {
        if line.contains(r#""kind":"intent""#) {
            section("The journal held before anything was sent", line.as_bytes())?;
        }
        if line.contains(r#""kind":"outcome""#) {
            section("The journal held before the answer", line.as_bytes())?;
        }
    }
    Ok(())
}

/// Shows bytes as they are; a blank line closes them.
fn section(title: &str, bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "--- {title} ---")?;
    out.write_all(bytes)?;
    writeln!(out, "\n")
}

fn judge(evidence: &Evidence) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    writeln!(out, "--- Is it as it must be? ---")?;
    let mut sound = true;
    for (what, holds) in findings(evidence) {
        writeln!(out, "{} {what}", if holds { "yes" } else { "NO " })?;
        sound &= holds;
    }
    Ok(sound)
}

/// All records of a journal in their order.
fn lines(journal: &Path) -> io::Result<Vec<String>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(journal)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "jsonl") {
            segments.push(path);
        }
    }
    segments.sort();
    let mut lines = Vec::new();
    for segment in segments {
        lines.extend(fs::read_to_string(segment)?.lines().map(ToOwned::to_owned));
    }
    Ok(lines)
}
