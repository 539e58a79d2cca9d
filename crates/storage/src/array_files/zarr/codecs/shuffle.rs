//! Orders of bytes and bits that compress better than elements do.

/// Puts the first bytes of all elements first, then the second ones, and so on. Bytes behind the last whole element stay.
pub(super) fn shuffle(from: &[u8], to: &mut [u8], size_bytes: usize) {
    let n = from.len() / size_bytes;
    let (whole, rest) = from.split_at(n * size_bytes);
    let (to, to_rest) = to.split_at_mut(whole.len());
    to_rest.copy_from_slice(rest);
    for (byte, to) in to.chunks_exact_mut(n.max(1)).enumerate() {
        for (to, element) in to.iter_mut().zip(whole.chunks_exact(size_bytes)) {
            *to = element[byte];
        }
    }
}

/// The inverse of [`shuffle`].
pub(super) fn unshuffle(from: &[u8], to: &mut [u8], size_bytes: usize) {
    match size_bytes {
        2 => unshuffle_of::<2>(from, to),
        4 => unshuffle_of::<4>(from, to),
        8 => unshuffle_of::<8>(from, to),
        16 => unshuffle_of::<16>(from, to),
        _ => unshuffle_any(from, to, size_bytes),
    }
}

fn unshuffle_any(from: &[u8], to: &mut [u8], size_bytes: usize) {
    let n = from.len() / size_bytes;
    let (whole, rest) = from.split_at(n * size_bytes);
    let (to, to_rest) = to.split_at_mut(whole.len());
    to_rest.copy_from_slice(rest);
    for (byte, from) in whole.chunks_exact(n.max(1)).enumerate() {
        for (from, element) in from.iter().zip(to.chunks_exact_mut(size_bytes)) {
            element[byte] = *from;
        }
    }
}

/// Element by element, so that each is written once; the compiler keeps one in registers.
fn unshuffle_of<const N: usize>(from: &[u8], to: &mut [u8]) {
    let n = from.len() / N;
    let (whole, rest) = from.split_at(n * N);
    let (to, to_rest) = to.split_at_mut(whole.len());
    to_rest.copy_from_slice(rest);
    let planes: [&[u8]; N] = std::array::from_fn(|byte| &whole[byte * n..(byte + 1) * n]);
    for (i, element) in to.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        for (byte, plane) in element.iter_mut().zip(planes) {
            *byte = plane[i];
        }
    }
}

/// Puts the lowest bits of all elements back to where they belong, then the second lowest, and so on: the inverse of a
/// shuffle of bits. Blosc shuffles bits only of a multiple of 8 elements, and leaves other blocks as they are.
pub(super) fn unshuffle_bits(from: &[u8], to: &mut [u8], size_bytes: usize) {
    let n = from.len() / size_bytes;
    if !n.is_multiple_of(8) {
        return to.copy_from_slice(from);
    }
    let (whole, rest) = from.split_at(n * size_bytes);
    let (to, to_rest) = to.split_at_mut(whole.len());
    to_rest.copy_from_slice(rest);
    let row_bytes = n / 8;
    for byte in 0..size_bytes {
        for group in 0..row_bytes {
            // Row i holds bit i of this byte of 8 elements: turning the square of bits gives their bytes.
            let rows = std::array::from_fn(|bit| whole[(byte * 8 + bit) * row_bytes + group]);
            let bytes = turn_bits(u64::from_le_bytes(rows)).to_le_bytes();
            for (i, value) in bytes.into_iter().enumerate() {
                to[(group * 8 + i) * size_bytes + byte] = value;
            }
        }
    }
}

/// Turns a square of 8 by 8 bits: bit `j` of byte `i` becomes bit `i` of byte `j`.
///
/// Source: Hacker's Delight, section 7-3.
fn turn_bits(square: u64) -> u64 {
    let mut x = square;
    for (shift, mask) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let swapped = (x ^ (x >> shift)) & mask;
        x ^= swapped ^ (swapped << shift);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for size_bytes in [1, 2, 3, 4, 8, 16] {
            for n in [0, 1, 7, 16, 100, 129] {
                let bytes: Vec<u8> = (0..n).map(|i| (i * 37 % 251) as u8).collect();
                let (mut shuffled, mut back) = (vec![0; n], vec![0; n]);
                shuffle(&bytes, &mut shuffled, size_bytes);
                unshuffle(&shuffled, &mut back, size_bytes);
                assert_eq!(back, bytes);
            }
        }
        let mut shuffled = [0; 7];
        shuffle(&[1, 2, 3, 4, 5, 6, 7], &mut shuffled, 3);
        assert_eq!(shuffled, [1, 4, 2, 5, 3, 6, 7]);
    }

    #[test]
    fn squares_of_bits_are_turned() {
        for i in 0..8 {
            for j in 0..8 {
                assert_eq!(turn_bits(1 << (8 * i + j)), 1 << (8 * j + i));
            }
        }
        // The lowest bit of each of 8 elements makes the first byte.
        let mut to = [0xff; 8];
        unshuffle_bits(&[0b1000_0001, 0, 0, 0, 0, 0, 0, 0], &mut to, 1);
        assert_eq!(to, [1, 0, 0, 0, 0, 0, 0, 1]);
    }
}
