//! Variables of NetCDF files (classic and 4) and of HDF5 files, read by regions.

use std::fmt;
use std::io;
use std::sync::Arc;

use netcdf_reader::{
    NcFile, NcGroup, NcMetadataMode, NcOpenOptions, NcReadable, NcSliceInfo, NcSliceInfoElem, NcType, NcVariable,
};

use crate::array_files::cf::{Attributes, CfDecoding};
use crate::array_files::element_type::{ElementKind, ElementType};
use crate::array_files::error::{ArrayFileError, ArrayFileResult};
use crate::array_files::memory::check_region;
use crate::array_files::region::Region;
use crate::array_files::source::Source;
use crate::location::Location;
use crate::stores::Stores;
use crate::waiting::{block_on, unblock};

/// Decoded chunks that a file keeps, in bytes: neighbouring regions share some.
const CACHED_BYTES: usize = 16 << 20;

/// A NetCDF or HDF5 file. Cheap to clone.
///
/// The metadata are read when it is opened, elements by ranges when they are asked for.
#[derive(Clone)]
pub struct NetcdfFile {
    inner: Arc<Inner>,
}

struct Inner {
    shown: String,
    file: NcFile,
    bytes: Arc<StoredBytes>,
}

/// One variable (dataset) of a file, as CF conventions say it is meant: packed numbers unpacked, what is missing NaN, and
/// numbers since some day times in microseconds.
#[derive(Clone)]
pub struct NetcdfVariable {
    file: NetcdfFile,
    path: String,
    shape: Vec<u64>,
    dimensions: Vec<String>,
    chunks: Option<Vec<u64>>,
    decoding: CfDecoding,
}

/// The bytes of the file, for the reader that decodes them.
struct StoredBytes {
    source: Source,
}

impl hdf5_reader::storage::Storage for StoredBytes {
    fn len(&self) -> u64 {
        self.source.size_bytes()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<hdf5_reader::storage::StorageBuffer> {
        // Called on threads for calls that block, see `unblock`.
        let read = block_on(self.source.read(offset..offset.saturating_add(len as u64)));
        let bytes = read.map_err(|error| hdf5_reader::error::Error::Io(io::Error::other(error.to_string())))?;
        Ok(hdf5_reader::storage::StorageBuffer::from_vec(bytes.into()))
    }
}

impl NetcdfFile {
    /// Reads what the file at `location` says of its variables.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`] if there is no such file or no access to it, [`ArrayFileError::Undecodable`] if it is
    /// neither NetCDF nor HDF5, or damaged.
    pub async fn open(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        let bytes = Arc::new(StoredBytes { source: Source::open(stores, location).await? });
        let shown = bytes.source.shown().to_owned();
        let storage = Arc::clone(&bytes);
        let open = move || {
            // Files of HDF5 that no NetCDF library wrote have no names for their dimensions.
            let metadata_mode = NcMetadataMode::Lossy;
            let options = NcOpenOptions { chunk_cache_bytes: CACHED_BYTES, metadata_mode, ..NcOpenOptions::default() };
            let file = NcFile::from_storage_with_options(storage, options)?;
            // Groups are read at first use.
            file.root_group()?;
            Ok(file)
        };
        let file = unblock(open).await.map_err(|source: netcdf_reader::Error| undecodable(&shown, source))?;
        Ok(Self { inner: Arc::new(Inner { shown, file, bytes }) })
    }

    /// The paths of all variables of numbers, those that only name the positions along a dimension (coordinates) behind the
    /// others.
    ///
    /// # Errors
    /// [`ArrayFileError::Undecodable`].
    pub fn names(&self) -> ArrayFileResult<Vec<String>> {
        let mut variables = self.variables()?;
        variables.sort_by_key(|(_, is_coordinate)| *is_coordinate);
        Ok(variables.into_iter().map(|(name, _)| name).collect())
    }

    /// The one variable that a file is about: the only one that is no coordinate, or the only one that there is.
    ///
    /// # Errors
    /// [`ArrayFileError::Undecodable`].
    pub fn only_name(&self) -> ArrayFileResult<Option<String>> {
        let variables = self.variables()?;
        let others: Vec<&String> =
            variables.iter().filter(|(_, is_coordinate)| !is_coordinate).map(|(name, _)| name).collect();
        Ok(match (&others[..], &variables[..]) {
            ([only], _) => Some((*only).clone()),
            ([], [(only, _)]) => Some(only.clone()),
            _ => None,
        })
    }

    /// The paths of all variables of numbers, and whether each is a coordinate.
    fn variables(&self) -> ArrayFileResult<Vec<(String, bool)>> {
        let root = self.inner.file.root_group().map_err(|source| undecodable(&self.inner.shown, source))?;
        let mut variables = Vec::new();
        collect(root, "", &mut variables);
        Ok(variables)
    }

    /// The variable of this name, with the groups that it is in before it: `model/temperature`.
    ///
    /// # Errors
    /// [`ArrayFileError::NoSuchMember`]; [`ArrayFileError::Unsupported`] if its elements are no numbers.
    pub async fn variable(&self, name: &str) -> ArrayFileResult<NetcdfVariable> {
        let path = name.trim_start_matches('/').to_owned();
        let Ok(variable) = self.inner.file.variable(&path) else {
            let (file, members) = (self.inner.shown.clone(), self.names()?);
            return Err(ArrayFileError::NoSuchMember { file, name: path, members });
        };
        let Some(stored) = element_of(variable.dtype()) else {
            let what = format!("the variable {path}, whose elements are no numbers,");
            let remedy = "Choose another one with the option dataset";
            return Err(ArrayFileError::Unsupported { file: self.inner.shown.clone(), what, remedy });
        };
        let decoding = CfDecoding::of(variable, stored);
        let (shape, dimensions) = (variable.shape(), variable.dimensions());
        let dimensions = dimensions.iter().map(|dimension| dimension.name.clone()).collect();
        let chunks = self.chunks(&path).await;
        Ok(NetcdfVariable { file: self.clone(), path, shape, dimensions, chunks, decoding })
    }

    /// The variable that says what the positions along a dimension of a variable are, if there is one.
    pub async fn coordinate(&self, of: &NetcdfVariable, dimension: &str) -> Option<NetcdfVariable> {
        // In the variable's own group, or in one around it.
        let mut group = of.path.rsplit_once('/').map_or("", |(group, _)| group);
        loop {
            let path = if group.is_empty() { dimension.to_owned() } else { format!("{group}/{dimension}") };
            let is_one = |variable: &NcVariable| variable.is_coordinate_variable_for(dimension);
            if path != of.path && self.inner.file.variable(&path).is_ok_and(is_one) {
                return self.variable(&path).await.ok();
            }
            if group.is_empty() {
                return None;
            }
            group = group.rsplit_once('/').map_or("", |(outer, _)| outer);
        }
    }

    /// The sizes of the chunks that a dataset of an HDF5 file is stored in.
    async fn chunks(&self, path: &str) -> Option<Vec<u64>> {
        if self.inner.file.as_classic().is_some() {
            return None;
        }
        let (bytes, path) = (Arc::clone(&self.inner.bytes), path.to_owned());
        let chunks = move || hdf5_reader::Hdf5File::from_storage(bytes).ok()?.dataset(&path).ok()?.chunks();
        Some(unblock(chunks).await?.into_iter().map(u64::from).collect())
    }
}

/// The variables of numbers in a group and those below it, and whether each is a coordinate.
fn collect(group: &NcGroup, path: &str, names: &mut Vec<(String, bool)>) {
    for variable in group.variables.iter().filter(|variable| element_of(variable.dtype()).is_some()) {
        names.push((format!("{path}{}", variable.name()), variable.is_coordinate_variable()));
    }
    for inner in &group.groups {
        collect(inner, &format!("{path}{}/", inner.name), names);
    }
}

fn undecodable(file: &str, source: netcdf_reader::Error) -> ArrayFileError {
    ArrayFileError::Undecodable { file: file.to_owned(), source: Box::new(source) }
}

/// The type of stored numbers.
fn element_of(stored: &NcType) -> Option<ElementType> {
    let name = match stored {
        NcType::Byte => "int8",
        NcType::UByte => "uint8",
        NcType::Short => "int16",
        NcType::UShort => "uint16",
        NcType::Int => "int32",
        NcType::UInt => "uint32",
        NcType::Int64 => "int64",
        NcType::UInt64 => "uint64",
        NcType::Float => "float32",
        NcType::Double => "float64",
        _ => return None,
    };
    ElementType::from_name(name).ok()
}

impl Attributes for NcVariable {
    fn text(&self, name: &str) -> Option<String> {
        self.attribute(name)?.value.as_string()
    }

    fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        self.attribute(name)?.value.as_f64_vec()
    }
}

impl NetcdfVariable {
    /// The extent of each axis.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The names of the axes.
    pub fn dimensions(&self) -> &[String] {
        &self.dimensions
    }

    /// The type of the elements, as they are meant.
    pub fn element(&self) -> ElementType {
        self.decoding.element()
    }

    /// The extents of the chunks that it is stored in; `None` if it lies in one piece.
    pub fn chunks(&self) -> Option<&[u64]> {
        self.chunks.as_deref()
    }

    /// The bytes of `region` in C order, each element in the byte order of this machine.
    ///
    /// # Errors
    /// [`ArrayFileError::OutsideOfArray`], [`ArrayFileError::Undecodable`] if the file is damaged, was changed, or cannot be
    /// reached any more.
    pub async fn read_region(&self, region: &Region) -> ArrayFileResult<Vec<u8>> {
        check_region(&self.file.inner.shown, &self.shape, region)?;
        let (this, of) = (self.clone(), region.clone());
        let read = move || {
            let shown = &this.file.inner.shown;
            let stored = this.stored(&of).map_err(|source| undecodable(shown, source))?;
            this.decoding.decode(shown, &of, stored)
        };
        unblock(read).await
    }

    /// The numbers as they are stored.
    fn stored(&self, region: &Region) -> netcdf_reader::Result<Vec<u8>> {
        // An empty selection has no elements to read.
        if region.is_empty() {
            return Ok(Vec::new());
        }
        let axes = region.start().iter().zip(region.shape());
        let selections =
            axes.map(|(start, len)| NcSliceInfoElem::Slice { start: *start, end: start + len, step: 1 }).collect();
        let selection = &NcSliceInfo { selections };
        fn bytes<T: NcReadable + Copy, const N: usize>(
            variable: &NetcdfVariable,
            selection: &NcSliceInfo,
            of: fn(T) -> [u8; N],
        ) -> netcdf_reader::Result<Vec<u8>> {
            let values = variable.file.inner.file.read_variable_slice::<T>(&variable.path, selection)?;
            Ok(values.iter().flat_map(|value| of(*value)).collect())
        }
        let stored = self.decoding.stored();
        match (stored.kind(), stored.size_bytes()) {
            (ElementKind::Int, 1) => bytes(self, selection, i8::to_ne_bytes),
            (ElementKind::Int, 2) => bytes(self, selection, i16::to_ne_bytes),
            (ElementKind::Int, 4) => bytes(self, selection, i32::to_ne_bytes),
            (ElementKind::Int, _) => bytes(self, selection, i64::to_ne_bytes),
            (ElementKind::UInt, 1) => bytes(self, selection, u8::to_ne_bytes),
            (ElementKind::UInt, 2) => bytes(self, selection, u16::to_ne_bytes),
            (ElementKind::UInt, 4) => bytes(self, selection, u32::to_ne_bytes),
            (ElementKind::UInt, _) => bytes(self, selection, u64::to_ne_bytes),
            (_, 4) => bytes(self, selection, f32::to_ne_bytes),
            _ => bytes(self, selection, f64::to_ne_bytes),
        }
    }
}

impl fmt::Debug for NetcdfFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NetcdfFile").field(&self.inner.shown).finish()
    }
}

impl fmt::Debug for NetcdfVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NetcdfVariable").field(&self.file.inner.shown).field(&self.path).finish()
    }
}
