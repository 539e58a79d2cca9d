//! Which files a location stands for.

use std::collections::BTreeMap;

use futures::stream::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::error::{Result, StorageError};
use crate::glob::{GlobPattern, Segment, is_hidden, literal_head};
use crate::location::{Location, StoreKind, Target, to_local_path};
use crate::stores::{ResolvedStore, Stores};

/// What a location turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingKind {
    /// One file.
    File,
    /// A folder, with all files below it.
    Folder,
    /// The matches of a pattern.
    Glob,
}

/// The files that a location stands for.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The store that holds them, for [`Stores::get`]. Holds no secrets.
    pub store_url: Url,
    /// What the location turned out to be.
    pub kind: ListingKind,
    /// The folder below which all files are: names between it and a file may be partitions (`year=2020`).
    pub base: Path,
    /// At least one file, in the order of their paths.
    pub files: Vec<ObjectMeta>,
}

impl Stores {
    /// The files that `location` stands for, sorted by path: the file itself, all files below a folder, or the matches of
    /// a pattern.
    ///
    /// In folders, names that start with `.` or `_` are skipped, folders of such names too, but for partitions such as
    /// `_year=2020`. Symbolic links are followed; one that leads out of the allowed roots is an error.
    ///
    /// # Errors
    /// [`StorageError::NotFound`], [`StorageError::EmptyFolder`], [`StorageError::NoMatch`],
    /// [`StorageError::HttpListing`], [`StorageError::AccessDenied`], and what the store says.
    pub async fn list(&self, location: &Location) -> Result<Listing> {
        let resolved = self.resolve(location)?;
        let search = Search { location, store: resolved };
        match location.target() {
            Target::Path(path) => search.path(path).await,
            Target::Glob { pattern, literal } => {
                // A local file may really have such a name. Whether it does is asked only where the session may look.
                if let Some(literal) = literal
                    && self.policy().check(location.store(), literal, crate::access::Operation::Read).is_ok()
                    && let Some(meta) = search.file(literal).await?
                {
                    return Ok(search.single(meta));
                }
                search.glob(pattern).await
            }
        }
    }
}

struct Search<'a> {
    location: &'a Location,
    store: ResolvedStore,
}

impl Search<'_> {
    async fn path(&self, path: &Path) -> Result<Listing> {
        let is_http = self.location.store().kind() == StoreKind::Http;
        let may_be_file = is_http || !(self.location.is_folder() || path.is_root());
        if may_be_file && let Some(meta) = self.file(path).await? {
            return Ok(self.single(meta));
        }
        if is_http {
            let location = self.location.to_string();
            return Err(if self.location.is_folder() {
                StorageError::HttpListing { location, what: "a folder" }
            } else {
                StorageError::NotFound { location }
            });
        }
        let found = self.store.store.list(Some(path)).try_filter(|meta| {
            let is_visible =
                names_below(path, &meta.location).is_some_and(|names| !names.iter().any(|name| is_hidden(name)));
            std::future::ready(is_visible)
        });
        let files: BTreeMap<_, _> =
            self.listed(found.map_ok(|meta| (meta.location.clone(), meta)).try_collect().await)?;
        if files.is_empty() {
            let location = self.location.to_string();
            // Only a file system has folders without files.
            let is_folder = self.location.store().kind() == StoreKind::Local && is_local_folder(path).await;
            return Err(if is_folder {
                StorageError::EmptyFolder { location }
            } else {
                StorageError::NotFound { location }
            });
        }
        Ok(self.listing(ListingKind::Folder, path.clone(), files))
    }

    async fn glob(&self, pattern: &GlobPattern) -> Result<Listing> {
        let mut files = BTreeMap::new();
        for segments in pattern.alternatives() {
            let depth_of_first_wildcard = literal_head(segments).len();
            let is_last = depth_of_first_wildcard + 1 >= segments.len();
            let is_local = self.location.store().kind() == StoreKind::Local;
            let any_depth = segments.contains(&Segment::AnyDepth);
            // Reading one folder at a time leaves out what cannot match. Far away each folder costs a request, so a
            // search over several levels is one long listing there.
            if !any_depth && (is_local || is_last) {
                self.walk(segments, &mut files).await?;
            } else {
                let base = join(&Path::ROOT, &segments[..depth_of_first_wildcard]);
                let listed = self.store.store.list(Some(&base));
                let matches = listed.try_filter(|meta| std::future::ready(pattern.matches(&meta.location)));
                let found: Vec<ObjectMeta> = self.listed(matches.try_collect().await)?;
                files.extend(found.into_iter().map(|meta| (meta.location.clone(), meta)));
            }
        }
        if files.is_empty() {
            return Err(StorageError::NoMatch { location: self.location.to_string() });
        }
        Ok(self.listing(ListingKind::Glob, pattern.base(), files))
    }

    /// Matches one alternative of a pattern, folder by folder.
    async fn walk(&self, segments: &[Segment], files: &mut BTreeMap<Path, ObjectMeta>) -> Result<()> {
        let mut open = vec![(Path::ROOT, 0)];
        while let Some((folder, depth)) = open.pop() {
            let n_literal = segments[depth..].iter().take_while(|segment| segment.as_literal().is_some()).count();
            let literal_end = depth + n_literal;
            if literal_end == segments.len() {
                let path = join(&folder, &segments[depth..]);
                files.extend(self.file(&path).await?.map(|meta| (path, meta)));
                continue;
            }
            let folder = join(&folder, &segments[depth..literal_end]);
            let wildcard = &segments[literal_end];
            let is_match = |path: &Path| path.filename().is_some_and(|name| wildcard.matches(name));
            let level = self.store.store.list_with_delimiter(Some(&folder)).await;
            let found = self.listed(level.map(Some))?;
            let Some(found) = found else { continue };
            if literal_end + 1 == segments.len() {
                let matches = found.objects.into_iter().filter(|meta| is_match(&meta.location));
                files.extend(matches.map(|meta| (meta.location.clone(), meta)));
            } else {
                let matches = found.common_prefixes.into_iter().filter(is_match);
                open.extend(matches.map(|folder| (folder, literal_end + 1)));
            }
        }
        Ok(())
    }

    /// The file at `path`; `None` if there is none, or a folder.
    async fn file(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        match self.store.store.head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            // A file where a folder is named (`file.csv/x`) is one more way not to be there.
            Err(error) if is_not_a_directory(&error) => Ok(None),
            Err(error) => self.stored(Err(error)),
        }
    }

    fn single(&self, meta: ObjectMeta) -> Listing {
        let base = meta.location.parent().unwrap_or_default();
        self.listing(ListingKind::File, base, BTreeMap::from([(meta.location.clone(), meta)]))
    }

    fn listing(&self, kind: ListingKind, base: Path, files: BTreeMap<Path, ObjectMeta>) -> Listing {
        Listing { store_url: self.store.url.clone(), kind, base, files: files.into_values().collect() }
    }

    /// What a listing found; nothing where a file stands in the place of a folder (`file.csv/x/*`).
    fn listed<T: Default>(&self, result: object_store::Result<T>) -> Result<T> {
        match result {
            Err(error) if is_not_a_directory(&error) => Ok(T::default()),
            result => self.stored(result),
        }
    }

    fn stored<T>(&self, result: object_store::Result<T>) -> Result<T> {
        result.map_err(|error| StorageError::from_object_store(self.location, error))
    }
}

/// The names between `folder` and a file below it; `None` for what is not below it, such as the marker object that some
/// programs leave in the place of a folder.
fn names_below<'p>(folder: &Path, file: &'p Path) -> Option<Vec<&'p str>> {
    let below = file.as_ref().strip_prefix(folder.as_ref())?;
    let below = if folder.is_root() { below } else { below.strip_prefix('/')? };
    Some(below.split('/').collect())
}

/// `folder` and the names of literal segments.
fn join(folder: &Path, segments: &[Segment]) -> Path {
    let names = segments.iter().filter_map(Segment::as_literal);
    let joined = names.fold(folder.as_ref().to_owned(), |path, name| path + "/" + name);
    // The names passed as parts of a location, so that they are valid again.
    Path::parse(joined).unwrap_or_default()
}

fn is_not_a_directory(error: &object_store::Error) -> bool {
    let chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut kinds = chain.filter_map(|error| error.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    kinds.any(|kind| kind == std::io::ErrorKind::NotADirectory)
}

/// Asked only about paths that the policy has allowed.
async fn is_local_folder(path: &Path) -> bool {
    let path = to_local_path(path);
    tokio::task::spawn_blocking(move || path.is_dir()).await.unwrap_or(false)
}
