//! A disk of 1 MiB and 64 files, for tests of several crates.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Says that the test runs where it is root of a namespace of its own.
const IN_NAMESPACE: &str = "DOLMEN_TEST_IN_NAMESPACE";

const MOUNT: [&str; 5] = ["-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "tmpfs"];

/// Runs `test`, whose full name is `name`, with a small disk. A user who may not mount is root of a namespace of its own
/// for the test; where that is not to be had either, the test is not run, and says so.
pub(crate) fn with_small_disk(name: &str, test: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    if mounts(Command::new("mount"), folder.path()) {
        let disk = Mounted(folder.path());
        test(disk.0);
    } else if std::env::var_os(IN_NAMESPACE).is_none() && mounts(in_namespace("mount"), folder.path()) {
        let mut again = in_namespace(std::env::current_exe().unwrap());
        let output = again.args(["--exact", name]).env(IN_NAMESPACE, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    } else {
        eprintln!("skipped: no disk can be mounted here");
    }
}

fn mounts(mut mount: Command, folder: &Path) -> bool {
    mount.args(MOUNT).arg(folder).output().is_ok_and(|output| output.status.success())
}

/// Runs a program as root of a namespace of its own, where users who may not mount otherwise often may.
fn in_namespace(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]).arg(program);
    command
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
