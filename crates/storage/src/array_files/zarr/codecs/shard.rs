//! Shards: chunks that hold smaller chunks, and an index that says where each of them is.
//!
//! Source: the codec's specification (<https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html>).

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::Codecs;
use crate::array_files::boxes::{copy_box, fill, is_filled};
use crate::array_files::error::FileDamage;
use crate::array_files::memory::with_capacity;
use crate::array_files::region::{Region, n_bytes};
use crate::array_files::zarr::grid::Grid;

/// How a chunk is cut into smaller ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sharding {
    /// The shape of the smaller chunks.
    pub(crate) inner_shape: Vec<u64>,
    /// How each of them is encoded.
    pub(crate) inner: Codecs,
    /// How the index is encoded: numbers of 8 bytes, two per inner chunk.
    pub(crate) index: Codecs,
    /// Where the index is.
    pub(crate) index_at: IndexAt,
}

/// Where in a shard its index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexAt {
    Start,
    End,
}

/// A number of all bits set says that an inner chunk is not there.
const MISSING: u64 = u64::MAX;

/// One inner chunk of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InnerChunk {
    /// Its place in the shard.
    pub(crate) region: Region,
    /// The bytes of the shard that hold it; `None` if it is not there.
    pub(crate) bytes: Option<Range<u64>>,
}

impl Sharding {
    /// How many bytes the index of a shard of `shape` has; `None` if its codecs do not say that, or if it is too long.
    pub(crate) fn index_bytes(&self, shape: &[u64]) -> Option<usize> {
        self.index.stored_bytes(n_bytes(&self.index_shape(shape), 8)?)
    }

    fn index_shape(&self, shape: &[u64]) -> Vec<u64> {
        let mut index_shape = Grid::new(shape, &self.inner_shape).n_chunks();
        index_shape.push(2);
        index_shape
    }

    /// Where the inner chunks are that hold `region` of a shard of `shape`. `index` is the stored index, `shard_bytes` the
    /// length of the shard.
    pub(crate) fn find(
        &self,
        index: Bytes,
        shape: &[u64],
        region: &Region,
        shard_bytes: u64,
    ) -> Result<Vec<InnerChunk>, FileDamage> {
        let numbers = self.index.decode(index, &self.index_shape(shape), &[0; 8])?;
        let (pairs, _) = numbers.as_chunks::<16>();
        let grid = Grid::new(shape, &self.inner_shape);
        let mut found = Vec::new();
        for at in grid.touched(region) {
            let pair = pairs.get(grid.position(&at)).ok_or(FileDamage::Outside { part: "index" })?;
            let (pairs, _) = pair.as_chunks::<8>();
            let (start, n) = (u64::from_ne_bytes(pairs[0]), u64::from_ne_bytes(pairs[1]));
            let bytes = if start == MISSING && n == MISSING {
                None
            } else {
                let end = start.checked_add(n).filter(|&end| end <= shard_bytes);
                Some(start..end.ok_or(FileDamage::Outside { part: "index" })?)
            };
            found.push(InnerChunk { region: grid.region(&at), bytes });
        }
        Ok(found)
    }

    /// The elements of a whole shard.
    pub(super) fn decode(&self, shard: &Bytes, shape: &[u64], filler: &[u8]) -> Result<Vec<u8>, FileDamage> {
        let plain_bytes = n_bytes(shape, filler.len()).unwrap_or(usize::MAX);
        drop(with_capacity(plain_bytes).ok_or(FileDamage::Memory { bytes: plain_bytes })?);
        let mut elements = vec![0; plain_bytes];
        fill(&mut elements, filler);
        let index = self.index_range(shape, shard.len())?;
        let whole = Region::whole(shape);
        for chunk in self.find(shard.slice(index), shape, &whole, shard.len() as u64)? {
            let Some(bytes) = chunk.bytes else { continue };
            // Checked against the length of the shard, which is in memory.
            let stored = shard.slice(bytes.start as usize..bytes.end as usize);
            let plain = self.inner.decode(stored, &self.inner_shape, filler)?;
            let whole = Region::whole(&self.inner_shape);
            let from = (plain.as_slice(), self.inner_shape.as_slice());
            copy_box(from, &whole, (&mut elements, shape), chunk.region.start(), filler.len());
        }
        Ok(elements)
    }

    /// Which bytes of a shard of `shard_bytes` are the index.
    pub(crate) fn index_range(&self, shape: &[u64], shard_bytes: usize) -> Result<Range<usize>, FileDamage> {
        let n = self.index_bytes(shape).unwrap_or(usize::MAX);
        let truncated = || FileDamage::Truncated { expected_bytes: n as u64, found_bytes: shard_bytes as u64 };
        let before_index = shard_bytes.checked_sub(n).ok_or_else(truncated)?;
        Ok(match self.index_at {
            IndexAt::Start => 0..n,
            IndexAt::End => before_index..shard_bytes,
        })
    }

    /// The bytes of a whole shard. Inner chunks that are nothing but the fill value are left out.
    pub(super) fn encode(&self, elements: &[u8], shape: &[u64], filler: &[u8]) -> io::Result<Vec<u8>> {
        let grid = Grid::new(shape, &self.inner_shape);
        let n_inner = n_bytes(&self.inner_shape, filler.len()).unwrap_or(usize::MAX);
        let n_index = self.index_bytes(shape).unwrap_or(0);
        let mut shard = match self.index_at {
            IndexAt::Start => vec![0; n_index],
            IndexAt::End => Vec::new(),
        };
        let mut index = Vec::new();
        let mut plain = vec![0; n_inner];
        for at in grid.touched(&Region::whole(shape)) {
            let origin = vec![0; shape.len()];
            let region = grid.region(&at);
            copy_box((elements, shape), &region, (&mut plain, &self.inner_shape), &origin, filler.len());
            if is_filled(&plain, filler) {
                index.extend([MISSING.to_ne_bytes(); 2].as_flattened());
                continue;
            }
            let start = shard.len() as u64;
            shard.extend(self.inner.encode(Cow::Borrowed(&plain), &self.inner_shape, filler)?);
            let n = shard.len() as u64 - start;
            index.extend([start.to_ne_bytes(), n.to_ne_bytes()].as_flattened());
        }
        let index = self.index.encode(Cow::Owned(index), &self.index_shape(shape), &[0; 8])?;
        match self.index_at {
            IndexAt::Start => shard[..n_index].copy_from_slice(&index),
            IndexAt::End => shard.extend(index),
        }
        Ok(shard)
    }
}
