//! Reading Zarr arrays, by regions and by chunks.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::GetRange;

use crate::array_files::boxes::{copy_box, fill_box};
use crate::array_files::error::{ArrayFileError, ArrayFileResult, FileDamage, LayoutProblem, Shape, ZarrFound};
use crate::array_files::memory::{check_length, check_region, zeroed};
use crate::array_files::region::{Region, n_bytes};
use crate::array_files::zarr::codecs::{IndexAt, InnerChunk, Sharding};
use crate::array_files::zarr::grid::Grid;
use crate::array_files::zarr::metadata::{Storage, ZarrMetadata};
use crate::array_files::zarr::objects::Objects;
use crate::array_files::zarr::{v2, v3};
use crate::location::{Location, StoreKind};
use crate::stores::Stores;
use crate::waiting::block_on;

/// How many chunks are fetched at once, and how many bytes they may have, when they are decoded, so that more than one is.
const N_CHUNKS_AT_ONCE: usize = 8;
const AHEAD_BYTES: usize = 64 << 20;

/// A Zarr array of version 2 or 3. Cheap to clone.
///
/// A read fetches the chunks that the region touches, and of shards only their index and the inner chunks that it touches.
/// Chunks are fetched ahead, and decoded one after the other where the read is waited for.
///
/// Codecs: bytes, transpose, sharding_indexed (in each other too), gzip, zstd, blosc, crc32c and, of the Python package
/// numcodecs, zlib and lz4. In Zarr 2: gzip, zlib, zstd, lz4, blosc; both orders, both separators; no filters.
///
/// ```
/// use std::sync::Arc;
/// use dolmen_storage::{
///     ArrayFileError, ElementType, Location, Region, Stores, StoresConfig, ZarrArray, ZarrCompression, ZarrMetadata,
///     ZarrWriter,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ArrayFileError> {
/// # let dir = tempfile::tempdir().expect("a temporary folder");
/// # let text = dir.path().join("x.zarr").display().to_string();
/// let stores = Arc::new(Stores::new(StoresConfig::default())?);
/// let location = Location::parse(&text)?;
/// let metadata = ZarrMetadata::new(ElementType::from_name("uint8").expect("a type"), &[3, 3], &[2, 2]);
/// let writer = ZarrWriter::create(&stores, &location, metadata, ZarrCompression::default()).await?;
/// writer.chunks().write_chunk(&[0, 1], vec![7, 8]).await?;
/// writer.finish().await?;
///
/// let array = ZarrArray::open(&stores, &location).await?;
/// assert_eq!(array.read_region(&Region::new(vec![0, 1], vec![3, 2])).await?, [0, 7, 0, 8, 0, 0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ZarrArray {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    objects: Objects,
    metadata: ZarrMetadata,
    storage: Storage,
}

impl ZarrArray {
    /// Reads the metadata of the array at `location`, a folder.
    ///
    /// # Errors
    /// [`ArrayFileError::NotZarr`] if there is no array, [`ArrayFileError::Damaged`] for metadata that cannot be read,
    /// [`ArrayFileError::Unsupported`] for codecs and extensions that this crate does not know,
    /// [`ArrayFileError::ElementType`] for types that arrays cannot have, [`ArrayFileError::Storage`].
    pub async fn open(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        Self::open_in(Objects::open(stores, location)?).await
    }

    /// The blocking form of [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        block_on(Self::open(stores, location))
    }

    pub(crate) async fn open_in(objects: Objects) -> ArrayFileResult<Self> {
        let not_zarr = |found| {
            let location = objects.shown.clone();
            Err(ArrayFileError::NotZarr { location, wanted: "array", found })
        };
        let (read, file) = match futures::try_join!(objects.document("zarr.json"), objects.document(".zarray"))? {
            (Some(document), _) if document.get("node_type").is_some_and(|kind| kind == "group") => {
                return not_zarr(ZarrFound::Group);
            }
            (Some(document), _) => (v3::read(&document), "zarr.json"),
            (None, Some(zarray)) => {
                let zattrs = objects.document(".zattrs").await?;
                (v2::read(&zarray, zattrs.as_ref()), ".zarray")
            }
            (None, None) if objects.size(".zgroup").await?.is_some() => return not_zarr(ZarrFound::Group),
            (None, None) => return not_zarr(ZarrFound::Nothing),
        };
        let (metadata, storage) = read.map_err(|error| error.of(objects.name_of(file)))?;
        Ok(Self { inner: Arc::new(Inner { objects, metadata, storage }) })
    }

    /// What the array is.
    pub fn metadata(&self) -> &ZarrMetadata {
        &self.inner.metadata
    }

    pub(crate) fn shown(&self) -> &str {
        &self.inner.objects.shown
    }

    /// Whether the fill value stands for what is missing.
    pub(crate) fn fill_is_missing(&self) -> bool {
        self.inner.storage.fill_is_missing
    }

    /// The number of chunks per axis.
    pub fn n_chunks(&self) -> Vec<u64> {
        self.grid().n_chunks()
    }

    /// The chunk at `index`, as far as it lies inside of the array.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] if there is no such chunk.
    pub fn chunk_region(&self, index: &[u64]) -> ArrayFileResult<Region> {
        chunk_region(self.grid(), &self.inner.objects.shown, index)
    }

    /// The bytes of `region` in C order, each element in the byte order of this machine. Elements of chunks that are not
    /// there have the fill value.
    ///
    /// Holds, besides the region, one decoded chunk, and up to 8 encoded ones, together 64 MiB or one chunk.
    ///
    /// # Errors
    /// [`ArrayFileError::OutsideOfArray`], [`ArrayFileError::TooLarge`], [`ArrayFileError::DamagedChunk`],
    /// [`ArrayFileError::Storage`].
    pub async fn read_region(&self, region: &Region) -> ArrayFileResult<Vec<u8>> {
        let Inner { objects, metadata, .. } = &*self.inner;
        check_region(&objects.shown, &metadata.shape, region)?;
        let size_bytes = metadata.element.size_bytes();
        // What is exactly one whole chunk needs no copy.
        let mut touched = self.grid().touched(region);
        if region.shape() == metadata.chunks
            && let (Some(index), None) = (touched.next(), touched.next())
        {
            let fetched = self.fetch(&index, region).await?;
            if let Fetched::Whole(stored) = fetched {
                return self.decode(&index, stored);
            }
            let mut to = zeroed(&objects.shown, region, size_bytes)?;
            self.place(&index, region, fetched, (region, &mut to))?;
            return Ok(to);
        }
        let mut to = zeroed(&objects.shown, region, size_bytes)?;
        self.read_into(region, &mut to).await?;
        Ok(to)
    }

    /// The blocking form of [`read_region`](Self::read_region): fills `to`, which has the bytes of the region.
    ///
    /// # Errors
    /// As [`read_region`](Self::read_region), and [`ArrayFileError::WrongLength`].
    pub fn read_region_blocking(&self, region: &Region, to: &mut [u8]) -> ArrayFileResult<()> {
        let Inner { objects, metadata, .. } = &*self.inner;
        check_region(&objects.shown, &metadata.shape, region)?;
        check_length(&objects.shown, region, metadata.element.size_bytes(), to.len())?;
        block_on(self.read_into(region, to))
    }

    /// The bytes of the chunk at `index`, as far as it lies inside of the array: those of its
    /// [`chunk_region`](Self::chunk_region).
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] if there is no such chunk; as [`read_region`](Self::read_region).
    pub async fn read_chunk(&self, index: &[u64]) -> ArrayFileResult<Vec<u8>> {
        self.read_region(&self.chunk_region(index)?).await
    }

    fn grid(&self) -> Grid<'_> {
        Grid::new(&self.inner.metadata.shape, &self.inner.metadata.chunks)
    }

    async fn read_into(&self, region: &Region, to: &mut [u8]) -> ArrayFileResult<()> {
        let metadata = &self.inner.metadata;
        let chunk_bytes = n_bytes(&metadata.chunks, metadata.element.size_bytes()).unwrap_or(usize::MAX).max(1);
        let n_at_once = (AHEAD_BYTES / chunk_bytes).clamp(1, N_CHUNKS_AT_ONCE);
        let fetches = self.grid().touched(region).map(|index| {
            let this = self.clone();
            let wanted = this.grid().region(&index).intersection(region);
            async move {
                // Only chunks that have elements in the region are touched.
                let wanted = wanted.unwrap_or_else(|| Region::whole(&[]));
                let fetched = this.fetch(&index, &wanted).await?;
                Ok::<_, ArrayFileError>((index, wanted, fetched))
            }
        });
        let mut arriving = futures::stream::iter(fetches).buffered(n_at_once);
        while let Some((index, wanted, fetched)) = arriving.try_next().await? {
            self.place(&index, &wanted, fetched, (region, &mut *to))?;
        }
        Ok(())
    }

    /// Brings what is `wanted` of a chunk to its place in a region.
    fn place(
        &self,
        index: &[u64],
        wanted: &Region,
        fetched: Fetched,
        (region, to): (&Region, &mut [u8]),
    ) -> ArrayFileResult<()> {
        let Inner { metadata, storage, .. } = &*self.inner;
        let (fill, size_bytes) = (&metadata.fill_value, metadata.element.size_bytes());
        let origin = self.grid().region(index);
        match fetched {
            Fetched::Missing => fill_box(to, region.shape(), &wanted.relative_to(region.start()), fill),
            Fetched::Whole(stored) => {
                let chunk = self.decode(index, stored)?;
                let to_start = wanted.relative_to(region.start());
                let from = (chunk.as_slice(), metadata.chunks.as_slice());
                let wanted = wanted.relative_to(origin.start());
                copy_box(from, &wanted, (to, region.shape()), to_start.start(), size_bytes);
            }
            Fetched::Inner(sharding, chunks) => {
                let in_chunk = wanted.relative_to(origin.start());
                for (InnerChunk { region: inner, .. }, stored) in chunks {
                    let Some(part) = inner.intersection(&in_chunk) else { continue };
                    // Where the part lies in the region: the region starts before or behind the chunk.
                    let at = part.start().iter().zip(origin.start()).zip(region.start());
                    let to_start: Vec<u64> = at.map(|((part, chunk), region)| part + chunk - region).collect();
                    let Some(stored) = stored else {
                        fill_box(to, region.shape(), &Region::new(to_start, part.shape().to_vec()), fill);
                        continue;
                    };
                    let decoded = sharding.inner.decode(stored, &sharding.inner_shape, fill);
                    let decoded = decoded.map_err(|damage| self.damaged(&storage.keys.key(index), damage))?;
                    let from = (decoded.as_slice(), sharding.inner_shape.as_slice());
                    let part = part.relative_to(inner.start());
                    copy_box(from, &part, (to, region.shape()), &to_start, size_bytes);
                }
            }
        }
        Ok(())
    }

    /// What must be fetched for the part of a chunk that is `wanted`.
    async fn fetch(&self, index: &[u64], wanted: &Region) -> ArrayFileResult<Fetched> {
        let Inner { objects, storage, .. } = &*self.inner;
        let key = storage.keys.key(index);
        if let Some(sharding) = storage.codecs.sharding()
            && *wanted != self.grid().region(index)
        {
            return self.fetch_inner(index, &key, sharding, wanted).await;
        }
        Ok(objects.get(&key, None).await?.map_or(Fetched::Missing, |(bytes, _)| Fetched::Whole(bytes)))
    }

    /// Fetches the inner chunks of a shard that hold what is `wanted`.
    async fn fetch_inner(
        &self,
        index: &[u64],
        key: &str,
        sharding: &Sharding,
        wanted: &Region,
    ) -> ArrayFileResult<Fetched> {
        let Inner { objects, metadata, .. } = &*self.inner;
        let n = sharding.index_bytes(&metadata.chunks).unwrap_or(usize::MAX) as u64;
        let range = match sharding.index_at {
            IndexAt::Start => GetRange::Bounded(0..n),
            // Azure does not know ranges that count from the end.
            IndexAt::End if objects.kind == StoreKind::Azure => {
                let Some(size) = objects.size(key).await? else { return Ok(Fetched::Missing) };
                GetRange::Offset(size.saturating_sub(n))
            }
            IndexAt::End => GetRange::Suffix(n),
        };
        let Some((stored_index, shard_bytes)) = objects.get(key, Some(range)).await? else {
            return Ok(Fetched::Missing);
        };
        let start = self.grid().region(index);
        let wanted = wanted.relative_to(start.start());
        let found = sharding.find(stored_index, &metadata.chunks, &wanted, shard_bytes);
        let chunks = found.map_err(|damage| self.damaged(key, damage))?;
        let ranges: Vec<Range<u64>> = chunks.iter().filter_map(|chunk| chunk.bytes.clone()).collect();
        if let Some(range) = ranges.iter().find(|range| range.is_empty()) {
            let damage = FileDamage::Truncated { expected_bytes: range.start + 1, found_bytes: range.end };
            return Err(self.damaged(key, damage));
        }
        let mut stored = Vec::new();
        if !ranges.is_empty() {
            stored = objects.get_ranges(key, &ranges).await?;
        }
        let mut stored = stored.into_iter();
        let with_bytes = chunks.into_iter().map(|chunk| {
            let bytes = chunk.bytes.as_ref().and_then(|_| stored.next());
            (chunk, bytes)
        });
        Ok(Fetched::Inner(Box::new(sharding.clone()), with_bytes.collect()))
    }

    fn decode(&self, index: &[u64], stored: Bytes) -> ArrayFileResult<Vec<u8>> {
        let Inner { metadata, storage, .. } = &*self.inner;
        let decoded = storage.codecs.decode(stored, &metadata.chunks, &metadata.fill_value);
        decoded.map_err(|damage| self.damaged(&storage.keys.key(index), damage))
    }

    fn damaged(&self, key: &str, damage: FileDamage) -> ArrayFileError {
        ArrayFileError::DamagedChunk { array: self.inner.objects.shown.clone(), key: key.to_owned(), damage }
    }
}

/// What was fetched of a chunk.
#[derive(Debug)]
enum Fetched {
    /// There is no such object.
    Missing,
    /// All of it.
    Whole(Bytes),
    /// Some inner chunks of a shard; of those that are not there no bytes.
    Inner(Box<Sharding>, Vec<(InnerChunk, Option<Bytes>)>),
}

/// The chunk at `index` of a grid, if there is one.
pub(crate) fn chunk_region(grid: Grid<'_>, array: &str, index: &[u64]) -> ArrayFileResult<Region> {
    let n_chunks = grid.n_chunks();
    if index.len() == n_chunks.len() && index.iter().zip(&n_chunks).all(|(at, n)| at < n) {
        return Ok(grid.region(index));
    }
    let problem =
        LayoutProblem::NoSuchChunk { index: Shape(index).to_string(), n_chunks: Shape(&n_chunks).to_string() };
    Err(ArrayFileError::InvalidLayout { array: array.to_owned(), problem })
}
