//! Blosc 1: blocks that are shuffled and compressed.
//!
//! Source: the format's description
//! (<https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst>).

use std::io::Read;

use super::{blosclz, lz4, shuffle};
use crate::array_files::error::FileDamage;
use crate::array_files::memory::with_capacity;

const HEADER_BYTES: usize = 16;

/// The most bytes that the format's lengths can say.
pub(crate) const PLAIN_BYTES_MAX: usize = i32::MAX as usize - HEADER_BYTES;

/// The versions that are written: of the format, and of zstd in it.
const VERSIONS: [u8; 2] = [2, 1];

/// Elements are compressed by blocks of about this many bytes, which fit into the cache.
const BLOCK_BYTES: usize = 256 << 10;

const FLAG_SHUFFLE: u8 = 1;
const FLAG_COPIED: u8 = 1 << 1;
const FLAG_BIT_SHUFFLE: u8 = 1 << 2;
const FLAG_NO_SPLIT: u8 = 1 << 4;
const FORMAT_ZSTD: u8 = 4;

/// How a chunk is written: with zstd inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Blosc's level, 0 to 9; 0 copies.
    pub(crate) level: i32,
    /// Whether bytes are shuffled.
    pub(crate) shuffle: bool,
    /// Bytes of an element.
    pub(crate) size_bytes: usize,
}

impl Settings {
    fn zstd_level(self) -> i32 {
        if self.level < 9 { 2 * self.level - 1 } else { 22 }
    }
}

fn corrupt(problem: &str) -> FileDamage {
    FileDamage::Decode { codec: "blosc", problem: problem.to_owned() }
}

/// Decodes a chunk, which must give `plain_bytes` bytes if they are known, and at most `plain_bytes_max`.
pub(crate) fn decode(chunk: &[u8], plain_bytes: Option<usize>, plain_bytes_max: usize) -> Result<Vec<u8>, FileDamage> {
    let header = Header::read(chunk)?;
    let found_bytes = header.plain_bytes;
    if found_bytes > plain_bytes_max || plain_bytes.is_some_and(|expected| expected != found_bytes) {
        return Err(FileDamage::Length { expected_bytes: plain_bytes.unwrap_or(plain_bytes_max), found_bytes });
    }
    drop(with_capacity(found_bytes).ok_or(FileDamage::Memory { bytes: found_bytes })?);
    let mut plain = vec![0; found_bytes];
    if header.flags & FLAG_COPIED != 0 {
        let copied = chunk.get(HEADER_BYTES..HEADER_BYTES + found_bytes).ok_or_else(|| corrupt("it is cut off"))?;
        plain.copy_from_slice(copied);
        return Ok(plain);
    }
    if header.block_bytes == 0 && found_bytes > 0 {
        return Err(corrupt("its blocks are empty"));
    }
    let is_shuffled =
        header.flags & FLAG_BIT_SHUFFLE != 0 || (header.flags & FLAG_SHUFFLE != 0 && header.size_bytes > 1);
    let mut shuffled = vec![0; if is_shuffled { header.block_bytes.min(found_bytes) } else { 0 }];
    for (i, block) in plain.chunks_mut(header.block_bytes.max(1)).enumerate() {
        let start = number(chunk, HEADER_BYTES + 4 * i).ok_or_else(|| corrupt("it is cut off"))?;
        let stored = chunk.get(start..).ok_or_else(|| corrupt("a block starts behind its end"))?;
        if !is_shuffled {
            header.decode_block(stored, block)?;
            continue;
        }
        let shuffled = &mut shuffled[..block.len()];
        header.decode_block(stored, shuffled)?;
        if header.flags & FLAG_BIT_SHUFFLE != 0 {
            shuffle::unshuffle_bits(shuffled, block, header.size_bytes);
        } else {
            shuffle::unshuffle(shuffled, block, header.size_bytes);
        }
    }
    Ok(plain)
}

/// The number of 4 bytes at `at`.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

struct Header {
    flags: u8,
    /// Bytes of an element.
    size_bytes: usize,
    plain_bytes: usize,
    block_bytes: usize,
}

impl Header {
    fn read(chunk: &[u8]) -> Result<Self, FileDamage> {
        let too_short = || corrupt("it is shorter than its header");
        let &[version, _, flags, size_bytes] = chunk.first_chunk().ok_or_else(too_short)?;
        if !(1..=2).contains(&version) {
            return Err(corrupt(&format!("version {version} of the format is not known")));
        }
        let field = |at| number(chunk, at).ok_or_else(too_short);
        let (plain_bytes, block_bytes, chunk_bytes) = (field(4)?, field(8)?, field(12)?);
        if chunk_bytes != chunk.len() {
            return Err(corrupt(&format!("it has {} bytes instead of {chunk_bytes}", chunk.len())));
        }
        Ok(Self { flags, size_bytes: usize::from(size_bytes).max(1), plain_bytes, block_bytes })
    }

    /// Decodes the streams of one block: one, or one per byte of an element.
    fn decode_block(&self, stored: &[u8], to: &mut [u8]) -> Result<(), FileDamage> {
        let is_whole = to.len() == self.block_bytes;
        let is_split = self.flags & FLAG_NO_SPLIT == 0 && is_whole && to.len().is_multiple_of(self.size_bytes);
        let n_streams = if is_split { self.size_bytes } else { 1 };
        let stream_bytes = (to.len() / n_streams).max(1);
        let mut at = 0;
        for to in to.chunks_exact_mut(stream_bytes) {
            let n = number(stored, at).ok_or_else(|| corrupt("it is cut off"))?;
            let stream = stored.get(at + 4..).and_then(|rest| rest.get(..n)).ok_or_else(|| corrupt("it is cut off"))?;
            at += 4 + n;
            if n == to.len() {
                to.copy_from_slice(stream);
            } else {
                self.decode_stream(stream, to)?;
            }
        }
        Ok(())
    }

    fn decode_stream(&self, stream: &[u8], to: &mut [u8]) -> Result<(), FileDamage> {
        let done = match self.flags >> 5 {
            0 => blosclz::decode(stream, to),
            1 => lz4::decode(stream, to),
            3 => {
                let mut decoder = flate2::read::ZlibDecoder::new(stream);
                decoder.read_exact(to).ok().filter(|()| matches!(decoder.read(&mut [0]), Ok(0)))
            }
            FORMAT_ZSTD => zstd::bulk::decompress_to_buffer(stream, to).ok().filter(|&n| n == to.len()).map(drop),
            2 => return Err(corrupt("it was compressed with snappy, which is not supported")),
            _ => return Err(corrupt("its kind of compression is not known")),
        };
        done.ok_or_else(|| corrupt("a block cannot be decompressed"))
    }
}

/// Encodes bytes of at most [`PLAIN_BYTES_MAX`].
pub(crate) fn encode(plain: &[u8], settings: Settings) -> std::io::Result<Vec<u8>> {
    let size_bytes = settings.size_bytes;
    let block_bytes = (BLOCK_BYTES / size_bytes * size_bytes).min(plain.len());
    let n_blocks = plain.len().div_ceil(block_bytes.max(1));
    let is_shuffled = settings.shuffle && size_bytes > 1;
    let mut flags = FORMAT_ZSTD << 5 | FLAG_NO_SPLIT | if is_shuffled { FLAG_SHUFFLE } else { 0 };
    let mut chunk = vec![0; HEADER_BYTES + 4 * n_blocks];
    let mut is_copied = settings.level == 0;
    if !is_copied {
        let mut compressor = zstd::bulk::Compressor::new(settings.zstd_level())?;
        let mut shuffled = vec![0; if is_shuffled { block_bytes } else { 0 }];
        for (i, block) in plain.chunks(block_bytes.max(1)).enumerate() {
            let block = if is_shuffled {
                shuffle::shuffle(block, &mut shuffled[..block.len()], size_bytes);
                &shuffled[..block.len()]
            } else {
                block
            };
            let start = chunk.len();
            put(&mut chunk, HEADER_BYTES + 4 * i, start);
            let packed = compressor.compress(block)?;
            // A length that is that of the block says that it was not compressed.
            let stored = if packed.len() < block.len() { &packed } else { block };
            chunk.extend([0; 4]);
            put(&mut chunk, start, stored.len());
            chunk.extend(stored);
        }
        is_copied = chunk.len() >= HEADER_BYTES + plain.len();
    }
    if is_copied {
        flags |= FLAG_COPIED;
        chunk.truncate(HEADER_BYTES);
        chunk.extend(plain);
    }
    let chunk_bytes = chunk.len();
    let small_size = u8::try_from(size_bytes).unwrap_or(1);
    chunk[..4].copy_from_slice(&[VERSIONS[0], VERSIONS[1], flags, small_size]);
    put(&mut chunk, 4, plain.len());
    put(&mut chunk, 8, block_bytes);
    put(&mut chunk, 12, chunk_bytes);
    Ok(chunk)
}

fn put(chunk: &mut [u8], at: usize, number: usize) {
    // What is encoded is short enough for the format.
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    chunk[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(level: i32, shuffle: bool, size_bytes: usize) -> Settings {
        Settings { level, shuffle, size_bytes }
    }

    #[test]
    fn what_is_written_is_read() {
        let counted: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        for n in [0, 1, 7, 8, 1000, BLOCK_BYTES, BLOCK_BYTES + 4, counted.len()] {
            for (level, shuffle, size_bytes) in [(5, true, 4), (1, false, 8), (0, true, 4), (9, true, 1), (3, true, 16)]
            {
                let chunk = encode(&counted[..n], settings(level, shuffle, size_bytes)).unwrap();
                assert_eq!(decode(&chunk, Some(n), n).unwrap(), &counted[..n]);
            }
        }
        let chunk = encode(&counted, settings(5, true, 4)).unwrap();
        assert!(chunk.len() * 20 < counted.len(), "{} of {} bytes", chunk.len(), counted.len());
    }

    #[test]
    fn corrupt_chunks_are_refused() {
        let counted: Vec<u8> = (0..1000u32).flat_map(u32::to_le_bytes).collect();
        let chunk = encode(&counted, settings(5, true, 4)).unwrap();
        for cut in 0..chunk.len() {
            assert!(decode(&chunk[..cut], Some(4000), 4000).is_err(), "{cut}");
        }
        assert!(matches!(decode(&chunk, Some(4001), 4001), Err(FileDamage::Length { .. })));
        assert!(matches!(decode(&chunk, None, 3999), Err(FileDamage::Length { .. })));
        // Whatever the header says, nothing outside of the chunk is read, and no more memory is taken than asked for.
        for at in 0..HEADER_BYTES + 4 {
            for value in [0, 1, 127, 255] {
                let mut other = chunk.clone();
                other[at] = value;
                let _ = decode(&other, None, 4000);
            }
        }
    }
}
