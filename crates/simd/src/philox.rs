//! The generator Philox4x32-10 for many counters.
//!
//! Compilers shift the halves of products down, and shifts wait for the port that multiplies; here they are shuffled, by
//! the other one.

/// What the first and the third word of a counter are multiplied with in a round.
pub const PHILOX_MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What is added to the words of the key after a round.
pub const PHILOX_KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// How many rounds there are.
pub const PHILOX_ROUNDS: usize = 10;
/// [`philox4x32_words`] takes a multiple of so many counters.
pub const PHILOX_LANES: usize = 16;

/// The random words of the counters from `first` on, of which `stream` is the upper half: their first and second 32 bits to
/// `low`, the others to `high`. `false`, and nothing is written, on a machine without AVX-512.
///
/// Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
///
/// # Panics
/// If the lengths differ or are not a multiple of [`PHILOX_LANES`].
pub fn philox4x32_words(first: u64, stream: u64, key: [u32; 2], low: &mut [u64], high: &mut [u64]) -> bool {
    assert!(low.len() == high.len() && low.len().is_multiple_of(PHILOX_LANES), "whole groups of counters");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the instructions are there.
        unsafe { lanes::words(first, stream, key, low, high) };
        return true;
    }
    let _ = (first, stream, key);
    false
}

#[cfg(target_arch = "x86_64")]
mod lanes {
    use std::arch::x86_64::*;

    use super::{PHILOX_KEY_STEPS, PHILOX_LANES, PHILOX_MULTIPLIERS, PHILOX_ROUNDS};

    const LANES: usize = 8;
    /// Registers of counters that are computed side by side, as one would wait for its products.
    const GROUPS: usize = PHILOX_LANES / LANES;

    /// The upper halves of `x` in the lower ones.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn upper(x: __m512i) -> __m512i {
        _mm512_shuffle_epi32::<0b11_11_01_01>(x)
    }

    /// The lower halves of `low` and of `high` side by side.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn join(low: __m512i, high: __m512i) -> __m512i {
        _mm512_mask_shuffle_epi32::<0b10_10_00_00>(low, 0b1010_1010_1010_1010, high)
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn words(first: u64, stream: u64, mut key: [u32; 2], low: &mut [u64], high: &mut [u64]) {
        let multipliers = PHILOX_MULTIPLIERS.map(|multiplier| _mm512_set1_epi64(i64::from(multiplier)));
        let keys: [_; PHILOX_ROUNDS] = std::array::from_fn(|_| {
            let now = key.map(|word| _mm512_set1_epi64(i64::from(word)));
            key = [key[0].wrapping_add(PHILOX_KEY_STEPS[0]), key[1].wrapping_add(PHILOX_KEY_STEPS[1])];
            now
        });
        let stream = _mm512_set1_epi64(stream as i64);
        let each = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
        let (low, high) = (low.as_chunks_mut::<PHILOX_LANES>().0, high.as_chunks_mut::<PHILOX_LANES>().0);
        for (at, (low, high)) in low.iter_mut().zip(high).enumerate() {
            // Words are in 64 bits, whose upper halves mean nothing.
            let mut groups: [_; GROUPS] = std::array::from_fn(|group| {
                let first = first.wrapping_add((at * PHILOX_LANES + group * LANES) as u64);
                let counters = _mm512_add_epi64(_mm512_set1_epi64(first as i64), each);
                [counters, upper(counters), stream, upper(stream)]
            });
            for keys in &keys {
                for [a, b, c, d] in &mut groups {
                    let products = [_mm512_mul_epu32(*a, multipliers[0]), _mm512_mul_epu32(*c, multipliers[1])];
                    let exclusive_or = |x, y, z| _mm512_ternarylogic_epi64::<0x96>(x, y, z);
                    [*a, *b] = [exclusive_or(upper(products[1]), *b, keys[0]), products[1]];
                    [*c, *d] = [exclusive_or(upper(products[0]), *d, keys[1]), products[0]];
                }
            }
            let (low, high) = (low.as_chunks_mut::<LANES>().0, high.as_chunks_mut::<LANES>().0);
            for ((low, high), [a, b, c, d]) in low.iter_mut().zip(high).zip(groups) {
                // SAFETY: eight words each are there.
                unsafe {
                    _mm512_storeu_si512(low.as_mut_ptr().cast(), join(a, b));
                    _mm512_storeu_si512(high.as_mut_ptr().cast(), join(c, d));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        let [mut low, mut high] = [[7; 2 * PHILOX_LANES]; 2];
        // Counters, keys and words as the test vectors of Random123 have them, from their lower 32 bits on.
        for (first, stream, key, words) in [
            (0, 0, [0; 2], [0xe169_c58d_6627_e8d5, 0x9b00_dbd8_bc57_ac4c]),
            (u64::MAX, u64::MAX, [u32::MAX; 2], [0x41c8_3b0e_408f_276d, 0x6d54_51fd_a20b_c7c6]),
            (
                0x85a3_08d3_243f_6a88,
                0x0370_7344_1319_8a2e,
                [0xa409_3822, 0x299f_31d0],
                [0x94fd_cceb_d16c_fe09, 0x2412_6ea1_5001_e420],
            ),
        ] {
            for at in [0, 3, 9, 16, 31] {
                let first = u64::wrapping_sub(first, at as u64);
                let is_there = philox4x32_words(first, stream, key, &mut low, &mut high);
                assert_eq!([low[at], high[at]], if is_there { words } else { [7, 7] });
            }
        }
    }
}
