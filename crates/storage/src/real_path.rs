//! Where a local path really leads, links followed, whether or not it exists.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as an operating system follows before it calls a path a loop.
const N_LINKS_MAX: usize = 40;

/// Follows every link on the way of an absolute `path`, the last segment included, and removes `.` and `..`.
///
/// Unlike `std::fs::canonicalize`, this needs nothing to exist: from the first missing segment on, the rest is taken as
/// it is. A link whose target is missing is still followed, so that the answer does not depend on what exists where the
/// link leads. `None` if the links form a loop or `path` is not absolute.
pub(crate) fn real_path(path: &Path) -> Option<PathBuf> {
    if !path.is_absolute() {
        return None;
    }
    let mut n_links = 0;
    let mut real = PathBuf::new();
    let mut rest: Vec<Step> = steps_reversed(path);
    while let Some(step) = rest.pop() {
        match step {
            Step::Root(root) => real = root,
            Step::Parent => {
                real.pop();
            }
            Step::Name(name) => {
                real.push(name);
                // An error here means that the segment is missing or may not be looked at. Either way whatever opens
                // it later fails as well, or goes where the text says.
                if let Ok(target) = std::fs::read_link(&real) {
                    n_links += 1;
                    if n_links > N_LINKS_MAX {
                        return None;
                    }
                    real.pop();
                    rest.extend(steps_reversed(&target));
                }
            }
        }
    }
    Some(real)
}

enum Step {
    Root(PathBuf),
    Parent,
    Name(OsString),
}

/// The steps of `path`, the last one first, so that they can be taken from the end.
fn steps_reversed(path: &Path) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut root = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Prefix(_) | Component::RootDir => root.push(component),
            Component::CurDir => {}
            Component::ParentDir => steps.push(Step::Parent),
            Component::Normal(name) => steps.push(Step::Name(name.to_owned())),
        }
    }
    if root.has_root() {
        steps.insert(0, Step::Root(root));
    }
    steps.reverse();
    steps
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        (dir, root)
    }

    #[test]
    fn agrees_with_the_operating_system_where_things_exist() {
        let (_dir, root) = folder();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/f"), "").unwrap();
        symlink("a/b", root.join("relative")).unwrap();
        symlink(root.join("a"), root.join("absolute")).unwrap();
        symlink("../relative/f", root.join("a/chain")).unwrap();
        for path in ["a/b/f", "relative/f", "absolute/b/../b/f", "a/chain", "relative/../b/f", "./a/./b"] {
            let path = root.join(path);
            assert_eq!(real_path(&path), Some(path.canonicalize().unwrap()), "{}", path.display());
        }
    }

    #[test]
    fn missing_parts_are_taken_as_they_are() {
        let (_dir, root) = folder();
        fs::create_dir(root.join("a")).unwrap();
        symlink("a", root.join("link")).unwrap();
        symlink("/nowhere/at/all", root.join("dangling")).unwrap();
        assert_eq!(real_path(&root.join("link/new/file")), Some(root.join("a/new/file")));
        assert_eq!(real_path(&root.join("dangling/x")), Some("/nowhere/at/all/x".into()));
        assert_eq!(real_path(&root.join("new/../../x")), Some(root.parent().unwrap().join("x")));
        assert_eq!(real_path(Path::new("/../../x")), Some("/x".into()));
        assert_eq!(real_path(Path::new("relative")), None);
    }

    #[test]
    fn loops_end() {
        let (_dir, root) = folder();
        symlink("two", root.join("one")).unwrap();
        symlink("one", root.join("two")).unwrap();
        assert_eq!(real_path(&root.join("one/x")), None);
    }
}
