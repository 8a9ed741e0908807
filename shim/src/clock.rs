//! The wall clock, which a line of the control file sets for the program alone: `clock offset=-3600` puts it back
//! by an hour, `clock at=0` has it stand still at the beginning of 1970. The clock that measures spans, by which the
//! log goes, is left alone.
//!
//! Everything asks for the time: who holds a lock, a handler of signals, and perhaps somebody before this library
//! has begun. So nothing here takes memory from the heap, waits or is kept from one time to the next.

use std::{
    mem,
    sync::atomic::{AtomicPtr, Ordering},
};

use libc::{c_int, c_void, clockid_t, timespec};

use crate::raw;

/// Tells the time.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(clock: clockid_t, now: *mut timespec) -> c_int {
    // SAFETY: the caller vouches for the place.
    let told = unsafe { library()(clock, now) };
    let is_wall = [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE].contains(&clock);
    if told == 0 && is_wall {
        let errno = raw::errno();
        let bend = asked_for();
        // SAFETY: the kernel has just written there.
        unsafe { *now = bend.map_or(*now, |bend| bend.of(*now)) };
        raw::set_errno(errno);
    }
    told
}

/// The function of the C library, which does not enter the kernel: a program asks thousands of times a second. Two
/// threads that look for it at once find the same.
fn library() -> Asked {
    static FOUND: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    let mut found = FOUND.load(Ordering::Relaxed);
    if found.is_null() {
        // SAFETY: the name is a C string.
        found = unsafe { libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr()) };
        FOUND.store(found, Ordering::Relaxed);
    }
    if found.is_null() {
        return kernel;
    }
    // SAFETY: this is what has that name in every C library.
    unsafe { mem::transmute::<*mut c_void, Asked>(found) }
}

/// Where the C library cannot be found.
unsafe extern "C" fn kernel(clock: clockid_t, now: *mut timespec) -> c_int {
    // SAFETY: as for `clock_gettime`.
    let told = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, now) };
    c_int::try_from(told).unwrap_or(-1)
}

/// What tells the time.
type Asked = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;

/// What is done to the time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bend {
    Offset(i64),
    At(i64),
}

impl Bend {
    fn of(self, now: timespec) -> timespec {
        match self {
            Self::Offset(seconds) => timespec {
                tv_sec: now.tv_sec.saturating_add(seconds),
                ..now
            },
            Self::At(tv_sec) => timespec { tv_sec, tv_nsec: 0 },
        }
    }
}

/// What the control file says now: a test that has changed it goes on by the new time at once.
fn asked_for() -> Option<Bend> {
    let mut text = [0; LONGEST];
    let length = raw::read_into(raw::environment(c"DISK_FAULTS_CONTROL")?, &mut text);
    text.get(..length).and_then(bend)
}

/// The first line about the clock.
fn bend(text: &[u8]) -> Option<Bend> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let line = std::str::from_utf8(line.strip_prefix(b"clock ")?).ok()?;
        match line.trim().split_once('=')? {
            ("offset", seconds) => Some(Bend::Offset(seconds.parse().ok()?)),
            ("at", seconds) => Some(Bend::At(seconds.parse().ok()?)),
            _ => None,
        }
    })
}

/// In bytes, what is read of the control file; small enough for any stack.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_said_of_the_clock_among_the_rules() {
        for (text, expected) in [
            ("", None),
            ("sync * * errno=5\n", None),
            ("clock offset=-3600", Some(Bend::Offset(-3600))),
            (
                "write * * delay=2\nclock offset=86400\n",
                Some(Bend::Offset(86_400)),
            ),
            ("clock at=0\n", Some(Bend::At(0))),
            ("clock at=", None),
            ("clock", None),
            ("clock melts=1", None),
        ] {
            assert_eq!(bend(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn moves_the_time_or_has_it_stand_still() {
        let noon = timespec {
            tv_sec: 1000,
            tv_nsec: 7,
        };
        let told = |bend: Bend| {
            let told = bend.of(noon);
            (told.tv_sec, told.tv_nsec)
        };

        assert_eq!(told(Bend::Offset(-60)), (940, 7));
        assert_eq!(told(Bend::Offset(i64::MAX)), (i64::MAX, 7));
        assert_eq!(told(Bend::At(5)), (5, 0));
    }
}
