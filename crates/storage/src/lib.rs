//! Storage: the only crate that opens a URL, and the owner of the memory budget.
