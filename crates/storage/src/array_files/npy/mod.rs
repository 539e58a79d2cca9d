//! npy files: one array, as NumPy's `save` writes it.

mod header;
mod read;
mod write;

use header::Header;
pub use read::NpyFile;
pub use write::NpyWriter;
pub(crate) use write::header;
