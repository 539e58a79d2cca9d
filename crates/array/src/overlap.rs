//! Blocks that reach into their neighbours: stencils, filters, moving windows.

use std::sync::Arc;

use dolmen_kernels::{DType, WeakScalar};
use smallvec::SmallVec;

use crate::kernel::Kernel;
use crate::node::{Expr, Operand};
use crate::user::BlockFn;
use crate::window::Window;
use crate::{Array, ArrayError, Chunks, PadMode};

/// What blocks at the ends of an axis see beyond it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Boundary {
    /// Nothing: they reach less far.
    None,
    /// The array mirrored at its border, its outermost element included: `2 1 | 1 2 3 | 3 2`.
    Reflect,
    /// The other end of the axis.
    Periodic,
    /// The outermost element.
    Nearest,
    /// One value.
    Constant(WeakScalar),
}

/// How far blocks reach into their neighbours along one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Depth {
    /// Elements before the block.
    pub before: usize,
    /// Elements behind it.
    pub after: usize,
    /// What is seen beyond the ends of the axis.
    pub boundary: Boundary,
}

impl Depth {
    /// As far before as behind.
    #[must_use]
    pub fn both(depth: usize, boundary: Boundary) -> Self {
        Self { before: depth, after: depth, boundary }
    }
}

impl Array {
    /// The array of which each block has the neighbouring elements around it: Dask's `overlap`. `depths` has one entry for
    /// each axis. A block takes only the elements it needs from its neighbours, who may be smaller than the depth.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless there is one depth for each axis, or if something that is repeated is empty;
    /// [`ArrayError::UnknownLength`].
    pub fn overlap(&self, depths: &[Depth]) -> Result<Self, ArrayError> {
        let windows = self.depth_windows("overlap", depths)?;
        let mut padded = self.clone();
        for (axis, depth) in depths.iter().enumerate() {
            let mode = match depth.boundary {
                Boundary::None => continue,
                Boundary::Reflect => PadMode::Symmetric,
                Boundary::Periodic => PadMode::Wrap,
                Boundary::Nearest => PadMode::Edge,
                Boundary::Constant(value) => PadMode::Constant(value),
            };
            let mut widths = vec![(0, 0); depths.len()];
            widths[axis] = (depth.before, depth.after);
            padded = padded.pad(&widths, mode)?;
        }
        if windows.iter().all(|window| window.before == 0 && window.after == 0) {
            return Ok(self.clone());
        }
        let chunks = Chunks::new(windows.iter().map(Window::chunks));
        Ok(Self::from_node(Expr::Windows { input: padded, windows }, self.dtype(), chunks))
    }

    /// What `function` makes of each block with its neighbourhood, without what it made of the neighbourhood. The function
    /// keeps the shape of what it is given.
    ///
    /// # Errors
    /// As [`overlap`](Self::overlap).
    pub fn map_overlap(&self, function: BlockFn, depths: &[Depth], dtype: DType) -> Result<Self, ArrayError> {
        self.overlap(depths)?.map_blocks(function, dtype, None)?.trim_overlap(depths, self.chunks())
    }

    /// What `function` makes of each block with its neighbourhood, of which the function gives back the block alone: a
    /// stencil that writes only what it keeps.
    ///
    /// # Errors
    /// As [`overlap`](Self::overlap).
    pub fn map_overlap_trimmed(&self, function: BlockFn, depths: &[Depth], dtype: DType) -> Result<Self, ArrayError> {
        self.overlap(depths)?.map_blocks(function, dtype, Some(self.chunks().clone()))
    }

    /// The array without the neighbourhoods that [`overlap`](Self::overlap) of an array with `chunks` put around its blocks.
    ///
    /// # Errors
    /// [`ArrayError::ChunkMismatch`] if this array is not cut as such a one; else as [`overlap`](Self::overlap).
    pub fn trim_overlap(&self, depths: &[Depth], chunks: &Chunks) -> Result<Self, ArrayError> {
        self.check()?;
        let windows = windows_of(depths, chunks);
        let expected = Chunks::new(windows.iter().map(Window::chunks));
        if expected != *self.chunks() {
            let problem =
                format!("the array has chunks {}, with its neighbourhoods it would have {expected}", self.chunks());
            return Err(ArrayError::ChunkMismatch { op: "trim_overlap", problem });
        }
        let kernel = Arc::new(Kernel::Trim { windows });
        let expr = Expr::Blockwise { kernel, operands: vec![Operand::same(self.clone())] };
        Ok(Self::from_node(expr, self.dtype(), chunks.clone()))
    }

    fn depth_windows(&self, op: &'static str, depths: &[Depth]) -> Result<SmallVec<[Window; 4]>, ArrayError> {
        self.known_shape(op)?;
        if depths.len() != self.n_dims() {
            let problem = format!("has {} entries for an array of {} axes", depths.len(), self.n_dims());
            return Err(ArrayError::Argument { op, argument: "depth", problem });
        }
        Ok(windows_of(depths, self.chunks()))
    }
}

fn windows_of(depths: &[Depth], chunks: &Chunks) -> SmallVec<[Window; 4]> {
    let of_axis = |(depth, core): (&Depth, &crate::AxisChunks)| Window {
        core: core.clone(),
        before: depth.before,
        after: depth.after,
        is_padded: depth.boundary != Boundary::None,
    };
    depths.iter().zip(chunks.axes()).map(of_axis).collect()
}
