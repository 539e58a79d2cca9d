//! npz files: zip archives of npy files.

mod read;
mod write;
mod zip;

pub use read::NpzFile;
pub use write::{NpzMember, NpzWriter};
