//! Singular values.

use std::sync::Arc;

use crate::chunks::AxisChunks;
use crate::convert::empty_of;
use crate::kernel::Kernel;
use crate::node::{Expr, Operand};
use crate::{Array, ArrayError, Chunks};

impl Array {
    /// The reduced singular value decomposition: `u`, the singular values from the largest on, and `vt`, so that
    /// `u @ diag(s) @ vt` is the matrix.
    ///
    /// A matrix that is longer than wide goes by [`qr`](Self::qr), a wider one by its transpose; one that is cut both ways
    /// is rechunked. The square factor is decomposed in one block, so that the shorter side has to fit a task.
    ///
    /// Shapes `[m, n] -> [m, k], [k], [k, n]` with `k = min(m, n)`.
    ///
    /// # Errors
    /// As [`qr`](Self::qr).
    pub fn svd(&self) -> Result<(Self, Self, Self), ArrayError> {
        let x = self.matrix("svd")?;
        let shape = x.known_shape("svd")?;
        if shape[0] < shape[1] {
            let (u, s, vt) = x.adjoint()?.svd()?;
            return Ok((vt.adjoint()?, s, u.adjoint()?));
        }
        if shape[1] == 0 {
            let s = empty_of(&[0], x.dtype().real());
            return Ok((empty_of(&[shape[0], 0], x.dtype()), s, empty_of(&[0, 0], x.dtype())));
        }
        let (q, r) = x.qr()?;
        let (u, s, vt) = r.block_svd();
        Ok((q.matmul(&u)?, s, vt))
    }

    /// The singular values from the largest on.
    ///
    /// # Errors
    /// As [`qr`](Self::qr).
    pub fn svdvals(&self) -> Result<Self, ArrayError> {
        let x = self.matrix("svd")?;
        let shape = x.known_shape("svd")?;
        if shape[0] < shape[1] {
            return x.adjoint()?.svdvals();
        }
        if shape[1] == 0 {
            return Ok(empty_of(&[0], x.dtype().real()));
        }
        Ok(x.qr_r()?.block_svd().1)
    }

    /// The decomposition of a square matrix in one block.
    fn block_svd(&self) -> (Self, Self, Self) {
        let dims = self.dims();
        let (m, n) = (dims[0].unwrap_or(0), dims[1].unwrap_or(0));
        let k = m.min(n);
        let one = self.with_chunks(&Chunks::single(&[m, n]));
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Svd), operands: vec![Operand::same(one)] };
        let all = Self::from_node(expr, self.dtype(), Chunks::single(&[m, k]));
        let part = |idx, dtype, shape: &[usize]| {
            Self::from_node(
                Expr::Part { input: all.clone(), idx },
                dtype,
                Chunks::new(shape.iter().map(|len| AxisChunks::single(*len))),
            )
        };
        (part(0, self.dtype(), &[m, k]), part(1, self.dtype().real(), &[k]), part(2, self.dtype(), &[k, n]))
    }
}
