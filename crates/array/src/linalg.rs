//! Products, norms and factorisations of matrices that are cut into blocks.

mod compressed;
mod contract;
mod norm;
mod qr;
mod solve;
mod svd;

pub(crate) use contract::{Contraction, contracted};
pub use norm::NormOrder;
pub use solve::LeastSquares;
