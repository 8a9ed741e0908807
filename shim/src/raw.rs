//! The kernel, asked directly: what this library does for itself must not come back to it.

use std::ffi::{CStr, CString};

use libc::c_int;

/// A file as the kernel knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) inode: u64,
    pub(crate) bytes: u64,
    pub(crate) is_directory: bool,
}

/// The length of the longest path.
const PATH_BYTES: usize = 4096;

/// The path of an open file, where there is one, without memory from the heap: signal handlers write, too.
pub(crate) fn with_path<T>(fd: c_int, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let link = Decimal::of(fd);
    let mut path = [0_u8; PATH_BYTES];
    let (from, into) = (link.bytes.as_ptr(), path.as_mut_ptr());
    // SAFETY: the first is a C string, the second is as long as is said.
    let length =
        unsafe { libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, from, into, PATH_BYTES) };
    let length = usize::try_from(length).ok()?;
    path.get(..length).map(look)
}

/// `/proc/self/fd/<n>` as a C string.
struct Decimal {
    bytes: [u8; 32],
}

impl Decimal {
    fn of(fd: c_int) -> Self {
        let mut bytes = [0; 32];
        let prefix = b"/proc/self/fd/";
        let mut digits = [0_u8; 10];
        let mut rest = fd.unsigned_abs();
        let mut count = 0;
        for digit in &mut digits {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.iter().take(count).rev();
        for (place, byte) in bytes.iter_mut().zip(prefix.iter().chain(digits)) {
            *place = *byte;
        }
        Self { bytes }
    }
}

/// What an open file is.
pub(crate) fn stat(fd: c_int) -> Option<Stat> {
    // SAFETY: a `stat` is a plain structure, which the kernel fills.
    let mut it = unsafe { std::mem::zeroed::<libc::stat>() };
    // SAFETY: the structure is the one that this call fills on 64-bit machines.
    let told = unsafe { libc::syscall(libc::SYS_fstat, fd, &raw mut it) };
    (told == 0).then(|| seen(&it))
}

/// What stands at a path, without following a last link.
pub(crate) fn stat_at(dir: c_int, path: &CStr) -> Option<Stat> {
    // SAFETY: as above.
    let mut it = unsafe { std::mem::zeroed::<libc::stat>() };
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: as above; the path is a C string.
    let told =
        unsafe { libc::syscall(libc::SYS_newfstatat, dir, path.as_ptr(), &raw mut it, flags) };
    (told == 0).then(|| seen(&it))
}

fn seen(it: &libc::stat) -> Stat {
    Stat {
        inode: it.st_ino,
        bytes: u64::try_from(it.st_size).unwrap_or(0),
        is_directory: it.st_mode & libc::S_IFMT == libc::S_IFDIR,
    }
}

/// Reads a small file; one that is not there is empty.
pub(crate) fn read(path: &CStr) -> Vec<u8> {
    let mut text = vec![0; 8192];
    let length = read_into(path, &mut text);
    text.truncate(length);
    text
}

/// Reads the beginning of a file without memory from the heap, and returns how much there was.
pub(crate) fn read_into(path: &CStr, text: &mut [u8]) -> usize {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) };
    if fd < 0 {
        return 0;
    }
    // SAFETY: the buffer is as long as is said.
    let length = unsafe { libc::syscall(libc::SYS_read, fd, text.as_mut_ptr(), text.len()) };
    // SAFETY: nobody else knows this descriptor.
    unsafe { libc::syscall(libc::SYS_close, fd) };
    usize::try_from(length).unwrap_or(0)
}

/// A variable of the environment, without memory from the heap.
pub(crate) fn environment(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: the name is a C string, and the programs under test never change a variable that this library reads.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: what is there is a C string, for as long as nobody changes it.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
}

/// Adds a line to a file, whole or not at all.
pub(crate) fn append(path: &CStr, line: &[u8]) {
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: the path is a C string.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            0o600,
        )
    };
    // SAFETY: the line is as long as is said, and nobody else knows this descriptor.
    unsafe {
        libc::syscall(libc::SYS_write, fd, line.as_ptr(), line.len());
        libc::syscall(libc::SYS_close, fd);
    }
}

/// Gives a file a second name; where it has that name already, nothing changes.
pub(crate) fn link(dir: c_int, path: &CStr, to: &CStr) {
    // SAFETY: both are C strings.
    unsafe {
        libc::syscall(
            libc::SYS_linkat,
            dir,
            path.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            0,
        )
    };
}

/// Microseconds of the clock that all processes share and nobody sets.
pub(crate) fn microseconds() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is the one that this call fills.
    unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(now.tv_nsec / 1000).unwrap_or(0)
}

/// Kills the process as nobody can prevent.
pub(crate) fn die() -> ! {
    loop {
        // SAFETY: no memory is involved.
        unsafe { libc::syscall(libc::SYS_kill, libc::getpid(), libc::SIGKILL) };
    }
}

/// The error that the last call left.
pub(crate) fn errno() -> c_int {
    // SAFETY: the place belongs to this thread.
    unsafe { *libc::__errno_location() }
}

/// Leaves an error as a call does.
pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: the place belongs to this thread.
    unsafe { *libc::__errno_location() = errno };
}

/// A path of our own.
pub(crate) fn own(path: &str) -> CString {
    CString::new(path).unwrap_or_default()
}
