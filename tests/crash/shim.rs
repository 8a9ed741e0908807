//! The library that stands between the program and its disk: where it is, what it is told, what it tells.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// What the library is told, and what it tells.
pub(crate) struct Shim {
    dir: PathBuf,
    watched: PathBuf,
}

/// A call of the program on a file of the journal.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Since the machine was started; of a call that is done, when it was.
    pub(crate) at: Duration,
    pub(crate) process: u32,
    /// Otherwise it is about to be made, by which names change.
    pub(crate) is_done: bool,
    pub(crate) call: String,
    pub(crate) name: String,
    /// The new name.
    pub(crate) other: String,
    pub(crate) inode: u64,
    /// The length of the file; of a sync, what it made durable.
    pub(crate) bytes: u64,
    pub(crate) errno: i32,
}

impl Shim {
    /// Watches a directory; what it is told and tells lies in another one.
    pub(crate) fn over(watched: &Path, dir: &Path) -> Self {
        let shim = Self {
            dir: dir.to_owned(),
            watched: watched.to_owned(),
        };
        fs::create_dir_all(shim.kept()).expect("directory");
        shim.heal();
        shim
    }

    /// Loads it into a program.
    pub(crate) fn load_into(&self, program: &mut Command) {
        let variables: [(&str, &OsStr); 5] = [
            ("LD_PRELOAD", library().as_os_str()),
            ("DISK_FAULTS_DIR", self.watched.as_os_str()),
            (
                "DISK_FAULTS_CONTROL",
                &self.dir.join("control").into_os_string(),
            ),
            ("DISK_FAULTS_LOG", &self.log().into_os_string()),
            ("DISK_FAULTS_KEEP", &self.kept().into_os_string()),
        ];
        program.envs(variables);
    }

    /// Has calls meet faults from now on: one rule a line.
    pub(crate) fn fail(&self, rules: &str) {
        let new = self.dir.join("control.new");
        fs::write(&new, rules).expect("rules");
        fs::rename(new, self.dir.join("control")).expect("rules");
    }

    /// Lets all calls pass from now on.
    pub(crate) fn heal(&self) {
        self.fail("");
    }

    /// All calls so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().map(|line| event(line).expect(line)).collect()
    }

    /// Where files that lost their names are, each named after its inode.
    pub(crate) fn kept(&self) -> PathBuf {
        self.dir.join("kept")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

fn event(line: &str) -> Option<Event> {
    let words: Vec<_> = line.split(' ').collect();
    let [at, process, when, call, name, other, inode, bytes, errno] = words[..] else {
        return None;
    };
    Some(Event {
        at: Duration::from_micros(at.parse().ok()?),
        process: process.parse().ok()?,
        is_done: when == "did",
        call: call.to_owned(),
        name: name.to_owned(),
        other: other.to_owned(),
        inode: inode.parse().ok()?,
        bytes: bytes.parse().ok()?,
        errno: errno.parse().ok()?,
    })
}

/// A moment by the clock of the events, and rather later than earlier.
#[expect(
    clippy::disallowed_methods,
    reason = "two readings of the machine's clock are compared, and no test waits for it"
)]
pub(crate) fn since_the_start(moment: Instant) -> Duration {
    let gone = Instant::now().duration_since(moment);
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::try_from(now).expect("a clock that is not before its start");
    now.saturating_sub(gone)
}

/// The library, built by the first who asks for it.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--package=disk-faults", "--message-format=json"])
            .args(["--locked", "--offline"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo");
        let told = String::from_utf8_lossy(&built.stdout).into_owned();
        let made = told.lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let is_it =
                line["reason"] == "compiler-artifact" && line["target"]["name"] == "disk_faults";
            is_it.then(|| line["filenames"][0].as_str().map(PathBuf::from))?
        });
        made.unwrap_or_else(|| panic!("no library: {built:?}"))
    })
}
