//! Local results that appear all at once, or not at all.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{Builder, TempDir};

use crate::access::{AccessPolicy, Operation};
use crate::error::{Occupant, Result, StorageError};

/// A file or folder that is written beside its place, in a hidden folder on the same file system, and moved there when
/// it is complete. Dropped without [`commit`](Self::commit) it leaves nothing behind.
///
/// This guards against failed and cancelled statements and against readers that come too early. It does not wait for
/// the disk, so that a power failure right after a commit may still lose the result.
///
/// Missing folders above the place are made, and removed again with the rest.
#[derive(Debug)]
pub struct AtomicOutput {
    place: PathBuf,
    /// The name of the file in the hidden folder; without one the folder itself is the result.
    file: Option<OsString>,
    staging: Staging,
}

impl AtomicOutput {
    /// Begins a file that will replace whatever file is at `place`. Of a symbolic link the target is replaced.
    ///
    /// # Errors
    /// What `policy` says about writing there; [`StorageError::Occupied`] if a folder or a device is there;
    /// [`StorageError::Io`].
    pub fn file(place: &Path, policy: &AccessPolicy) -> Result<Self> {
        policy.check_local(place, Operation::Write)?;
        let place = follow_link(place);
        match fs::metadata(&place) {
            Ok(meta) if meta.is_dir() => return Err(occupied(&place, Occupant::Folder)),
            Ok(meta) if !meta.is_file() => return Err(occupied(&place, Occupant::Special)),
            _ => {}
        }
        let file = place.file_name().map(OsString::from);
        let output = Self { staging: Staging::begin(&place)?, place, file };
        fs::write(output.path(), "").map_err(|source| io_error("create", &output.place, source))?;
        Ok(output)
    }

    /// Begins a folder of files. At `place` there may be nothing, or an empty folder.
    ///
    /// # Errors
    /// What `policy` says about writing there; [`StorageError::Occupied`] if a file or a folder with files is there;
    /// [`StorageError::Io`].
    pub fn folder(place: &Path, policy: &AccessPolicy) -> Result<Self> {
        let output = Self::replacing_folder(place, policy)?;
        require_free(&output.place)?;
        Ok(output)
    }

    /// Begins a folder of files that will replace whatever folder is at `place`, if [`commit_replacing`] ends it.
    ///
    /// # Errors
    /// As [`folder`](Self::folder), but a folder with files is no error.
    ///
    /// [`commit_replacing`]: Self::commit_replacing
    pub fn replacing_folder(place: &Path, policy: &AccessPolicy) -> Result<Self> {
        policy.check_local(place, Operation::Write)?;
        let place = follow_link(place);
        if fs::metadata(&place).is_ok_and(|meta| !meta.is_dir()) {
            return Err(occupied(&place, Occupant::File));
        }
        let staging = Staging::begin(&place)?;
        Ok(Self { place, file: None, staging })
    }

    /// Where to write: an empty file, or an empty folder to put files into.
    pub fn path(&self) -> PathBuf {
        let folder = self.staging.folder.as_path();
        self.file.as_ref().map_or_else(|| folder.to_owned(), |name| folder.join(name))
    }

    /// Where the result will appear.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Moves the result to its place. A file replaces the file that was there and takes over its permissions.
    ///
    /// # Errors
    /// [`StorageError::Occupied`] if files have appeared in the folder's place since it was begun; [`StorageError::Io`].
    /// Nothing is left of the result then.
    pub fn commit(self) -> Result<()> {
        let written = self.path();
        let Self { place, file, mut staging } = self;
        if file.is_some() {
            if let Ok(meta) = fs::metadata(&place) {
                fs::set_permissions(&written, meta.permissions())
                    .map_err(|source| io_error("write", &place, source))?;
            }
            fs::rename(&written, &place).map_err(|source| io_error("write", &place, source))?;
        } else {
            require_free(&place)?;
            move_folder(&written, &place)?;
        }
        // They hold the result now.
        staging.made.clear();
        Ok(())
    }

    /// Moves a folder to its place and removes the folder that was there. If that fails, the old folder stays.
    /// For a file the same as [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn commit_replacing(self) -> Result<()> {
        if !self.place.exists() || self.file.is_some() {
            return self.commit();
        }
        let Self { place, staging, .. } = self;
        // The old folder waits inside a hidden one, which is removed when the new one stands in its place.
        let parent = parent(&place)?;
        let aside = Builder::new().prefix(&staging_prefix(&place)).suffix(".old").tempdir_in(parent);
        let aside = aside.map_err(|source| io_error("create a folder in", parent, source))?;
        let old = aside.path().join("old");
        fs::rename(&place, &old).map_err(|source| io_error("replace", &place, source))?;
        move_folder(&staging.folder, &place).inspect_err(|_| {
            if fs::rename(&old, &place).is_err() {
                // Better a folder with an odd name than none.
                std::mem::forget(aside);
            }
        })
    }
}

fn move_folder(folder: &Path, place: &Path) -> Result<()> {
    // An empty folder gives way on Unix, but not everywhere.
    if cfg!(windows) {
        let _ = fs::remove_dir(place);
    }
    match fs::rename(folder, place) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Err(occupied(place, Occupant::FolderWithFiles)),
        Err(source) => Err(io_error("write", place, source)),
    }
}

fn require_free(place: &Path) -> Result<()> {
    match fs::read_dir(place).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(occupied(place, Occupant::FolderWithFiles)),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(occupied(place, Occupant::File)),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("read", place, error)),
        _ => Ok(()),
    }
}

/// The place itself, or what it leads to if it is a symbolic link: moving a file onto a link would replace the link.
fn follow_link(place: &Path) -> PathBuf {
    let is_link = fs::symlink_metadata(place).is_ok_and(|meta| meta.is_symlink());
    let target = is_link.then(|| std::path::absolute(place).ok().and_then(|path| crate::real_path::real_path(&path)));
    target.flatten().unwrap_or_else(|| place.to_owned())
}

fn parent(place: &Path) -> Result<&Path> {
    match place.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        // Only the root has no parent, and that is a folder in use.
        None => Err(occupied(place, Occupant::Folder)),
    }
}

/// The hidden folder in which a result is made. Dropped, it goes, and the folders above it that were made for it.
#[derive(Debug)]
struct Staging {
    folder: PathBuf,
    /// Outermost first.
    made: Vec<PathBuf>,
}

impl Staging {
    fn begin(place: &Path) -> Result<Self> {
        let parent = parent(place)?;
        // From here on dropping it removes what is there.
        let mut staging = Self { folder: PathBuf::new(), made: Vec::new() };
        let missing: Vec<&Path> = parent.ancestors().take_while(|folder| !folder.is_dir()).collect();
        for folder in missing.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
            match fs::create_dir(folder) {
                Ok(()) => staging.made.push(folder.to_owned()),
                // Somebody else was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
                Err(source) => return Err(io_error("create the folder", folder, source)),
            }
        }
        let mut builder = Builder::new();
        let prefix = staging_prefix(place);
        builder.prefix(&prefix).suffix(".tmp");
        // The usual permissions of a new folder, not those of a secret one: it may be the result.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let folder = builder.tempdir_in(parent).map_err(|source| io_error("create a folder in", parent, source))?;
        staging.folder = TempDir::keep(folder);
        Ok(staging)
    }

    /// Removes what is there; `false` if something is still in use.
    fn clear(&self) -> bool {
        let is_missing = |folder: &Path| !folder.exists();
        let folder = self.folder.as_path();
        let mut is_clear = folder.as_os_str().is_empty() || is_missing(folder) || fs::remove_dir_all(folder).is_ok();
        for folder in self.made.iter().rev() {
            // It stays if somebody has put something into it meanwhile.
            is_clear &= is_missing(folder) || fs::remove_dir(folder).is_ok();
        }
        is_clear
    }
}

/// How often, and how long apart, what was still in use is looked at again.
const CLEAR_AGAIN: (u32, Duration) = (40, Duration::from_millis(25));

impl Drop for Staging {
    fn drop(&mut self) {
        if self.clear() {
            return;
        }
        // The writer of a cancelled statement may be in the middle of a call to the disk, and make its file after this.
        let rest = Self { folder: std::mem::take(&mut self.folder), made: std::mem::take(&mut self.made) };
        let rest = std::mem::ManuallyDrop::new(rest);
        let clear = move || {
            for _ in 0..CLEAR_AGAIN.0 {
                std::thread::sleep(CLEAR_AGAIN.1);
                if rest.clear() {
                    return;
                }
            }
        };
        // Without a thread the rest stays, under a name that tells what it is.
        let _ = std::thread::Builder::new().name("dolmen-clear".to_owned()).spawn(clear);
    }
}

/// Hidden, and named after the place, so that what a killed process leaves can be told.
fn staging_prefix(place: &Path) -> std::ffi::OsString {
    let mut prefix = std::ffi::OsString::from(".");
    let name = place.file_name().unwrap_or_default();
    // Long names leave no room for more.
    if name.len() <= 200 {
        prefix.push(name);
        prefix.push(".");
    }
    prefix
}

fn occupied(place: &Path, found: Occupant) -> StorageError {
    StorageError::Occupied { path: place.to_owned(), found }
}

fn io_error(operation: &'static str, path: &Path, source: std::io::Error) -> StorageError {
    StorageError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ExternalAccess;

    fn all() -> AccessPolicy {
        AccessPolicy::default()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_on_commit_only() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("out.csv");
        fs::write(&place, "old").unwrap();
        let output = AtomicOutput::file(&place, &all()).unwrap();
        fs::write(output.path(), "new").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "old");
        let hidden = output.path().parent().unwrap().to_owned();
        assert_eq!(hidden.parent(), place.parent());
        assert!(hidden.file_name().unwrap().to_str().unwrap().starts_with('.'));
        output.commit().unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "new");
        assert_eq!(names(dir.path()), ["out.csv"]);
    }

    #[test]
    fn dropped_outputs_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = AtomicOutput::file(&dir.path().join("f"), &all()).unwrap();
        fs::write(file.path(), "half").unwrap();
        let folder = AtomicOutput::folder(&dir.path().join("d"), &all()).unwrap();
        fs::create_dir(folder.path().join("k=1")).unwrap();
        fs::write(folder.path().join("k=1/x"), "half").unwrap();
        assert_eq!(names(dir.path()).len(), 2);
        drop((file, folder));
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_folder_appears_whole() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("out");
        fs::create_dir(&place).unwrap();
        let output = AtomicOutput::folder(&place, &all()).unwrap();
        fs::write(output.path().join("a"), "1").unwrap();
        assert!(names(&place).is_empty());
        output.commit().unwrap();
        assert_eq!((names(&place), names(dir.path())), (vec!["a".to_owned()], vec!["out".to_owned()]));
        let again = AtomicOutput::folder(&place, &all()).unwrap_err();
        assert!(matches!(again, StorageError::Occupied { found: Occupant::FolderWithFiles, .. }), "{again}");
    }

    #[test]
    fn files_that_appear_meanwhile_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("out");
        let output = AtomicOutput::folder(&place, &all()).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("theirs"), "1").unwrap();
        assert!(matches!(output.commit(), Err(StorageError::Occupied { .. })));
        assert_eq!((names(&place), names(dir.path())), (vec!["theirs".to_owned()], vec!["out".to_owned()]));
    }

    #[test]
    fn a_folder_can_replace_another() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("out");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("old"), "1").unwrap();
        let output = AtomicOutput::replacing_folder(&place, &all()).unwrap();
        fs::write(output.path().join("new"), "1").unwrap();
        output.commit_replacing().unwrap();
        assert_eq!((names(&place), names(dir.path())), (vec!["new".to_owned()], vec!["out".to_owned()]));
    }

    #[test]
    fn places_that_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(AtomicOutput::file(dir.path(), &all()), Err(StorageError::Occupied { .. })));
        assert!(matches!(AtomicOutput::folder(&file, &all()), Err(StorageError::Occupied { .. })));
        assert!(matches!(AtomicOutput::file(&file.join("x"), &all()), Err(StorageError::Io { .. })));
        assert_eq!(names(dir.path()), ["file"]);
        let read_only = AccessPolicy::new(ExternalAccess::All, true);
        assert!(matches!(AtomicOutput::file(&file, &read_only), Err(StorageError::ReadOnly { .. })));
        let none = AccessPolicy::new(ExternalAccess::None, false);
        assert!(matches!(AtomicOutput::folder(&dir.path().join("d"), &none), Err(StorageError::AccessDenied { .. })));
    }

    #[test]
    fn missing_folders_come_with_the_result_and_go_without_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("there")).unwrap();
        let place = dir.path().join("there/new/newer/out.csv");
        drop(AtomicOutput::file(&place, &all()).unwrap());
        drop(AtomicOutput::folder(&place, &all()).unwrap());
        assert!(names(&dir.path().join("there")).is_empty());
        let output = AtomicOutput::file(&place, &all()).unwrap();
        fs::write(dir.path().join("there/new/theirs"), "1").unwrap();
        drop(output);
        assert_eq!(names(&dir.path().join("there/new")), ["theirs"]);
        let output = AtomicOutput::file(&place, &all()).unwrap();
        fs::write(output.path(), "x").unwrap();
        output.commit().unwrap();
        assert_eq!(names(place.parent().unwrap()), ["out.csv"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.csv"), dir.path().join("link.csv"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real.csv", &link).unwrap();
        let output = AtomicOutput::file(&link, &all()).unwrap();
        fs::write(output.path(), "new").unwrap();
        output.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        // A new file gets what any program would give it, not what a secret gets.
        let plain = dir.path().join("plain");
        fs::write(&plain, "").unwrap();
        let output = AtomicOutput::file(&dir.path().join("new.csv"), &all()).unwrap();
        fs::write(output.path(), "").unwrap();
        output.commit().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&dir.path().join("new.csv")), mode(&plain));
        let device = AtomicOutput::file(Path::new("/dev/null"), &all()).unwrap_err();
        assert!(matches!(device, StorageError::Occupied { found: Occupant::Special, .. }));
    }
}
