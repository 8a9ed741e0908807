//! Gathers what reading a configuration turns up, so that nothing stops at the first fault.

use std::{cell::RefCell, collections::BTreeSet, io, path::Path, sync::Arc};

use crate::{
    config::{
        fault::{Fault, Faults, Notice, Place},
        watch::{Fingerprint, Read},
    },
    file,
};

/// What has turned up so far.
pub(crate) struct Report {
    file: Arc<str>,
    faults: RefCell<Vec<Fault>>,
    notices: RefCell<Vec<Notice>>,
    asked: RefCell<BTreeSet<String>>,
    read: RefCell<Read>,
}

impl Report {
    pub(crate) fn new(file: Arc<str>) -> Self {
        Self {
            file,
            faults: RefCell::default(),
            notices: RefCell::default(),
            asked: RefCell::default(),
            read: RefCell::default(),
        }
    }

    /// The file as a whole, for what has no line.
    pub(crate) fn whole_file(&self) -> Place {
        Place::File(Arc::clone(&self.file))
    }

    /// A line of the file.
    pub(crate) fn line(&self, line: usize) -> Place {
        Place::Line(Arc::clone(&self.file), line)
    }

    /// Notes a fault.
    pub(crate) fn fault(&self, place: &Place, key: &str, problem: String) {
        self.faults
            .borrow_mut()
            .push(Fault::new(self.shown(place), key, problem));
    }

    /// Notes something worth telling.
    pub(crate) fn notice(&self, place: &Place, key: &str, text: &str) {
        self.notices
            .borrow_mut()
            .push(Notice::new(self.shown(place), key, text));
    }

    /// Notes that a key, given by its whole path, is one of the contract.
    pub(crate) fn ask(&self, path: &str) {
        self.asked.borrow_mut().insert(path.to_owned());
    }

    /// Reads a whole file and notes what it holds.
    pub(crate) fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = file::read(path, file::LARGEST_BYTES);
        let held = content.as_deref().ok().map(Fingerprint::of);
        self.read.borrow_mut().insert(path.to_owned(), held);
        content
    }

    /// What the files held that were read so far.
    pub(crate) fn files_read(&self) -> Read {
        self.read.borrow().clone()
    }

    /// Tells whether a key is one of the contract.
    pub(crate) fn asked(&self, path: &str) -> bool {
        self.asked.borrow().contains(path)
    }

    /// The names of the keys of the contract directly under a path that ends in a full stop.
    pub(crate) fn asked_under(&self, prefix: &str) -> Vec<String> {
        let asked = self.asked.borrow();
        let rest = asked.iter().filter_map(|path| path.strip_prefix(prefix));
        rest.filter(|rest| !rest.contains(['.', '[']))
            .map(str::to_owned)
            .collect()
    }

    /// The paths of all keys of the contract that were come by.
    #[cfg(test)]
    pub(crate) fn every_asked(&self) -> Vec<String> {
        self.asked.borrow().iter().cloned().collect()
    }

    /// Ends a reading that came to nothing.
    pub(crate) fn faults(self) -> Faults {
        Faults::new(self.file, self.faults.into_inner())
    }

    /// Ends the reading: a sound configuration with its notices, or every fault.
    pub(crate) fn verdict<T>(self, config: Option<T>) -> Result<(T, Vec<Notice>), Faults> {
        let mut faults = self.faults.into_inner();
        let mut notices = self.notices.into_inner();
        notices.sort_by(|one, other| one.place().cmp(other.place()));
        match config {
            Some(config) if faults.is_empty() => Ok((config, notices)),
            Some(_) => Err(Faults::new(self.file, faults)),
            None => {
                // Whoever returns nothing notes why; this stands in should it ever be forgotten.
                if faults.is_empty() {
                    let place = Place::File(Arc::clone(&self.file));
                    faults.push(Fault::new(place, "", "a value is missing".to_owned()));
                }
                Err(Faults::new(self.file, faults))
            }
        }
    }

    /// A default is nobody's mistake by itself, so what is wrong with it is told of the file.
    fn shown(&self, place: &Place) -> Place {
        match place {
            Place::Default => self.whole_file(),
            Place::File(_) | Place::Line(..) | Place::Variable(_) => place.clone(),
        }
    }
}
