//! Arrays in files: npy, npz, Zarr 2 and 3, NetCDF, HDF5, pictures.

mod boxes;
mod cf;
mod destination;
mod element_file;
mod element_type;
mod error;
mod images;
mod memory;
mod netcdf;
mod npy;
mod npz;
mod positioned;
mod region;
mod runs;
mod source;
mod zarr;

pub use element_type::{ByteOrder, ElementKind, ElementProblem, ElementType, ElementTypeError, TimeBase, TimeUnit};
pub use error::{ArrayFileError, ArrayFileResult, FileDamage, LayoutProblem, ZarrFound};
pub use images::ImageFiles;
pub use netcdf::{NetcdfFile, NetcdfVariable};
pub use npy::{NpyFile, NpyStack, NpyStackWriter, NpyWriter};
pub use npz::{NpzFile, NpzMember, NpzWriter};
pub use region::Region;
pub use zarr::{
    ZarrArray, ZarrChunks, ZarrCompression, ZarrFormat, ZarrGroup, ZarrGroupWriter, ZarrMetadata, ZarrVariable,
    ZarrWriter,
};
