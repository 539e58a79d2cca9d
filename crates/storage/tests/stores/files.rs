//! Listing what locations on the local file system stand for.

use std::fs;
use std::path::PathBuf;

use dolmen_storage::{ExternalAccess, Listing, ListingKind, Location, PathBase, StorageError, Stores};
use object_store::ObjectStoreExt;

use crate::{location, stores};

struct Folder {
    _dir: tempfile::TempDir,
    base: PathBuf,
}

impl Folder {
    /// A folder with the given files; each holds its own name.
    fn with(files: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        for file in files {
            fs::create_dir_all(base.join(file).parent().unwrap()).unwrap();
            fs::write(base.join(file), file).unwrap();
        }
        Self { _dir: dir, base }
    }

    async fn list(&self, stores: &Stores, text: &str) -> Result<Listing, StorageError> {
        let base = PathBase { current_dir: Some(self.base.clone()), home_dir: None };
        stores.list(&Location::parse_from(text, &base).unwrap()).await
    }

    /// What `text` stands for: the kind, and the files relative to the folder.
    async fn found(&self, text: &str) -> (ListingKind, Vec<String>) {
        let listing = self.list(&stores(ExternalAccess::All, false), text).await;
        let listing = listing.unwrap_or_else(|error| panic!("{text}: {error}"));
        let prefix = format!("{}/", &self.base.to_str().unwrap()[1..]);
        let relative = |path: &str| path.strip_prefix(&prefix).unwrap().to_owned();
        (listing.kind, listing.files.iter().map(|meta| relative(meta.location.as_ref())).collect())
    }

    async fn error(&self, text: &str) -> StorageError {
        self.list(&stores(ExternalAccess::All, false), text).await.unwrap_err()
    }
}

#[tokio::test]
async fn files_folders_and_patterns() {
    let folder = Folder::with(&[
        "b.csv",
        "a.csv",
        "c.json",
        ".hidden.csv",
        "_meta.csv",
        "_tmp/x.csv",
        ".git/x.csv",
        "d/1.csv",
        "d/e/2.csv",
        "year=2020/m=1/p.parquet",
        "year=2020/m=2/p.parquet",
        "year=2021/m=1/p.parquet",
        "_k=1/p.parquet",
    ]);
    let cases: [(&str, ListingKind, &[&str]); 14] = [
        ("a.csv", ListingKind::File, &["a.csv"]),
        ("_meta.csv", ListingKind::File, &["_meta.csv"]),
        ("d", ListingKind::Folder, &["d/1.csv", "d/e/2.csv"]),
        ("d/", ListingKind::Folder, &["d/1.csv", "d/e/2.csv"]),
        ("_tmp", ListingKind::Folder, &["_tmp/x.csv"]),
        (
            ".",
            ListingKind::Folder,
            &[
                "_k=1/p.parquet",
                "a.csv",
                "b.csv",
                "c.json",
                "d/1.csv",
                "d/e/2.csv",
                "year=2020/m=1/p.parquet",
                "year=2020/m=2/p.parquet",
                "year=2021/m=1/p.parquet",
            ],
        ),
        ("*.csv", ListingKind::Glob, &["_meta.csv", "a.csv", "b.csv"]),
        (".*.csv", ListingKind::Glob, &[".hidden.csv"]),
        ("{b,a,nope}.csv", ListingKind::Glob, &["a.csv", "b.csv"]),
        ("[!a].csv", ListingKind::Glob, &["b.csv"]),
        ("**/*.csv", ListingKind::Glob, &["_meta.csv", "a.csv", "b.csv", "d/1.csv", "d/e/2.csv"]),
        ("year=2020/*/*.parquet", ListingKind::Glob, &["year=2020/m=1/p.parquet", "year=2020/m=2/p.parquet"]),
        ("year=*/m=1/p.parquet", ListingKind::Glob, &["year=2020/m=1/p.parquet", "year=2021/m=1/p.parquet"]),
        ("d/../[ab].csv", ListingKind::Glob, &["a.csv", "b.csv"]),
    ];
    for (text, kind, files) in cases {
        assert_eq!(folder.found(text).await, (kind, files.iter().map(|f| (*f).to_owned()).collect()), "{text}");
    }
}

#[tokio::test]
async fn odd_names_are_read() {
    let names = [
        "a b.csv",
        "x#y.csv",
        "50%.csv",
        "a%20b.csv",
        "what?.csv",
        "[1].csv",
        "ünï 漢.csv",
        "{x}.csv",
        "a,b.csv",
        "~.csv",
    ];
    let folder = Folder::with(&names);
    let stores = stores(ExternalAccess::All, false);
    for name in names {
        assert_eq!(folder.found(name).await, (ListingKind::File, vec![name.to_owned()]), "{name}");
        let listing = folder.list(&stores, name).await.unwrap();
        let store = stores.get(&listing.store_url).unwrap();
        let bytes = store.get(&listing.files[0].location).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes, name.as_bytes());
        let url = url::Url::from_file_path(folder.base.join(name)).unwrap().to_string();
        assert_eq!(folder.found(&url).await.1, [name], "{url}");
    }
    assert_eq!(folder.found("what[?].csv").await.1, ["what?.csv"]);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let folder = Folder::with(&["full/x.csv", "hidden/.x", "hidden/_x", "file"]);
    fs::create_dir(folder.base.join("empty")).unwrap();
    assert!(matches!(folder.error("none.csv").await, StorageError::NotFound { .. }));
    assert!(matches!(folder.error("none/").await, StorageError::NotFound { .. }));
    assert!(matches!(folder.error("file/below").await, StorageError::NotFound { .. }));
    assert!(matches!(folder.error("empty").await, StorageError::EmptyFolder { .. }));
    assert!(matches!(folder.error("empty/").await, StorageError::EmptyFolder { .. }));
    assert!(matches!(folder.error("hidden").await, StorageError::EmptyFolder { .. }));
    assert!(matches!(folder.error("full/*.json").await, StorageError::NoMatch { .. }));
    assert!(matches!(folder.error("none/*.json").await, StorageError::NoMatch { .. }));
    assert!(matches!(folder.error("none/**").await, StorageError::NoMatch { .. }));
    assert!(matches!(folder.error("file/below/*.csv").await, StorageError::NoMatch { .. }));
    assert!(matches!(folder.error("file/below/**").await, StorageError::NoMatch { .. }));
    let text = folder.error("none.csv").await.to_string();
    assert_eq!(text, "`none.csv` does not exist");
}

#[cfg(unix)]
#[tokio::test]
async fn outside_the_roots_every_answer_is_the_same() {
    let folder = Folder::with(&["open/a.csv", "closed/secret.csv"]);
    std::os::unix::fs::symlink(folder.base.join("closed"), folder.base.join("open/link")).unwrap();
    let root = folder.base.join("open");
    let stores = stores(ExternalAccess::roots([root.to_str().unwrap()]).unwrap(), false);
    assert_eq!(folder.list(&stores, "open/*.csv").await.unwrap().files.len(), 1);
    for text in [
        "closed/secret.csv",
        "closed/none.csv",
        "closed",
        "closed/*",
        "none",
        "*/a.csv",
        "**/*.csv",
        "open/../closed/*.csv",
        "open/link/secret.csv",
        "open/link/none.csv",
        "open/link/*.csv",
        "open/*/secret.csv",
        "open",
    ] {
        let error = folder.list(&stores, text).await.unwrap_err();
        assert!(matches!(error, StorageError::AccessDenied { .. }), "{text}: {error}");
        assert!(!error.to_string().contains("does not exist"), "{error}");
    }
}

#[tokio::test]
async fn a_store_of_the_embedding_program_is_listed_and_guarded() {
    let memory = object_store::memory::InMemory::new();
    for key in ["data/a.csv", "data/b/c.csv", "data/_tmp/d.csv", "data", "other/x.csv"] {
        memory.put(&key.into(), key.into()).await.unwrap();
    }
    let stores = stores(ExternalAccess::roots(["s3://bucket/data"]).unwrap(), true);
    stores.register(&"s3://bucket/".parse().unwrap(), std::sync::Arc::new(memory)).unwrap();
    let found = async |text: &str| {
        let listing = stores.list(&location(text)).await?;
        Ok::<_, StorageError>(listing.files.into_iter().map(|m| m.location.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(found("s3://bucket/data/").await.unwrap(), ["data/a.csv", "data/b/c.csv"]);
    assert_eq!(found("s3://bucket/data").await.unwrap(), ["data"]);
    assert_eq!(found("s3://bucket/data/*.csv").await.unwrap(), ["data/a.csv"]);
    assert_eq!(found("s3://bucket/data/*/*.csv").await.unwrap(), ["data/_tmp/d.csv", "data/b/c.csv"]);
    assert_eq!(found("s3://bucket/data/**/*.csv").await.unwrap(), ["data/a.csv", "data/b/c.csv"]);
    assert!(matches!(found("s3://bucket/data/none").await, Err(StorageError::NotFound { .. })));
    assert!(matches!(found("s3://bucket/other/x.csv").await, Err(StorageError::AccessDenied { .. })));
    assert!(matches!(found("s3://bucket/").await, Err(StorageError::AccessDenied { .. })));
    let store = stores.get(&"s3://bucket/any/path".parse().unwrap()).unwrap();
    assert!(store.put(&"data/new".into(), "x".into()).await.is_err());
}
