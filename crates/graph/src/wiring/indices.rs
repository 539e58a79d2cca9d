//! The indices along one axis that a map names.

/// Indices along one axis, in a form that takes no memory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indices<'a> {
    /// `start..end`; empty if `end <= start`.
    Range { start: u32, end: u32 },
    /// `len` indices from `start` on, beginning again at 0 behind `modulus`.
    Wrap { start: u32, len: u32, modulus: u32 },
    /// As listed.
    List(&'a [u32]),
}

impl Indices<'_> {
    pub(super) const EMPTY: Self = Self::Range { start: 0, end: 0 };

    /// The one index, or none if it is outside `0..n`.
    pub(super) fn one(idx: Option<u32>, n: u32) -> Self {
        match idx {
            Some(idx) if idx < n => Self::Range { start: idx, end: idx + 1 },
            _ => Self::EMPTY,
        }
    }

    pub(super) fn len(self) -> u32 {
        match self {
            Self::Range { start, end } => end.saturating_sub(start),
            Self::Wrap { len, .. } => len,
            Self::List(list) => super::len_u32(list),
        }
    }

    pub(super) fn contains(self, idx: u32) -> bool {
        match self {
            Self::Range { start, end } => (start..end).contains(&idx),
            Self::Wrap { start, len, modulus } => {
                let ahead = if idx >= start { idx - start } else { idx + (modulus - start) };
                idx < modulus && ahead < len
            }
            Self::List(list) => list.contains(&idx),
        }
    }

    pub(super) fn first(self) -> Option<u32> {
        match self {
            Self::Range { start, end } => (start < end).then_some(start),
            Self::Wrap { start, len, .. } => (len > 0).then_some(start),
            Self::List(list) => list.first().copied(),
        }
    }

    /// Where `idx`, which is one of the indices, stands among them.
    pub(super) fn position(self, idx: u32) -> u32 {
        match self {
            Self::Range { start, .. } => idx - start,
            Self::Wrap { start, modulus, .. } => {
                if idx >= start {
                    idx - start
                } else {
                    idx + (modulus - start)
                }
            }
            Self::List(list) => list.iter().position(|other| *other == idx).map_or(0, |at| super::len_u32(&list[..at])),
        }
    }

    pub(super) fn for_each(self, mut f: impl FnMut(u32)) {
        match self {
            Self::Range { start, end } => (start..end).for_each(f),
            Self::Wrap { start, len, modulus } => {
                let before_wrap = len.min(modulus - start);
                (start..start + before_wrap).for_each(&mut f);
                (0..len - before_wrap).for_each(f);
            }
            Self::List(list) => list.iter().copied().for_each(f),
        }
    }
}
