//! Memory of a size that a user or a file asks for.

use crate::array_files::error::{ArrayFileError, ArrayFileResult};
use crate::array_files::region::{Region, n_bytes};

/// The bytes of `region` of `array`, all zero.
///
/// # Errors
/// [`ArrayFileError::TooLarge`] instead of the end of the process.
pub(crate) fn zeroed(array: &str, region: &Region, size_bytes: usize) -> ArrayFileResult<Vec<u8>> {
    let needed_bytes = n_bytes(region.shape(), size_bytes);
    let too_large =
        || ArrayFileError::TooLarge { array: array.to_owned(), what: format!("the region {region}"), needed_bytes };
    let n = needed_bytes.ok_or_else(too_large)?;
    // Asked for twice, because only the first form can fail and only the second gets zeros from the operating system.
    drop(with_capacity(n).ok_or_else(too_large)?);
    Ok(vec![0; n])
}

/// An empty buffer with room for `n` bytes; `None` if there is no such memory.
pub(crate) fn with_capacity(n: usize) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(n).ok().map(|()| buffer)
}

/// Checks that `region` lies inside of `array`.
pub(crate) fn check_region(array: &str, shape: &[u64], region: &Region) -> ArrayFileResult<()> {
    if region.is_within(shape) {
        return Ok(());
    }
    Err(ArrayFileError::OutsideOfArray { array: array.to_owned(), region: region.clone(), shape: shape.to_vec() })
}

/// Checks that a buffer has the bytes of `region` of `array`.
pub(crate) fn check_length(array: &str, region: &Region, size_bytes: usize, found_bytes: usize) -> ArrayFileResult<()> {
    match n_bytes(region.shape(), size_bytes) {
        Some(expected_bytes) if expected_bytes == found_bytes => Ok(()),
        expected => Err(ArrayFileError::WrongLength {
            array: array.to_owned(),
            region: region.clone(),
            expected_bytes: expected.unwrap_or(usize::MAX),
            found_bytes,
        }),
    }
}
