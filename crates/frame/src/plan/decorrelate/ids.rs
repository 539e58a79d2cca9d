//! Fresh names.

use std::cell::Cell;

/// Numbers the relations and columns that one rewrite adds, so that no two share a name.
#[derive(Debug, Default)]
pub(super) struct Ids(Cell<usize>);

impl Ids {
    /// `__<what>_<n>`, with an `n` that was not given out before.
    pub(super) fn fresh(&self, what: &str) -> String {
        let n = self.0.get() + 1;
        self.0.set(n);
        format!("__{what}_{n}")
    }
}
