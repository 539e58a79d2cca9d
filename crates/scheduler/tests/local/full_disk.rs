//! A disk that is full.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use dolmen_graph::RunError;

use crate::programs::everything;
use crate::world::{LONG, Living, World, until, wide};

#[test]
fn a_full_disk_is_an_error_that_names_the_folder_and_the_executor_lives_on() {
    let temp = tempfile::tempdir().unwrap();
    let disk = SmallDisk::new(temp.path());
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

/// A mounted disk of 1 MiB or, for users who may not mount, a folder that cannot be made.
enum SmallDisk {
    Mounted(PathBuf),
    Impossible(PathBuf),
}

impl SmallDisk {
    fn new(folder: &Path) -> Self {
        let args = ["-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "tmpfs"];
        let mount = Command::new("mount").args(args).arg(folder).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Self::Mounted(folder.to_owned());
        }
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
