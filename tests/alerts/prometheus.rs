//! Prometheus' own tool.

use std::{path::PathBuf, process::Command};

/// Runs a command over files, which must find nothing wrong.
pub(crate) fn promtool(command: &[&str], files: &[PathBuf]) {
    let ended = Command::new("promtool").args(command).args(files).output();
    let ended = ended.expect(
        "there is no promtool: install it (Debian: apt-get install prometheus), or run scripts/test",
    );
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {said}");
}
