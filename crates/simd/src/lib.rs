//! Loops that compilers do not make of plain ones: sorts, products of matrices and random words by the instructions of
//! AVX-512, chosen at run time.
//!
//! The unsafe code of these is here and nowhere else, and without dependencies: development builds optimise this crate
//! whole, which takes a second.
//!
//! ```text
//! sort_u64, sort_u32                 packing quicksort, a sorting network at its end
//! is_worthwhile, add_product         large products of f32 and f64
//! philox4x32_words                   the words of many counters
//! ```

mod philox;
mod product;
mod sort;

pub use philox::{PHILOX_KEY_STEPS, PHILOX_LANES, PHILOX_MULTIPLIERS, PHILOX_ROUNDS, philox4x32_words};
pub use product::{Float, Matrix, Sign, is_worthwhile, scratch_bytes_max, scratch_len};
pub use sort::{sort_u32, sort_u64};
