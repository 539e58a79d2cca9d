//! What a user says about chunks.

use super::{AxisChunks, Chunks};
use crate::ArrayError;
use crate::shape::n_elements;

/// The bytes of a block where nobody says how large it is to be.
pub const BLOCK_BYTES_DEFAULT: usize = 128 << 20;

/// How an array is to be cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ChunkSpec {
    /// Blocks of about [`BLOCK_BYTES_DEFAULT`].
    #[default]
    Auto,
    /// Blocks of about so many bytes.
    AutoBytes(usize),
    /// As it is, or lies in a file; where a file says nothing of chunks, blocks of about so many bytes.
    Keep(usize),
    /// The same size along every axis.
    Size(usize),
    /// One entry for each axis.
    PerAxis(Vec<AxisSpec>),
}

/// How one axis is to be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AxisSpec {
    /// So that blocks have about [`BLOCK_BYTES_DEFAULT`].
    Auto,
    /// So that blocks have about so many bytes; of several axes, the least counts.
    AutoBytes(usize),
    /// One block.
    Full,
    /// As it is; for a new array as [`Full`](Self::Full).
    Keep,
    /// Blocks of one size, the last what is left.
    Size(usize),
    /// Blocks of these sizes.
    Sizes(Vec<usize>),
}

impl From<usize> for ChunkSpec {
    fn from(size: usize) -> Self {
        Self::Size(size)
    }
}

impl<const N: usize> From<[usize; N]> for ChunkSpec {
    fn from(sizes: [usize; N]) -> Self {
        Self::from(&sizes[..])
    }
}

impl From<&[usize]> for ChunkSpec {
    fn from(sizes: &[usize]) -> Self {
        Self::PerAxis(sizes.iter().copied().map(AxisSpec::Size).collect())
    }
}

impl From<Vec<Vec<usize>>> for ChunkSpec {
    fn from(sizes: Vec<Vec<usize>>) -> Self {
        Self::PerAxis(sizes.into_iter().map(AxisSpec::Sizes).collect())
    }
}

impl From<Vec<AxisSpec>> for ChunkSpec {
    fn from(axes: Vec<AxisSpec>) -> Self {
        Self::PerAxis(axes)
    }
}

impl ChunkSpec {
    /// The same, with blocks of `block_bytes` in place of [`BLOCK_BYTES_DEFAULT`] wherever this says `Auto`.
    #[must_use]
    pub fn with_block_bytes(self, block_bytes: usize) -> Self {
        match self {
            Self::Auto => Self::AutoBytes(block_bytes),
            Self::PerAxis(axes) => Self::PerAxis(
                axes.into_iter()
                    .map(|axis| if axis == AxisSpec::Auto { AxisSpec::AutoBytes(block_bytes) } else { axis })
                    .collect(),
            ),
            other => other,
        }
    }

    /// The chunks of an array of `shape` with elements of `item_bytes`; `own` are those it has, for [`AxisSpec::Keep`].
    ///
    /// # Errors
    /// [`ArrayError::ChunkAxes`], [`ArrayError::ChunkSizes`] and [`ArrayError::ChunkZero`] if the entries do not fit the
    /// shape; [`ArrayError::TooLarge`], [`ArrayError::TooManyBlocks`].
    pub fn chunks(&self, shape: &[usize], item_bytes: usize, own: Option<&Chunks>) -> Result<Chunks, ArrayError> {
        n_elements(shape)?;
        let auto = vec![AxisSpec::Auto; shape.len()];
        let chunks = match self {
            Self::Auto => resolve(&auto, shape, item_bytes, BLOCK_BYTES_DEFAULT, own),
            Self::AutoBytes(bytes) => resolve(&auto, shape, item_bytes, *bytes, own),
            Self::Keep(bytes) => {
                own.map_or_else(|| resolve(&auto, shape, item_bytes, *bytes, None), |own| Ok(own.clone()))
            }
            Self::Size(size) => {
                resolve(&vec![AxisSpec::Size(*size); shape.len()], shape, item_bytes, BLOCK_BYTES_DEFAULT, own)
            }
            Self::PerAxis(axes) if axes.len() != shape.len() => {
                Err(ArrayError::ChunkAxes { n_given: axes.len(), shape: shape.to_vec() })
            }
            Self::PerAxis(axes) => {
                let bytes = axes.iter().filter_map(|axis| match axis {
                    AxisSpec::AutoBytes(bytes) => Some(*bytes),
                    _ => None,
                });
                resolve(axes, shape, item_bytes, bytes.min().unwrap_or(BLOCK_BYTES_DEFAULT), own)
            }
        }?;
        chunks.n_blocks()?;
        Ok(chunks)
    }
}

fn resolve(
    axes: &[AxisSpec],
    shape: &[usize],
    item_bytes: usize,
    block_bytes: usize,
    own: Option<&Chunks>,
) -> Result<Chunks, ArrayError> {
    let fixed: Vec<Option<AxisChunks>> = axes
        .iter()
        .zip(shape)
        .enumerate()
        .map(|(axis, (spec, len))| match spec {
            AxisSpec::Auto | AxisSpec::AutoBytes(_) => Ok(None),
            AxisSpec::Full => Ok(Some(AxisChunks::single(*len))),
            AxisSpec::Keep => Ok(Some(own.map_or_else(|| AxisChunks::single(*len), |own| own.axes()[axis].clone()))),
            AxisSpec::Size(0) => Err(ArrayError::ChunkZero { axis }),
            AxisSpec::Size(size) => Ok(Some(AxisChunks::uniform(*len, *size))),
            AxisSpec::Sizes(sizes) => listed(axis, sizes, *len).map(Some),
        })
        .collect::<Result<_, _>>()?;
    let fixed_elements = fixed.iter().flatten().filter_map(AxisChunks::size_max).map(|size| size.max(1));
    let fixed_bytes = fixed_elements.fold(item_bytes.max(1), usize::saturating_mul);
    let lens: Vec<usize> = fixed.iter().zip(shape).filter(|(axis, _)| axis.is_none()).map(|(_, len)| *len).collect();
    let size = auto_size(&lens, block_bytes / fixed_bytes);
    Ok(Chunks::new(
        fixed.into_iter().zip(shape).map(|(axis, len)| axis.unwrap_or_else(|| AxisChunks::uniform(*len, size))),
    ))
}

fn listed(axis: usize, sizes: &[usize], len: usize) -> Result<AxisChunks, ArrayError> {
    let sum = sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size));
    if sum != Some(len) {
        return Err(ArrayError::ChunkSizes { axis, len, sum });
    }
    if len > 0 && sizes.contains(&0) {
        return Err(ArrayError::ChunkZero { axis });
    }
    Ok(AxisChunks::from_sizes(sizes))
}

/// The size along each of some axes of `lens` so that a block has at most `n_max` elements, short axes being left whole.
fn auto_size(lens: &[usize], n_max: usize) -> usize {
    let mut lens = lens.to_vec();
    lens.sort_unstable();
    let mut room = n_max.max(1) as f64;
    for (idx, len) in lens.iter().enumerate() {
        let size = room.powf(1.0 / (lens.len() - idx) as f64);
        if *len as f64 > size {
            // The root is rounded either way; one less never asks for more than there is room for.
            return (size + 1e-6).floor().max(1.0) as usize;
        }
        room /= (*len).max(1) as f64;
    }
    lens.last().copied().unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(spec: impl Into<ChunkSpec>, shape: &[usize]) -> Result<String, ArrayError> {
        spec.into().chunks(shape, 8, None).map(|chunks| chunks.to_string())
    }

    #[test]
    fn sizes_and_lists() {
        assert_eq!(sizes(3, &[8, 4]).unwrap(), "((3, 3, 2), (3, 1))");
        assert_eq!(sizes([3, 4], &[8, 4]).unwrap(), "((3, 3, 2), (4,))");
        assert_eq!(sizes(vec![vec![3, 3, 2], vec![4]], &[8, 4]).unwrap(), "((3, 3, 2), (4,))");
        assert_eq!(sizes(vec![AxisSpec::Full, AxisSpec::Size(2)], &[8, 4]).unwrap(), "((8,), (2, 2))");
        assert!(matches!(sizes([3], &[8, 4]), Err(ArrayError::ChunkAxes { n_given: 1, .. })));
        assert!(matches!(sizes(vec![vec![3, 3]], &[8]), Err(ArrayError::ChunkSizes { axis: 0, len: 8, sum: Some(6) })));
        assert!(matches!(sizes(0, &[8]), Err(ArrayError::ChunkZero { axis: 0 })));
        assert!(matches!(sizes(1, &[usize::MAX, 2]), Err(ArrayError::TooLarge { .. })));
        assert!(matches!(sizes(1, &[1 << 40]), Err(ArrayError::TooManyBlocks { .. })));
    }

    #[test]
    fn automatic_chunks_keep_to_the_bytes_of_a_block() {
        for shape in [&[100_000, 100_000][..], &[1_000_000_000], &[3, 1_000_000, 1000], &[5, 5], &[], &[0, 7]] {
            for bytes in [8, 1000, 1 << 20, 128 << 20] {
                let Ok(chunks) = ChunkSpec::AutoBytes(bytes).chunks(shape, 8, None) else { continue };
                let block = 8 * chunks.block_elements_max().unwrap();
                assert!(block <= bytes.max(8), "{shape:?}: {block} of {bytes}");
                let whole = 8 * shape.iter().product::<usize>();
                assert!(whole <= bytes || 4 * block >= bytes || bytes < 64, "{shape:?}: only {block} of {bytes}");
            }
        }
    }
}
