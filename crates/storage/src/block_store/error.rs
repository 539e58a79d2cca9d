//! What can go wrong with a block.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::BlockId;
use super::codec::CodecError;
use crate::budget::MemoryError;

/// An operation on a block that failed. The store stays usable, and the block stays where it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The block has been removed, perhaps while the operation was running.
    #[error("{block} has been removed")]
    Removed {
        /// The block.
        block: BlockId,
    },
    /// There is no memory to read the block into.
    #[error("cannot read {block} back: {source}")]
    Memory {
        /// The block.
        block: BlockId,
        /// What the budget says.
        source: MemoryError,
    },
    /// No space is left for temporary files, or the user's quota is used up.
    #[error(
        "cannot spill {block}: no space is left in the folder for temporary files {}. Free some, or choose another \
         folder: {source}",
        folder.display()
    )]
    DiskFull {
        /// The block.
        block: BlockId,
        /// The folder that was chosen for temporary files.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system refused or failed an operation on a block's file or folder.
    #[error("cannot {operation} {}, which holds {block}: {source}", path.display())]
    Io {
        /// What was tried: create, write, read.
        operation: &'static str,
        /// The block.
        block: BlockId,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{}, which holds {block}, is damaged: {problem}", path.display())]
    Corrupt {
        /// The block.
        block: BlockId,
        /// The file.
        path: PathBuf,
        /// How that was found out.
        problem: Damage,
    },
    /// The value has no form as bytes.
    #[error("cannot spill {block}: {source}")]
    Encode {
        /// The block.
        block: BlockId,
        /// What its codec says.
        source: CodecError,
    },
    /// The bytes are those that were written, but they make no value.
    #[error("cannot make a value of {block}, read from {}: {source}", path.display())]
    Decode {
        /// The block.
        block: BlockId,
        /// The file.
        path: PathBuf,
        /// What its codec says.
        source: CodecError,
    },
}

/// How a file differs from what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// Its length is another.
    Length {
        /// The bytes that were written.
        expected_bytes: u64,
        /// The bytes that are there.
        found_bytes: u64,
    },
    /// Its checksum is another.
    Checksum {
        /// Of the bytes that were written.
        expected: u64,
        /// Of the bytes that are there.
        found: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected_bytes, found_bytes } => {
                write!(f, "it has {found_bytes} bytes, but {expected_bytes} were written")
            }
            Self::Checksum { expected, found } => {
                write!(f, "its checksum is {found:016x}, but that of what was written is {expected:016x}")
            }
        }
    }
}
