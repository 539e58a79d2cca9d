//! Storage: the only crate that opens a URL, the owner of the memory budget, and the reader and writer of array files.
//!
//! ```text
//!  text --> Location --> Stores --> GuardedStore --> object_store
//!                          |             |
//!                     StoreOptions   AccessPolicy, Secrets
//!                          |
//!                          '--> NpyFile, NpzFile, ZarrArray, ZarrGroup: arrays in files, by regions
//!
//!  MemoryBudget --> Consumer --> Reservation --> BlockStore --> TempFolder       AtomicOutput: local results
//!       |                                            |
//!       '---- Reclaim: short of memory, drop --------'
//! ```
//!
//! A session makes one [`Stores`], one [`MemoryBudget`] and one [`TempFolder`]; nothing here is global.
//!
//! ```
//! use dolmen_storage::{Location, Stores, StoresConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), dolmen_storage::StorageError> {
//! # let dir = tempfile::tempdir().expect("a temporary folder");
//! # std::fs::write(dir.path().join("a.csv"), "x\n1\n").expect("a file");
//! # let text = format!("{}/*.csv", dir.path().display());
//! let stores = Stores::new(StoresConfig::default())?;
//! let listing = stores.list(&Location::parse(&text)?).await?;
//! assert_eq!(listing.files.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! - **Every operation of every store asks the session's [`AccessPolicy`] first.** A store leaves this crate only inside a
//!   [`GuardedStore`].
//! - **Nothing that runs in a session can widen its policy.** It is set when [`Stores`] is made and has no setter.
//! - **No secret leaves in an error, in `Debug` or in `Display`.** URLs that identify stores hold none.
//! - **Bytes taken from a [`MemoryBudget`] come back** when their [`Reservation`] or their last [`Consumer`] is dropped.
//! - **Asking a budget for memory never waits**, not for a disk either: only blocks that are on disk already are dropped.
//! - **A block is read back as it was written, or not at all**, and a store's files do not outlive it.
//! - **A result is whole or absent**: [`AtomicOutput`] on local disks; object stores complete an upload in one step, and the
//!   metadata of a Zarr array, which make it one, come last.
//! - **No size that a file states is trusted**: memory is taken for what the caller asks for, and for what is really there.

mod access;
mod array_files;
mod atomic_output;
mod block_store;
mod budget;
mod byte_size;
mod environment;
mod error;
mod glob;
mod guarded;
mod held_output;
mod http_connector;
mod listing;
mod location;
mod memory_limit;
mod named_secret;
mod real_path;
mod reclaim;
mod secrets;
mod store_options;
mod stores;
mod suggest;
mod temp_folder;
mod waiting;

pub use access::{AccessPolicy, AccessRoot, ExternalAccess, Operation};
pub use array_files::{
    ArrayFileError, ArrayFileResult, ByteOrder, ElementKind, ElementProblem, ElementType, ElementTypeError, FileDamage,
    ImageFiles, LayoutProblem, NetcdfFile, NetcdfVariable, NpyFile, NpyStack, NpyStackWriter, NpyWriter, NpzFile,
    NpzMember, NpzWriter, Region, TimeBase, TimeUnit, ZarrArray, ZarrChunks, ZarrCompression, ZarrFormat, ZarrFound,
    ZarrGroup, ZarrGroupWriter, ZarrMetadata, ZarrVariable, ZarrWriter,
};
pub use atomic_output::AtomicOutput;
pub use block_store::{BlockCodec, BlockError, BlockId, BlockRef, BlockStats, BlockStore, CodecError, Damage};
pub use budget::{Consumer, MemoryBudget, MemoryError, Reservation};
pub use byte_size::{ByteSizeError, ByteSizeProblem, format_bytes, parse_bytes};
pub use environment::Environment;
pub use error::{LocationProblem, Occupant, Result, StorageError};
pub use glob::GlobPattern;
pub use guarded::GuardedStore;
pub use held_output::HeldOutput;
pub use listing::{Listing, ListingKind};
pub use location::{Location, PathBase, StoreKey, StoreKind, Target};
pub use memory_limit::default_memory_limit;
pub use named_secret::{NamedSecret, SecretInfo};
pub use reclaim::{Reclaim, Shortage};
pub use secrets::{REDACTED, Secrets, is_secret_key, redact_url};
pub use stores::{ResolvedStore, Stores, StoresConfig};
pub use suggest::nearest;
pub use temp_folder::TempFolder;
pub use waiting::block_on;
