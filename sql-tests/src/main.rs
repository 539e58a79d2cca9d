//! Started below.
fn main() {}
