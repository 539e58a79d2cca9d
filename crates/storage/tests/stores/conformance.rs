//! What a guarded store must do, whatever store is inside: everything an unguarded one does where it is allowed, and
//! nothing anywhere else.

use std::sync::Arc;

use dolmen_storage::{
    AccessPolicy, AccessRoot, ExternalAccess, GuardedStore, Location, PathBase, Secrets, StorageError, StoreKey,
};
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

/// A bare store, its key, and a folder in it to work in.
struct Setup {
    bare: Arc<dyn ObjectStore>,
    key: StoreKey,
    base: Path,
    _dir: Option<tempfile::TempDir>,
}

impl Setup {
    fn on_disk() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = Path::from_absolute_path(dir.path().canonicalize().unwrap()).unwrap();
        let bare = Arc::new(LocalFileSystem::new());
        Self { bare, key: StoreKey::local(), base, _dir: Some(dir) }
    }

    fn in_memory() -> Self {
        let location = Location::parse_exact("s3://bucket/work", &PathBase::default()).unwrap();
        let (key, base) = (location.store().clone(), location.path().unwrap().clone());
        Self { bare: Arc::new(InMemory::new()), key, base, _dir: None }
    }

    fn guarded(&self, access: ExternalAccess, read_only: bool) -> GuardedStore {
        let policy = Arc::new(AccessPolicy::new(access, read_only));
        GuardedStore::new(Arc::clone(&self.bare), self.key.clone(), policy, Arc::new(Secrets::new()))
    }

    fn at(&self, name: &str) -> Path {
        Path::parse(format!("{}/{name}", self.base)).unwrap()
    }

    /// Access to `open/` below the base only.
    fn open_only(&self) -> ExternalAccess {
        let prefix = if self.key == StoreKey::local() { "/".to_owned() } else { self.key.to_string() };
        let root = AccessRoot::parse(&format!("{prefix}{}", self.at("open"))).unwrap();
        ExternalAccess::Roots(vec![root])
    }
}

fn is_denied<T>(result: object_store::Result<T>) -> bool {
    let error = result.err().expect("an error");
    matches!(error, object_store::Error::PermissionDenied { .. })
        && matches!(StorageError::find_in(&error), Some(StorageError::AccessDenied { .. }))
}

fn is_read_only<T>(result: object_store::Result<T>) -> bool {
    let error = result.err().expect("an error");
    matches!(StorageError::find_in(&error), Some(StorageError::ReadOnly { .. }))
}

async fn names(store: &dyn ObjectStore, prefix: &Path) -> Vec<String> {
    let mut found: Vec<_> = store.list(Some(prefix)).map_ok(|m| m.location.to_string()).try_collect().await.unwrap();
    found.sort();
    found.iter().map(|name| name.strip_prefix(&format!("{prefix}/")).unwrap().to_owned()).collect()
}

async fn behaves_as_a_store(setup: &Setup, access: ExternalAccess) {
    let store = setup.guarded(access, false);
    let (a, b) = (setup.at("open/a.txt"), setup.at("open/sub/b ü#%20.txt"));
    store.put(&a, "hello world".into()).await.unwrap();
    store.put(&b, "b".into()).await.unwrap();

    assert_eq!(store.get(&a).await.unwrap().bytes().await.unwrap(), "hello world");
    assert_eq!(store.get_range(&a, 6..11).await.unwrap(), "world");
    assert_eq!(store.get_ranges(&a, &[0..1, 4..5]).await.unwrap(), ["h", "o"]);
    let head = store.head(&a).await.unwrap();
    assert_eq!((head.size, &head.location), (11, &a));
    let stale = GetOptions { if_none_match: head.e_tag.clone(), ..GetOptions::default() };
    assert!(matches!(store.get_opts(&a, stale).await, Err(object_store::Error::NotModified { .. })));
    let missing = store.head(&setup.at("open/none")).await;
    assert!(matches!(missing, Err(object_store::Error::NotFound { .. })));
    let create = PutOptions::from(PutMode::Create);
    let second = store.put_opts(&a, "x".into(), create).await;
    assert!(matches!(second, Err(object_store::Error::AlreadyExists { .. })));

    let open = setup.at("open");
    assert_eq!(names(&store, &open).await, ["a.txt", "sub/b ü#%20.txt"]);
    let after: Vec<_> = store.list_with_offset(Some(&open), &a).try_collect().await.unwrap();
    assert_eq!(after.iter().map(|m| &m.location).collect::<Vec<_>>(), [&b]);
    let level = store.list_with_delimiter(Some(&open)).await.unwrap();
    assert_eq!((level.objects.len(), level.common_prefixes), (1, vec![setup.at("open/sub")]));

    let (c, d) = (setup.at("open/c"), setup.at("open/d"));
    store.copy(&a, &c).await.unwrap();
    assert!(matches!(store.copy_if_not_exists(&a, &c).await, Err(object_store::Error::AlreadyExists { .. })));
    store.rename(&c, &d).await.unwrap();
    assert_eq!(names(&store, &open).await, ["a.txt", "d", "sub/b ü#%20.txt"]);
    store.delete(&d).await.unwrap();

    let mut upload = store.put_multipart(&c).await.unwrap();
    upload.put_part(PutPayload::from("one ")).await.unwrap();
    upload.put_part(PutPayload::from("two")).await.unwrap();
    assert_eq!(names(&store, &open).await, ["a.txt", "sub/b ü#%20.txt"], "an upload appears when it is complete");
    upload.complete().await.unwrap();
    assert_eq!(store.get(&c).await.unwrap().bytes().await.unwrap(), "one two");
    let mut aborted = store.put_multipart(&d).await.unwrap();
    aborted.put_part(PutPayload::from("half")).await.unwrap();
    aborted.abort().await.unwrap();

    let doomed = futures::stream::iter([Ok(a.clone()), Ok(c.clone())]).boxed();
    let deleted: Vec<_> = store.delete_stream(doomed).try_collect().await.unwrap();
    assert_eq!(deleted, [a, c]);
    assert_eq!(names(&store, &open).await, ["sub/b ü#%20.txt"]);
}

async fn refuses_what_is_outside(setup: &Setup) {
    let store = setup.guarded(setup.open_only(), false);
    let (inside, outside) = (setup.at("open/a"), setup.at("closed/a"));
    setup.bare.put(&inside, "in".into()).await.unwrap();
    setup.bare.put(&outside, "out".into()).await.unwrap();
    for path in [&outside, &setup.at("closed/missing"), &setup.at("opening/a"), &setup.base] {
        assert!(is_denied(store.get(path).await), "{path}");
        assert!(is_denied(store.head(path).await), "{path}");
        assert!(is_denied(store.get_range(path, 0..1).await), "{path}");
        assert!(is_denied(store.get_ranges(path, &[0..1, 2..3]).await), "{path}");
        assert!(is_denied(store.put(path, "x".into()).await), "{path}");
        assert!(is_denied(store.put_multipart(path).await), "{path}");
        assert!(is_denied(store.delete(path).await), "{path}");
        assert!(is_denied(store.copy(path, &inside).await), "{path}");
        assert!(is_denied(store.copy(&inside, path).await), "{path}");
        assert!(is_denied(store.copy_if_not_exists(&inside, path).await), "{path}");
        assert!(is_denied(store.rename(path, &inside).await), "{path}");
        assert!(is_denied(store.rename(&inside, path).await), "{path}");
        assert!(is_denied(store.list(Some(path)).try_collect::<Vec<_>>().await), "{path}");
        assert!(is_denied(store.list_with_offset(Some(path), path).try_collect::<Vec<_>>().await), "{path}");
        assert!(is_denied(store.list_with_delimiter(Some(path)).await), "{path}");
    }
    assert!(is_denied(store.list(None).try_collect::<Vec<_>>().await));
    assert!(is_denied(store.list_with_delimiter(None).await));
    let mixed = futures::stream::iter([Ok(inside.clone()), Ok(outside.clone())]).boxed();
    let results: Vec<_> = store.delete_stream(mixed).collect().await;
    assert!(results[0].is_ok() && results[1].is_err());
    let left = setup.bare.get(&outside).await.unwrap().bytes().await.unwrap();
    assert_eq!(left, "out", "nothing outside was changed");
}

async fn changes_nothing_when_read_only(setup: &Setup) {
    let store = setup.guarded(ExternalAccess::All, true);
    let a = setup.at("open/a");
    setup.bare.put(&a, "in".into()).await.unwrap();
    store.get(&a).await.unwrap();
    assert!(is_read_only(store.put(&a, "x".into()).await));
    assert!(is_read_only(store.put_multipart(&a).await));
    assert!(is_read_only(store.delete(&a).await));
    assert!(is_read_only(store.copy(&a, &setup.at("open/b")).await));
    assert!(is_read_only(store.rename(&a, &setup.at("open/b")).await));
    assert_eq!(names(setup.bare.as_ref(), &setup.at("open")).await, ["a"]);
    assert_eq!(setup.bare.get(&a).await.unwrap().bytes().await.unwrap(), "in");
}

macro_rules! conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn behaves_as_a_store_with_access_to_everything() {
                behaves_as_a_store(&$setup, ExternalAccess::All).await;
            }

            #[tokio::test]
            async fn behaves_as_a_store_inside_its_roots() {
                let setup = $setup;
                behaves_as_a_store(&setup, setup.open_only()).await;
            }

            #[tokio::test]
            async fn refuses_what_is_outside_its_roots() {
                refuses_what_is_outside(&$setup).await;
            }

            #[tokio::test]
            async fn changes_nothing_when_it_may_only_read() {
                changes_nothing_when_read_only(&$setup).await;
            }

            #[tokio::test]
            async fn allows_nothing_without_access() {
                let setup = $setup;
                let store = setup.guarded(ExternalAccess::None, false);
                assert!(is_denied(store.get(&setup.at("open/a")).await));
                assert!(is_denied(store.put(&setup.at("open/a"), "x".into()).await));
            }
        }
    };
}

conformance!(on_disk, Setup::on_disk());
conformance!(in_memory, Setup::in_memory());

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn links_that_lead_out_are_refused_however_they_are_reached() {
        let setup = Setup::on_disk();
        let base = std::path::Path::new("/").join(setup.base.as_ref());
        for folder in ["open", "closed"] {
            std::fs::create_dir(base.join(folder)).unwrap();
        }
        std::fs::write(base.join("closed/secret"), "s").unwrap();
        std::fs::write(base.join("open/a"), "a").unwrap();
        symlink(base.join("closed"), base.join("open/folder")).unwrap();
        let store = setup.guarded(setup.open_only(), false);
        assert!(is_denied(store.get(&setup.at("open/folder/secret")).await));
        assert!(is_denied(store.put(&setup.at("open/folder/new"), "x".into()).await));
        assert!(is_denied(store.list(Some(&setup.at("open/folder"))).try_collect::<Vec<_>>().await));
        assert!(is_denied(store.list(Some(&setup.at("open"))).try_collect::<Vec<_>>().await));
        symlink(base.join("closed/secret"), base.join("open/file")).unwrap();
        assert!(is_denied(store.get(&setup.at("open/file")).await));
        assert!(is_denied(store.list_with_delimiter(Some(&setup.at("open"))).await));
        assert!(!base.join("closed/new").exists());
    }

    #[tokio::test]
    async fn a_path_that_becomes_a_link_is_refused_for_writing_though_it_was_read() {
        let setup = Setup::on_disk();
        let base = std::path::Path::new("/").join(setup.base.as_ref());
        std::fs::create_dir_all(base.join("open/sub")).unwrap();
        std::fs::create_dir(base.join("closed")).unwrap();
        let (store, path) = (setup.guarded(setup.open_only(), false), setup.at("open/sub/f"));
        store.put(&path, "1".into()).await.unwrap();
        store.get(&path).await.unwrap();
        let mut begun = store.put_multipart(&path).await.unwrap();
        begun.put_part(PutPayload::from("2")).await.unwrap();
        std::fs::rename(base.join("open/sub"), base.join("open/moved")).unwrap();
        symlink(base.join("closed"), base.join("open/sub")).unwrap();
        assert!(is_denied(store.put(&path, "3".into()).await));
        assert!(is_denied(begun.complete().await));
        assert!(!base.join("closed/f").exists());
    }
}
