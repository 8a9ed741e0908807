//! Each call on a watched file: which rule it meets, what becomes of it, and its lines in the log.

use std::{
    env,
    ffi::{CStr, CString},
    fmt::Write as _,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use libc::{c_int, c_long};

use crate::{
    raw::{self, Stat},
    rules::{Effect, Rule, Rules},
};

/// How much of a write is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Whole,
    AtMost(usize),
    Half,
}

impl Limit {
    pub(crate) fn of(self, count: usize) -> usize {
        match self {
            Self::Whole => count,
            Self::AtMost(most) => count.min(most),
            Self::Half => count / 2,
        }
    }
}

/// Makes a call on an open file.
pub(crate) fn by_fd(
    call: &'static str,
    fd: c_int,
    mut make: impl FnMut(Limit) -> c_long,
) -> c_long {
    let Some((around, name)) = watched_fd(fd) else {
        return make(Limit::Whole);
    };
    let before = raw::stat(fd);
    let is_directory = before.is_some_and(|it| it.is_directory);
    let call = match call {
        "sync" if is_directory => "sync-directory",
        other => other,
    };
    let note = |made: c_long| {
        // What was written while a sync was under way may have missed it.
        let told = if call == "sync" {
            before
        } else {
            raw::stat(fd)
        };
        around.note("did", call, &[&name], told, made);
    };
    around.meet(call, &name, &mut make, &note)
}

/// Makes a call on what has a name.
pub(crate) fn by_path(
    call: &'static str,
    dir: c_int,
    path: &CStr,
    make: impl Fn() -> c_long,
) -> c_long {
    let Some((around, name)) = watched_path(dir, path) else {
        return make();
    };
    let before = raw::stat_at(dir, path);
    around.note("try", call, &[&name], before, 0);
    if call == "unlink" {
        around.keep(dir, path, before);
    }
    let note = |made: c_long| {
        let after = raw::stat_at(dir, path).or(before);
        around.note("did", call, &[&name], after, made);
    };
    around.meet(call, &name, &mut |_| make(), &note)
}

/// Makes a call on what has a name and is to have another.
pub(crate) fn by_paths(
    call: &'static str,
    [from_dir, to_dir]: [c_int; 2],
    [from, to]: [&CStr; 2],
    make: impl Fn() -> c_long,
) -> c_long {
    let (Some((around, name)), Some((_, other))) =
        (watched_path(from_dir, from), watched_path(to_dir, to))
    else {
        return make();
    };
    let replaced = raw::stat_at(to_dir, to);
    around.keep(to_dir, to, replaced);
    let moved = raw::stat_at(from_dir, from).map(|moved| Stat {
        bytes: replaced.map_or(0, |replaced| replaced.inode),
        ..moved
    });
    around.note("try", call, &[&name, &other], moved, 0);
    let note = |made: c_long| around.note("did", call, &[&name, &other], moved, made);
    around.meet(call, &other, &mut |_| make(), &note)
}

/// What the test has set up around the program.
struct Around {
    dir: String,
    control: CString,
    log: CString,
    keep: Option<String>,
    rules: Mutex<Rules>,
}

impl Around {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no part of the gateway, whose configuration has one reader"
    )]
    fn from_environment() -> Option<Self> {
        let told = |name| env::var(name).ok();
        Some(Self {
            dir: told("DISK_FAULTS_DIR")?,
            control: raw::own(&told("DISK_FAULTS_CONTROL")?),
            log: raw::own(&told("DISK_FAULTS_LOG")?),
            keep: told("DISK_FAULTS_KEEP"),
            rules: Mutex::default(),
        })
    }

    /// Lets a call meet its fault, or makes it, and takes note of what came of it.
    fn meet(
        &self,
        call: &str,
        name: &str,
        make: &mut dyn FnMut(Limit) -> c_long,
        note: &dyn Fn(c_long),
    ) -> c_long {
        let rule = self.rule(call, name);
        let effect = rule.as_ref().map(|rule| rule.effect);
        let mut limit = Limit::Whole;
        match (effect, rule) {
            (Some(Effect::KillBefore), _) => raw::die(),
            (Some(Effect::Delay(milliseconds)), _) => {
                thread::sleep(Duration::from_millis(milliseconds));
            }
            (Some(Effect::Hang), Some(rule)) => self.wait_for_the_end_of(&rule),
            (Some(Effect::Short(most)), _) => limit = Limit::AtMost(most),
            (Some(Effect::KillHalf), _) => limit = Limit::Half,
            _ => {}
        }
        let result = match effect {
            Some(Effect::Errno(errno)) => {
                raw::set_errno(errno);
                -1
            }
            Some(Effect::KillHalf) if call != "write" => raw::die(),
            _ => make(limit),
        };
        let errno = raw::errno();
        note(result);
        if matches!(effect, Some(Effect::KillAfter | Effect::KillHalf)) {
            raw::die();
        }
        raw::set_errno(errno);
        result
    }

    fn rule(&self, call: &str, name: &str) -> Option<Rule> {
        let text = String::from_utf8_lossy(&raw::read(&self.control)).into_owned();
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.take(text);
        rules.meet(call, name)
    }

    fn wait_for_the_end_of(&self, rule: &Rule) {
        loop {
            let mut rules = Rules::default();
            rules.take(String::from_utf8_lossy(&raw::read(&self.control)).into_owned());
            if !rules.has(rule) {
                return;
            }
            thread::sleep(LOOKS_EVERY);
        }
    }

    /// Adds a line to the log.
    fn note(&self, when: &str, call: &str, names: &[&str], stat: Option<Stat>, made: c_long) {
        let errno = if made < 0 { raw::errno() } else { 0 };
        let (name, other) = (names.first().unwrap_or(&"-"), names.get(1).unwrap_or(&"-"));
        let (inode, bytes) = stat.map_or((0, 0), |it| (it.inode, it.bytes));
        let (now, process) = (raw::microseconds(), std::process::id());
        let mut line = String::new();
        let written = writeln!(
            line,
            "{now} {process} {when} {call} {name} {other} {inode} {bytes} {errno}"
        );
        if written.is_ok() {
            raw::append(&self.log, line.as_bytes());
        }
    }

    /// Keeps a file that is about to lose its name.
    fn keep(&self, dir: c_int, path: &CStr, stat: Option<Stat>) {
        if let (Some(keep), Some(stat)) = (&self.keep, stat) {
            raw::link(dir, path, &raw::own(&format!("{keep}/{}", stat.inode)));
        }
    }

    /// The name of a path below the directory.
    fn name(&self, path: &[u8]) -> Option<String> {
        let below = path.strip_prefix(self.dir.as_bytes())?;
        let name = match below {
            [] => ".",
            [b'/', name @ ..] => std::str::from_utf8(name).ok()?,
            _ => return None,
        };
        Some(name.strip_suffix(UNLINKED).unwrap_or(name).to_owned())
    }
}

fn watched_fd(fd: c_int) -> Option<(&'static Around, String)> {
    let around = around()?;
    let name = raw::with_path(fd, |path| around.name(path))??;
    Some((around, name))
}

fn watched_path(dir: c_int, path: &CStr) -> Option<(&'static Around, String)> {
    let around = around()?;
    let path = path.to_bytes();
    if path.starts_with(b"/") || dir == libc::AT_FDCWD {
        return Some((around, around.name(path)?));
    }
    let joined = raw::with_path(dir, |dir| [dir, b"/", path].concat())?;
    Some((around, around.name(&joined)?))
}

fn around() -> Option<&'static Around> {
    static AROUND: OnceLock<Option<Around>> = OnceLock::new();
    AROUND.get_or_init(Around::from_environment).as_ref()
}

/// Short beside what a test waits.
const LOOKS_EVERY: Duration = Duration::from_millis(2);

/// What the kernel adds to the path of a file that has no name any more.
const UNLINKED: &str = " (deleted)";
