//! Single decisions of the core.
