//! Blocks of LZ4.
//!
//! Source: the format's description (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>).

/// Decodes one block, which must fill `to`. Corrupt input gives `None`, never more than `to` holds.
pub(crate) fn decode(block: &[u8], to: &mut [u8]) -> Option<()> {
    let mut input = Input(block);
    let mut at: usize = 0;
    loop {
        let token = input.byte()?;
        let n_literals = input.length(token >> 4)?;
        let literals = input.take(n_literals)?;
        to.get_mut(at..at.checked_add(n_literals)?)?.copy_from_slice(literals);
        at += n_literals;
        // The last sequence is literals only.
        if input.0.is_empty() {
            return (at == to.len()).then_some(());
        }
        let distance = usize::from(u16::from_le_bytes([input.byte()?, input.byte()?]));
        let n_match = input.length(token & 15)?.checked_add(4)?;
        at = copy_match(to, at, distance, n_match)?;
    }
}

/// Repeats `n` bytes that end `distance` bytes before `at`, which may overlap with what they make. Returns the new end.
pub(super) fn copy_match(to: &mut [u8], at: usize, distance: usize, n: usize) -> Option<usize> {
    let start = at.checked_sub(distance).filter(|_| distance > 0)?;
    let end = at.checked_add(n).filter(|&end| end <= to.len())?;
    // What lies between start and end repeats itself, so each copy may be twice as long as the one before.
    let mut at = at;
    while at < end {
        let n = (at - start).min(end - at);
        to.copy_within(start..start + n, at);
        at += n;
    }
    Some(end)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// A length of four bits goes on in further bytes if all its bits are set.
    fn length(&mut self, nibble: u8) -> Option<usize> {
        let mut length = usize::from(nibble);
        if nibble == 15 {
            loop {
                let byte = self.byte()?;
                length = length.checked_add(byte.into())?;
                if byte != u8::MAX {
                    break;
                }
            }
        }
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_matches() {
        // "abcd", then 8 bytes from 4 back, then "xyz".
        let block = [0x44, b'a', b'b', b'c', b'd', 4, 0, 0x30, b'x', b'y', b'z'];
        let mut to = [0; 15];
        decode(&block, &mut to).unwrap();
        assert_eq!(&to, b"abcdabcdabcdxyz");
        // One byte, repeated: a match that overlaps with itself, of 4 + 15 + 2 bytes.
        let block = [0x1f, b'a', 1, 0, 2, 0x00];
        let mut to = [0; 22];
        decode(&block, &mut to).unwrap();
        assert_eq!(to, [b'a'; 22]);
    }

    #[test]
    fn corrupt_blocks_are_refused() {
        let block = [0x44, b'a', b'b', b'c', b'd', 4, 0, 0x30, b'x', b'y', b'z'];
        for cut in 0..block.len() {
            assert_eq!(decode(&block[..cut], &mut [0; 15]), None, "{cut}");
        }
        assert_eq!(decode(&block, &mut [0; 14]), None);
        assert_eq!(decode(&block, &mut [0; 16]), None);
        for distance in [0, 5] {
            let block = [0x44, b'a', b'b', b'c', b'd', distance, 0, 0x00];
            assert_eq!(decode(&block, &mut [0; 12]), None);
        }
    }
}
