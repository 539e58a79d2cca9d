//! Products of large matrices of floats on machines with AVX-512.
//!
//! The scheme is that of Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008) with the names
//! turned round, because our products are in C order: slivers of eight rows of the first matrix stay in the nearest cache,
//! while slivers of three registers of the second, from a block that fits the second cache, pass by; the sums of a tile
//! of eight rows and three registers stay in twenty-four registers.

/// Below this length of any side the matrices are not worth packing.
const SIDE_MIN: usize = 256;
/// Rows of a tile.
const ROWS: usize = 8;
/// Registers of a row of a tile.
const REGISTERS: usize = 3;
/// The bytes of a row of a tile.
const ROW_BYTES: usize = 64 * REGISTERS;
/// Steps along the inner axis for which both matrices are packed.
const INNER: usize = 512;
/// Rows of the first matrix that are packed at once.
const ROWS_PACKED: usize = 1024;
/// Slivers of the second matrix that are packed at once, a megabyte.
const SLIVERS_PACKED: usize = 10;
/// So many steps ahead the second matrix is brought near.
const STEPS_AHEAD: usize = 8;

/// Elements at `row * row_stride + column * column_stride`, of which one stride is one.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    /// Where they are.
    pub elements: &'a [T],
    /// The number of rows.
    pub n_rows: usize,
    /// The number of columns.
    pub n_columns: usize,
    /// From a row to the next.
    pub row_stride: usize,
    /// From a column to the next.
    pub column_stride: usize,
}

/// Whether a product `[m, k] @ [k, n]` is large enough, and the machine has the instructions, for
/// [`add_product`](Float::add_product).
#[must_use]
pub fn is_worthwhile(m: usize, k: usize, n: usize) -> bool {
    m.min(k).min(n) >= SIDE_MIN && is_there()
}

/// The elements of a type of that size that are packed for a product `[m, k] @ [k, n]`.
#[must_use]
pub fn scratch_len<T: Float>(m: usize, k: usize, n: usize) -> usize {
    rows_len(m, k) + columns_len::<T>(k, n)
}

/// The most bytes that are packed for a product that has so many elements; none if that is too few for
/// [`is_worthwhile`].
#[must_use]
pub fn scratch_bytes_max(n_elements: usize) -> usize {
    let is_packed = n_elements >= SIDE_MIN * SIDE_MIN && is_there();
    if is_packed { INNER * (ROWS_PACKED * size_of::<f64>() + SLIVERS_PACKED * ROW_BYTES) } else { 0 }
}

fn rows_len(m: usize, k: usize) -> usize {
    ROWS_PACKED.min(m).div_ceil(ROWS) * ROWS * INNER.min(k)
}

fn columns_len<T>(k: usize, n: usize) -> usize {
    let sliver = ROW_BYTES / size_of::<T>();
    SLIVERS_PACKED.min(n.div_ceil(sliver)) * sliver * INNER.min(k)
}

#[cfg(target_arch = "x86_64")]
fn is_there() -> bool {
    is_x86_feature_detected!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn is_there() -> bool {
    false
}

/// What happens to a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is added.
    Plus,
    /// It is subtracted.
    Minus,
}

/// Floats whose products are computed here: `f32` and `f64`.
pub trait Float: Copy + Default {
    /// `out += a @ b`, or `out -= a @ b`, where `out` is in C order and `scratch` has [`scratch_len`] elements.
    ///
    /// # Panics
    /// Unless the lengths fit, and [`is_worthwhile`] says that the machine has the instructions.
    fn add_product(out: &mut [Self], sign: Sign, a: &Matrix<'_, Self>, b: &Matrix<'_, Self>, scratch: &mut [Self]);
}

/// Copies steps `from..from + n_steps` of slivers of `WIDTH` lines (rows of the first matrix, columns of the second) into
/// `out`, the lines of one step side by side; lines that are not there are zeros.
///
/// A line begins `line` elements behind the one before, a step `step` elements behind the step before; one of them is one.
fn pack<T: Copy + Default, const WIDTH: usize>(
    out: &mut [T],
    elements: &[T],
    [line, step]: [usize; 2],
    lines: std::ops::Range<usize>,
    steps: std::ops::Range<usize>,
) {
    let slivers = out.chunks_exact_mut(WIDTH * steps.len());
    for (out, first) in slivers.zip(lines.clone().step_by(WIDTH)) {
        let (out, n_lines) = (out.as_chunks_mut::<WIDTH>().0, WIDTH.min(lines.end - first));
        if n_lines < WIDTH {
            for (out, at) in out.iter_mut().zip(steps.clone()) {
                out[..n_lines].iter_mut().zip(first..).for_each(|(out, i)| *out = elements[i * line + at * step]);
                out[n_lines..].fill(T::default());
            }
        } else if line == 1 {
            for (out, at) in out.iter_mut().zip(steps.clone()) {
                let at = at * step + first;
                out.copy_from_slice(&elements[at..at + WIDTH]);
            }
        } else {
            let lines: [&[T]; WIDTH] =
                std::array::from_fn(|i| &elements[(first + i) * line + steps.start..][..steps.len()]);
            for (at, out) in out.iter_mut().enumerate() {
                out.iter_mut().zip(lines).for_each(|(out, line)| *out = line[at]);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! packed {
    ($($type:ty, $tile:ident, $zero:ident, $load:ident, $store:ident, $set1:ident, $fmadd:ident, $add:ident, $sub:ident;)*) => {$(
        impl Float for $type {
            fn add_product(
                out: &mut [Self],
                sign: Sign,
                a: &Matrix<'_, Self>,
                b: &Matrix<'_, Self>,
                scratch: &mut [Self],
            ) {
                const COLUMNS: usize = ROW_BYTES / size_of::<$type>();
                let (m, k, n) = (a.n_rows, a.n_columns, b.n_columns);
                assert!(is_there() && out.len() == m * n && k == b.n_rows, "a product where AVX-512 is");
                assert!(scratch.len() >= scratch_len::<$type>(m, k, n), "room for what is packed");
                let (rows, columns) = scratch.split_at_mut(rows_len(m, k));
                for i in (0..m).step_by(ROWS_PACKED) {
                    let i_end = m.min(i + ROWS_PACKED);
                    for p in (0..k).step_by(INNER) {
                        let steps = p..k.min(p + INNER);
                        pack::<$type, ROWS>(rows, a.elements, [a.row_stride, a.column_stride], i..i_end, steps.clone());
                        for j in (0..n).step_by(SLIVERS_PACKED * COLUMNS) {
                            let j_end = n.min(j + SLIVERS_PACKED * COLUMNS);
                            pack::<$type, COLUMNS>(columns, b.elements, [b.column_stride, b.row_stride], j..j_end, steps.clone());
                            let n_steps = steps.len();
                            for (i, rows) in (i..i_end).step_by(ROWS).zip(rows.chunks_exact(ROWS * n_steps)) {
                                let columns = columns.chunks_exact(COLUMNS * n_steps);
                                for (j, columns) in (j..j_end).step_by(COLUMNS).zip(columns) {
                                    let to = &mut out[i * n + j..];
                                    let (n_rows, n_columns) = (ROWS.min(i_end - i), COLUMNS.min(j_end - j));
                                    if n_rows == ROWS && n_columns == COLUMNS {
                                        // SAFETY: the instructions are there; the tile lies in `out`, and its first
                                        // element is that of `to`; both slivers have `n_steps` steps.
                                        unsafe { $tile(n_steps, rows, columns, to, n, sign) };
                                    } else {
                                        let mut tile = [0.0; ROWS * COLUMNS];
                                        // SAFETY: as above, in a tile of its own.
                                        unsafe { $tile(n_steps, rows, columns, &mut tile, COLUMNS, sign) };
                                        for (to, tile) in to.chunks_mut(n).zip(tile.chunks(COLUMNS)).take(n_rows) {
                                            to.iter_mut().zip(&tile[..n_columns]).for_each(|(to, sum)| *to += sum);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }

        /// Adds the product of a sliver of rows and one of columns to a tile whose rows begin `stride` elements apart, or
        /// subtracts it.
        ///
        /// # Safety
        /// The slivers have `n_steps` steps; all rows of the tile are in `tile`.
        #[target_feature(enable = "avx512f")]
        unsafe fn $tile(n_steps: usize, rows: &[$type], columns: &[$type], tile: &mut [$type], stride: usize, sign: Sign) {
            const LANES: usize = 64 / size_of::<$type>();
            let (rows, columns, tile) = (rows.as_ptr(), columns.as_ptr(), tile.as_mut_ptr());
            let near = |at: *const $type| _mm_prefetch::<_MM_HINT_T0>(at.cast());
            for i in 0..ROWS {
                (0..REGISTERS).for_each(|j| near(tile.wrapping_add(i * stride + j * LANES)));
            }
            let mut sums = [[$zero(); REGISTERS]; ROWS];
            for at in 0..n_steps {
                let ahead = columns.wrapping_add((at + STEPS_AHEAD) * REGISTERS * LANES);
                (0..REGISTERS).for_each(|j| near(ahead.wrapping_add(j * LANES)));
                let registers: [_; REGISTERS] = std::array::from_fn(|j| {
                    // SAFETY: the sliver has this step.
                    unsafe { $load(columns.add((at * REGISTERS + j) * LANES)) }
                });
                for (i, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: as above.
                    let factor = $set1(unsafe { *rows.add(at * ROWS + i) });
                    for (sum, register) in sums.iter_mut().zip(registers) {
                        *sum = $fmadd(factor, register, *sum);
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    // SAFETY: the tile has this row, and the row these elements.
                    unsafe {
                        let at = tile.add(i * stride + j * LANES);
                        $store(at, match sign {
                            Sign::Plus => $add($load(at), *sum),
                            Sign::Minus => $sub($load(at), *sum),
                        });
                    }
                }
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
packed! {
    f64, tile_f64, _mm512_setzero_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_add_pd, _mm512_sub_pd;
    f32, tile_f32, _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_sub_ps;
}

#[cfg(not(target_arch = "x86_64"))]
macro_rules! not_packed {
    ($($type:ty),*) => {$(
        impl Float for $type {
            fn add_product(_: &mut [Self], _: Sign, _: &Matrix<'_, Self>, _: &Matrix<'_, Self>, _: &mut [Self]) {
                panic!("no product is worthwhile on this machine");
            }
        }
    )*};
}

#[cfg(not(target_arch = "x86_64"))]
not_packed!(f64, f32);
