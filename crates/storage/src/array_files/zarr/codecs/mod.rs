//! How the elements of a chunk become the bytes of an object, and back.

mod blosc;
mod blosclz;
mod lz4;
mod packed;
mod shard;
mod shuffle;

use std::borrow::Cow;
use std::io;

use bytes::Bytes;

pub(crate) use blosc::{PLAIN_BYTES_MAX as BLOSC_BYTES_MAX, Settings as BloscSettings};
pub(crate) use packed::{Length, Packing};
pub(crate) use shard::{IndexAt, InnerChunk, Sharding};

use crate::array_files::boxes::transpose;
use crate::array_files::element_type::ElementType;
use crate::array_files::error::FileDamage;
use crate::array_files::memory::with_capacity;
use crate::array_files::region::n_bytes;

/// The codecs of an array, in the order in which a chunk is encoded: axes, bytes, packing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Codecs {
    /// The order of axes in which a chunk is stored: axis `i` there is axis `axes[i]` of the array. `None`: as they are.
    pub(crate) axes: Option<Vec<usize>>,
    /// How elements become bytes.
    pub(crate) form: Form,
    /// What is done with the bytes, one after the other.
    pub(crate) packings: Vec<Packing>,
}

/// How the elements of a chunk become bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Form {
    /// One after the other, in the byte order of this type.
    Elements(ElementType),
    /// By smaller chunks, which can be found and read by themselves.
    Shard(Box<Sharding>),
}

impl Codecs {
    /// The elements of a chunk of `shape`, in C order and the byte order of this machine. `fill` is the element of parts
    /// that are not there.
    pub(crate) fn decode(&self, stored: Bytes, shape: &[u64], fill: &[u8]) -> Result<Vec<u8>, FileDamage> {
        let plain_bytes = n_bytes(shape, fill.len()).ok_or(FileDamage::Memory { bytes: usize::MAX })?;
        let mut elements = match &self.form {
            Form::Elements(element) => {
                let mut bytes = self.unpack(stored, Some(plain_bytes), plain_bytes)?;
                element.swap_to_native(&mut bytes);
                bytes
            }
            Form::Shard(sharding) => {
                // A shard is longer than its elements only by its index, and by what does not get smaller when packed.
                let bytes_max = plain_bytes.saturating_mul(2).saturating_add(1 << 20);
                let bytes = self.unpack(stored, None, bytes_max)?;
                sharding.decode(&bytes.into(), shape, fill)?
            }
        };
        if let Some(axes) = &self.axes {
            let stored_shape: Vec<u64> = axes.iter().map(|&axis| shape[axis]).collect();
            let mut inverse = vec![0; axes.len()];
            axes.iter().enumerate().for_each(|(stored, &axis)| inverse[axis] = stored);
            drop(with_capacity(plain_bytes).ok_or(FileDamage::Memory { bytes: plain_bytes })?);
            let mut turned = vec![0; plain_bytes];
            transpose(&elements, &stored_shape, &inverse, &mut turned, fill.len());
            elements = turned;
        }
        Ok(elements)
    }

    /// Undoes the packings, last first.
    fn unpack(&self, stored: Bytes, plain_bytes: Option<usize>, bytes_max: usize) -> Result<Vec<u8>, FileDamage> {
        let lengths = self.lengths(plain_bytes, bytes_max);
        let Some((last, rest)) = self.packings.split_last() else {
            lengths[0].check(stored.len())?;
            // Without a copy, if nobody else holds them.
            return Ok(Vec::from(stored));
        };
        let mut bytes = last.decode(Cow::Borrowed(&stored), lengths[rest.len()])?;
        for (i, packing) in rest.iter().enumerate().rev() {
            bytes = Cow::Owned(packing.decode(bytes, lengths[i])?.into_owned());
        }
        Ok(bytes.into_owned())
    }

    /// How long the bytes are before each packing, and behind the last.
    fn lengths(&self, plain_bytes: Option<usize>, bytes_max: usize) -> Vec<Length> {
        let mut known = plain_bytes;
        let mut lengths = Vec::with_capacity(self.packings.len() + 1);
        let length = |known: Option<usize>| match known {
            Some(n) => Length::Exactly(n),
            // What was compressed once is hardly longer, whatever is done with it afterwards.
            None => Length::AtMost(bytes_max.saturating_mul(2).saturating_add(1 << 20)),
        };
        lengths.push(if plain_bytes.is_some() { length(known) } else { Length::AtMost(bytes_max) });
        for packing in &self.packings {
            known = known.and_then(|n| packing.packed_bytes(n));
            lengths.push(length(known));
        }
        lengths
    }

    /// The bytes of a chunk of `shape`, from its elements in C order and the byte order of this machine.
    pub(crate) fn encode(&self, elements: Cow<'_, [u8]>, shape: &[u64], fill: &[u8]) -> io::Result<Vec<u8>> {
        let mut elements = elements;
        if let Some(axes) = &self.axes {
            let mut turned = vec![0; elements.len()];
            transpose(&elements, shape, axes, &mut turned, fill.len());
            elements = Cow::Owned(turned);
        }
        let mut bytes = match &self.form {
            Form::Elements(element) => {
                let mut bytes = elements.into_owned();
                element.swap_to_native(&mut bytes);
                bytes
            }
            Form::Shard(sharding) => sharding.encode(&elements, shape, fill)?,
        };
        for packing in &self.packings {
            bytes = packing.encode(bytes)?;
        }
        Ok(bytes)
    }

    /// How long a chunk of `plain_bytes` is when it is stored, if that does not depend on its elements.
    fn stored_bytes(&self, plain_bytes: usize) -> Option<usize> {
        self.packings.iter().try_fold(plain_bytes, |n, packing| packing.packed_bytes(n))
    }

    /// The shards of this array, if parts of them can be read by themselves.
    pub(crate) fn sharding(&self) -> Option<&Sharding> {
        match &self.form {
            Form::Shard(sharding) if self.packings.is_empty() && self.axes.is_none() => Some(sharding),
            _ => None,
        }
    }
}
