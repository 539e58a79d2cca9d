//! Finds the files to run.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Endings of files that a folder is searched for. `.slt.part` is not among them: such files are only included.
const EXTENSIONS: [&str; 2] = ["slt", "test"];

/// A path given on the command line cannot be used.
#[derive(Debug, Error)]
pub enum DiscoverError {
    /// The path, or a folder beneath it, cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A folder holds nothing to run.
    #[error("no .slt or .test file under {}", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// Lists the files of `paths`: a file as it is, a folder as the files beneath it in the order of their names.
///
/// # Errors
///
/// [`DiscoverError`] if a path is missing or unreadable, or a folder holds no file to run: a run over nothing would
/// look like a run without failures.
pub fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DiscoverError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|source| DiscoverError::Read { path: path.clone(), source })?;
        if !metadata.is_dir() {
            files.push(path.clone());
            continue;
        }
        let n_before = files.len();
        search(&mut files, path)?;
        if files.len() == n_before {
            return Err(DiscoverError::Empty { path: path.clone() });
        }
    }
    Ok(files)
}

fn search(files: &mut Vec<PathBuf>, folder: &Path) -> Result<(), DiscoverError> {
    let fail = |source| DiscoverError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(fail)?;
    let mut paths = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(fail)?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            search(files, &path)?;
        } else if path.extension().is_some_and(|e| EXTENSIONS.iter().any(|ours| e == *ours)) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_searched_in_order_and_parts_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["c.test", "a.slt", "b/x.slt", "b/x.slt.part", "b/readme.md"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = discover(&[folder.path().to_owned()]).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("a.slt"), Path::new("b/x.slt"), Path::new("c.test")]);
    }

    #[test]
    fn a_run_over_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(discover(&[folder.path().to_owned()]), Err(DiscoverError::Empty { .. })));
        assert!(matches!(discover(&[folder.path().join("none")]), Err(DiscoverError::Read { .. })));
    }
}
