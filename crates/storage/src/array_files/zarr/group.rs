//! Groups of Zarr arrays.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use crate::array_files::error::{ArrayFileError, ArrayFileResult, ZarrFound};
use crate::array_files::zarr::metadata::{MetadataError, ZarrFormat, object};
use crate::array_files::zarr::objects::Objects;
use crate::array_files::zarr::read::ZarrArray;
use crate::error::StorageError;
use crate::location::{Location, StoreKind};
use crate::stores::Stores;
use crate::waiting::block_on;

/// How deep groups in groups are searched.
const DEPTH_MAX: usize = 16;

/// How many folders are looked into at once.
const N_FOLDERS_AT_ONCE: usize = 8;

/// A group of Zarr arrays, of version 2 or 3. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ZarrGroup {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    objects: Objects,
    format: ZarrFormat,
    attributes: Map<String, Value>,
    arrays: Vec<String>,
}

impl ZarrGroup {
    /// Reads the metadata of the group at `location`, a folder, and finds the arrays in it: by its consolidated metadata if
    /// it has them, else by listing its folders.
    ///
    /// # Errors
    /// [`ArrayFileError::NotZarr`] if there is no group, [`ArrayFileError::Damaged`] for metadata that cannot be read,
    /// [`ArrayFileError::Storage`], for a group without consolidated metadata on a web server too.
    pub async fn open(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        let objects = Objects::open(stores, location)?;
        let not_zarr = |found| {
            let location = objects.shown.clone();
            Err(ArrayFileError::NotZarr { location, wanted: "group", found })
        };
        let (format, attributes, consolidated) =
            match futures::try_join!(objects.document("zarr.json"), objects.document(".zgroup"))? {
                (Some(document), _) if document.get("node_type").is_some_and(|kind| kind == "array") => {
                    return not_zarr(ZarrFound::Array);
                }
                (Some(document), _) => {
                    let consolidated = document.get("consolidated_metadata").and_then(|all| all.get("metadata"));
                    let names = consolidated.and_then(Value::as_object).map(arrays_of_v3);
                    (ZarrFormat::V3, document.get("attributes").cloned(), names)
                }
                (None, Some(_)) => {
                    let (attributes, all) =
                        futures::try_join!(objects.document(".zattrs"), objects.document(".zmetadata"))?;
                    let names = all.as_ref().and_then(|all| all.get("metadata")?.as_object()).map(arrays_of_v2);
                    (ZarrFormat::V2, attributes, names)
                }
                (None, None) if objects.size(".zarray").await?.is_some() => return not_zarr(ZarrFound::Array),
                (None, None) => return not_zarr(ZarrFound::Nothing),
            };
        let attributes = match attributes {
            Some(attributes) => {
                let read = object(&attributes, "`attributes`").cloned();
                read.map_err(|error: MetadataError| error.of(objects.shown.clone()))?
            }
            None => Map::new(),
        };
        let mut arrays = match consolidated {
            Some(names) => names,
            None if objects.kind == StoreKind::Http => {
                let what = "a Zarr group without consolidated metadata";
                return Err(StorageError::HttpListing { location: objects.shown, what }.into());
            }
            None => find_arrays(&objects, format).await?,
        };
        arrays.sort_unstable();
        Ok(Self { inner: Arc::new(Inner { objects, format, attributes, arrays }) })
    }

    /// The blocking form of [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        block_on(Self::open(stores, location))
    }

    /// The version of the format.
    pub fn format(&self) -> ZarrFormat {
        self.inner.format
    }

    /// What is said about the group.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.inner.attributes
    }

    /// The names of the arrays, sorted. Arrays in groups in this one have names of several parts: `ocean/salinity`.
    pub fn arrays(&self) -> &[String] {
        &self.inner.arrays
    }

    /// Opens an array of the group.
    ///
    /// # Errors
    /// [`ArrayFileError::NoSuchMember`]; as [`ZarrArray::open`].
    pub async fn open_array(&self, name: &str) -> ArrayFileResult<ZarrArray> {
        let Inner { objects, arrays, .. } = &*self.inner;
        if !arrays.iter().any(|known| known == name) {
            let (file, members) = (objects.shown.clone(), arrays.clone());
            return Err(ArrayFileError::NoSuchMember { file, name: name.to_owned(), members });
        }
        ZarrArray::open_in(objects.below(name)).await
    }

    /// The blocking form of [`open_array`](Self::open_array).
    ///
    /// # Errors
    /// As [`open_array`](Self::open_array).
    pub fn open_array_blocking(&self, name: &str) -> ArrayFileResult<ZarrArray> {
        block_on(self.open_array(name))
    }
}

/// The arrays among consolidated metadata: names, and documents.
fn arrays_of_v3(all: &Map<String, Value>) -> Vec<String> {
    let is_array = |document: &Value| document.get("node_type").is_some_and(|kind| kind == "array");
    all.iter().filter(|(_, document)| is_array(document)).map(|(name, _)| name.clone()).collect()
}

/// The arrays among consolidated metadata: keys of documents.
fn arrays_of_v2(all: &Map<String, Value>) -> Vec<String> {
    all.keys().filter_map(|key| key.strip_suffix("/.zarray")).map(str::to_owned).collect()
}

/// Looks into the folders of a group, and of groups in it.
async fn find_arrays(group: &Objects, format: ZarrFormat) -> ArrayFileResult<Vec<String>> {
    let mut found = Vec::new();
    let mut groups = vec![(String::new(), 0)];
    while let Some((prefix, depth)) = groups.pop() {
        let folder = group.below(&prefix);
        let level = folder.store.list_with_delimiter(Some(&folder.root)).await;
        let level = level.map_err(|error| group.failed(&prefix, error))?;
        let names = level.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned));
        let names = names.map(|name| if prefix.is_empty() { name } else { format!("{prefix}/{name}") });
        // Collected: a future that holds the closures above cannot be seen to be `Send`.
        let names: Vec<String> = names.collect();
        let looked = names.into_iter().map(|name| async {
            let kind = kind_of(&group.below(&name), format).await?;
            Ok::<_, ArrayFileError>((name, kind))
        });
        let looked: Vec<_> = futures::stream::iter(looked).buffered(N_FOLDERS_AT_ONCE).try_collect().await?;
        for (name, kind) in looked {
            match kind {
                ZarrFound::Array => found.push(name),
                ZarrFound::Group if depth < DEPTH_MAX => groups.push((name, depth + 1)),
                _ => {}
            }
        }
    }
    Ok(found)
}

async fn kind_of(folder: &Objects, format: ZarrFormat) -> ArrayFileResult<ZarrFound> {
    if format == ZarrFormat::V2 {
        let (array, group) = futures::try_join!(folder.size(".zarray"), folder.size(".zgroup"))?;
        return Ok(match (array, group) {
            (Some(_), _) => ZarrFound::Array,
            (None, Some(_)) => ZarrFound::Group,
            (None, None) => ZarrFound::Nothing,
        });
    }
    let document = folder.document("zarr.json").await?;
    Ok(match document.as_ref().and_then(|document| document.get("node_type")?.as_str()) {
        Some("array") => ZarrFound::Array,
        Some("group") => ZarrFound::Group,
        _ => ZarrFound::Nothing,
    })
}
