//! Quicksort by vectors: what is at most the pivot is packed to one end, what is above it to another place, eight or sixteen
//! elements at a time; a network of minima and maxima sorts what fits the registers.
//!
//! For machines with AVX-512, where elements are packed by one instruction; others, and few elements, have the sort of the
//! standard library.

macro_rules! sorts {
    ($($sort:ident, $key:ty, $module:ident, $keys:literal;)*) => {$(
        #[doc = $keys]
        ///
        /// # Panics
        /// If one is longer than the other.
        pub fn $sort(keys: &mut [$key], out: &mut [$key]) {
            #[cfg(target_arch = "x86_64")]
            if keys.len() >= WORTHWHILE && is_there() {
                return $module::sort(keys, out);
            }
            out.copy_from_slice(keys);
            out.sort_unstable();
        }
    )*};
}

sorts! {
    sort_u64, u64, words, "Puts `keys` in order into `out`, which is as long; what `keys` hold afterwards is not said.";
    sort_u32, u32, half_words, "As [`sort_u64`].";
}

/// Fewer elements leave most of the network empty.
#[cfg(target_arch = "x86_64")]
const WORTHWHILE: usize = 32;

/// A processor that has AVX-512 at all has these parts of it, but a machine may hide any.
#[cfg(target_arch = "x86_64")]
fn is_there() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("popcnt")
}

/// Registers that the network sorts together.
#[cfg(target_arch = "x86_64")]
const REGISTERS: usize = 16;

#[cfg(target_arch = "x86_64")]
macro_rules! compare_each {
    ($registers:ident: $($i:literal $j:literal),*) => {$( compare($registers, $i, $j); )*};
}

/// The sort of one type of keys. Every function is compiled for AVX-512, and reached through `sort` alone.
#[cfg(target_arch = "x86_64")]
macro_rules! vector_sort {
    (
        $module:ident, $key:ty, $lanes:literal, $mask:ty, $index:ty,
        $set1:ident, $load:ident, $mask_load:ident, $store:ident, $mask_store:ident,
        $min:ident, $max:ident, $mask_max:ident, $le:ident, $lt:ident, $compress:ident, $permute:ident, $permute2:ident
    ) => {
        mod $module {
            use std::arch::x86_64::*;
            use std::ptr;

            use super::{REGISTERS, is_there};

            const LANES: usize = $lanes;
            /// Elements that the network sorts.
            const SMALL: usize = LANES * REGISTERS;

            type Registers = [__m512i; REGISTERS];

            pub(super) fn sort(keys: &mut [$key], out: &mut [$key]) {
                assert!(keys.len() == out.len() && is_there(), "two slices of one length, and a machine that has AVX-512");
                // More rounds than this, and the pivots are bad ones.
                let rounds = 2 * keys.len().checked_ilog2().unwrap_or(0);
                // SAFETY: the instructions are there; both slices may be written over their whole length.
                unsafe { quicksort(keys.as_mut_ptr(), out.as_mut_ptr(), keys.as_mut_ptr(), keys.len(), rounds) };
            }

            /// Sorts `n` elements at `from`, which is `to` or `spare`, into `to`.
            ///
            /// # Safety
            /// `n` elements at `to` and at `spare` are ours to write, and do not overlap.
            #[target_feature(enable = "avx512f,avx512bw,popcnt")]
            unsafe fn quicksort(
                mut from: *mut $key,
                to: *mut $key,
                spare: *mut $key,
                mut n: usize,
                mut rounds: u32,
            ) {
                while n > SMALL {
                    if rounds == 0 {
                        // SAFETY: as promised; the places may be one.
                        unsafe { ptr::copy(from, to, n) };
                        // SAFETY: as promised, and initialized, as all elements are.
                        unsafe { std::slice::from_raw_parts_mut(to, n) }.sort_unstable();
                        return;
                    }
                    rounds -= 1;
                    // SAFETY: `n` elements are there, more than a sample needs.
                    let pivot = unsafe { pivot(from, n) };
                    // SAFETY: as promised.
                    let mut n_low = unsafe { partition::<true>(from, to, spare, n, pivot) };
                    if n_low == n {
                        // Nothing is above the pivot: those equal to it are in order behind the others.
                        // SAFETY: as promised; all elements are at `to` now.
                        n_low = unsafe { partition::<false>(to, to, spare, n, pivot) };
                        for at in n_low..n {
                            // SAFETY: `at < n`.
                            unsafe { *to.add(at) = pivot };
                        }
                    } else {
                        // SAFETY: the high ones are at `spare`, as many as there are places behind the low ones at `to`.
                        unsafe { quicksort(spare, to.add(n_low), spare, n - n_low, rounds) };
                    }
                    (from, n) = (to, n_low);
                }
                // SAFETY: as promised, and few enough.
                unsafe { small(from, to, n) };
            }

            /// An element with about as many below as above it.
            ///
            /// # Safety
            /// More than `SMALL` elements are at `from`.
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,popcnt")]
            unsafe fn pivot(from: *const $key, n: usize) -> $key {
                // SAFETY: it is asked for places below `n` only.
                let at = |place: usize| unsafe { *from.add(place) };
                if n < 32 * SMALL {
                    let step = n / 9;
                    let middle = |a: $key, b: $key, c: $key| a.min(b).max(a.max(b).min(c));
                    let middle_from = |first: usize| {
                        let place = first * step + step / 2;
                        middle(at(place), at(place + step), at(place + 2 * step))
                    };
                    return middle(middle_from(0), middle_from(3), middle_from(6));
                }
                let step = n / SMALL;
                let mut sample: [$key; SMALL] = std::array::from_fn(|i| at(i * step + step / 2));
                // SAFETY: the sample is as long.
                unsafe { small(sample.as_ptr(), sample.as_mut_ptr(), SMALL) };
                sample[SMALL / 2]
            }

            /// Moves the elements at most as large as the pivot (or below it, unless `OR_EQUAL`) to `low` and the others to
            /// `high`; how many the first are.
            ///
            /// # Safety
            /// `from` has `n` elements; `low` and `high` have room for `n` and do not overlap. Either may be `from`: what is
            /// written has been read.
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,popcnt")]
            unsafe fn partition<const OR_EQUAL: bool>(
                from: *const $key,
                low: *mut $key,
                high: *mut $key,
                n: usize,
                pivot: $key,
            ) -> usize {
                const AT_ONCE: usize = 4;
                let pivot = $set1(pivot.cast_signed());
                let is_low = |v| if OR_EQUAL { $le(v, pivot) } else { $lt(v, pivot) };
                let (mut n_low, mut n_high) = (0, 0);
                let whole = n / (AT_ONCE * LANES) * AT_ONCE * LANES;
                for at in (0..whole).step_by(AT_ONCE * LANES) {
                    for step in 0..AT_ONCE {
                        // SAFETY: below `whole`.
                        let v = unsafe { $load(from.add(at + step * LANES).cast()) };
                        let lows = is_low(v);
                        // SAFETY: at most as many have been written as read before, so that whole registers fit.
                        unsafe { $store(low.add(n_low).cast(), $compress(lows, v)) };
                        // SAFETY: as above.
                        unsafe { $store(high.add(n_high).cast(), $compress(!lows, v)) };
                        n_low += lows.count_ones() as usize;
                        n_high += lows.count_zeros() as usize;
                    }
                }
                for at in (whole..n).step_by(LANES) {
                    let part = first_lanes(n - at);
                    // SAFETY: the lanes of `part` are elements.
                    let v = unsafe { $mask_load(pivot, part, from.add(at).cast()) };
                    let (lows, highs) = (part & is_low(v), part & !is_low(v));
                    let counts = [lows.count_ones() as usize, highs.count_ones() as usize];
                    // SAFETY: no more are written than have been read.
                    unsafe { $mask_store(low.add(n_low).cast(), first_lanes(counts[0]), $compress(lows, v)) };
                    // SAFETY: as above.
                    unsafe { $mask_store(high.add(n_high).cast(), first_lanes(counts[1]), $compress(highs, v)) };
                    n_low += counts[0];
                    n_high += counts[1];
                }
                n_low
            }

            /// Sorts up to `SMALL` elements at `from` into `to`, which may be the same place.
            ///
            /// The registers are columns: each lane is sorted by itself, then neighbouring runs of lanes are merged, so that
            /// most steps compare registers as they are. At the end columns become rows.
            ///
            /// # Safety
            /// `n` elements are at `from`, and `to` has room for them.
            #[target_feature(enable = "avx512f,avx512bw,popcnt")]
            unsafe fn small(from: *const $key, to: *mut $key, n: usize) {
                let most = $set1(-1);
                let mut v: Registers = [most; REGISTERS];
                for (i, v) in v.iter_mut().enumerate() {
                    let part = first_lanes(n.saturating_sub(i * LANES));
                    // SAFETY: the lanes of `part` are elements; other lanes touch no memory.
                    *v = unsafe { $mask_load(most, part, from.wrapping_add(i * LANES).cast()) };
                }
                let v = &mut v;
                sort_columns(v);
                mirror::<1>(v);
                merge_columns(v);
                mirror::<2>(v);
                across::<1>(v);
                merge_columns(v);
                mirror::<4>(v);
                across::<2>(v);
                across::<1>(v);
                merge_columns(v);
                if LANES == 16 {
                    mirror::<{ LANES / 2 }>(v);
                    across::<4>(v);
                    across::<2>(v);
                    across::<1>(v);
                    merge_columns(v);
                }
                transpose::<1>(v);
                transpose::<2>(v);
                transpose::<4>(v);
                if LANES == 16 {
                    transpose::<{ LANES / 2 }>(v);
                }
                for (i, v) in v.iter().enumerate() {
                    // A column is as long as all registers are many, which may be two rows.
                    let row = i % LANES * (REGISTERS / LANES) + i / LANES;
                    let part = first_lanes(n.saturating_sub(row * LANES));
                    // SAFETY: the lanes of `part` are below `n`; other lanes touch no memory.
                    unsafe { $mask_store(to.wrapping_add(row * LANES).cast(), part, *v) };
                }
            }

            /// The first `n` lanes, or all.
            #[inline]
            fn first_lanes(n: usize) -> $mask {
                ((1_u64 << n.min(LANES)) - 1) as $mask
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn compare(v: &mut Registers, i: usize, j: usize) {
                (v[i], v[j]) = ($min(v[i], v[j]), $max(v[i], v[j]));
            }

            /// Sorts every lane, by the network of sixty comparisons that M. W. Green found (Knuth, volume 3, 5.3.4).
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn sort_columns(v: &mut Registers) {
                compare_each!(v: 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15);
                compare_each!(v: 0 2, 1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15);
                compare_each!(v: 0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15);
                compare_each!(v: 0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15);
                compare_each!(v: 5 10, 6 9, 3 12, 13 14, 4 8, 7 11, 1 2);
                compare_each!(v: 1 4, 7 13, 2 8, 11 14, 5 6, 9 10);
                compare_each!(v: 2 4, 11 13, 3 8, 7 12);
                compare_each!(v: 6 8, 10 12, 3 5, 7 9);
                compare_each!(v: 3 4, 5 6, 7 8, 9 10, 11 12);
                compare_each!(v: 6 7, 8 9);
            }

            /// Sorts every lane that rises and falls: the last steps of a bitonic merge.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn merge_columns(v: &mut Registers) {
                compare_each!(v: 0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15);
                compare_each!(v: 0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15);
                compare_each!(v: 0 2, 1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15);
                compare_each!(v: 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15);
            }

            /// The first step of a bitonic merge: of runs of `2 * HALF` lanes, each element of the first half meets its mirror
            /// image in the second.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn mirror<const HALF: usize>(v: &mut Registers) {
                let (order, upper) = (exchange(2 * HALF - 1), const { upper(HALF) });
                for i in 0..REGISTERS / 2 {
                    let (a, b) = (v[i], v[REGISTERS - 1 - i]);
                    let (image_of_a, image_of_b) = ($permute(order, a), $permute(order, b));
                    v[i] = $mask_max($min(a, image_of_b), upper, a, image_of_b);
                    v[REGISTERS - 1 - i] = $mask_max($min(b, image_of_a), upper, b, image_of_a);
                }
            }

            /// A step of a bitonic merge between lanes that far apart.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn across<const DISTANCE: usize>(v: &mut Registers) {
                let (order, upper) = (exchange(DISTANCE), const { upper(DISTANCE) });
                for v in v {
                    let other = $permute(order, *v);
                    *v = $mask_max($min(*v, other), upper, *v, other);
                }
            }

            /// A step of the transposition of blocks of as many registers as there are lanes.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn transpose<const DISTANCE: usize>(v: &mut Registers) {
                // Of two registers, the lanes with that bit change places with those without.
                let pick = |bit: usize| {
                    let lane = |lane: usize| lane & !DISTANCE | bit | if lane & DISTANCE == 0 { 0 } else { LANES };
                    vector(std::array::from_fn(|at| lane(at) as $index))
                };
                let (first, second) = (pick(0), pick(DISTANCE));
                for i in (0..REGISTERS).filter(|i| i & DISTANCE == 0) {
                    let (a, b) = (v[i], v[i + DISTANCE]);
                    (v[i], v[i + DISTANCE]) = ($permute2(a, first, b), $permute2(a, second, b));
                }
            }

            /// The lane whose number differs by these bits, for every lane.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn exchange(bits: usize) -> __m512i {
                vector(std::array::from_fn(|lane| (lane ^ bits) as $index))
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn vector(lanes: [$index; LANES]) -> __m512i {
                // SAFETY: it is as long as a register.
                unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
            }

            /// The lanes whose number has that bit.
            const fn upper(bit: usize) -> $mask {
                let (mut mask, mut lane) = (0, 0);
                while lane < LANES {
                    if lane & bit != 0 {
                        mask |= 1 << lane;
                    }
                    lane += 1;
                }
                mask
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_sort! {
    words, u64, 8, __mmask8, i64,
    _mm512_set1_epi64, _mm512_loadu_epi64, _mm512_mask_loadu_epi64, _mm512_storeu_epi64, _mm512_mask_storeu_epi64,
    _mm512_min_epu64, _mm512_max_epu64, _mm512_mask_max_epu64, _mm512_cmple_epu64_mask, _mm512_cmplt_epu64_mask,
    _mm512_maskz_compress_epi64, _mm512_permutexvar_epi64, _mm512_permutex2var_epi64
}

#[cfg(target_arch = "x86_64")]
vector_sort! {
    half_words, u32, 16, __mmask16, i32,
    _mm512_set1_epi32, _mm512_loadu_epi32, _mm512_mask_loadu_epi32, _mm512_storeu_epi32, _mm512_mask_storeu_epi32,
    _mm512_min_epu32, _mm512_max_epu32, _mm512_mask_max_epu32, _mm512_cmple_epu32_mask, _mm512_cmplt_epu32_mask,
    _mm512_maskz_compress_epi32, _mm512_permutexvar_epi32, _mm512_permutex2var_epi32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(keys: &[u64]) -> Result<(), TestCaseError> {
        let mut expected = keys.to_vec();
        expected.sort_unstable();
        let (mut from, mut out) = (keys.to_vec(), vec![7; keys.len()]);
        sort_u64(&mut from, &mut out);
        prop_assert_eq!(out, expected);
        let keys: Vec<u32> = keys.iter().map(|key| (key >> 32) as u32).collect();
        let mut expected = keys.clone();
        expected.sort_unstable();
        let (mut from, mut out) = (keys.clone(), vec![7; keys.len()]);
        sort_u32(&mut from, &mut out);
        prop_assert_eq!(out, expected);
        Ok(())
    }

    proptest! {
        #[test]
        fn keys_are_in_order(keys in proptest::collection::vec(any::<u64>(), 0..5000)) {
            check(&keys)?;
        }

        #[test]
        fn few_values_are_in_order(
            keys in proptest::collection::vec(
                prop_oneof![Just(0), Just(u64::MAX), Just(1 << 63), Just(1 << 40)],
                0..2000,
            ),
        ) {
            check(&keys)?;
        }
    }

    #[test]
    fn every_length_and_runs() {
        for n in 0..700_u64 {
            check(&(0..n).rev().map(|key| key << 33).collect::<Vec<_>>()).unwrap();
            check(&(0..n).map(|key| (key * 37 % 101) << 40).collect::<Vec<_>>()).unwrap();
        }
        let n = 100_000_u64;
        check(&(0..n).map(|key| key << 33).collect::<Vec<_>>()).unwrap();
        // Organ pipes, sawteeth, and one value among others.
        check(&(0..n).map(|key| key.min(n - key) << 33).collect::<Vec<_>>()).unwrap();
        check(&(0..n).map(|key| (key % 1000) << 33).collect::<Vec<_>>()).unwrap();
        check(&(0..n).map(|key| if key % 10 == 0 { key << 33 } else { 5 << 33 }).collect::<Vec<_>>()).unwrap();
    }
}
