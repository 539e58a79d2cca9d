//! Writing Zarr arrays, chunk by chunk.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::array_files::boxes::{copy_box, fill, is_filled};
use crate::array_files::element_type::{ByteOrder, ElementKind, ElementType};
use crate::array_files::error::{ArrayFileError, ArrayFileResult, LayoutProblem, Shape};
use crate::array_files::memory::{check_length, with_capacity};
use crate::array_files::region::{Region, n_bytes};
use crate::array_files::zarr::codecs::{BLOSC_BYTES_MAX, BloscSettings, Codecs, Form, IndexAt, Packing, Sharding};
use crate::array_files::zarr::grid::Grid;
use crate::array_files::zarr::metadata::{Keys, Storage, ZarrFormat, ZarrMetadata};
use crate::array_files::zarr::read::chunk_region;
use crate::array_files::zarr::tree::Tree;
use crate::array_files::zarr::{v2, v3};
use crate::error::StorageError;
use crate::location::Location;
use crate::stores::Stores;
use crate::waiting::{block_on, unblock};

/// How the chunks of a new Zarr array are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZarrCompression {
    /// Not at all.
    None,
    /// gzip, levels 0 to 9.
    Gzip {
        /// 0 is fast, 9 is small.
        level: u32,
    },
    /// Zstandard, levels -7 to 22; in Zarr 3 with a checksum.
    Zstd {
        /// -7 is fast, 22 is small.
        level: i32,
    },
    /// Blosc with Zstandard inside, levels 0 to 9: better than Zstandard alone for numbers whose leading bytes are alike.
    Blosc {
        /// 0 copies, 9 is small.
        level: i32,
        /// Whether the bytes of elements are put side by side first.
        shuffle: bool,
    },
}

/// Zstandard of level 1, which costs little more than writing.
impl Default for ZarrCompression {
    fn default() -> Self {
        Self::Zstd { level: 1 }
    }
}

impl ZarrCompression {
    fn packing(self, element: ElementType, chunk_bytes: usize) -> Result<Option<Packing>, LayoutProblem> {
        let level = |codec, levels, found| Err(LayoutProblem::Level { codec, levels, found });
        Ok(Some(match self {
            Self::None => return Ok(None),
            Self::Gzip { level: n } if n > 9 => return level("gzip", "0 to 9", i32::try_from(n).unwrap_or(i32::MAX)),
            Self::Zstd { level: n } if !(-7..=22).contains(&n) => return level("zstd", "-7 to 22", n),
            Self::Blosc { level: n, .. } if !(0..=9).contains(&n) => return level("blosc", "0 to 9", n),
            Self::Blosc { .. } if chunk_bytes > BLOSC_BYTES_MAX => return Err(LayoutProblem::HugeChunk),
            Self::Gzip { level } => Packing::Gzip { level },
            Self::Zstd { level } => Packing::Zstd { level, checksum: true },
            Self::Blosc { level, shuffle } => {
                Packing::Blosc(BloscSettings { level, shuffle, size_bytes: element.size_bytes() })
            }
        }))
    }
}

/// How an array of this description is stored.
fn storage(metadata: &ZarrMetadata, compression: ZarrCompression) -> Result<Storage, LayoutProblem> {
    metadata.check()?;
    let encoded_at_once = metadata.inner_chunks.as_ref().unwrap_or(&metadata.chunks);
    let chunk_bytes = n_bytes(encoded_at_once, metadata.element.size_bytes()).unwrap_or(usize::MAX);
    let packings = compression.packing(metadata.element, chunk_bytes)?.into_iter().collect();
    let plain = Codecs { axes: None, form: Form::Elements(metadata.element), packings };
    let codecs = match &metadata.inner_chunks {
        None => plain,
        Some(inner_shape) => {
            let number = ElementType::new(ElementKind::UInt, 8).map(|number| number.with_order(ByteOrder::Little));
            // There are unsigned numbers of 8 bytes.
            let form = Form::Elements(number.unwrap_or(metadata.element));
            let index = Codecs { axes: None, form, packings: vec![Packing::Crc32c] };
            let sharding = Sharding { inner_shape: inner_shape.clone(), inner: plain, index, index_at: IndexAt::End };
            Codecs { axes: None, form: Form::Shard(Box::new(sharding)), packings: Vec::new() }
        }
    };
    let keys = match metadata.format {
        ZarrFormat::V2 => Keys { has_prefix: false, separator: '.' },
        ZarrFormat::V3 => Keys { has_prefix: true, separator: '/' },
    };
    Ok(Storage { keys, codecs, fill_is_missing: false })
}

/// A new Zarr array, whose chunks are written in any order and by any number of threads.
///
/// On a local disk it appears all at once when it is finished; in a remote store its chunks appear as they are written, and
/// its metadata, without which they are nothing, when it is finished. Dropped before that it leaves nothing behind.
#[derive(Debug)]
pub struct ZarrWriter {
    tree: Tree,
    array: ZarrChunks,
}

impl ZarrWriter {
    /// Begins an array at `location`, where there must be nothing, or an empty folder.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] if the parts of the description do not fit each other, or something is there
    /// already; [`ArrayFileError::Storage`]: the policy, or what stands there.
    pub async fn create(
        stores: &Arc<Stores>,
        location: &Location,
        metadata: ZarrMetadata,
        compression: ZarrCompression,
    ) -> ArrayFileResult<Self> {
        let part = Part::new("", location.to_string(), metadata, compression)?;
        let tree = Tree::begin(stores, location).await?;
        let array = ZarrChunks { part: Arc::new(part), tree: tree.clone() };
        Ok(Self { tree, array })
    }

    /// The blocking form of [`create`](Self::create).
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_blocking(
        stores: &Arc<Stores>,
        location: &Location,
        metadata: ZarrMetadata,
        compression: ZarrCompression,
    ) -> ArrayFileResult<Self> {
        block_on(Self::create(stores, location, metadata, compression))
    }

    /// The chunks of the array. Clone it to write from several threads; clones are of no use once the writer is finished.
    pub fn chunks(&self) -> &ZarrChunks {
        &self.array
    }

    /// Shows the array. Chunks that were not written have the fill value.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`]. Nothing is left of the array then.
    pub async fn finish(self) -> ArrayFileResult<()> {
        let documents = self.array.part.documents()?;
        self.tree.finish(documents).await
    }

    /// The blocking form of [`finish`](Self::finish).
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_blocking(self) -> ArrayFileResult<()> {
        block_on(self.finish())
    }
}

/// A new Zarr group of arrays. It appears when it is finished, as a [`ZarrWriter`] does, with consolidated metadata.
#[derive(Debug)]
pub struct ZarrGroupWriter {
    tree: Tree,
    shown: String,
    format: ZarrFormat,
    attributes: Map<String, Value>,
    parts: Vec<Arc<Part>>,
}

impl ZarrGroupWriter {
    /// Begins a group at `location`, where there must be nothing, or an empty folder.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] if something is there already; [`ArrayFileError::Storage`]: the policy, or what
    /// stands there.
    pub async fn create(
        stores: &Arc<Stores>,
        location: &Location,
        format: ZarrFormat,
        attributes: Map<String, Value>,
    ) -> ArrayFileResult<Self> {
        let tree = Tree::begin(stores, location).await?;
        Ok(Self { tree, shown: location.to_string(), format, attributes, parts: Vec::new() })
    }

    /// The blocking form of [`create`](Self::create).
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_blocking(
        stores: &Arc<Stores>,
        location: &Location,
        format: ZarrFormat,
        attributes: Map<String, Value>,
    ) -> ArrayFileResult<Self> {
        block_on(Self::create(stores, location, format, attributes))
    }

    /// Adds an array, which gets the format of the group.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] for a name that cannot be one or is there already, and if the parts of the
    /// description do not fit each other.
    pub fn add(
        &mut self,
        name: &str,
        metadata: ZarrMetadata,
        compression: ZarrCompression,
    ) -> ArrayFileResult<ZarrChunks> {
        let shown = format!("{}/{name}", self.shown.trim_end_matches('/'));
        let invalid = |problem| ArrayFileError::InvalidLayout { array: shown.clone(), problem };
        // Names of two underscores are the format's own, and one dot begins the names of its files.
        let is_reserved = name.is_empty() || name.starts_with("__") || name.starts_with('.') || name == "zarr.json";
        if is_reserved || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
            return Err(invalid(LayoutProblem::MemberName(name.to_owned())));
        }
        if self.parts.iter().any(|part| part.name == name) {
            return Err(invalid(LayoutProblem::DuplicateMember(name.to_owned())));
        }
        let metadata = ZarrMetadata { format: self.format, ..metadata };
        let part = Arc::new(Part::new(name, shown, metadata, compression)?);
        self.parts.push(Arc::clone(&part));
        Ok(ZarrChunks { part, tree: self.tree.clone() })
    }

    /// Shows the group. Chunks that were not written have the fill value.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`]. Nothing is left of the group then.
    pub async fn finish(self) -> ArrayFileResult<()> {
        let mut documents = Vec::new();
        for part in &self.parts {
            documents.extend(part.documents()?);
        }
        let group = match self.format {
            ZarrFormat::V3 => {
                let members: Map<String, Value> = self
                    .parts
                    .iter()
                    .zip(&documents)
                    .map(|(part, (_, document))| (part.name.clone(), document.clone()))
                    .collect();
                let consolidated = json!({"kind": "inline", "must_understand": false, "metadata": members});
                let group = json!({
                    "zarr_format": 3,
                    "node_type": "group",
                    "attributes": self.attributes,
                    "consolidated_metadata": consolidated,
                });
                vec![("zarr.json".to_owned(), group)]
            }
            ZarrFormat::V2 => {
                let own = [(".zattrs", Value::Object(self.attributes)), (".zgroup", json!({"zarr_format": 2}))];
                let own = own.map(|(key, document)| (key.to_owned(), document));
                let all: Map<String, Value> = documents.iter().chain(&own).cloned().collect();
                let consolidated = json!({"zarr_consolidated_format": 1, "metadata": all});
                let [attributes, group] = own;
                vec![attributes, (".zmetadata".to_owned(), consolidated), group]
            }
        };
        documents.extend(group);
        self.tree.finish(documents).await
    }

    /// The blocking form of [`finish`](Self::finish).
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_blocking(self) -> ArrayFileResult<()> {
        block_on(self.finish())
    }
}

/// The chunks of a new Zarr array, to be written in any order and from any thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ZarrChunks {
    part: Arc<Part>,
    tree: Tree,
}

impl ZarrChunks {
    /// What the array is.
    pub fn metadata(&self) -> &ZarrMetadata {
        &self.part.metadata
    }

    /// The number of chunks per axis.
    pub fn n_chunks(&self) -> Vec<u64> {
        self.part.grid().n_chunks()
    }

    /// The chunk at `index`, as far as it lies inside of the array.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] if there is no such chunk.
    pub fn chunk_region(&self, index: &[u64]) -> ArrayFileResult<Region> {
        chunk_region(self.part.grid(), &self.part.shown, index)
    }

    /// Writes the chunk at `index`: the bytes of its [`chunk_region`](Self::chunk_region), in C order and the byte order of
    /// this machine. A chunk that is nothing but the fill value is left out.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] if there is no such chunk, [`ArrayFileError::WrongLength`],
    /// [`ArrayFileError::TooLarge`], [`ArrayFileError::Storage`].
    pub async fn write_chunk(&self, index: &[u64], bytes: impl Into<Bytes>) -> ArrayFileResult<()> {
        let (part, at, bytes) = (Arc::clone(&self.part), index.to_vec(), bytes.into());
        // To pack a chunk is the work of a thread for such calls; writing it to a disk as well.
        let packed = unblock(move || part.encode(&at, &bytes)).await?;
        match packed {
            Some(packed) => self.tree.put(self.part.key(index), packed).await,
            None => Ok(()),
        }
    }

    /// The blocking form of [`write_chunk`](Self::write_chunk): packs and writes on this thread.
    ///
    /// # Errors
    /// As [`write_chunk`](Self::write_chunk).
    pub fn write_chunk_blocking(&self, index: &[u64], bytes: &[u8]) -> ArrayFileResult<()> {
        match self.part.encode(index, bytes)? {
            Some(packed) => self.tree.put_blocking(self.part.key(index), packed),
            None => Ok(()),
        }
    }
}

/// One array in a tree of objects.
#[derive(Debug)]
struct Part {
    /// The folder in the tree; empty for the tree itself.
    name: String,
    shown: String,
    metadata: ZarrMetadata,
    storage: Storage,
}

impl Part {
    fn new(name: &str, shown: String, metadata: ZarrMetadata, compression: ZarrCompression) -> ArrayFileResult<Self> {
        let storage = storage(&metadata, compression).and_then(|storage| {
            // What cannot be described should not be written for hours first.
            if metadata.format == ZarrFormat::V2 {
                v2::write(&metadata, &storage)?;
            }
            Ok(storage)
        });
        match storage {
            Ok(storage) => Ok(Self { name: name.to_owned(), shown, metadata, storage }),
            Err(problem) => Err(ArrayFileError::InvalidLayout { array: shown, problem }),
        }
    }

    fn grid(&self) -> Grid<'_> {
        Grid::new(&self.metadata.shape, &self.metadata.chunks)
    }

    fn in_tree(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}/{key}", self.name) }
    }

    fn key(&self, index: &[u64]) -> String {
        self.in_tree(&self.storage.keys.key(index))
    }

    /// The bytes of a chunk's object; `None` if it needs none.
    fn encode(&self, index: &[u64], bytes: &[u8]) -> ArrayFileResult<Option<Vec<u8>>> {
        let ZarrMetadata { chunks, element, fill_value, .. } = &self.metadata;
        let region = chunk_region(self.grid(), &self.shown, index)?;
        check_length(&self.shown, &region, element.size_bytes(), bytes.len())?;
        if is_filled(bytes, fill_value) {
            return Ok(None);
        }
        let mut elements = Cow::Borrowed(bytes);
        if region.shape() != chunks {
            // Chunks at the ends of the array are stored as whole ones.
            let n = n_bytes(chunks, element.size_bytes());
            let room = n.and_then(|n| with_capacity(n).map(|_| n));
            let what = || format!("the chunk {}", Shape(index));
            let too_large = || ArrayFileError::TooLarge { array: self.shown.clone(), what: what(), needed_bytes: n };
            let mut whole = vec![0; room.ok_or_else(too_large)?];
            fill(&mut whole, fill_value);
            let origin = vec![0; chunks.len()];
            let all = Region::whole(region.shape());
            copy_box((bytes, region.shape()), &all, (&mut whole, chunks), &origin, element.size_bytes());
            elements = Cow::Owned(whole);
        }
        let encoded = self.storage.codecs.encode(elements, chunks, fill_value);
        let failed = |source| {
            let path = format!("{}/{}", self.shown, self.storage.keys.key(index)).into();
            StorageError::Io { operation: "compress", path, source }.into()
        };
        encoded.map(Some).map_err(failed)
    }

    /// The documents that describe the array; the one that makes it an array comes last.
    fn documents(&self) -> ArrayFileResult<Vec<(String, Value)>> {
        match self.metadata.format {
            ZarrFormat::V3 => Ok(vec![(self.in_tree("zarr.json"), v3::write(&self.metadata, &self.storage))]),
            ZarrFormat::V2 => {
                let written = v2::write(&self.metadata, &self.storage);
                let (zarray, zattrs) =
                    written.map_err(|problem| ArrayFileError::InvalidLayout { array: self.shown.clone(), problem })?;
                Ok(vec![(self.in_tree(".zattrs"), zattrs), (self.in_tree(".zarray"), zarray)])
            }
        }
    }
}
