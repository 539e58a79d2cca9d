//! Blocks as bytes, to spill them and to send them to other processes.

use serde::{Deserialize, Serialize};

use crate::{Block, Buffer, BufferMut, DType, KernelError, Pool, Result, Shape};

/// `DLBK`, the version, and three bytes for later.
const MAGIC: [u8; 8] = *b"DLBK\x01\0\0\0";

/// How the elements follow the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
enum Layout {
    /// All elements in C order.
    Dense = 0,
    /// One element that stands for all.
    Full = 1,
}

impl Block {
    /// The block as bytes: a header of 64 bytes or more, then the elements in C order, in the byte order of the machine
    /// (little-endian). A block of one repeated element stays that small.
    ///
    /// # Errors
    /// [`KernelError::OutOfMemory`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (mut bytes, elements) = self.encoded()?;
        let elements = elements.as_ref();
        bytes.try_reserve_exact(elements.len()).map_err(|_| KernelError::OutOfMemory { bytes: elements.len() })?;
        bytes.extend_from_slice(elements);
        Ok(bytes)
    }

    /// The two parts of what [`to_bytes`](Self::to_bytes) makes: the header, and the elements, which are the block's own
    /// memory if they lie there in C order.
    ///
    /// # Errors
    /// [`KernelError::OutOfMemory`].
    pub fn encoded(&self) -> Result<(Vec<u8>, ElementBytes)> {
        let full =
            self.len() > 1 && self.strides().iter().zip(self.shape()).all(|(stride, len)| *stride == 0 || *len == 1);
        let layout = if full { Layout::Full } else { Layout::Dense };
        let mut header = MAGIC.to_vec();
        let (kind, unit) = dtype_code(self.dtype());
        header.extend([kind, unit, layout as u8, 0, 0, 0, 0, 0]);
        header.extend((self.ndim() as u64).to_le_bytes());
        header.extend(self.shape().iter().flat_map(|len| (*len as u64).to_le_bytes()));
        header.resize(header_bytes(self.ndim()), 0);
        let elements = if full { self.region(&vec![0; self.ndim()], &vec![1; self.ndim()])? } else { self.clone() };
        Ok((header, elements.element_bytes()?))
    }

    /// The bytes of the elements alone, in C order and the byte order of the machine: the block's own memory if they lie there
    /// so, else a copy.
    ///
    /// # Errors
    /// [`KernelError::OutOfMemory`].
    pub fn element_bytes(&self) -> Result<ElementBytes> {
        Ok(ElementBytes(self.to_contiguous(&Pool::new(0))?))
    }

    /// Reads what [`Block::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`KernelError::MalformedBlock`] if the bytes are something else or cut off, [`KernelError::OutOfMemory`].
    pub fn from_bytes(bytes: &[u8], pool: &Pool) -> Result<Self> {
        let (dtype, shape, layout, data) = header(bytes)?;
        let mut buffer: BufferMut = pool.buffer(data.len())?;
        buffer.bytes_mut().copy_from_slice(data);
        from_parts(dtype, &shape, layout, buffer.freeze())
    }

    /// Reads what [`Block::to_bytes`] wrote from memory that the block goes on using, if its address is a multiple of
    /// eight; otherwise from a copy.
    ///
    /// # Errors
    /// As [`Block::from_bytes`].
    pub fn from_owned_bytes<O: AsRef<[u8]> + Send + Sync + 'static>(owner: O, pool: &Pool) -> Result<Self> {
        let (dtype, shape, layout, data) = header(owner.as_ref())?;
        if !(data.as_ptr() as usize).is_multiple_of(8) {
            return Self::from_bytes(owner.as_ref(), pool);
        }
        let start = owner.as_ref().len() - data.len();
        from_parts(dtype, &shape, layout, Buffer::from_owner(Tail { owner, start }))
    }
}

/// The bytes of a block's elements, see [`Block::element_bytes`].
#[derive(Debug, Clone)]
pub struct ElementBytes(Block);

impl AsRef<[u8]> for ElementBytes {
    fn as_ref(&self) -> &[u8] {
        let Self(block) = self;
        let start = block.offset() * block.dtype().size_bytes();
        if block.is_empty() { &[] } else { &block.buffer_bytes()[start..start + block.nbytes()] }
    }
}

struct Tail<O> {
    owner: O,
    start: usize,
}

impl<O: AsRef<[u8]>> AsRef<[u8]> for Tail<O> {
    fn as_ref(&self) -> &[u8] {
        &self.owner.as_ref()[self.start..]
    }
}

fn from_parts(dtype: DType, shape: &[usize], layout: Layout, buffer: Buffer) -> Result<Block> {
    match layout {
        Layout::Dense => Block::from_buffer(dtype, shape, buffer),
        Layout::Full => Block::from_buffer(dtype, &[], buffer)?.broadcast_to(shape),
    }
}

fn header_bytes(n_axes: usize) -> usize {
    (MAGIC.len() + 16 + 8 * n_axes).next_multiple_of(64)
}

fn header(bytes: &[u8]) -> Result<(DType, Shape, Layout, &[u8])> {
    let malformed = |problem| KernelError::MalformedBlock { problem };
    let cut_off = malformed("they are cut off");
    if !bytes.starts_with(&MAGIC) {
        return Err(malformed("they do not start as a block does"));
    }
    let rest = &bytes[MAGIC.len()..];
    let (codes, rest) = rest.split_at_checked(8).ok_or_else(|| cut_off.clone())?;
    let dtype = dtype_of_code(codes[0], codes[1]).ok_or_else(|| malformed("the dtype is unknown"))?;
    let layout = match codes[2] {
        0 => Layout::Dense,
        1 => Layout::Full,
        _ => return Err(malformed("the layout is unknown")),
    };
    let (n_axes, rest) = rest.split_first_chunk().ok_or_else(|| cut_off.clone())?;
    let n_axes = usize::try_from(u64::from_le_bytes(*n_axes)).ok().filter(|n| *n <= rest.len() / 8);
    let n_axes = n_axes.ok_or_else(|| cut_off.clone())?;
    let lens = rest[..8 * n_axes].as_chunks::<8>().0.iter().map(|len| usize::try_from(u64::from_le_bytes(*len)));
    let shape: Shape = lens.collect::<std::result::Result<_, _>>().map_err(|_| malformed("an axis is too long"))?;
    let n_elements = if layout == Layout::Full { 1 } else { crate::block::n_elements(&shape)? };
    let data = bytes.get(header_bytes(n_axes)..).ok_or_else(|| cut_off.clone())?;
    match n_elements.checked_mul(dtype.size_bytes()) {
        Some(size) if size == data.len() => Ok((dtype, shape, layout, data)),
        _ => Err(malformed("the elements are not as many as the shape says")),
    }
}

pub(crate) fn dtype_code(dtype: DType) -> (u8, u8) {
    match dtype {
        DType::DateTime(unit) => (14, unit as u8),
        DType::TimeDelta(unit) => (15, unit as u8),
        _ => (DType::NUMERIC.iter().position(|known| *known == dtype).map_or(0, |at| at as u8), 0),
    }
}

pub(crate) fn dtype_of_code(kind: u8, unit: u8) -> Option<DType> {
    use crate::TimeUnit::{Day, Hour, Microsecond, Millisecond, Minute, Nanosecond, Second};
    let unit = [Day, Hour, Minute, Second, Millisecond, Microsecond, Nanosecond].get(usize::from(unit)).copied();
    match kind {
        14 => unit.map(DType::DateTime),
        15 => unit.map(DType::TimeDelta),
        _ => DType::NUMERIC.get(usize::from(kind)).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scalar, TimeUnit};

    #[test]
    fn blocks_are_read_back() {
        let pool = Pool::new(0);
        let block = Block::from_vec(&[2, 3], vec![1_i64, 2, 3, 4, 5, i64::MIN]).unwrap();
        let block = block.view_as(DType::DateTime(TimeUnit::Millisecond)).unwrap();
        for block in [block.clone(), block.transpose(&[1, 0]).unwrap(), block.region(&[0, 1], &[2, 0]).unwrap()] {
            let bytes = block.to_bytes().unwrap();
            for read in
                [Block::from_bytes(&bytes, &pool).unwrap(), Block::from_owned_bytes(bytes.clone(), &pool).unwrap()]
            {
                assert_eq!((read.dtype(), read.shape()), (block.dtype(), block.shape()));
                assert_eq!(read.to_vec::<i64>(), block.to_vec::<i64>());
            }
        }
    }

    #[test]
    fn one_repeated_element_stays_small() {
        let block = Block::full(&[1000, 1000], Scalar::Bool(true));
        let bytes = block.to_bytes().unwrap();
        assert!(bytes.len() < 100);
        let read = Block::from_bytes(&bytes, &Pool::new(0)).unwrap();
        assert_eq!((read.shape(), read.held_bytes()), (block.shape(), 1));
    }

    #[test]
    fn any_cut_or_change_of_the_header_is_an_error_or_a_block() {
        let bytes = Block::from_vec(&[2, 2], vec![1.0_f32, 2.0, 3.0, 4.0]).unwrap().to_bytes().unwrap();
        let pool = Pool::new(0);
        for len in 0..bytes.len() {
            assert!(Block::from_bytes(&bytes[..len], &pool).is_err(), "{len} bytes");
        }
        for at in 0..64 {
            for value in [0, 1, 7, 255] {
                let mut changed = bytes.clone();
                changed[at] = value;
                // Whatever it says, it does not panic, and a block that is made can be read.
                if let Ok(block) = Block::from_bytes(&changed, &pool) {
                    assert!(block.to_bytes().is_ok());
                }
            }
        }
    }
}
