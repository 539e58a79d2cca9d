//! The folder for a session's temporary files.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Result, StorageError};

const NAME_PREFIX: &str = "dolmen-";
const LOCK_SUFFIX: &str = ".lock";

/// How many fresh names are tried before giving up; a second try is needed only when a sweep takes the new lock.
const N_TRIES: usize = 16;

/// A folder of one session under a base folder. Made when first asked for, open to this user only, removed on drop.
///
/// Beside each folder `dolmen-<pid>-<random>` lies a file of that name and `.lock`, which its owner keeps locked as long
/// as it lives. Making a folder removes those under the same base whose lock nobody holds: what processes that were
/// killed have left. Folders of running processes, of any session, stay.
#[derive(Debug)]
pub struct TempFolder {
    base: PathBuf,
    owned: Mutex<Option<Owned>>,
}

#[derive(Debug)]
struct Owned {
    folder: PathBuf,
    lock_path: PathBuf,
    /// Holds the lock until it is closed.
    lock: Option<File>,
}

impl TempFolder {
    /// A folder under `base`, or under the system's folder for temporary files. Nothing is made yet.
    pub fn new(base: Option<PathBuf>) -> Self {
        Self { base: base.unwrap_or_else(std::env::temp_dir), owned: Mutex::new(None) }
    }

    /// The folder that this one is made under.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The path of the folder, which exists from now on.
    ///
    /// # Errors
    /// [`StorageError::Io`] if it cannot be made.
    pub fn path(&self) -> Result<PathBuf> {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owned) = owned.as_ref() {
            return Ok(owned.folder.clone());
        }
        fs::create_dir_all(&self.base).map_err(|source| io_error("create", &self.base, source))?;
        remove_left_over(&self.base);
        let made = create(&self.base)?;
        Ok(owned.insert(made).folder.clone())
    }

    /// Whether the folder has been made.
    pub fn is_created(&self) -> bool {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // The lock goes last, so that no other process finds it free while there is something to remove.
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(&self.lock_path);
        drop(self.lock.take());
    }
}

fn create(base: &Path) -> Result<Owned> {
    let mut last_error = None;
    for _ in 0..N_TRIES {
        let name = format!("{NAME_PREFIX}{}-{:08x}", std::process::id(), random());
        let (folder, lock_path) = (base.join(&name), base.join(format!("{name}{LOCK_SUFFIX}")));
        let lock = match private_file(&lock_path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(source) => return Err(io_error("create", &lock_path, source)),
        };
        if !owns(&lock, &lock_path) {
            continue;
        }
        let owned = Owned { folder, lock_path, lock: Some(lock) };
        match private_folder(&owned.folder) {
            Ok(()) => return Ok(owned),
            Err(error) => last_error = Some((owned.folder.clone(), error)),
        }
    }
    let (path, source) = last_error.unwrap_or_else(|| (base.to_owned(), ErrorKind::AlreadyExists.into()));
    Err(io_error("create a temporary folder in", &path, source))
}

/// Locks a lock file that was just made. False if a sweep of another process got there first, which then removes it.
fn owns(lock: &File, lock_path: &Path) -> bool {
    match lock.try_lock() {
        // The sweep may have come and gone between making and locking.
        Ok(()) => lock_path.exists(),
        Err(TryLockError::WouldBlock) => false,
        // A file system without locks. No other process can lock the file either, so none removes the folder.
        Err(TryLockError::Error(_)) => true,
    }
}

/// Removes the folders whose owners are gone. What cannot be looked at or removed is another user's, and stays.
fn remove_left_over(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let folder_name = name.to_str().and_then(|name| name.strip_suffix(LOCK_SUFFIX));
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let Some(folder_name) = folder_name.filter(|name| is_file && is_our_name(name)) else { continue };
        let Ok(lock) = OpenOptions::new().read(true).write(true).open(entry.path()) else { continue };
        if lock.try_lock().is_ok() {
            let folder = base.join(folder_name);
            // Of a symbolic link only the link would be removed, but nobody of ours makes one.
            if fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) && fs::remove_dir_all(&folder).is_err() {
                continue;
            }
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a name is of the form `dolmen-<pid>-<random>`: the user may have named other things after a stone table.
fn is_our_name(name: &str) -> bool {
    let parts = name.strip_prefix(NAME_PREFIX).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(pid, random)| {
        let is_pid = !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit());
        is_pid && random.len() == 8 && random.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// Different in every call. It only has to be rare that two are equal: making the file finds that out.
fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() as u32
}

pub(crate) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn io_error(operation: &'static str, path: &Path, source: std::io::Error) -> StorageError {
    StorageError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(base: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(base).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn made_when_asked_for_and_removed_on_drop() {
        let base = tempfile::tempdir().unwrap();
        let folder = TempFolder::new(Some(base.path().join("made/too")));
        assert!(!folder.is_created() && names(base.path()).is_empty());
        let path = folder.path().unwrap();
        assert_eq!(folder.path().unwrap(), path);
        fs::create_dir(path.join("sub")).unwrap();
        fs::write(path.join("sub/spill"), "x").unwrap();
        drop(folder);
        assert!(names(&base.path().join("made/too")).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn only_this_user_may_look_inside() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        let folder = TempFolder::new(Some(base.path().to_owned()));
        assert_eq!(fs::metadata(folder.path().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_next_start_removes_what_the_dead_left_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let living = TempFolder::new(Some(base.path().to_owned()));
        let living_path = living.path().unwrap();
        // A dead process: its folder and its lock file, which nobody holds.
        fs::create_dir_all(base.path().join("dolmen-1-0000abcd/deep")).unwrap();
        fs::write(base.path().join("dolmen-1-0000abcd/deep/spill"), "x").unwrap();
        fs::write(base.path().join("dolmen-1-0000abcd.lock"), "").unwrap();
        // Things that are not ours.
        for name in ["dolmen-notes", "dolmen-2-0000abce", "other"] {
            fs::create_dir(base.path().join(name)).unwrap();
        }
        fs::write(base.path().join("dolmen-notes.lock"), "").unwrap();

        let second = TempFolder::new(Some(base.path().to_owned()));
        let second_path = second.path().unwrap();
        assert!(living_path.is_dir() && second_path.is_dir() && living_path != second_path);
        drop((living, second));
        assert_eq!(names(base.path()), ["dolmen-2-0000abce", "dolmen-notes", "dolmen-notes.lock", "other"]);
    }

    #[test]
    fn many_at_once_do_not_remove_each_other() {
        let base = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let folder = TempFolder::new(Some(base.path().to_owned()));
                        let path = folder.path().unwrap();
                        fs::write(path.join("x"), "x").unwrap();
                        std::thread::yield_now();
                        assert!(path.join("x").exists());
                    }
                });
            }
        });
        assert!(names(base.path()).is_empty());
    }

    #[test]
    fn a_base_that_cannot_be_made_is_named() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        let error = TempFolder::new(Some(base.path().join("file/below"))).path().unwrap_err().to_string();
        assert!(error.contains("file/below"), "{error}");
    }
}
