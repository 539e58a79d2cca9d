//! The working folder of one file.
//!
//! Outside files read `../../testing/data` and write `test_files/scratch/NAME`, relative to the folder their own runner
//! starts in. Here that folder is a fresh one, in which everything of the real one appears by symbolic links, two
//! levels up as well; only `test_files/scratch` is real and empty. Nothing a file writes there outlives it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The names DataFusion's own plans show the working folder under, with `WORKSPACE_ROOT` in front.
const LEVELS: [&str; 2] = ["datafusion", "sqllogictest"];

/// A fresh working folder; it goes with everything in it when dropped.
#[derive(Debug)]
pub struct Stage {
    root: TempDir,
    working_folder: PathBuf,
}

impl Stage {
    /// Prepares the working folder for `file`: that of its suite if it lies beneath a `test_files` folder, else `base`.
    ///
    /// # Errors
    ///
    /// What the system says when folders or links cannot be made.
    pub fn new(file: &Path, base: &Path) -> io::Result<Self> {
        let file = file.canonicalize()?;
        let base = match file.ancestors().find(|folder| folder.ends_with("test_files")) {
            Some(test_files) => test_files.parent().unwrap_or(test_files).to_owned(),
            None => base.canonicalize()?,
        };

        let root = tempfile::Builder::new().prefix("dolmen-sql-tests-").tempdir()?;
        let middle = root.path().join(LEVELS[0]);
        let working_folder = middle.join(LEVELS[1]);
        let test_files = working_folder.join("test_files");
        let stem = file.file_stem().unwrap_or_default();
        fs::create_dir_all(test_files.join("scratch").join(stem))?;
        fs::create_dir(root.path().join("tmp"))?;

        link_entries(&base.join("test_files"), &test_files)?;
        link_entries(&base, &working_folder)?;
        if let Some(parent) = base.parent() {
            link_entries(parent, &middle)?;
            if let Some(grandparent) = parent.parent() {
                link_entries(grandparent, root.path())?;
            }
        }
        Ok(Self { root, working_folder })
    }

    /// Where the worker of the file starts.
    pub fn working_folder(&self) -> &Path {
        &self.working_folder
    }

    /// Where the worker of the file puts temporary files, so that they go even if the worker is killed.
    pub fn temp_folder(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// The folder that stands for the root of the suite's source tree.
    pub fn root(&self) -> &Path {
        self.root.path()
    }
}

/// Links the entries of `from` into `to`, but for names that `to` has already.
fn link_entries(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    let mut taken: HashSet<_> = HashSet::new();
    for entry in fs::read_dir(to)? {
        taken.insert(entry?.file_name());
    }
    for entry in entries {
        let entry = entry?;
        if !taken.contains(&entry.file_name()) {
            link(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(windows)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        std::os::windows::fs::symlink_dir(from, to)
    } else {
        std::os::windows::fs::symlink_file(from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suites_data_is_seen_and_its_scratch_is_not() {
        let tree = tempfile::tempdir().unwrap();
        let suite = tree.path().join("x/suite");
        for folder in ["x/suite/test_files/scratch/a", "x/suite/test_files/sub", "testing/data"] {
            fs::create_dir_all(tree.path().join(folder)).unwrap();
        }
        fs::write(suite.join("test_files/sub/a.slt"), "").unwrap();
        fs::write(suite.join("test_files/scratch/a/old.csv"), "").unwrap();
        fs::write(tree.path().join("testing/data/d.csv"), "1").unwrap();

        let stage = Stage::new(&suite.join("test_files/sub/a.slt"), Path::new("/")).unwrap();
        let folder = stage.working_folder().to_owned();
        assert!(folder.join("test_files/sub/a.slt").exists());
        assert_eq!(fs::read_to_string(folder.join("../../testing/data/d.csv")).unwrap(), "1");
        assert!(folder.join("test_files/scratch/a").is_dir());
        assert!(!folder.join("test_files/scratch/a/old.csv").exists());

        drop(stage);
        assert!(!folder.exists());
        assert!(suite.join("test_files/scratch/a/old.csv").exists(), "links are removed, not what they lead to");
    }

    #[test]
    fn any_other_file_sees_the_base() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("data")).unwrap();
        fs::write(tree.path().join("data/d.csv"), "1").unwrap();
        fs::write(tree.path().join("a.slt"), "").unwrap();
        let stage = Stage::new(&tree.path().join("a.slt"), tree.path()).unwrap();
        assert!(stage.working_folder().join("data/d.csv").exists());
        assert!(stage.working_folder().join("test_files/scratch/a").is_dir());
    }
}
