//! Codecs from bytes to bytes.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use super::{blosc, lz4};
use crate::array_files::error::FileDamage;
use crate::array_files::memory::with_capacity;

/// One codec from bytes to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip {
        level: u32,
    },
    Zlib {
        level: u32,
    },
    Zstd {
        level: i32,
        checksum: bool,
    },
    Blosc(blosc::Settings),
    /// A length of 4 bytes and one block, as the Python package numcodecs writes it. Read only.
    Lz4,
    Crc32c,
}

/// How long a result may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    Exactly(usize),
    AtMost(usize),
}

impl Length {
    fn max(self) -> usize {
        match self {
            Self::Exactly(n) | Self::AtMost(n) => n,
        }
    }

    fn exact(self) -> Option<usize> {
        match self {
            Self::Exactly(n) => Some(n),
            Self::AtMost(_) => None,
        }
    }

    /// Checks the length of a result.
    pub(crate) fn check(self, found_bytes: usize) -> Result<(), FileDamage> {
        let is_right = self.exact().map_or(found_bytes <= self.max(), |n| n == found_bytes);
        if is_right { Ok(()) } else { Err(FileDamage::Length { expected_bytes: self.max(), found_bytes }) }
    }
}

/// No compression of the deflate family makes more out of one byte.
const DEFLATE_RATIO_MAX: usize = 1032;

const CHECKSUM_BYTES: usize = 4;

impl Packing {
    /// How long `n` bytes become, for codecs that do not compress.
    pub(crate) fn packed_bytes(self, n: usize) -> Option<usize> {
        if self == Self::Crc32c { n.checked_add(CHECKSUM_BYTES) } else { None }
    }

    /// Decodes `packed`. Memory grows with what really comes out.
    pub(crate) fn decode(self, packed: Cow<'_, [u8]>, length: Length) -> Result<Cow<'_, [u8]>, FileDamage> {
        let failed = |codec| move |error: io::Error| FileDamage::Decode { codec, problem: error.to_string() };
        let plain = match self {
            Self::Gzip { .. } => {
                let room = packed.len().saturating_mul(DEFLATE_RATIO_MAX);
                inflate(flate2::read::MultiGzDecoder::new(&*packed), room, length, failed("gzip"))?
            }
            Self::Zlib { .. } => {
                let room = packed.len().saturating_mul(DEFLATE_RATIO_MAX);
                inflate(flate2::read::ZlibDecoder::new(&*packed), room, length, failed("zlib"))?
            }
            Self::Zstd { .. } => decode_zstd(&packed, length).map_err(failed("zstd"))?,
            Self::Blosc(_) => blosc::decode(&packed, length.exact(), length.max())?,
            Self::Lz4 => {
                let corrupt = |problem: &str| FileDamage::Decode { codec: "lz4", problem: problem.to_owned() };
                let (n, block) = packed.split_first_chunk().ok_or_else(|| corrupt("it has no length"))?;
                let n = u32::from_le_bytes(*n) as usize;
                length.check(n)?;
                drop(with_capacity(n).ok_or(FileDamage::Memory { bytes: n })?);
                let mut plain = vec![0; n];
                lz4::decode(block, &mut plain).ok_or_else(|| corrupt("it cannot be decompressed"))?;
                plain
            }
            Self::Crc32c => {
                let (plain, sum) = packed.split_last_chunk().ok_or(FileDamage::Checksum { codec: "crc32c" })?;
                if crc32c::crc32c(plain) != u32::from_le_bytes(*sum) {
                    return Err(FileDamage::Checksum { codec: "crc32c" });
                }
                let n = plain.len();
                length.check(n)?;
                return Ok(match packed {
                    Cow::Borrowed(packed) => Cow::Borrowed(&packed[..n]),
                    Cow::Owned(mut packed) => {
                        packed.truncate(n);
                        Cow::Owned(packed)
                    }
                });
            }
        };
        length.check(plain.len())?;
        Ok(Cow::Owned(plain))
    }

    /// Encodes `plain`.
    pub(crate) fn encode(self, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip { level } => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
                encoder.write_all(&plain)?;
                encoder.finish()
            }
            Self::Zlib { level } => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
                encoder.write_all(&plain)?;
                encoder.finish()
            }
            Self::Zstd { level, checksum } => {
                let mut compressor = zstd::bulk::Compressor::new(level)?;
                compressor.include_checksum(checksum)?;
                compressor.compress(&plain)
            }
            Self::Blosc(settings) => blosc::encode(&plain, settings),
            Self::Lz4 => Err(io::Error::from(io::ErrorKind::Unsupported)),
            Self::Crc32c => {
                let sum = crc32c::crc32c(&plain);
                let mut packed = plain;
                packed.extend(sum.to_le_bytes());
                Ok(packed)
            }
        }
    }
}

/// Reads all of `decoder`, but not much more than may come out of it.
fn inflate(
    decoder: impl Read,
    room: usize,
    length: Length,
    failed: impl Fn(io::Error) -> FileDamage,
) -> Result<Vec<u8>, FileDamage> {
    let room = room.min(length.max());
    let mut plain = with_capacity(room).ok_or(FileDamage::Memory { bytes: room })?;
    // One byte more than allowed tells that there are too many.
    decoder.take(length.max() as u64 + 1).read_to_end(&mut plain).map_err(failed)?;
    Ok(plain)
}

fn decode_zstd(packed: &[u8], length: Length) -> io::Result<Vec<u8>> {
    let Some(n) = length.exact() else {
        let mut plain = Vec::new();
        zstd::stream::read::Decoder::new(packed)?.take(length.max() as u64 + 1).read_to_end(&mut plain)?;
        return Ok(plain);
    };
    // Room for what the chunk should have; pages that nothing is decoded into are never touched.
    let mut plain = with_capacity(n).ok_or(io::ErrorKind::OutOfMemory)?;
    zstd::bulk::Decompressor::new()?.decompress_to_buffer(packed, &mut plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Packing> {
        let blosc = blosc::Settings { level: 5, shuffle: true, size_bytes: 8 };
        vec![
            Packing::Gzip { level: 5 },
            Packing::Zlib { level: 1 },
            Packing::Zstd { level: 1, checksum: true },
            Packing::Blosc(blosc),
            Packing::Crc32c,
        ]
    }

    #[test]
    fn bytes_come_back() {
        let plain: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
        for packing in all() {
            let packed = packing.encode(plain.clone()).unwrap();
            for length in [Length::Exactly(plain.len()), Length::AtMost(plain.len() + 7)] {
                assert_eq!(*packing.decode(Cow::Borrowed(&packed), length).unwrap(), plain);
            }
            for length in [Length::Exactly(plain.len() - 1), Length::AtMost(plain.len() - 1)] {
                assert!(packing.decode(Cow::Borrowed(&packed), length).is_err(), "{packing:?}");
            }
            assert!(packing.decode(Cow::Borrowed(&packed), Length::Exactly(plain.len() + 1)).is_err(), "{packing:?}");
        }
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed_by_codecs_with_checksums() {
        let plain: Vec<u8> = (0..2_000u32).flat_map(u32::to_le_bytes).collect();
        let length = Length::Exactly(plain.len());
        for packing in all().into_iter().filter(|packing| !matches!(packing, Packing::Blosc(_))) {
            let packed = packing.encode(plain.clone()).unwrap();
            // The first bytes of gzip tell when and where it was written.
            for at in (16..packed.len()).step_by(packed.len() / 50) {
                let mut other = packed.clone();
                other[at] ^= 0x10;
                let decoded = packing.decode(Cow::Borrowed(&other), length);
                assert!(decoded.is_err(), "{packing:?} {at}");
                let cut = packing.decode(Cow::Borrowed(&packed[..at]), length);
                assert!(cut.is_err(), "{packing:?} {at}");
            }
        }
    }
}
