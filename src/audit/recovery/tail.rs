//! The torn tail that a crash leaves: what is one, and how it is cut off without losing a byte of it.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use crate::audit::{
    chain::LineHash,
    durable::{make_directory, sync_directory, write_durably},
    link::{self, LONGEST_LINE, Link},
    record::Cut,
    recovery::held::Held,
    segment,
};

/// Where the bytes begin that are no record, with no record behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audit::recovery) struct Tail {
    pub(in crate::audit::recovery) path: PathBuf,
    pub(in crate::audit::recovery) offset: u64,
}

/// A line that is no record is a torn tail only where no record comes after it, be it in the same line
/// because the line end was changed. A record that does not follow the one before it is never a torn
/// tail: a crash cannot make one.
pub(in crate::audit::recovery) fn is_torn(
    line: &[u8],
    rest: &mut BufReader<File>,
) -> io::Result<bool> {
    if link::has_record_inside(line) {
        return Ok(false);
    }
    let mut line = Vec::new();
    while rest.take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
        if Link::read(&line).is_some() || link::has_record_inside(&line) {
            return Ok(false);
        }
        line.clear();
    }
    Ok(true)
}

/// Moves a torn tail out of its segment and keeps it under `cut/`. It is kept before it is cut off, and
/// under a name that tells what it is, so that whoever is killed in between does the same again.
pub(in crate::audit::recovery) fn cut_off(
    _: &Held,
    dir: &Path,
    Tail { path, offset }: &Tail,
) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    file.seek(SeekFrom::Start(*offset))?;
    let mut tail = Vec::new();
    io::copy(&mut file, &mut tail)?;
    let kept = dir.join(KEPT);
    make_directory(&kept)?;
    sync_directory(dir)?;
    let segment = path.file_name().unwrap_or_default().display().to_string();
    // The same place can be torn twice, and each tail is evidence.
    let sha256 = LineHash::of(&tail).to_string();
    let name = format!("{segment}.{offset}.{sha256}");
    write_durably(&kept, &name, &tail)?;
    file.set_len(*offset)?;
    file.sync_all()
}

/// The tails that earlier starts have cut off from the segments that are there, without living to record
/// it.
pub(in crate::audit::recovery) fn untold(
    dir: &Path,
    told: &BTreeSet<String>,
    first: u64,
) -> io::Result<Vec<Cut>> {
    let kept = dir.join(KEPT);
    let entries = match fs::read_dir(&kept) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut untold = BTreeSet::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let of = segment::first_record_of(name.split_inclusive(".jsonl").next().unwrap_or(name));
        let is_whole = name.strip_suffix(UNFINISHED).is_none();
        // Where its segment was removed, so were the records that told of it.
        if is_whole && of.is_some_and(|of| of >= first) && !told.contains(&told_as(name)) {
            untold.insert(name.to_owned());
        }
    }
    let cut_of = |name: String| Ok(cut(&name, &fs::read(kept.join(&name))?));
    untold.into_iter().map(cut_of).collect()
}

fn cut(name: &str, tail: &[u8]) -> Cut {
    Cut {
        bytes: u64::try_from(tail.len()).unwrap_or(u64::MAX),
        sha256: LineHash::of(tail).to_string(),
        file: told_as(name),
    }
}

fn told_as(name: &str) -> String {
    format!("{KEPT}/{name}")
}

/// How the name of a file ends that is being written.
const UNFINISHED: &str = ".new";

/// The directory of what was cut off.
pub(in crate::audit) const KEPT: &str = "cut";
