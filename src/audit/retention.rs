//! Retention: which of the oldest segments may go, and how they go.
//!
//! What may go is decided by what stands on the disk and a time that is handed in; nothing is changed by
//! deciding. Whoever removes has a `pruned` record of it made durable first.
//!
//! Of time, this holds: a segment is as young as the youngest record at the end of it or of any segment
//! before it, so that a clock that was behind while it was written adds nothing to its age; one that says
//! that it is of the future is not removed, and neither is what follows it; one that says that it is of
//! before there were gateways goes with the next one that does not. A clock that is ahead at the moment of
//! deciding is not seen through here: `pace` is for that.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::audit::{
    chain::LineHash,
    cursor::{self, Cursor, is_past},
    durable::{self, sync_directory},
    link::Link,
    recovery::tail::KEPT,
    segment,
};

/// How long records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// From the time of a segment's last record.
    pub retention: Duration,
    /// From the acknowledgement of a segment's last record by each required sink.
    pub after_ack: Duration,
    /// The required sinks.
    pub required_sinks: Vec<String>,
}

/// The oldest segments, all of whose records may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Their files, the oldest first.
    pub segments: Vec<PathBuf>,
    /// Their last record.
    pub upto: u64,
    /// The hash of its line.
    pub head: LineHash,
    /// The hash of the last checkpoint's line among them, or zeros where the journal had none so far.
    pub checkpoint: LineHash,
}

/// The end of a segment.
#[derive(Clone, Debug)]
struct End {
    time: Option<SystemTime>,
    head: LineHash,
    checkpoint: Option<LineHash>,
}

/// Decides which segments may go: the oldest ones, never the one named after record `current` that is
/// being written nor a later one.
///
/// Each is old enough, and acknowledged by every required sink for long enough. A sink that has acknowledged nothing so far keeps everything.
///
/// # Errors
///
/// When a segment or a cursor cannot be read, or is not what it should be.
pub fn removable(
    dir: &Path,
    now: SystemTime,
    keeping: &Keeping,
    current: u64,
) -> io::Result<Option<Removal>> {
    let segments = segment::list(dir)?;
    let Some(cursors) = cursors(dir, &keeping.required_sinks)? else {
        return Ok(None);
    };
    let mut youngest = None;
    let mut decided = 0;
    let mut ends = Vec::new();
    for (index, (first, path)) in segments.iter().enumerate().take(MOST_AT_ONCE) {
        let next = segments.get(index.saturating_add(1)).map(|(next, _)| *next);
        let Some(next) = next.filter(|next| *next <= current) else {
            break;
        };
        let upto = next.saturating_sub(1);
        let end = End::of(path, *first, next)?;
        youngest = youngest.max(end.time);
        let is_old = youngest.is_none_or(|time| is_past(time, now, keeping.retention));
        let has_been_had = |it: &Cursor| it.had_acknowledged(upto, now, keeping.after_ack);
        if !is_old || !cursors.iter().all(has_been_had) {
            break;
        }
        let tells_its_time = end.time.is_some();
        ends.push((path.clone(), upto, end));
        if tells_its_time {
            decided = ends.len();
        }
    }
    ends.truncate(decided);
    let first = segments.first().map_or(1, |(first, _)| *first);
    Ok(Removal::of(ends, first))
}

/// Removes segments, the oldest first. Where the process is killed in between, the rest goes the next
/// time; a file that is gone already is no error.
///
/// # Errors
///
/// When a file cannot be removed, or the directory cannot be synced.
pub fn remove(dir: &Path, removal: &Removal) -> io::Result<()> {
    for path in &removal.segments {
        durable::remove(path)?;
    }
    remove_cuts(dir, &removal.segments)?;
    sync_directory(dir)
}

/// What was cut off a segment is as old as the segment.
fn remove_cuts(dir: &Path, segments: &[PathBuf]) -> io::Result<()> {
    let kept = match fs::read_dir(dir.join(KEPT)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        kept => kept?,
    };
    let names: Vec<_> = segments
        .iter()
        .filter_map(|it| it.file_name()?.to_str())
        .collect();
    for file in kept {
        let file = file?;
        let name = file.file_name();
        let of = |segment: &&str| name.to_str().is_some_and(|name| name.starts_with(*segment));
        if names.iter().any(of) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// When the last record of the journal says that it was written; nothing where there is none.
///
/// # Errors
///
/// When a segment cannot be read.
pub fn last_time(dir: &Path) -> io::Result<Option<SystemTime>> {
    for (_, path) in segment::list(dir)?.into_iter().rev() {
        let mut file = File::open(&path)?;
        let from = file.metadata()?.len().saturating_sub(LAST_LINES);
        file.seek(SeekFrom::Start(from))?;
        let mut lines = Vec::new();
        file.take(LAST_LINES).read_to_end(&mut lines)?;
        let last = lines.split_inclusive(|byte| *byte == b'\n').rev();
        let time = |line| humantime::parse_rfc3339(&Link::read(line)?.time).ok();
        if let Some(time) = last.into_iter().find_map(time) {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

impl Removal {
    /// As many of these as it is known for which checkpoint was the last one before the rest.
    fn of(mut ends: Vec<(PathBuf, u64, End)>, first: u64) -> Option<Self> {
        let known = ends.iter().rev().find_map(|(_, _, end)| end.checkpoint);
        let checkpoint = match known {
            Some(checkpoint) => checkpoint,
            None if first == 1 => LineHash::NONE,
            // The checkpoint before them went with older segments; it is not asked for.
            None => return None,
        };
        let (_, upto, End { head, .. }) = ends.last()?.clone();
        Some(Self {
            segments: ends.drain(..).map(|(path, ..)| path).collect(),
            upto,
            head,
            checkpoint,
        })
    }
}

impl End {
    /// Reads the end of a segment up to where the next one begins. Most often its last lines are enough;
    /// where a write failed they are void, and the whole segment is read.
    fn of(path: &Path, first: u64, next: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let last_lines = Self::read(&file, bytes.saturating_sub(LAST_LINES), next)?;
        let end = match last_lines.filter(|end| end.checkpoint.is_some()) {
            Some(end) => Some(end),
            None => Self::read(&file, 0, next)?,
        };
        let last = next.saturating_sub(1);
        let cut_short = || {
            odd(
                path,
                &format!("does not hold the records {first} to {last}"),
            )
        };
        end.ok_or_else(cut_short)
    }

    fn read(mut file: &File, from: u64, next: u64) -> io::Result<Option<Self>> {
        file.seek(SeekFrom::Start(from))?;
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        let (mut checkpoint, mut end) = (None, None);
        while lines
            .by_ref()
            .take(LAST_LINES)
            .read_until(b'\n', &mut line)?
            > 0
        {
            // The first line may have begun before, and void ones may be anything.
            if let Some(link) = Link::read(&line).filter(|link| link.seq < next) {
                let head = LineHash::of(line.strip_suffix(b"\n").unwrap_or(&line));
                if link.is_checkpoint() {
                    checkpoint = Some(head);
                }
                if link.seq.saturating_add(1) == next {
                    let time = humantime::parse_rfc3339(&link.time).ok();
                    let time = time.filter(|time| *time >= SystemTime::UNIX_EPOCH + EARLIEST);
                    end = Some((time, head, checkpoint));
                    break;
                }
            }
            line.clear();
        }
        Ok(end.map(|(time, head, checkpoint)| Self {
            time,
            head,
            checkpoint,
        }))
    }
}

/// The cursors of these sinks; nothing where one of them has none.
fn cursors(dir: &Path, sinks: &[String]) -> io::Result<Option<Vec<Cursor>>> {
    sinks.iter().map(|sink| cursor::read(dir, sink)).collect()
}

fn odd(path: &Path, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{} {what}", path.display()),
    )
}

/// In bytes: more than the longest record has.
const LAST_LINES: u64 = 64 << 10;

/// Since 1970: the year 2026, before which no journal of this gateway was written.
pub(in crate::audit) const EARLIEST: Duration = Duration::from_hours(490_896);

/// In segments: whoever writes waits while they are read and removed.
const MOST_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// Keeps for 30 days, and for one after these sinks have it.
    fn keeping(sinks: &[&str]) -> Keeping {
        Keeping {
            retention: Duration::from_hours(30 * 24),
            after_ack: Duration::from_hours(24),
            required_sinks: sinks.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    /// A time in hours after a noon in 2026.
    fn at(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(495_012 + hours)
    }

    fn line(seq: u64, kind: &str, time: SystemTime) -> String {
        let time = humantime::format_rfc3339_micros(time);
        format!(r#"{{"v":1,"seq":{seq},"time":"{time}","kind":"{kind}","prev":""}}"#)
    }

    /// Segments of four records each that end with a checkpoint, at these times.
    fn segments(times: &[SystemTime]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (index, time) in (0..).zip(times) {
            let first = index * 4 + 1;
            let lines = [
                line(first, "started", *time),
                line(first + 1, "intent", *time),
                line(first + 2, "outcome", *time),
                line(first + 3, "checkpoint", *time),
            ];
            fs::write(file(&dir, first), lines.join("\n") + "\n").unwrap();
        }
        dir
    }

    fn file(dir: &TempDir, first: u64) -> PathBuf {
        dir.path().join(format!("journal-{first:020}.jsonl"))
    }

    fn asked(dir: &TempDir, now: SystemTime) -> Option<Removal> {
        removable(dir.path(), now, &keeping(&[]), u64::MAX).unwrap()
    }

    fn upto(dir: &TempDir, now: SystemTime) -> Option<u64> {
        asked(dir, now).map(|removal| removal.upto)
    }

    #[test]
    fn lets_the_oldest_segments_go_once_their_last_record_is_old_enough() {
        let dir = segments(&[at(0), at(10), at(20), at(30)]);

        assert_eq!(upto(&dir, at(720) - Duration::from_micros(1)), None);
        assert_eq!(upto(&dir, at(720)), Some(4));
        let removal = asked(&dir, at(735)).unwrap();

        let last = LineHash::of(line(8, "checkpoint", at(10)).as_bytes());
        let expected = Removal {
            segments: vec![file(&dir, 1), file(&dir, 5)],
            upto: 8,
            head: last,
            checkpoint: last,
        };
        assert_eq!(removal, expected);
        remove(dir.path(), &removal).unwrap();
        remove(dir.path(), &removal).unwrap();
        let left = segment::list(dir.path()).unwrap();
        assert_eq!(left, [(9, file(&dir, 9)), (13, file(&dir, 13))]);
    }

    #[test]
    fn never_lets_the_last_segment_go_nor_the_one_being_written() {
        let dir = segments(&[at(0), at(1), at(2), at(3)]);
        let late = at(9000);
        let asked = |current| removable(dir.path(), late, &keeping(&[]), current).unwrap();

        assert_eq!(asked(u64::MAX).map(|it| it.upto), Some(12));
        assert_eq!(asked(13).map(|it| it.upto), Some(12));
        assert_eq!(asked(12).map(|it| it.upto), Some(8));
        assert_eq!(asked(5).map(|it| it.upto), Some(4));
        assert_eq!(asked(1), None);
    }

    #[test]
    fn keeps_what_a_required_sink_has_not_had_for_long_enough() {
        let dir = segments(&[at(0), at(1), at(2), at(3)]);
        let late = at(9000);
        let had = |seq, ago: u64| {
            let ago = HOUR * u32::try_from(ago).unwrap();
            Cursor::at(seq, LineHash::NONE, late - ago)
        };
        let asked = |sinks| removable(dir.path(), late, &keeping(sinks), u64::MAX);
        let upto = |sinks| asked(sinks).unwrap().map(|removal| removal.upto);

        had(12, 24).write(dir.path(), "one").unwrap();
        assert_eq!(upto(&["one"]), Some(12));
        assert_eq!(upto(&["one", "two"]), None, "it has had nothing so far");
        had(11, 24).write(dir.path(), "two").unwrap();
        assert_eq!(upto(&["one", "two"]), Some(8));
        assert_eq!(upto(&["one"]), Some(12), "nobody asks for the other");
        had(12, 23).write(dir.path(), "two").unwrap();
        assert_eq!(upto(&["one", "two"]), None);
        fs::write(dir.path().join("cursors/two.json"), "{}").unwrap();
        let unfit = asked(&["two"]).unwrap_err().to_string();
        assert!(unfit.ends_with("two.json does not hold a sink's cursor"));
        assert_eq!(upto(&["one"]), Some(12));
    }

    #[test]
    fn removes_nothing_by_surprise_whatever_clock_a_segment_was_written_by() {
        let year_1970 = SystemTime::UNIX_EPOCH + HOUR;
        let ahead = at(9000);
        let cases = [
            ([at(700), at(0), at(0), at(0)], at(720), None),
            ([at(0), ahead, at(2), at(3)], at(800), Some(4)),
            ([ahead, at(1), at(2), at(3)], at(800), None),
            ([year_1970, at(710), at(711), at(712)], at(720), None),
            ([at(0), year_1970, at(700), at(701)], at(800), Some(4)),
            ([at(0), year_1970, at(1), at(701)], at(800), Some(12)),
            ([year_1970; 4], at(9000), None),
        ];
        for (times, now, expected) in cases {
            assert_eq!(upto(&segments(&times), now), expected, "{times:?}");
        }
        assert_eq!(upto(&segments(&[at(0); 4]), year_1970), None);
    }

    #[test]
    fn passes_over_what_a_later_segment_has_replaced() {
        let dir = segments(&[at(0), at(0), at(0)]);
        let sound = asked(&dir, at(800)).unwrap();
        let void = line(5, "checkpoint", at(799)) + "\n" + &"x".repeat(200 << 10);
        let whole = fs::read_to_string(file(&dir, 1)).unwrap();
        fs::write(file(&dir, 1), whole + &void).unwrap();

        assert_eq!(asked(&dir, at(800)), Some(sound));
    }

    #[test]
    fn tells_the_last_checkpoint_wherever_it_stands() {
        let dir = segments(&[at(0), at(0), at(0)]);
        let unsigned = |first: u64| {
            let lines = (first..first + 4).map(|seq| line(seq, "outcome", at(0)) + "\n");
            fs::write(file(&dir, first), lines.collect::<String>()).unwrap();
        };

        unsigned(5);
        let first = LineHash::of(line(4, "checkpoint", at(0)).as_bytes());
        let removal = asked(&dir, at(800)).unwrap();
        assert_eq!((removal.upto, removal.checkpoint), (8, first));
        unsigned(1);
        let removal = asked(&dir, at(800)).unwrap();
        assert_eq!((removal.upto, removal.checkpoint), (8, LineHash::NONE));
        fs::remove_file(file(&dir, 1)).unwrap();
        assert_eq!(asked(&dir, at(800)), None);
    }

    #[test]
    fn removes_nothing_that_is_not_whole() {
        let dir = segments(&[at(0), at(0), at(0)]);
        fs::write(file(&dir, 5), line(5, "started", at(0)) + "\n").unwrap();

        let error = removable(dir.path(), at(800), &keeping(&[]), u64::MAX).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(
            error
                .to_string()
                .ends_with("does not hold the records 5 to 8"),
            "{error}"
        );
    }
}
