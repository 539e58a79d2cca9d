//! What a Zarr array is, in either version of the format.

use serde_json::{Map, Value};

use crate::array_files::element_type::{ElementType, ElementTypeError};
use crate::array_files::error::{ArrayFileError, FileDamage, LayoutProblem};
use crate::array_files::region::n_bytes;
use crate::array_files::zarr::codecs::Codecs;

/// The version of the Zarr format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ZarrFormat {
    /// `.zarray`, `.zgroup` and `.zattrs`.
    V2,
    /// `zarr.json`.
    V3,
}

/// The description of a Zarr array, read or to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct ZarrMetadata {
    /// The version of the format.
    pub format: ZarrFormat,
    /// The extent of each axis.
    pub shape: Vec<u64>,
    /// The shape of a chunk: what one object holds. Those at the ends of the array may reach beyond it.
    pub chunks: Vec<u64>,
    /// The shape of the smaller chunks that a chunk is made of, if it is a shard. They can be read one by one.
    pub inner_chunks: Option<Vec<u64>>,
    /// The type of the elements, in the byte order of the file.
    pub element: ElementType,
    /// One element in the byte order of this machine, for chunks that are not there.
    pub fill_value: Vec<u8>,
    /// A name for each axis, if it has one.
    pub dimension_names: Vec<Option<String>>,
    /// What else is said about the array, such as its unit.
    pub attributes: Map<String, Value>,
}

impl ZarrMetadata {
    /// A description of Zarr 3 without names and attributes, with zero as the fill value.
    pub fn new(element: ElementType, shape: &[u64], chunks: &[u64]) -> Self {
        Self {
            format: ZarrFormat::V3,
            shape: shape.to_vec(),
            chunks: chunks.to_vec(),
            inner_chunks: None,
            element,
            fill_value: vec![0; element.size_bytes()],
            dimension_names: vec![None; shape.len()],
            attributes: Map::new(),
        }
    }

    /// Whether any axis has a name.
    pub(crate) fn has_dimension_names(&self) -> bool {
        self.dimension_names.iter().any(Option::is_some)
    }

    /// Checks that the parts fit each other.
    pub(crate) fn check(&self) -> Result<(), LayoutProblem> {
        let n_axes = self.shape.len();
        let inner = self.inner_chunks.as_ref();
        let ranks = [
            ("the chunk shape", Some(self.chunks.len())),
            ("the inner chunk shape", inner.map(Vec::len)),
            ("the list of dimension names", Some(self.dimension_names.len())),
        ];
        for (what, found) in ranks {
            if let Some(found) = found.filter(|&found| found != n_axes) {
                return Err(LayoutProblem::Rank { what, found, n_axes });
            }
        }
        if self.chunks.contains(&0) || inner.is_some_and(|inner| inner.contains(&0)) {
            return Err(LayoutProblem::EmptyChunk);
        }
        let size_bytes = self.element.size_bytes();
        n_bytes(&self.chunks, size_bytes).ok_or(LayoutProblem::HugeChunk)?;
        if let Some(inner) = inner {
            let mut pairs = self.chunks.iter().zip(inner).enumerate();
            if let Some((axis, (&shard, &chunk))) = pairs.find(|(_, (shard, chunk))| !shard.is_multiple_of(**chunk)) {
                return Err(LayoutProblem::Shard { axis, shard, chunk });
            }
        }
        if self.fill_value.len() != size_bytes {
            return Err(LayoutProblem::FillValue { expected_bytes: size_bytes, found_bytes: self.fill_value.len() });
        }
        Ok(())
    }
}

/// How the chunks of an array are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Whether names begin with `c`, as by default in Zarr 3.
    pub(crate) has_prefix: bool,
    /// What stands between the numbers: `/` or `.`.
    pub(crate) separator: char,
}

impl Keys {
    /// The key of the chunk at `index`, below the array.
    pub(crate) fn key(self, index: &[u64]) -> String {
        let mut key = if self.has_prefix { "c".to_owned() } else { String::new() };
        for at in index {
            if !key.is_empty() {
                key.push(self.separator);
            }
            key.push_str(&at.to_string());
        }
        if key.is_empty() { "0".to_owned() } else { key }
    }
}

/// Where and how the chunks of an array are stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Storage {
    pub(crate) keys: Keys,
    pub(crate) codecs: Codecs,
    /// Whether the fill value stands for what is missing: xarray stores that so in Zarr 2.
    pub(crate) fill_is_missing: bool,
}

/// Why a description cannot be used.
#[derive(Debug, PartialEq)]
pub(crate) enum MetadataError {
    /// It is not what the format asks for.
    Damaged(String),
    /// It asks for what this crate does not do.
    Unsupported { what: String, remedy: &'static str },
    /// The elements are of a type that arrays cannot have.
    ElementType(ElementTypeError),
}

impl MetadataError {
    /// The error for the user, of the metadata in `file`.
    pub(crate) fn of(self, file: String) -> ArrayFileError {
        match self {
            Self::Damaged(problem) => {
                ArrayFileError::Damaged { file, damage: FileDamage::Description { part: "metadata", problem } }
            }
            Self::Unsupported { what, remedy } => ArrayFileError::Unsupported { file, what, remedy },
            Self::ElementType(source) => ArrayFileError::ElementType { file, source },
        }
    }
}

impl From<ElementTypeError> for MetadataError {
    fn from(error: ElementTypeError) -> Self {
        Self::ElementType(error)
    }
}

impl From<LayoutProblem> for MetadataError {
    fn from(problem: LayoutProblem) -> Self {
        Self::Damaged(problem.to_string())
    }
}

/// What to do about codecs and forms that are not supported.
pub(crate) const REWRITE: &str =
    "Write it again with zarr-python, with the codecs bytes, transpose, sharding, blosc, zstd, gzip and crc32c only";

/// An error for something that is not supported.
pub(crate) fn unsupported(what: impl Into<String>) -> MetadataError {
    MetadataError::Unsupported { what: what.into(), remedy: REWRITE }
}

/// A member of an object, which must be there.
pub(crate) fn required<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a Value, MetadataError> {
    object.get(key).ok_or_else(|| MetadataError::Damaged(format!("`{key}` is missing")))
}

/// A list of sizes.
pub(crate) fn sizes(value: &Value, key: &str) -> Result<Vec<u64>, MetadataError> {
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_u64).collect());
    list.ok_or_else(|| MetadataError::Damaged(format!("`{key}` is no list of sizes")))
}

/// The members of an object.
pub(crate) fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, MetadataError> {
    value.as_object().ok_or_else(|| MetadataError::Damaged(format!("{what} is no JSON object")))
}

/// An integer in an object that may lack it.
pub(crate) fn level(configuration: &Map<String, Value>, key: &str, default: i32) -> i32 {
    configuration.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok()).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_both_versions() {
        let key = |has_prefix, separator, index: &[u64]| Keys { has_prefix, separator }.key(index);
        assert_eq!(
            [key(true, '/', &[1, 20]), key(true, '.', &[1, 20]), key(true, '/', &[])],
            ["c/1/20", "c.1.20", "c"]
        );
        assert_eq!([key(false, '.', &[1, 20]), key(false, '/', &[3]), key(false, '.', &[])], ["1.20", "3", "0"]);
    }

    #[test]
    fn parts_that_do_not_fit_are_told() {
        let element = ElementType::from_name("float64").unwrap();
        let good = ZarrMetadata::new(element, &[10, 10], &[4, 5]);
        assert_eq!(good.check(), Ok(()));
        let of = |change: fn(&mut ZarrMetadata)| {
            let mut metadata = good.clone();
            change(&mut metadata);
            metadata.check().unwrap_err()
        };
        assert!(matches!(of(|m| m.chunks = vec![4]), LayoutProblem::Rank { found: 1, n_axes: 2, .. }));
        assert!(matches!(of(|m| m.dimension_names.clear()), LayoutProblem::Rank { found: 0, .. }));
        assert_eq!(of(|m| m.chunks[1] = 0), LayoutProblem::EmptyChunk);
        assert_eq!(of(|m| m.chunks[1] = u64::MAX), LayoutProblem::HugeChunk);
        assert_eq!(of(|m| m.inner_chunks = Some(vec![2, 2])), LayoutProblem::Shard { axis: 1, shard: 5, chunk: 2 });
        assert!(matches!(of(|m| m.fill_value.clear()), LayoutProblem::FillValue { .. }));
    }
}
