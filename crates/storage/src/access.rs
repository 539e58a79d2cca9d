//! What the program that embeds the engine lets a session reach.

use std::path::{Path, PathBuf};

use object_store::path::Path as ObjectPath;

use crate::error::{Result, StorageError};
use crate::location::{Location, PathBase, StoreKey, StoreKind, to_local_path};
use crate::real_path::real_path;
use crate::secrets::redact_url;

/// Which files and URLs a session may use. Set when a session is built; nothing that runs in the session can change it.
#[derive(Debug, Clone, Default)]
pub enum ExternalAccess {
    /// No files and no URLs.
    None,
    /// Only what is at or below one of these.
    Roots(Vec<AccessRoot>),
    /// Everything that the process itself can reach.
    #[default]
    All,
}

impl ExternalAccess {
    /// Access to the given folders, files and URL prefixes only.
    ///
    /// # Errors
    /// As [`AccessRoot::parse`].
    pub fn roots<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self> {
        texts.into_iter().map(|text| AccessRoot::parse(text.as_ref())).collect::<Result<_>>().map(Self::Roots)
    }
}

/// A folder, file or URL prefix at or below which everything is allowed.
#[derive(Debug, Clone)]
pub struct AccessRoot {
    shown: String,
    place: RootPlace,
}

#[derive(Debug, Clone)]
enum RootPlace {
    /// A real path: links are followed when the root is made.
    Local(PathBuf),
    /// A path in another store.
    Remote(StoreKey, ObjectPath),
}

impl AccessRoot {
    /// Reads a root: a local path or a URL such as `s3://bucket/prefix`. No character has a special meaning. A prefix
    /// ends at a `/`: the root `s3://bucket/data` does not allow `s3://bucket/database`.
    ///
    /// Links in a local root are followed now, so that a link changed later cannot move the root.
    ///
    /// # Errors
    /// As [`Location::parse`]; also [`StorageError::InvalidLocation`] for a path whose links form a loop.
    pub fn parse(text: &str) -> Result<Self> {
        let location = Location::parse_exact(text, &PathBase::of_process())?;
        let path = location.require_path()?;
        let place = match location.store().kind() {
            StoreKind::Local => RootPlace::Local(
                real_path(&to_local_path(path))
                    .ok_or_else(|| StorageError::NotFound { location: location.to_string() })?,
            ),
            _ => RootPlace::Remote(location.store().clone(), path.clone()),
        };
        Ok(Self { shown: location.to_string(), place })
    }
}

impl From<&Path> for AccessRoot {
    /// A local folder or file. A relative path starts at the current folder of the process.
    fn from(path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // A loop of links leads nowhere, so what is left as it is allows nothing.
        let real = real_path(&absolute).unwrap_or(absolute);
        Self { shown: path.display().to_string(), place: RootPlace::Local(real) }
    }
}

/// What is to be done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Reading bytes or facts about them.
    Read,
    /// Listing a folder.
    List,
    /// Creating or replacing.
    Write,
    /// Deleting.
    Delete,
}

impl Operation {
    fn changes(self) -> Option<&'static str> {
        match self {
            Self::Read | Self::List => None,
            Self::Write => Some("write"),
            Self::Delete => Some("delete"),
        }
    }
}

/// The rules of one session: where it may go, and whether it may change anything there.
#[derive(Debug, Clone, Default)]
pub struct AccessPolicy {
    external_access: ExternalAccess,
    read_only: bool,
}

impl AccessPolicy {
    /// The rules `external_access` and, if `read_only`, no writing anywhere.
    pub fn new(external_access: ExternalAccess, read_only: bool) -> Self {
        Self { external_access, read_only }
    }

    /// Where the session may go.
    pub fn external_access(&self) -> &ExternalAccess {
        &self.external_access
    }

    /// Whether the session may change nothing.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Whether every path is allowed, so that none needs a look.
    pub(crate) fn allows_all_paths(&self) -> bool {
        matches!(self.external_access, ExternalAccess::All)
    }

    /// Checks one operation on one path of a store, as often as it is called: nothing is remembered.
    ///
    /// A local path counts where its links lead. The answer does not depend on whether anything exists outside of the
    /// roots.
    ///
    /// # Errors
    /// [`StorageError::AccessDenied`] if the path is not allowed, then [`StorageError::ReadOnly`] for a change.
    pub fn check(&self, store: &StoreKey, path: &ObjectPath, operation: Operation) -> Result<()> {
        let allowed = match &self.external_access {
            ExternalAccess::All => true,
            ExternalAccess::None => false,
            ExternalAccess::Roots(roots) if store.kind() == StoreKind::Local => is_within(roots, &to_local_path(path)),
            ExternalAccess::Roots(roots) => roots.iter().any(|root| root.allows_remote(store, path)),
        };
        self.verdict(allowed, operation, || shown_path(store, path))
    }

    /// Checks a local path.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_local(&self, path: &Path, operation: Operation) -> Result<()> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let allowed = match &self.external_access {
            ExternalAccess::All => true,
            ExternalAccess::None => false,
            ExternalAccess::Roots(roots) => is_within(roots, &absolute),
        };
        self.verdict(allowed, operation, || path.display().to_string())
    }

    fn verdict(&self, allowed: bool, operation: Operation, shown: impl Fn() -> String) -> Result<()> {
        match operation.changes() {
            _ if !allowed => Err(self.denied(shown())),
            Some(operation) if self.read_only => Err(StorageError::ReadOnly { location: shown(), operation }),
            _ => Ok(()),
        }
    }

    /// Whether a URL may be asked for: where a web server redirects to.
    pub(crate) fn allows_url(&self, url: &str) -> bool {
        if self.allows_all_paths() {
            return true;
        }
        let location = Location::parse_exact(url, &PathBase::default());
        location.is_ok_and(|location| {
            let path = location.path().filter(|_| location.store().kind() == StoreKind::Http);
            path.is_some_and(|path| self.check(location.store(), path, Operation::Read).is_ok())
        })
    }

    fn denied(&self, location: String) -> StorageError {
        let allowed = match &self.external_access {
            ExternalAccess::Roots(roots) => roots.iter().map(|root| root.shown.clone()).collect(),
            ExternalAccess::None | ExternalAccess::All => Vec::new(),
        };
        StorageError::AccessDenied { location, allowed }
    }
}

/// Whether an absolute local path leads to one of the roots or below.
fn is_within(roots: &[AccessRoot], path: &Path) -> bool {
    real_path(path).is_some_and(|real| roots.iter().any(|root| root.allows_local(&real)))
}

impl AccessRoot {
    fn allows_local(&self, real: &Path) -> bool {
        // `starts_with` compares whole segments: /data does not cover /database.
        matches!(&self.place, RootPlace::Local(root) if real.starts_with(root))
    }

    fn allows_remote(&self, store: &StoreKey, path: &ObjectPath) -> bool {
        matches!(&self.place, RootPlace::Remote(key, prefix) if key == store && path.prefix_matches(prefix))
    }
}

/// A path of a store as a user would write it.
pub(crate) fn shown_path(store: &StoreKey, path: &ObjectPath) -> String {
    match store.kind() {
        StoreKind::Local => to_local_path(path).display().to_string(),
        _ => redact_url(&format!("{store}{path}")).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &AccessPolicy, text: &str, operation: Operation) -> Result<()> {
        let location = Location::parse_exact(text, &PathBase::of_process()).unwrap();
        policy.check(location.store(), location.path().unwrap(), operation)
    }

    fn rooted(roots: &[&str]) -> AccessPolicy {
        AccessPolicy::new(ExternalAccess::roots(roots).unwrap(), false)
    }

    #[test]
    fn urls_are_allowed_by_whole_segments() {
        let policy = rooted(&["s3://bucket/data", "https://example.org/pub/", "abfss://c@a.dfs.core.windows.net/"]);
        for (text, allowed) in [
            ("s3://bucket/data", true),
            ("s3://bucket/data/x/y.csv", true),
            ("s3a://bucket/data/x", true),
            ("s3://bucket/database/x", false),
            ("s3://bucket/x", false),
            ("s3://other/data/x", false),
            ("gs://bucket/data/x", false),
            ("https://example.org/pub/x", true),
            ("https://example.org/pub/../private/x", false),
            ("https://example.org:443/pub/x", true),
            ("https://example.org:444/pub/x", false),
            ("http://example.org/pub/x", false),
            ("https://me:pw@example.org/pub/x?sig=1", true),
            ("abfss://c@a.dfs.core.windows.net/any", true),
            ("abfss://d@a.dfs.core.windows.net/any", false),
            ("/etc/passwd", false),
        ] {
            assert_eq!(check(&policy, text, Operation::Read).is_ok(), allowed, "{text}");
        }
        assert!(policy.allows_url("https://example.org/pub/y"));
        assert!(!policy.allows_url("https://example.org/private"));
        assert!(!policy.allows_url("file:///etc/passwd"));
    }

    #[test]
    fn none_allows_nothing_and_all_allows_everything() {
        let (none, all) = (AccessPolicy::new(ExternalAccess::None, false), AccessPolicy::default());
        for text in ["/tmp/x", "s3://b/x", "https://h/x"] {
            assert!(matches!(check(&none, text, Operation::Read), Err(StorageError::AccessDenied { .. })), "{text}");
            check(&all, text, Operation::Write).unwrap();
        }
    }

    #[test]
    fn read_only_refuses_changes_and_denial_comes_first() {
        let policy = AccessPolicy::new(ExternalAccess::roots(["s3://b/a"]).unwrap(), true);
        check(&policy, "s3://b/a/x", Operation::Read).unwrap();
        check(&policy, "s3://b/a", Operation::List).unwrap();
        for operation in [Operation::Write, Operation::Delete] {
            assert!(matches!(check(&policy, "s3://b/a/x", operation), Err(StorageError::ReadOnly { .. })));
            assert!(matches!(check(&policy, "s3://b/c/x", operation), Err(StorageError::AccessDenied { .. })));
        }
    }

    #[cfg(unix)]
    mod links {
        use std::fs;
        use std::os::unix::fs::symlink;

        use super::*;

        /// `open/` is the root; `closed/` is not. Links lead from one to the other.
        fn folders() -> (tempfile::TempDir, PathBuf, AccessPolicy) {
            let dir = tempfile::tempdir().unwrap();
            let base = dir.path().canonicalize().unwrap();
            for folder in ["open/sub", "closed", "opening"] {
                fs::create_dir_all(base.join(folder)).unwrap();
            }
            fs::write(base.join("open/in.csv"), "1").unwrap();
            fs::write(base.join("closed/secret.csv"), "1").unwrap();
            symlink(base.join("closed"), base.join("open/folder_out")).unwrap();
            symlink(base.join("closed/secret.csv"), base.join("open/file_out")).unwrap();
            symlink(base.join("closed/missing.csv"), base.join("open/missing_out")).unwrap();
            symlink("sub/../in.csv", base.join("open/inside")).unwrap();
            symlink(base.join("open"), base.join("closed/back_in")).unwrap();
            let policy = rooted(&[base.join("open").to_str().unwrap()]);
            (dir, base, policy)
        }

        #[test]
        fn a_path_counts_where_its_links_lead() {
            let (_dir, base, policy) = folders();
            for (path, allowed) in [
                ("open", true),
                ("open/in.csv", true),
                ("open/new/deep/file.csv", true),
                ("open/inside", true),
                ("closed/back_in/in.csv", true),
                ("open/folder_out", false),
                ("open/folder_out/secret.csv", false),
                ("open/folder_out/new.csv", false),
                ("open/file_out", false),
                ("open/missing_out", false),
                ("open/../closed/secret.csv", false),
                ("open/sub/../../closed/secret.csv", false),
                ("opening/x", false),
                ("closed/secret.csv", false),
                (".", false),
            ] {
                let text = base.join(path).display().to_string();
                for operation in [Operation::Read, Operation::Write] {
                    assert_eq!(check(&policy, &text, operation).is_ok(), allowed, "{operation:?} {path}");
                    assert_eq!(
                        policy.check_local(&base.join(path), operation).is_ok(),
                        allowed,
                        "{operation:?} {path}"
                    );
                }
            }
        }

        #[test]
        fn a_denial_does_not_tell_whether_the_file_exists() {
            let (_dir, base, policy) = folders();
            let message = |path: &str| {
                let text = base.join(path).display().to_string();
                check(&policy, &text, Operation::Read).unwrap_err().to_string().replace(path, "PATH")
            };
            assert_eq!(message("closed/secret.csv"), message("closed/no_such.csv"));
            assert_eq!(message("open/file_out"), message("open/missing_out"));
            assert_eq!(message("open/folder_out/secret.csv"), message("open/folder_out/no_such.csv"));
        }

        #[test]
        fn a_root_may_itself_be_a_link_or_a_file() {
            let (_dir, base, _) = folders();
            let through_link = rooted(&[base.join("closed/back_in").to_str().unwrap()]);
            assert!(through_link.check_local(&base.join("open/in.csv"), Operation::Read).is_ok());
            let one_file =
                AccessPolicy::new(ExternalAccess::Roots(vec![base.join("open/in.csv").as_path().into()]), false);
            assert!(one_file.check_local(&base.join("open/in.csv"), Operation::Read).is_ok());
            assert!(one_file.check_local(&base.join("open/sub"), Operation::Read).is_err());
        }
    }
}
