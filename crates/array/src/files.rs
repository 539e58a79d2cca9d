//! Arrays in files: npy, npz, Zarr, NetCDF, HDF5 and pictures, read where they are needed; npy, stacks of npy and Zarr written
//! block by block.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use dolmen_graph::{BoxFuture, EncodeError};
use dolmen_kernels::{Block, Buffer, DType, Pool, TimeUnit};
use dolmen_storage::{
    ArrayFileError, ArrayFileResult, ElementType, ElementTypeError, ImageFiles, Location, NetcdfFile, NetcdfVariable,
    NpyFile, NpyStack, NpyStackWriter, NpyWriter, Region, Stores, TempFolder, ZarrArray, ZarrChunks, ZarrCompression,
    ZarrFormat, ZarrGroup, ZarrGroupWriter, ZarrMetadata, ZarrVariable, ZarrWriter,
};
use thiserror::Error;

use crate::source::{Source, SourceError};
use crate::{Array, ArrayError, AxisChunks, AxisSpec, BLOCK_BYTES_DEFAULT, ChunkSpec, Chunks};

/// Why an array could not be read from a file, or written to one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArrayIoError {
    /// The file.
    #[error(transparent)]
    File(#[from] ArrayFileError),
    /// The array.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// Its elements are of a type that files, or arrays, do not have.
    #[error(transparent)]
    Element(#[from] ElementTypeError),
    /// Its elements have another type than any array.
    #[error("{location} has elements of {element}, which no array has")]
    UnknownElement {
        /// The file.
        location: String,
        /// NumPy's name of the type.
        element: String,
    },
    /// The array is larger than this machine can address.
    #[error("{location} has an axis of {len} elements, which is more than this machine can address")]
    TooLarge {
        /// The file.
        location: String,
        /// The length.
        len: u64,
    },
}

/// An array that lies in a file.
struct FileArray {
    name: String,
    shape: Vec<usize>,
    dtype: DType,
    chunks: Chunks,
    file: Opened,
}

#[derive(Debug, Clone)]
enum Opened {
    Npy(NpyFile),
    NpyStack(NpyStack),
    Zarr(ZarrArray),
    ZarrVariable(ZarrVariable),
    Netcdf(NetcdfVariable),
    Images(ImageFiles),
}

impl Opened {
    fn shape(&self) -> &[u64] {
        match self {
            Self::Npy(npy) => npy.shape(),
            Self::NpyStack(stack) => stack.shape(),
            Self::Zarr(zarr) => &zarr.metadata().shape,
            Self::ZarrVariable(variable) => variable.shape(),
            Self::Netcdf(variable) => variable.shape(),
            Self::Images(images) => images.shape(),
        }
    }

    fn element(&self) -> ElementType {
        match self {
            Self::Npy(npy) => npy.element(),
            Self::NpyStack(stack) => stack.element(),
            Self::Zarr(zarr) => zarr.metadata().element,
            Self::ZarrVariable(variable) => variable.element(),
            Self::Netcdf(variable) => variable.element(),
            Self::Images(images) => images.element(),
        }
    }

    async fn read_region(&self, region: &Region) -> ArrayFileResult<Vec<u8>> {
        match self {
            Self::Npy(npy) => npy.read_region(region).await,
            Self::NpyStack(stack) => stack.read_region(region).await,
            Self::Zarr(zarr) => zarr.read_region(region).await,
            Self::ZarrVariable(variable) => variable.read_region(region).await,
            Self::Netcdf(variable) => variable.read_region(region).await,
            Self::Images(images) => images.read_region(region).await,
        }
    }
}

impl FileArray {
    /// `block_bytes` are those of a block where the file has no chunks.
    fn new(location: &Location, file: Opened, block_bytes: usize) -> Result<Self, ArrayIoError> {
        let (name, element) = (location.to_string(), file.element());
        let len =
            |len: &u64| usize::try_from(*len).map_err(|_| ArrayIoError::TooLarge { location: name.clone(), len: *len });
        let shape = file.shape().iter().map(len).collect::<Result<Vec<_>, _>>()?;
        let unknown = |_| ArrayIoError::UnknownElement { location: name.clone(), element: element.name() };
        let dtype: DType = element.name().parse().map_err(unknown)?;
        let chunks = match &file {
            Opened::Zarr(zarr) => as_stored(&shape, &zarr.metadata().chunks),
            Opened::ZarrVariable(variable) => as_stored(&shape, variable.chunks()),
            Opened::Netcdf(variable) => match variable.chunks() {
                Some(sizes) => as_stored(&shape, sizes),
                None => by_slowest_axis(&shape, 0, dtype, block_bytes)?,
            },
            Opened::Npy(npy) => {
                let slowest = if npy.is_fortran() { shape.len().saturating_sub(1) } else { 0 };
                by_slowest_axis(&shape, slowest, dtype, block_bytes)?
            }
            // A picture is decoded as a whole.
            Opened::Images(_) => Chunks::new(
                shape.iter().enumerate().map(|(axis, len)| AxisChunks::uniform(*len, if axis == 0 { 1 } else { *len })),
            ),
            Opened::NpyStack(stack) => by_file(&shape, stack.axis(), stack.extents(), dtype, block_bytes),
        };
        Ok(Self { name, shape, dtype, chunks, file })
    }

    /// All elements.
    async fn whole(&self) -> Result<Block, ArrayIoError> {
        let region = Region::whole(&wide(&self.shape));
        let bytes = self.file.read_region(&region).await?;
        Ok(block_of(self.dtype, &self.shape, bytes).map_err(ArrayError::from)?)
    }
}

fn wide(sizes: &[usize]) -> Vec<u64> {
    sizes.iter().map(|size| *size as u64).collect()
}

/// Chunks as a file has them.
fn as_stored(shape: &[usize], sizes: &[u64]) -> Chunks {
    let sizes = shape.iter().zip(sizes);
    let sizes = sizes.map(|(len, size)| usize::try_from(*size).unwrap_or(usize::MAX).min((*len).max(1)));
    Chunks::new(shape.iter().zip(sizes).map(|(len, size)| AxisChunks::uniform(*len, size)))
}

/// What lies together in a file is read together: the axis that varies slowest is cut.
fn by_slowest_axis(shape: &[usize], slowest: usize, dtype: DType, block_bytes: usize) -> Result<Chunks, ArrayError> {
    let axes =
        (0..shape.len()).map(|axis| if axis == slowest { AxisSpec::AutoBytes(block_bytes) } else { AxisSpec::Full });
    ChunkSpec::PerAxis(axes.collect()).chunks(shape, dtype.size_bytes(), None)
}

/// What is in different files is in different blocks, and a large file is several.
fn by_file(
    shape: &[usize],
    axis: usize,
    extents: impl Iterator<Item = u64>,
    dtype: DType,
    block_bytes: usize,
) -> Chunks {
    let others = shape.iter().enumerate().filter(|(other, _)| *other != axis).map(|(_, len)| *len as u64);
    let each_bytes = others.fold(dtype.size_bytes() as u64, |bytes, len| bytes.saturating_mul(len));
    let size_max = (block_bytes as u64 / each_bytes.max(1)).max(1);
    let mut sizes = Vec::new();
    for extent in extents {
        // The pieces of a file are alike, as far as they can be. Of files without elements no length is to be trusted.
        let n_pieces = if each_bytes == 0 { 1 } else { extent.div_ceil(size_max).max(1) };
        let (size, n_longer) = (extent / n_pieces, extent % n_pieces);
        sizes.extend((0..n_pieces).map(|at| (size + u64::from(at < n_longer)) as usize));
    }
    Chunks::new(
        shape
            .iter()
            .enumerate()
            .map(|(other, len)| if other == axis { AxisChunks::from_sizes(&sizes) } else { AxisChunks::single(*len) }),
    )
}

impl fmt::Debug for FileArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileArray").field(&self.name).finish()
    }
}

impl Source for FileArray {
    fn name(&self) -> &str {
        &self.name
    }

    fn op_name(&self) -> &'static str {
        "array.file"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn stored_chunks(&self) -> Chunks {
        self.chunks.clone()
    }

    fn read(&self, offset: &[usize], shape: &[usize]) -> BoxFuture<Result<Block, SourceError>> {
        let region = Region::new(wide(offset), wide(shape));
        let (file, dtype, shape) = (self.file.clone(), self.dtype, shape.to_vec());
        Box::pin(async move {
            let bytes = file.read_region(&region).await?;
            Ok(block_of(dtype, &shape, bytes)?)
        })
    }

    /// The stores through which it is read belong to the session.
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        Err(EncodeError::Local { name: self.name.clone() })
    }
}

/// The array of a file that has been opened.
fn in_file(location: &Location, file: Opened, chunks: Option<&ChunkSpec>) -> Result<Array, ArrayIoError> {
    let block_bytes = match chunks {
        Some(ChunkSpec::Keep(bytes)) => *bytes,
        _ => BLOCK_BYTES_DEFAULT,
    };
    Ok(Array::from_source(Arc::new(FileArray::new(location, file, block_bytes)?), chunks)?)
}

/// A block of elements in C order; copied only if the bytes do not lie as elements must.
fn block_of(dtype: DType, shape: &[usize], bytes: Vec<u8>) -> Result<Block, dolmen_kernels::KernelError> {
    if (bytes.as_ptr() as usize).is_multiple_of(8) {
        return Block::from_buffer(dtype, shape, Buffer::from_owner(bytes));
    }
    let mut buffer = Pool::new(0).buffer(bytes.len())?;
    buffer.bytes_mut().copy_from_slice(&bytes);
    Block::from_buffer(dtype, shape, buffer.freeze())
}

impl Array {
    /// The array of an npy file, cut as `chunks` says; by itself along the axis whose parts lie together in the file. Its
    /// header is read now, its elements when they are needed.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn from_npy(
        stores: &Stores,
        location: &Location,
        chunks: Option<&ChunkSpec>,
    ) -> Result<Self, ArrayIoError> {
        let npy = NpyFile::open(stores, location).await?;
        Self::from_npy_file(location, npy, chunks)
    }

    /// The array of an npy file that has been opened, such as a member of an npz file.
    ///
    /// # Errors
    /// As [`from_npy`](Self::from_npy).
    pub fn from_npy_file(location: &Location, npy: NpyFile, chunks: Option<&ChunkSpec>) -> Result<Self, ArrayIoError> {
        in_file(location, Opened::Npy(npy), chunks)
    }

    /// The array that several npy files are together, one behind the other along `axis`: those of a pattern (`parts/*.npy`) in
    /// the order of their names, or those of a folder as Dask's `to_npy_stack` writes it, see [`NpyStack::open`]. Cut as
    /// `chunks` says; by itself at the borders of the files. The headers of all files are read now.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn from_npy_stack(
        stores: &Stores,
        location: &Location,
        axis: Option<usize>,
        chunks: Option<&ChunkSpec>,
    ) -> Result<Self, ArrayIoError> {
        let stack = NpyStack::open(stores, location, axis).await?;
        in_file(location, Opened::NpyStack(stack), chunks)
    }

    /// The pictures in the PNG and TIFF files that `location` stands for, one or those of a pattern (`pictures/*.png`), in the
    /// order of their names: an array of files, height, width, and channels if there are several. Cut as `chunks` says; by
    /// itself into one block for each file. The first file is read now, and says what the others have to be.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn from_images(
        stores: &Stores,
        location: &Location,
        chunks: Option<&ChunkSpec>,
    ) -> Result<Self, ArrayIoError> {
        let images = ImageFiles::open(stores, location).await?;
        in_file(location, Opened::Images(images), chunks)
    }

    /// The Zarr array (version 2 or 3) at `location`, cut as `chunks` says or as it is stored. A chunk that is not there has
    /// the fill value.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn from_zarr(
        stores: &Stores,
        location: &Location,
        chunks: Option<&ChunkSpec>,
    ) -> Result<Self, ArrayIoError> {
        let zarr = ZarrArray::open(stores, location).await?;
        Self::from_zarr_array(location, zarr, chunks)
    }

    /// The array of a Zarr array that has been opened, such as one of a group.
    ///
    /// # Errors
    /// As [`from_zarr`](Self::from_zarr).
    pub fn from_zarr_array(
        location: &Location,
        zarr: ZarrArray,
        chunks: Option<&ChunkSpec>,
    ) -> Result<Self, ArrayIoError> {
        in_file(location, Opened::Zarr(zarr), chunks)
    }
}

/// An array, and what a file says of its axes.
#[derive(Debug, Clone)]
pub struct LabelledArray {
    /// The array.
    pub array: Array,
    /// For each axis what it is called, and what its positions stand for.
    pub axes: Vec<AxisLabels>,
}

/// What a file says of an axis.
#[derive(Debug, Clone)]
pub struct AxisLabels {
    /// What it is called: `time`, `lat`.
    pub name: String,
    /// What each position stands for, if the file says so: the coordinates.
    pub labels: Option<Block>,
}

impl LabelledArray {
    /// A variable of a NetCDF or HDF5 file, with the names of its dimensions and their coordinates, which are read now. By CF
    /// conventions packed numbers are unpacked, what is missing is NaN, and numbers since some day are times. It is cut as
    /// `chunks` says, or as it is stored.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn from_netcdf(
        location: &Location,
        file: &NetcdfFile,
        name: &str,
        chunks: Option<&ChunkSpec>,
    ) -> Result<Self, ArrayIoError> {
        let variable = file.variable(name).await?;
        let mut axes = Vec::new();
        for dimension in variable.dimensions() {
            let labels = match file.coordinate(&variable, dimension).await {
                Some(coordinate) => {
                    Some(FileArray::new(location, Opened::Netcdf(coordinate), BLOCK_BYTES_DEFAULT)?.whole().await?)
                }
                None => None,
            };
            axes.push(AxisLabels { name: dimension.clone(), labels });
        }
        Ok(Self { array: in_file(location, Opened::Netcdf(variable), chunks)?, axes })
    }

    /// A variable of a Zarr group, such as xarray writes, with the names of its dimensions and their coordinates, which are
    /// read now. What its numbers mean and how it is cut is as for [`from_netcdf`](Self::from_netcdf).
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn from_zarr_group(
        location: &Location,
        group: &ZarrGroup,
        name: &str,
        chunks: Option<&ChunkSpec>,
    ) -> Result<Self, ArrayIoError> {
        let variable = group.variable(name).await?;
        let mut coordinates = Vec::new();
        for axis in 0..variable.shape().len() {
            coordinates.push(match group.coordinate(&variable, axis).await? {
                Some(coordinate) => Some(
                    FileArray::new(location, Opened::ZarrVariable(coordinate), BLOCK_BYTES_DEFAULT)?.whole().await?,
                ),
                None => None,
            });
        }
        let mut labelled = Self::from_zarr_variable(location, variable, chunks)?;
        for (axis, labels) in labelled.axes.iter_mut().zip(coordinates) {
            axis.labels = labels;
        }
        Ok(labelled)
    }

    /// A Zarr array by itself, with the names of its dimensions. What its numbers mean and how it is cut is as for
    /// [`from_netcdf`](Self::from_netcdf).
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub fn from_zarr_variable(
        location: &Location,
        variable: ZarrVariable,
        chunks: Option<&ChunkSpec>,
    ) -> Result<Self, ArrayIoError> {
        let names = variable.dimensions().iter().map(|name| name.clone().unwrap_or_default());
        let axes = names.map(|name| AxisLabels { name, labels: None }).collect();
        Ok(Self { array: in_file(location, Opened::ZarrVariable(variable), chunks)?, axes })
    }
}

/// A file that the blocks of an array are written to, in any order. It appears, all at once, when it is finished; dropped
/// before that it leaves nothing behind.
#[derive(Debug)]
pub struct ArrayWriter {
    file: Writing,
}

#[derive(Debug)]
enum Writing {
    Npy(Box<NpyWriter>),
    NpyStack(NpyStackWriter),
    Zarr(ZarrWriter),
    ZarrGroup { group: ZarrGroupWriter, chunks: ZarrChunks },
}

impl ArrayWriter {
    /// Begins an npy file for elements of `dtype` in an array of `shape`.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub fn npy(
        stores: &Arc<Stores>,
        location: &Location,
        temp: &TempFolder,
        dtype: DType,
        shape: &[usize],
    ) -> Result<Self, ArrayIoError> {
        let element = ElementType::from_name(&dtype.name())?;
        Ok(Self { file: Writing::Npy(Box::new(NpyWriter::create(stores, location, temp, element, &wide(shape))?)) })
    }

    /// Begins a folder of npy files, as Dask's `to_npy_stack` writes it, for an array in blocks of these `sizes` along axis 0
    /// and of the whole along the others.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn npy_stack(
        stores: &Arc<Stores>,
        location: &Location,
        dtype: DType,
        shape: &[usize],
        sizes: &[usize],
    ) -> Result<Self, ArrayIoError> {
        let element = ElementType::from_name(&dtype.name())?;
        let writer = NpyStackWriter::create(stores, location, element, &wide(shape), &wide(sizes)).await?;
        Ok(Self { file: Writing::NpyStack(writer) })
    }

    /// Begins a Zarr array of version 3 with chunks of one size along each axis, compressed.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn zarr(
        stores: &Arc<Stores>,
        location: &Location,
        dtype: DType,
        shape: &[usize],
        chunk: &[usize],
    ) -> Result<Self, ArrayIoError> {
        let element = ElementType::from_name(&dtype.name())?;
        let metadata = ZarrMetadata::new(element, &wide(shape), &wide(chunk));
        Ok(Self {
            file: Writing::Zarr(ZarrWriter::create(stores, location, metadata, ZarrCompression::default()).await?),
        })
    }

    /// Begins a Zarr group of version 3 with one variable called `name`, whose axes are called as `axes` says, and their
    /// coordinates, which are written now: what xarray opens. Points in time are written as numbers since 1970, by CF
    /// conventions. Else as [`zarr`](Self::zarr).
    ///
    /// # Errors
    /// [`ArrayIoError`]; of a name that is there twice, or that a file cannot have,
    /// [`InvalidLayout`](ArrayFileError::InvalidLayout).
    pub async fn zarr_group(
        stores: &Arc<Stores>,
        location: &Location,
        name: &str,
        axes: &[AxisLabels],
        dtype: DType,
        (shape, chunk): (&[usize], &[usize]),
    ) -> Result<Self, ArrayIoError> {
        let mut group = ZarrGroupWriter::create(stores, location, ZarrFormat::V3, serde_json::Map::new()).await?;
        let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
        let chunks = group.add(name, variable_of(dtype, shape, chunk, &names)?, ZarrCompression::default())?;
        for axis in axes {
            let Some(labels) = &axis.labels else { continue };
            let whole: Vec<usize> = labels.shape().iter().map(|len| (*len).max(1)).collect();
            let metadata = variable_of(labels.dtype(), labels.shape(), &whole, &[&axis.name])?;
            let coordinates = group.add(&axis.name, metadata, ZarrCompression::default())?;
            if !labels.shape().contains(&0) {
                let bytes = Bytes::from_owner(labels.element_bytes().map_err(ArrayError::from)?);
                coordinates.write_chunk(&vec![0; whole.len()], bytes).await?;
            }
        }
        Ok(Self { file: Writing::ZarrGroup { group, chunks } })
    }

    /// Writes the block that begins at `offset`; of a Zarr array a whole chunk, of a stack a whole file.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn write(&self, offset: &[usize], index: &[u32], block: &Block) -> Result<(), ArrayIoError> {
        let bytes = Bytes::from_owner(block.element_bytes().map_err(ArrayError::from)?);
        match &self.file {
            Writing::Npy(npy) => {
                npy.write_region(&Region::new(wide(offset), wide(block.shape())), bytes).await?;
            }
            Writing::NpyStack(stack) => {
                // Blocks follow each other along axis 0 alone.
                let file = index.first().map_or(0, |idx| *idx as usize);
                stack.write_file(file, bytes).await?;
            }
            Writing::Zarr(zarr) => zarr.chunks().write_chunk(&chunk_index(index), bytes).await?,
            Writing::ZarrGroup { chunks, .. } => chunks.write_chunk(&chunk_index(index), bytes).await?,
        }
        Ok(())
    }

    /// Shows the file.
    ///
    /// # Errors
    /// [`ArrayIoError`]. Nothing is left of it then.
    pub async fn finish(self) -> Result<(), ArrayIoError> {
        match self.file {
            Writing::Npy(npy) => npy.finish().await?,
            Writing::NpyStack(stack) => stack.finish().await?,
            Writing::Zarr(zarr) => zarr.finish().await?,
            Writing::ZarrGroup { group, .. } => group.finish().await?,
        }
        Ok(())
    }
}

fn chunk_index(index: &[u32]) -> Vec<u64> {
    index.iter().map(|idx| u64::from(*idx)).collect()
}

/// The description of a variable of a Zarr group.
fn variable_of(dtype: DType, shape: &[usize], chunk: &[usize], names: &[&str]) -> Result<ZarrMetadata, ArrayIoError> {
    let stored = if matches!(dtype, DType::DateTime(_)) { DType::I64 } else { dtype };
    let mut metadata = ZarrMetadata::new(ElementType::from_name(&stored.name())?, &wide(shape), &wide(chunk));
    metadata.dimension_names = names.iter().map(|name| Some((*name).to_owned())).collect();
    if let DType::DateTime(unit) = dtype {
        let unit = match unit {
            TimeUnit::Day => "days",
            TimeUnit::Hour => "hours",
            TimeUnit::Minute => "minutes",
            TimeUnit::Second => "seconds",
            TimeUnit::Millisecond => "milliseconds",
            TimeUnit::Microsecond => "microseconds",
            TimeUnit::Nanosecond => "nanoseconds",
        };
        let attributes = &mut metadata.attributes;
        attributes.insert("units".to_owned(), format!("{unit} since 1970-01-01 00:00:00").into());
        attributes.insert("calendar".to_owned(), "proleptic_gregorian".into());
        // No time.
        attributes.insert("_FillValue".to_owned(), i64::MIN.into());
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_end_where_blocks_end_and_large_ones_are_several() {
        let sizes = |chunks: &Chunks, axis: usize| chunks.axes()[axis].sizes().unwrap();
        let small = by_file(&[4, 6], 1, [3, 0, 3].into_iter(), DType::F64, BLOCK_BYTES_DEFAULT);
        assert_eq!((sizes(&small, 0), sizes(&small, 1)), (vec![4], vec![3, 3]));
        // Blocks have 128 MiB at most, which is 16 Mi elements.
        let large = by_file(&[40_000_008, 1], 0, [3, 40_000_000, 5].into_iter(), DType::F64, BLOCK_BYTES_DEFAULT);
        assert_eq!(sizes(&large, 0), [3, 13_333_334, 13_333_333, 13_333_333, 5]);
        assert_eq!(sizes(&by_file(&[0, 2], 0, [0].into_iter(), DType::U8, BLOCK_BYTES_DEFAULT), 0), [0]);
        assert_eq!(
            sizes(&by_file(&[1 << 62, 0], 0, [1 << 62].into_iter(), DType::U8, BLOCK_BYTES_DEFAULT), 0),
            [1 << 62]
        );
    }
}
