//! Zarr arrays and groups, versions 2 and 3.

mod codecs;
mod fill_value;
mod grid;
mod group;
mod json;
mod metadata;
mod objects;
mod read;
mod tree;
mod v2;
mod v3;
mod variable;
mod write;

pub use group::ZarrGroup;
pub use metadata::{ZarrFormat, ZarrMetadata};
pub use read::ZarrArray;
pub(crate) use tree::Tree;
pub use variable::ZarrVariable;
pub use write::{ZarrChunks, ZarrCompression, ZarrGroupWriter, ZarrWriter};
