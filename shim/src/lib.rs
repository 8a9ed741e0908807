//! Stands between a program and its disk: loaded before the C library (`LD_PRELOAD`), it makes calls on the
//! files below one directory fail, come short, wait or never come back, kills the process at a call of choice,
//! and keeps a log from which it can be told what a power cut would have left. It bends the wall clock, too.
//!
//! It is told what to do by four variables: `DISK_FAULTS_DIR` is the directory, `DISK_FAULTS_CONTROL` the file of
//! rules of the module `rules`, `DISK_FAULTS_LOG` where the log goes, and `DISK_FAULTS_KEEP` a directory on the same file system
//! in which every file that is unlinked or replaced keeps a name, its inode's number. Without them all calls
//! pass. Calls that a program makes past the C library are not seen.
//!
//! A line of the log is `<microseconds> <process> try|did <call> <name> <other name> <inode> <bytes> <errno>`. The
//! bytes of a write are the file's length after it, those of a sync what it made durable; in their place a rename has
//! the inode of the file that it replaces.

#![expect(
    unsafe_code,
    reason = "functions of the C library are replaced, and the kernel is asked past it; no other crate here may"
)]

mod clock;
mod faults;
mod raw;
mod rules;

use std::ffi::CStr;

use libc::{c_char, c_int, c_long, c_uint, c_void, iovec, mode_t, off64_t, size_t, ssize_t};

use crate::faults::{Limit, by_fd, by_path, by_paths};

/// Writes.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    let made = by_fd("write", fd, |limit| {
        let count = limit.of(count);
        // SAFETY: the caller vouches for the arguments, and less of them is as good.
        unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) }
    });
    size(made)
}

/// Writes several pieces.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
    let made = by_fd("write", fd, |limit| match limit {
        // SAFETY: the caller vouches for the arguments.
        Limit::Whole => unsafe { libc::syscall(libc::SYS_writev, fd, pieces, count) },
        _ if count < 1 => 0,
        limit => {
            // SAFETY: there is a piece, and less of it is as good.
            unsafe {
                let count = limit.of((*pieces).iov_len);
                libc::syscall(libc::SYS_write, fd, (*pieces).iov_base, count)
            }
        }
    });
    size(made)
}

/// Writes at a place.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(
    fd: c_int,
    bytes: *const c_void,
    count: size_t,
    at: off64_t,
) -> ssize_t {
    let made = by_fd("write", fd, |limit| {
        let count = limit.of(count);
        // SAFETY: as for `write`.
        unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, count, at) }
    });
    size(made)
}

/// Syncs what was written.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: no memory is involved.
    told(by_fd("sync", fd, |_| unsafe {
        libc::syscall(libc::SYS_fdatasync, fd)
    }))
}

/// Syncs what was written, and what is known of the file.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: c_int) -> c_int {
    // SAFETY: no memory is involved.
    told(by_fd("sync", fd, |_| unsafe {
        libc::syscall(libc::SYS_fsync, fd)
    }))
}

/// Sets a file's length.
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(fd: c_int, length: off64_t) -> c_int {
    // SAFETY: no memory is involved.
    told(by_fd("truncate", fd, |_| unsafe {
        libc::syscall(libc::SYS_ftruncate, fd, length)
    }))
}

/// The same under its other name.
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(fd: c_int, length: off64_t) -> c_int {
    ftruncate64(fd, length)
}

/// Takes room for a file.
#[unsafe(no_mangle)]
pub extern "C" fn fallocate64(fd: c_int, mode: c_int, from: off64_t, length: off64_t) -> c_int {
    // SAFETY: no memory is involved.
    told(by_fd("allocate", fd, |_| unsafe {
        libc::syscall(libc::SYS_fallocate, fd, mode, from, length)
    }))
}

/// The same under its other name.
#[unsafe(no_mangle)]
pub extern "C" fn fallocate(fd: c_int, mode: c_int, from: off64_t, length: off64_t) -> c_int {
    fallocate64(fd, mode, from, length)
}

/// Opens a file; of its three arguments the last one counts only where a file may be made.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: the caller vouches for the path.
    let named = unsafe { CStr::from_ptr(path) };
    // SAFETY: as above.
    let open = || unsafe { libc::syscall(libc::SYS_openat, dir, path, flags, mode) };
    let there = || raw::stat_at(dir, named).is_some();
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
    let call = match (writes, flags & libc::O_CREAT != 0) {
        (false, false) => return told(open()),
        (_, true) if !there() => "create",
        _ if flags & libc::O_TRUNC != 0 => "truncate",
        _ => "open",
    };
    told(by_path(call, dir, named, open))
}

/// Opens a file.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: the caller vouches for the path.
    unsafe { openat64(dir, path, flags, mode) }
}

/// Opens a file.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller vouches for the path.
    unsafe { openat64(libc::AT_FDCWD, path, flags, mode) }
}

/// Opens a file.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller vouches for the path.
    unsafe { openat64(libc::AT_FDCWD, path, flags, mode) }
}

/// Gives a file another name.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat2(
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    // SAFETY: the caller vouches for the paths.
    let named = unsafe { [CStr::from_ptr(from), CStr::from_ptr(to)] };
    // SAFETY: as above.
    told(by_paths("rename", [from_dir, to_dir], named, || unsafe {
        libc::syscall(libc::SYS_renameat2, from_dir, from, to_dir, to, flags)
    }))
}

/// Gives a file another name.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
) -> c_int {
    // SAFETY: the caller vouches for the paths.
    unsafe { renameat2(from_dir, from, to_dir, to, 0) }
}

/// Gives a file another name.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the caller vouches for the paths.
    unsafe { renameat2(libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0) }
}

/// Takes a name away.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the caller vouches for the path.
    let named = unsafe { CStr::from_ptr(path) };
    // SAFETY: as above.
    told(by_path("unlink", dir, named, || unsafe {
        libc::syscall(libc::SYS_unlinkat, dir, path, flags)
    }))
}

/// Takes a name away.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller vouches for the path.
    unsafe { unlinkat(libc::AT_FDCWD, path, 0) }
}

/// Makes a directory.
///
/// # Safety
///
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller vouches for the path.
    let named = unsafe { CStr::from_ptr(path) };
    // SAFETY: as above.
    told(by_path("mkdir", libc::AT_FDCWD, named, || unsafe {
        libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode)
    }))
}

/// What the kernel told, as most calls hand it on.
fn told(made: c_long) -> c_int {
    c_int::try_from(made).unwrap_or(-1)
}

/// What the kernel told, as writes hand it on.
fn size(made: c_long) -> ssize_t {
    ssize_t::try_from(made).unwrap_or(-1)
}
