//! What can go wrong between an array and the file that holds it.

use std::fmt;

use thiserror::Error;

use crate::array_files::element_type::ElementTypeError;
use crate::array_files::region::Region;
use crate::error::StorageError;
use crate::suggest::nearest;

/// An error of reading or writing arrays in files. Files in it are as the user named them, less secrets.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArrayFileError {
    /// The place cannot be reached, read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The bytes are not what their format says they should be.
    #[error("`{file}` is damaged: {damage}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        damage: FileDamage,
    },
    /// The bytes of one chunk are not what the array's description says they should be.
    #[error("the chunk `{key}` of the array `{array}` is damaged: {damage}")]
    DamagedChunk {
        /// The array.
        array: String,
        /// The chunk's key below the array.
        key: String,
        /// What is wrong with it.
        damage: FileDamage,
    },
    /// The file is of a form that this crate does not read.
    #[error("`{file}` cannot be read: {what} is not supported. {remedy}")]
    Unsupported {
        /// The file.
        file: String,
        /// What the file asks for.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The elements are of a type that arrays cannot have.
    #[error("`{file}` cannot be read as an array: its {source}")]
    ElementType {
        /// The file.
        file: String,
        /// Why not, and what to do.
        source: ElementTypeError,
    },
    /// A folder that holds neither a Zarr array nor a Zarr group, or the other of the two.
    #[error("`{location}` is no Zarr {wanted}: {found}")]
    NotZarr {
        /// The folder.
        location: String,
        /// What was asked for: array, group.
        wanted: &'static str,
        /// What was found instead.
        found: ZarrFound,
    },
    /// An archive has no array of that name.
    #[error("`{file}` holds no array `{name}`{}. It holds {}", did_you_mean(name, members), listed(members))]
    NoSuchMember {
        /// The archive.
        file: String,
        /// The name that was asked for.
        name: String,
        /// The names that are there.
        members: Vec<String>,
    },
    /// One of several files that are to be one array is not as the first of them.
    #[error("`{file}` does not fit the other files: it holds {found}, and `{first}` holds {expected}")]
    Misfit {
        /// The file.
        file: String,
        /// What it holds: type and shape.
        found: String,
        /// The first file.
        first: String,
        /// What that holds.
        expected: String,
    },
    /// Files are to stand one behind the other along an axis that they do not have.
    #[error(
        "there is no axis {axis} in `{file}`, whose array has {n_axes} axes: files are put together along one of these"
    )]
    NoSuchAxis {
        /// The first file.
        file: String,
        /// The axis.
        axis: usize,
        /// The axes that its array has.
        n_axes: usize,
    },
    /// A file that its reader makes no sense of.
    #[error("`{file}` cannot be read: {source}")]
    Undecodable {
        /// The file.
        file: String,
        /// What the reader says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is not the one that was opened any more.
    #[error("`{file}` was changed since it was opened: open it again")]
    Changed {
        /// The file.
        file: String,
    },
    /// A region that is not inside of the array.
    #[error("the region {region} is not inside of the array `{array}` of shape {}", Shape(shape))]
    OutsideOfArray {
        /// The array.
        array: String,
        /// What was asked for.
        region: Region,
        /// The array's shape.
        shape: Vec<u64>,
    },
    /// A buffer that does not hold exactly the bytes of its region.
    #[error(
        "{expected_bytes} bytes belong to the region {region} of the array `{array}`, but the buffer has {found_bytes}"
    )]
    WrongLength {
        /// The array.
        array: String,
        /// What was to be read or written.
        region: Region,
        /// The bytes of the region.
        expected_bytes: usize,
        /// The bytes of the buffer.
        found_bytes: usize,
    },
    /// More bytes than this machine can give or address.
    #[error("{what} of `{array}` needs more memory than there is ({}): read it in smaller parts", OrMany(*needed_bytes))]
    TooLarge {
        /// The array.
        array: String,
        /// What was to be held: the region, the chunk.
        what: String,
        /// Bytes; `None` if they cannot even be counted.
        needed_bytes: Option<usize>,
    },
    /// A new array that cannot be written as it is described.
    #[error("cannot write the array `{array}`: {problem}")]
    InvalidLayout {
        /// The array.
        array: String,
        /// What is wrong with its description.
        problem: LayoutProblem,
    },
    /// An array was to be finished before all of it was written.
    #[error("the array `{array}` is not complete: {written_bytes} of {total_bytes} bytes were written")]
    Incomplete {
        /// The array.
        array: String,
        /// Bytes of elements that were written.
        written_bytes: u64,
        /// Bytes of elements that it has.
        total_bytes: u64,
    },
}

/// The result of reading and writing arrays in files.
pub type ArrayFileResult<T> = std::result::Result<T, ArrayFileError>;

/// What is wrong with the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileDamage {
    /// It does not begin or end as files of its format do.
    #[error("it is no {format} file")]
    Format {
        /// The format that was expected.
        format: &'static str,
    },
    /// Part of it is missing.
    #[error("it has {found_bytes} bytes, but its description asks for {expected_bytes}")]
    Truncated {
        /// What is needed.
        expected_bytes: u64,
        /// What is there.
        found_bytes: u64,
    },
    /// A description that cannot be read.
    #[error("its {part} cannot be read: {problem}")]
    Description {
        /// Which description: header, metadata, directory.
        part: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A description longer than any sensible one.
    #[error("its {part} has {bytes} bytes, and at most {bytes_max} are read")]
    LongDescription {
        /// Which description: header, metadata, directory.
        part: &'static str,
        /// How long it is.
        bytes: u64,
        /// How long it may be.
        bytes_max: u64,
    },
    /// Compressed bytes that cannot be decompressed.
    #[error("{codec} cannot decode it: {problem}")]
    Decode {
        /// The codec.
        codec: &'static str,
        /// What the codec says.
        problem: String,
    },
    /// Bytes that do not add up to the sum that was stored with them.
    #[error("its checksum does not match ({codec})")]
    Checksum {
        /// The kind of checksum.
        codec: &'static str,
    },
    /// Decoding gave another number of bytes than the description says.
    #[error("it decodes to {found_bytes} bytes instead of {expected_bytes}")]
    Length {
        /// What the description says.
        expected_bytes: usize,
        /// What came out, or at least that much.
        found_bytes: usize,
    },
    /// More memory than there is.
    #[error("it decodes to {bytes} bytes, and there is not that much memory")]
    Memory {
        /// Bytes that it decodes to.
        bytes: usize,
    },
    /// A part lies outside of the file.
    #[error("its {part} points outside of it")]
    Outside {
        /// What points there.
        part: &'static str,
    },
}

/// What stands where a Zarr array or group was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZarrFound {
    /// No Zarr metadata at all.
    Nothing,
    /// A group of arrays.
    Group,
    /// An array.
    Array,
}

impl fmt::Display for ZarrFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "there is no `zarr.json`, `.zarray` or `.zgroup` in it",
            Self::Group => "it is a group, name one of the arrays in it",
            Self::Array => "it is an array",
        })
    }
}

/// Why an array cannot be written as it is described.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutProblem {
    /// Chunks, names or the like for another number of axes.
    #[error("{what} has {found} entries for {n_axes} axes")]
    Rank {
        /// What does not fit the shape.
        what: &'static str,
        /// Its entries.
        found: usize,
        /// The axes of the array.
        n_axes: usize,
    },
    /// Files that are not the whole array.
    #[error("it needs a first axis, to which its files add up")]
    Extents,
    /// A chunk without extent.
    #[error("a chunk must have at least one element along every axis")]
    EmptyChunk,
    /// A chunk larger than any machine can hold.
    #[error("a chunk is larger than can be addressed")]
    HugeChunk,
    /// A shard that chunks do not fill.
    #[error("the shard of {shard} elements along axis {axis} is not a whole number of chunks of {chunk}")]
    Shard {
        /// The axis.
        axis: usize,
        /// Elements of a shard.
        shard: u64,
        /// Elements of a chunk.
        chunk: u64,
    },
    /// Zarr 2 cannot do that.
    #[error("Zarr 2 knows no {what}: write Zarr 3")]
    NeedsZarr3 {
        /// What it does not know.
        what: &'static str,
    },
    /// The fill value has another size than an element.
    #[error("the fill value has {found_bytes} bytes instead of {expected_bytes}")]
    FillValue {
        /// Bytes of an element.
        expected_bytes: usize,
        /// Bytes of the fill value.
        found_bytes: usize,
    },
    /// An array larger than the format can say.
    #[error("it has more bytes than can be counted")]
    HugeArray,
    /// A chunk index outside of the grid.
    #[error("there is no chunk {index}: along each axis there are {n_chunks}")]
    NoSuchChunk {
        /// The index.
        index: String,
        /// The number of chunks per axis.
        n_chunks: String,
    },
    /// A name that cannot be one.
    #[error("`{0}` is no name for an array in an archive")]
    MemberName(String),
    /// A name that is there already.
    #[error("there is an array `{0}` already")]
    DuplicateMember(String),
    /// Something stands in the place of the array.
    #[error("there is a {0} already: remove it first, or write to another place")]
    Occupied(&'static str),
    /// The compression level is not one that the codec has.
    #[error("{codec} has levels {levels}, not {found}")]
    Level {
        /// The codec.
        codec: &'static str,
        /// What it has.
        levels: &'static str,
        /// What was asked for.
        found: i32,
    },
}

/// A shape as NumPy writes it.
pub(crate) struct Shape<'a>(pub(crate) &'a [u64]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self.0.iter().map(u64::to_string).collect();
        match sizes.as_slice() {
            [one] => write!(f, "({one},)"),
            sizes => write!(f, "({})", sizes.join(", ")),
        }
    }
}

struct OrMany(Option<usize>);

impl fmt::Display for OrMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => f.write_str(&crate::byte_size::format_bytes(u64::try_from(bytes).unwrap_or(u64::MAX))),
            None => f.write_str("more than can be addressed"),
        }
    }
}

fn did_you_mean(name: &str, members: &[String]) -> String {
    let suggestion = nearest(name, members.iter().map(String::as_str));
    suggestion.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

fn listed(members: &[String]) -> String {
    const N_SHOWN: usize = 10;
    let shown: Vec<String> = members.iter().take(N_SHOWN).map(|name| format!("`{name}`")).collect();
    match members.len() {
        0 => "no arrays".to_owned(),
        n if n > N_SHOWN => format!("{} and {} more", shown.join(", "), n - N_SHOWN),
        _ => shown.join(", "),
    }
}
