//! Memory is asked for while something else is computed.

/// Asks for `bytes` to be brought near; nothing else happens. It does nothing where the machine has no such instruction.
///
/// While a tile is computed, memory would be idle: with this, the next tile is on its way.
#[inline]
#[allow(unsafe_code)]
pub(crate) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(64) {
        // SAFETY: the instruction belongs to the base of x86-64, and reads nothing: any address is allowed.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}
