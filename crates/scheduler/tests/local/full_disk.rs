//! A disk that is full.

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use dolmen_graph::RunError;

use crate::programs::everything;
use crate::world::{LONG, Living, World, until, wide};

/// Says that the test runs where it is root of a namespace of its own.
const IN_NAMESPACE: &str = "DOLMEN_TEST_IN_NAMESPACE";

#[test]
fn a_full_disk_is_an_error_that_names_the_folder_and_the_executor_lives_on() {
    let temp = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(temp.path());
    if disk.is_none() && std::env::var_os(IN_NAMESPACE).is_none() && may_mount_in_namespace(temp.path()) {
        return run_in_namespace();
    }
    let disk = disk.unwrap_or_else(|| SmallDisk::impossible(temp.path()));
    let world = World::with(tempfile::tempdir().unwrap(), disk.path(), 2, 1 << 20, |config| config);
    let living = Living::default();
    let run = world.submit(&wide(100, 100 << 10, &living, || ()));
    let error = run.wait_finished(LONG).unwrap().unwrap_err();
    assert!(matches!(error, RunError::Spill { .. }), "{error}");
    let text = chain(&error);
    assert!(text.contains("`source[") && text.contains(&disk.path().display().to_string()), "{text}");
    drop(run);
    world.until_idle();
    until("values to be dropped", || living.n() == 0);

    let run = world.submit(&everything(0));
    run.wait_finished(LONG).unwrap().unwrap();
    drop(run);
    world.until_idle();
    world.end();
}

/// An error with all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}

const MOUNT: [&str; 5] = ["-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "tmpfs"];

/// Runs a program as root of a namespace of its own, where users who may not mount otherwise often may.
fn in_namespace(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]).arg(program);
    command
}

fn may_mount_in_namespace(folder: &Path) -> bool {
    let mounted = in_namespace("mount").args(MOUNT).arg(folder).output();
    mounted.is_ok_and(|output| output.status.success())
}

fn run_in_namespace() {
    let name = "full_disk::a_full_disk_is_an_error_that_names_the_folder_and_the_executor_lives_on";
    let mut test = in_namespace(std::env::current_exe().unwrap());
    let output = test.args(["--exact", name]).env(IN_NAMESPACE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// A mounted disk of 1 MiB or, for users who may not mount, a folder that cannot be made.
enum SmallDisk {
    Mounted(PathBuf),
    Impossible(PathBuf),
}

impl SmallDisk {
    fn mount(folder: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(MOUNT).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self::Mounted(folder.to_owned()))
    }

    fn impossible(folder: &Path) -> Self {
        eprintln!("no disk can be mounted here: a folder that cannot be made stands for a full one");
        let file = folder.join("file");
        std::fs::write(&file, "").unwrap();
        Self::Impossible(file)
    }

    fn path(&self) -> &Path {
        match self {
            Self::Mounted(path) | Self::Impossible(path) => path,
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Self::Mounted(path) = self {
            let _ = Command::new("umount").arg("-l").arg(path).status();
        }
    }
}
