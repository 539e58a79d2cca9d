//! Products, norms and factorisations of matrices that are cut into blocks.

mod contract;
mod norm;
mod qr;
mod svd;

pub(crate) use contract::{Contraction, contracted};
pub use norm::NormOrder;
