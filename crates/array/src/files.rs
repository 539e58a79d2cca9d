//! Arrays in files: npy, npz and Zarr, read where they are needed and written block by block.

use std::fmt;
use std::sync::Arc;

use dolmen_graph::{BoxFuture, EncodeError};
use dolmen_kernels::{Block, Buffer, DType, Pool};
use dolmen_storage::{
    ArrayFileError, ElementType, ElementTypeError, Location, NpyFile, NpyWriter, Region, Stores, TempFolder, ZarrArray,
    ZarrCompression, ZarrMetadata, ZarrWriter,
};
use thiserror::Error;

use crate::source::{Source, SourceError};
use crate::{Array, ArrayError, AxisChunks, AxisSpec, ChunkSpec, Chunks};

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
    Zarr(ZarrArray),
}

impl FileArray {
    fn new(location: &Location, shape: &[u64], element: ElementType, file: Opened) -> Result<Self, ArrayIoError> {
        let name = location.to_string();
        let len =
            |len: &u64| usize::try_from(*len).map_err(|_| ArrayIoError::TooLarge { location: name.clone(), len: *len });
        let shape = shape.iter().map(len).collect::<Result<Vec<_>, _>>()?;
        let unknown = |_| ArrayIoError::UnknownElement { location: name.clone(), element: element.name() };
        let dtype: DType = element.name().parse().map_err(unknown)?;
        let chunks = match &file {
            Opened::Zarr(zarr) => {
                let sizes = shape.iter().zip(&zarr.metadata().chunks);
                let sizes = sizes.map(|(len, size)| usize::try_from(*size).unwrap_or(usize::MAX).min((*len).max(1)));
                Chunks::new(shape.iter().zip(sizes).map(|(len, size)| AxisChunks::uniform(*len, size)))
            }
            // What lies together in the file is read together: the axis that varies slowest is cut.
            Opened::Npy(npy) => {
                let slowest = if npy.is_fortran() { shape.len().saturating_sub(1) } else { 0 };
                let axes = (0..shape.len()).map(|axis| if axis == slowest { AxisSpec::Auto } else { AxisSpec::Full });
                ChunkSpec::PerAxis(axes.collect()).chunks(&shape, dtype.size_bytes(), None)?
            }
        };
        Ok(Self { name, shape, dtype, chunks, file })
    }
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
        let wide = |numbers: &[usize]| numbers.iter().map(|number| *number as u64).collect::<Vec<_>>();
        let region = Region::new(wide(offset), wide(shape));
        let (file, dtype, shape) = (self.file.clone(), self.dtype, shape.to_vec());
        Box::pin(async move {
            let bytes = match file {
                Opened::Npy(npy) => npy.read_region(&region).await?,
                Opened::Zarr(zarr) => zarr.read_region(&region).await?,
            };
            Ok(block_of(dtype, &shape, bytes)?)
        })
    }

    /// The stores through which it is read belong to the session.
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        Err(EncodeError::Local { name: self.name.clone() })
    }
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
        let (shape, element) = (npy.shape().to_vec(), npy.element());
        let source = FileArray::new(location, &shape, element, Opened::Npy(npy))?;
        Ok(Self::from_source(Arc::new(source), chunks)?)
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
        let (shape, element) = (zarr.metadata().shape.clone(), zarr.metadata().element);
        let source = FileArray::new(location, &shape, element, Opened::Zarr(zarr))?;
        Ok(Self::from_source(Arc::new(source), chunks)?)
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
    Zarr(ZarrWriter),
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
        let shape: Vec<u64> = shape.iter().map(|len| *len as u64).collect();
        Ok(Self { file: Writing::Npy(Box::new(NpyWriter::create(stores, location, temp, element, &shape)?)) })
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
        let wide = |sizes: &[usize]| sizes.iter().map(|size| *size as u64).collect::<Vec<_>>();
        let metadata = ZarrMetadata::new(element, &wide(shape), &wide(chunk));
        Ok(Self {
            file: Writing::Zarr(ZarrWriter::create(stores, location, metadata, ZarrCompression::default()).await?),
        })
    }

    /// Writes the block that begins at `offset`; of a Zarr array, a whole chunk.
    ///
    /// # Errors
    /// [`ArrayIoError`].
    pub async fn write(&self, offset: &[usize], index: &[u32], block: &Block) -> Result<(), ArrayIoError> {
        let bytes = block.element_bytes().map_err(ArrayError::from)?;
        match &self.file {
            Writing::Npy(npy) => {
                let wide = |sizes: &[usize]| sizes.iter().map(|size| *size as u64).collect::<Vec<_>>();
                npy.write_region(&Region::new(wide(offset), wide(block.shape())), bytes).await?;
            }
            Writing::Zarr(zarr) => {
                let index: Vec<u64> = index.iter().map(|idx| u64::from(*idx)).collect();
                zarr.chunks().write_chunk(&index, bytes).await?;
            }
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
            Writing::Zarr(zarr) => zarr.finish().await?,
        }
        Ok(())
    }
}
