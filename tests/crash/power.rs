//! What a power cut leaves of a journal: of each file a part of what was not synced, or rubbish in its place, and
//! of the names that were not synced the earlier ones.
//!
//! Kinder than a disk may be in one thing: the length that a file was cut to does not come back.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use fastrand::Rng;

use crate::shim::{Event, Shim};

/// What is known of a disk, over several runs of the program.
#[derive(Default)]
pub(crate) struct Disk {
    /// How many events are taken in.
    read: usize,
    /// How much of each file is durable, by inode.
    durable: HashMap<u64, u64>,
    /// Changes of names that no sync has made durable, the oldest first.
    pending: Vec<Change>,
}

/// A change of a name.
#[derive(Clone, Debug)]
struct Change {
    call: String,
    name: String,
    /// Its new name.
    other: String,
    inode: u64,
    /// What stood under the new name before, or nothing.
    replaced: u64,
    /// Otherwise a kill may have come before it.
    is_done: bool,
}

/// What a power cut took away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lost {
    /// Files that end in a part of what was written, or in rubbish.
    pub(crate) torn: usize,
    pub(crate) names: usize,
}

/// How bad a power cut is.
pub(crate) enum Cut<'a> {
    /// Whatever may be lost is.
    Worst,
    /// A part of it, as it comes.
    Random(&'a mut Rng),
}

impl Disk {
    /// A disk on which everything that is there now is durable.
    pub(crate) fn holding(dir: &Path) -> Self {
        let mut disk = Self::default();
        disk.settle(dir);
        disk
    }

    /// Everything that is there now becomes durable, whoever wrote it.
    pub(crate) fn settle(&mut self, dir: &Path) {
        let inodes = files(dir).into_iter().map(|path| {
            let file = fs::metadata(path).expect("file");
            (file.ino(), file.len())
        });
        self.durable.extend(inodes);
        self.pending.clear();
    }

    /// Takes in what the program has done since the last time.
    pub(crate) fn follow(&mut self, shim: &Shim) {
        let events = shim.events();
        for event in &events[self.read..] {
            self.take(event);
        }
        self.read = events.len();
    }

    /// How much of a file is durable.
    pub(crate) fn durable(&self, file: &Path) -> u64 {
        let inode = fs::metadata(file).expect("file").ino();
        self.durable.get(&inode).copied().unwrap_or(0)
    }

    fn take(&mut self, event: &Event) {
        let makes = ["create", "mkdir"].contains(&&*event.call);
        let is_name = makes || ["rename", "unlink"].contains(&&*event.call);
        match (is_name, event.is_done) {
            // What is there already cannot be made.
            (true, false) if makes && event.inode != 0 => {}
            (true, false) => self.pending.push(Change {
                call: event.call.clone(),
                name: event.name.clone(),
                other: event.other.clone(),
                inode: event.inode,
                replaced: event.bytes,
                is_done: false,
            }),
            (true, true) => self.finish(event),
            (false, true) if event.errno == 0 => self.keep(event),
            _ => {}
        }
    }

    /// A change of a name was made, or was refused.
    fn finish(&mut self, event: &Event) {
        let same = |it: &Change| {
            (!it.is_done, &it.call, &it.name, &it.other)
                == (true, &event.call, &event.name, &event.other)
        };
        let Some(at) = self.pending.iter().rposition(same) else {
            assert_ne!(event.errno, 0, "made without being begun: {event:?}");
            return;
        };
        if event.errno != 0 {
            self.pending.remove(at);
            return;
        }
        let change = &mut self.pending[at];
        (change.is_done, change.inode) = (true, event.inode);
        if event.call == "create" {
            self.durable.insert(event.inode, 0);
        }
    }

    /// A call on a file or a directory changed what is durable.
    fn keep(&mut self, event: &Event) {
        match &*event.call {
            "sync" => drop(self.durable.insert(event.inode, event.bytes)),
            "truncate" => {
                let durable = self.durable.entry(event.inode).or_default();
                *durable = event.bytes.min(*durable);
            }
            "sync-directory" => self
                .pending
                .retain(|change| !change.is_done || parent(&change.name) != event.name),
            _ => {}
        }
    }

    /// Cuts the power; the program is gone.
    pub(crate) fn lose_power(&mut self, dir: &Path, kept: &Path, mut cut: Cut<'_>) -> Lost {
        self.pending.retain_mut(|change| change.has_happened(dir));
        let left = match &mut cut {
            Cut::Worst => 0,
            Cut::Random(rng) => rng.usize(0..=self.pending.len()) * usize::from(rng.bool()),
        };
        let undone = self.pending.split_off(left);
        for change in undone.iter().rev() {
            change.undo(dir, kept);
        }
        let mut torn = 0;
        for file in files(dir) {
            torn += usize::from(self.tear(&file, &mut cut));
        }
        self.pending.clear();
        Lost {
            torn,
            names: undone.len(),
        }
    }

    /// Leaves of a file what is durable and perhaps more; says whether anything changed.
    fn tear(&mut self, path: &Path, cut: &mut Cut<'_>) -> bool {
        let at = fs::metadata(path).expect("file");
        let durable = self.durable.get(&at.ino()).copied().unwrap_or(0);
        let mut file = OpenOptions::new().write(true).open(path).expect("file");
        if durable < at.len() {
            match cut {
                Cut::Worst => file.set_len(durable).expect("cut"),
                Cut::Random(rng) => {
                    let end = rng.u64(durable..=at.len());
                    file.set_len(end).expect("cut");
                    if rng.bool() {
                        let count = usize::try_from(at.len() - end).expect("size");
                        let rubbish: Vec<u8> = (0..count).map(|_| rng.u8(..)).collect();
                        file.seek(SeekFrom::End(0)).expect("end");
                        file.write_all(&rubbish).expect("rubbish");
                    }
                }
            }
        }
        // What is there after a power cut is on the disk.
        let now = file.metadata().expect("file").len();
        self.durable.insert(at.ino(), now);
        durable < at.len()
    }
}

impl Change {
    /// Whether it was made, which is for the disk to say where the log breaks off before.
    fn has_happened(&mut self, dir: &Path) -> bool {
        if self.is_done {
            return true;
        }
        let inode = |name: &str| fs::metadata(dir.join(name)).map(|it| it.ino()).ok();
        match &*self.call {
            "rename" => inode(&self.other) == Some(self.inode),
            "unlink" => self.inode != 0 && inode(&self.name) != Some(self.inode),
            _ => {
                let made = inode(&self.name);
                self.inode = made.unwrap_or(0);
                made.is_some()
            }
        }
    }

    fn undo(&self, dir: &Path, kept: &Path) {
        let (name, other) = (dir.join(&self.name), dir.join(&self.other));
        let kept = |inode: u64| kept.join(inode.to_string());
        match &*self.call {
            "create" => fs::remove_file(&name).expect("what was made"),
            "mkdir" => fs::remove_dir_all(&name).expect("what was made"),
            "rename" => {
                fs::rename(&other, &name).expect("what was renamed");
                if self.replaced != 0 {
                    fs::hard_link(kept(self.replaced), &other).expect("what was replaced");
                }
            }
            _ => fs::hard_link(kept(self.inode), &name).expect("what was unlinked"),
        }
    }
}

/// The directory that holds a name.
fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or(".", |(parent, _)| parent)
}

/// All files below a directory, where there is one.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else {
        return files;
    };
    for entry in entries {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
