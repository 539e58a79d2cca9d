//! npy files: one array, as NumPy's `save` writes it; several of them that are one array together.

mod header;
mod info;
mod read;
mod stack;
mod stack_write;
mod write;

use header::Header;
pub use read::NpyFile;
pub use stack::NpyStack;
pub use stack_write::NpyStackWriter;
pub use write::NpyWriter;
pub(crate) use write::header;
