//! Blosc's own compression, of the family of FastLZ.
//!
//! Source: the format of FastLZ, level 2 (<https://github.com/ariya/FastLZ#specification-of-fastlz-block-format>), which it
//! follows with one bit less for the level.

use super::lz4::copy_match;

/// A distance of all bits set is followed by 16 bits more, counted from here.
const DISTANCE_FAR: usize = (31 << 8) + 255;

/// Decodes one stream, which must fill `to`. Corrupt input gives `None`, never more than `to` holds.
pub(super) fn decode(stream: &[u8], to: &mut [u8]) -> Option<()> {
    let mut input = stream.iter();
    let mut at: usize = 0;
    // The first instruction is always literals; its upper bits tell the level.
    let mut control = *input.next()? & 31;
    loop {
        if control < 32 {
            let n = usize::from(control) + 1;
            let literals = input.as_slice().get(..n)?;
            to.get_mut(at..at + n)?.copy_from_slice(literals);
            input = input.as_slice()[n..].iter();
            at += n;
        } else {
            let mut n = usize::from(control >> 5) + 2;
            if n == 9 {
                loop {
                    let byte = *input.next()?;
                    n = n.checked_add(byte.into())?;
                    if byte != u8::MAX {
                        break;
                    }
                }
            }
            let mut distance = (usize::from(control & 31) << 8) + usize::from(*input.next()?);
            if distance == DISTANCE_FAR {
                distance += usize::from(u16::from_be_bytes([*input.next()?, *input.next()?]));
            }
            at = copy_match(to, at, distance + 1, n)?;
        }
        match input.next() {
            Some(&next) => control = next,
            None => return (at == to.len()).then_some(()),
        }
    }
}
