//! Slices moved to the sources: what is not asked for is never made.

use smallvec::SmallVec;

use super::Rewriting;
use crate::Chunks;
use crate::elementwise::Elementwise;
use crate::indexing::sliced_chunks;
use crate::node::{Expr, Operand, OperandAxis, Slices};
use crate::reduce::Reduced;
use crate::slice::AxisSlice;
use crate::{Array, AxisChunks};

impl Rewriting {
    /// The slice of `input`, which has `chunks`.
    pub(super) fn sliced(&self, input: &Array, slices: &Slices, chunks: &Chunks) -> Array {
        if slices.iter().all(Option::is_none) {
            return input.clone();
        }
        let made = |expr| Array::from_node(expr, input.dtype(), chunks.clone());
        let stay = || made(Expr::Slice { input: input.clone(), slices: slices.clone() });
        match &input.node.expr {
            Expr::Memory(block) => {
                let parts: SmallVec<[dolmen_kernels::AxisSlice; 4]> = slices
                    .iter()
                    .zip(block.shape())
                    .map(|(slice, len)| {
                        let slice = slice.unwrap_or(AxisSlice::full(*len));
                        dolmen_kernels::AxisSlice { start: slice.start, len: slice.len, step: slice.step }
                    })
                    .collect();
                block.slice(&parts).map_or_else(|_| stay(), |part| made(Expr::Memory(part)))
            }
            Expr::Source { source, slices: outer } => {
                let slices = composed(outer, slices);
                made(Expr::Source { source: source.clone(), slices })
            }
            Expr::Slice { input: inner, slices: outer } => self.sliced(inner, &composed(outer, slices), chunks),
            _ if self.is_shared(input) => stay(),
            Expr::Elementwise(elementwise) => match elementwise.formula.sliced(slices) {
                Some(formula) => {
                    let operands = elementwise.operands.iter().map(|operand| self.operand(operand, slices)).collect();
                    made(Expr::Elementwise(Elementwise { formula, operands }))
                }
                None => stay(),
            },
            Expr::View(operand) => self.viewed(&self.operand(operand, slices), chunks),
            Expr::Rechunk { input: inner } => {
                let part = self.sliced(inner, slices, &sliced_chunks(inner.chunks(), slices));
                self.rechunked(&part, chunks)
            }
            Expr::Concat { axis, inputs } => self.sliced_concat(*axis, inputs, slices, chunks),
            Expr::Take { input: inner, axis, positions } => {
                let positions = match slices[*axis] {
                    None => positions.clone(),
                    Some(slice) => (0..slice.len).map(|idx| positions[slice.position(idx)]).collect(),
                };
                let mut others = slices.clone();
                others[*axis] = None;
                let inner = self.sliced(inner, &others, &sliced_chunks(inner.chunks(), &others));
                made(Expr::Take { input: inner, axis: *axis, positions })
            }
            Expr::Reduce(reduction) => match self.sliced_reduction(reduction, slices) {
                Some(reduction) => made(Expr::Reduce(reduction)),
                None => stay(),
            },
            _ => stay(),
        }
    }

    /// The operand of an output of which slices are asked for.
    fn operand(&self, operand: &Operand, slices: &Slices) -> Operand {
        let own: Slices = operand
            .axes
            .iter()
            .map(|from| match *from {
                OperandAxis::Out(out) => slices[out],
                OperandAxis::One | OperandAxis::All | OperandAxis::Group { .. } => None,
            })
            .collect();
        let chunks = sliced_chunks(operand.array.chunks(), &own);
        Operand { array: self.sliced(&operand.array, &own, &chunks), axes: operand.axes.clone() }
    }

    /// The parts of a concatenation that a slice has elements of.
    fn sliced_concat(&self, axis: usize, inputs: &[Array], slices: &Slices, chunks: &Chunks) -> Array {
        let mut parts = Vec::with_capacity(inputs.len());
        let mut first = 0;
        for input in inputs {
            let mut own = slices.clone();
            if let (Some(slice), Some(len)) = (&slices[axis], input.dims()[axis]) {
                let part = slice.part(&slice.within(&(first..first + len)));
                own[axis] = Some(AxisSlice { start: part.start.saturating_sub(first), ..part });
                first += len;
                if part.len == 0 {
                    continue;
                }
            }
            parts.push(self.sliced(input, &own, &sliced_chunks(input.chunks(), &own)));
        }
        if slices[axis].is_some_and(|slice| slice.step < 0) {
            parts.reverse();
        }
        match &parts[..] {
            [] => {
                let shape: Vec<usize> = chunks.dims().iter().map(|len| len.unwrap_or(0)).collect();
                crate::convert::empty_of(&shape, inputs[0].dtype()).with_chunks(chunks)
            }
            [one] => self.rechunked(one, chunks),
            _ => {
                let dtype = inputs[0].dtype();
                Array::from_node(Expr::Concat { axis, inputs: parts }, dtype, chunks.clone())
            }
        }
    }

    /// A reduction of a slice, in place of the slice of a reduction.
    fn sliced_reduction(&self, reduction: &Reduced, slices: &Slices) -> Option<Reduced> {
        if reduction.axes().iter().any(|axis| slices[*axis].is_some()) {
            return None;
        }
        let formula = reduction.formula.sliced(slices)?;
        let operands = reduction.operands.iter().map(|operand| self.operand(operand, slices)).collect();
        let chunks = sliced_chunks(&reduction.chunks, slices);
        Some(Reduced { formula, operands, chunks, spec: reduction.spec.clone() })
    }

    /// `operand` in another order of axes, repeated to `chunks`.
    pub(super) fn viewed(&self, operand: &Operand, chunks: &Chunks) -> Array {
        let is_same = operand.axes.iter().enumerate().all(|(axis, from)| *from == OperandAxis::Out(axis));
        if is_same && operand.array.chunks() == chunks {
            return operand.array.clone();
        }
        let dtype = operand.array.dtype();
        let made = |operand| Array::from_node(Expr::View(operand), dtype, chunks.clone());
        match &operand.array.node.expr {
            Expr::View(inner) => {
                let axes = inner.axes.iter().map(|from| match *from {
                    OperandAxis::Out(out) => operand.axes[out],
                    other => other,
                });
                self.viewed(&Operand { array: inner.array.clone(), axes: axes.collect() }, chunks)
            }
            Expr::Memory(block) => {
                let shape: Option<Vec<usize>> = chunks.axes().iter().map(AxisChunks::len).collect();
                let view = crate::task::view_of(block, &operand.axes, chunks.n_dims()).ok();
                let view = shape.zip(view).and_then(|(shape, view)| view.broadcast_to(&shape).ok());
                match view {
                    Some(view) => Array::from_node(Expr::Memory(view), operand.array.dtype(), chunks.clone()),
                    None => made(operand.clone()),
                }
            }
            _ => made(operand.clone()),
        }
    }
}

/// The slices `inner` of the slices `outer`.
fn composed(outer: &Slices, inner: &Slices) -> Slices {
    let both = outer.iter().zip(inner).map(|(outer, inner)| match (outer, inner) {
        (Some(outer), Some(inner)) => Some(outer.then(inner)),
        (one, other) => one.or(*other),
    });
    both.collect()
}
