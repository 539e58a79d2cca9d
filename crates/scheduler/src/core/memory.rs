//! Counting bytes.

/// Who holds how many bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// What all may hold together.
    pub limit_bytes: u64,
    /// Values in memory, those on their way to or from disk included.
    pub values_bytes: u64,
    /// Set aside for what running tasks will make.
    pub reserved_bytes: u64,
    /// Held by others.
    pub external_bytes: u64,
    /// Of the values, those being written.
    pub spilling_bytes: u64,
    /// Values on disk.
    pub disk_bytes: u64,
    /// The most that was ever held at one time.
    pub peak_bytes: u64,
}

impl Ledger {
    /// All bytes in use.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.values_bytes.saturating_add(self.reserved_bytes).saturating_add(self.external_bytes)
    }

    /// By how much `more` bytes would go past the limit.
    pub(super) fn missing(&self, more: u64) -> u64 {
        self.used_bytes().saturating_add(more).saturating_sub(self.limit_bytes)
    }

    pub(super) fn add_value(&mut self, bytes: u64) {
        self.values_bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
    }

    pub(super) fn reserve(&mut self, bytes: u64) {
        self.reserved_bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
    }
}
