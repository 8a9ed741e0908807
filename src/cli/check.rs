//! `check`: reads the whole configuration and tells what is wrong with it, every fault at once.

use std::{
    io::{self, Write},
    path::Path,
};

use crate::config::{environment::Environment, load::load};

/// Checks a configuration with the environment of this process; returns the exit code.
///
/// # Errors
///
/// When the verdict cannot be written.
pub fn run(config: &Path, out: &mut dyn Write) -> io::Result<u8> {
    check(config, &Environment::of_process(), out)
}

/// Checks a configuration; returns the exit code: 0 sound, 1 unsound.
///
/// # Errors
///
/// When the verdict cannot be written.
pub fn check(config: &Path, environment: &Environment, out: &mut dyn Write) -> io::Result<u8> {
    match load(config, environment) {
        Ok(loaded) => {
            writeln!(out, "{}: sound", config.display())?;
            for notice in &loaded.notices {
                writeln!(out, "{notice}")?;
            }
            Ok(SOUND)
        }
        Err(faults) => {
            writeln!(out, "{faults}")?;
            Ok(UNSOUND)
        }
    }
}

const SOUND: u8 = 0;
const UNSOUND: u8 = 1;
