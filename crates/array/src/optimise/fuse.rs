//! Chains of elementwise functions as one program, together with the reduction behind them.

use smallvec::SmallVec;

use super::Rewriting;
use crate::elementwise::Elementwise;
use crate::formula::{Formula, Step, append};
use crate::node::{Expr, Operand, OperandAxes, OperandAxis};
use crate::reduce::Reduced;
use crate::{Array, AxisChunks, Chunks};

/// Longer programs gain nothing, and their registers would no longer fit the nearest cache.
const N_STEPS_MAX: usize = 64;
const N_OPERANDS_MAX: usize = 12;

impl Rewriting {
    /// `elementwise` with the formulas of its operands in place of these, where nobody else needs them.
    pub(super) fn fused(&self, elementwise: &Elementwise, chunks: &Chunks) -> Elementwise {
        let (formula, operands) = self.fused_formula(&elementwise.formula, &elementwise.operands, chunks);
        Elementwise { formula, operands }
    }

    /// `reduction` with the elementwise functions before it as its formula, and without a rechunk that moves only what is
    /// reduced.
    pub(super) fn fused_reduction(&self, reduction: Reduced) -> Reduced {
        let reduction = self.without_rechunk(reduction);
        let (formula, operands) = self.fused_formula(&reduction.formula, &reduction.operands, &reduction.chunks);
        Reduced { formula, operands, ..reduction }
    }

    fn without_rechunk(&self, mut reduction: Reduced) -> Reduced {
        let [operand] = &reduction.operands[..] else { return reduction };
        let Expr::Rechunk { input } = &operand.array.node.expr else { return reduction };
        let is_plain = operand.axes.iter().enumerate().all(|(axis, from)| *from == OperandAxis::Out(axis));
        let moves_kept = (0..input.n_dims())
            .filter(|axis| !reduction.axes().contains(axis))
            .any(|axis| input.chunks().axes()[axis] != reduction.chunks.axes()[axis]);
        if !is_plain || moves_kept {
            return reduction;
        }
        let input = input.clone();
        reduction.chunks = input.chunks().clone();
        reduction.operands = vec![Operand::same(input)];
        reduction
    }

    fn fused_formula(&self, formula: &Formula, operands: &[Operand], chunks: &Chunks) -> (Formula, Vec<Operand>) {
        let mut kept: Vec<Operand> = Vec::new();
        let n_operands = operands.len();
        let mut n_steps = formula.steps.len();
        let fused = formula.substitute(|input, steps| {
            let operand = without_views(&operands[input as usize]);
            if let Some(value) = constant(&operand.array) {
                steps.push(value);
                return steps.len() as u32 - 1;
            }
            let room = N_OPERANDS_MAX.saturating_sub(kept.len() + n_operands);
            match self.inlined(&operand, chunks, N_STEPS_MAX.saturating_sub(n_steps), room) {
                Some((inner, of_inner)) => {
                    n_steps += inner.steps.len();
                    let places: Vec<u32> =
                        of_inner.into_iter().map(|operand| input_step(&mut kept, operand, steps)).collect();
                    append(steps, &inner, &places)
                }
                None => input_step(&mut kept, operand, steps),
            }
        });
        (fused, kept)
    }

    /// The formula behind an operand, and what it reads as the output sees it.
    fn inlined(
        &self,
        operand: &Operand,
        chunks: &Chunks,
        n_steps: usize,
        n_operands: usize,
    ) -> Option<(Formula, Vec<Operand>)> {
        let Expr::Elementwise(inner) = &operand.array.node.expr else { return None };
        let fits = inner.formula.steps.len() <= n_steps && inner.operands.len() <= n_operands.max(1);
        let is_position = inner.operands.is_empty() && !inner.formula.is_random();
        if !fits || (self.is_shared(&operand.array) && !is_position) {
            return None;
        }
        let is_same = operand.axes.len() == chunks.n_dims()
            && operand.axes.iter().enumerate().all(|(axis, from)| *from == OperandAxis::Out(axis));
        if inner.formula.is_random() && !is_same {
            return None;
        }
        // What is repeated along an axis would be computed again for each of its elements.
        let covers =
            |axis: usize| operand.axes.contains(&OperandAxis::Out(axis)) || chunks.axes()[axis].len() == Some(1);
        if !is_position && !(0..chunks.n_dims()).all(covers) {
            return None;
        }
        let formula = placed(&inner.formula, &operand.axes)?;
        let operands = inner.operands.iter().map(|own| {
            let axes = own.axes.iter().map(|from| match *from {
                OperandAxis::Out(out) => operand.axes[out],
                other => other,
            });
            Operand { array: own.array.clone(), axes: axes.collect() }
        });
        Some((formula, operands.collect()))
    }
}

/// The formula of an array whose axes are `axes` of the output.
fn placed(formula: &Formula, axes: &OperandAxes) -> Option<Formula> {
    let steps = formula.steps.iter().map(|step| match step {
        Step::Index { axis, start, step } => match axes[*axis as usize] {
            OperandAxis::Out(out) => Some(Step::Index { axis: u32::try_from(out).ok()?, start: *start, step: *step }),
            // The one position of an axis of length 1.
            OperandAxis::One => Some(Step::Strong(dolmen_kernels::Scalar::I64(*start))),
            OperandAxis::All | OperandAxis::Group { .. } => None,
        },
        other => Some(other.clone()),
    });
    Some(Formula { steps: steps.collect::<Option<_>>()? })
}

/// The operand looked at directly, instead of by a view that changes nothing but axes.
fn without_views(operand: &Operand) -> Operand {
    let mut operand = operand.clone();
    loop {
        let Expr::View(view) = &operand.array.node.expr else { return operand };
        // An axis that the view repeats has to be long in the operand's output by its own means.
        let axes: OperandAxes = view
            .axes
            .iter()
            .map(|from| match *from {
                OperandAxis::Out(out) => operand.axes[out],
                other => other,
            })
            .collect();
        let is_cut_alike = view.axes.iter().zip(view.array.chunks().axes()).all(|(from, own)| match *from {
            OperandAxis::Out(out) => operand.array.chunks().axes()[out] == *own,
            _ => true,
        });
        if !is_cut_alike {
            return operand;
        }
        operand = Operand { array: view.array.clone(), axes };
    }
}

/// The place of the step that reads an operand, which is read once however often it is used.
fn input_step(kept: &mut Vec<Operand>, operand: Operand, steps: &mut Vec<Step>) -> u32 {
    let known = kept
        .iter()
        .position(|other| std::sync::Arc::ptr_eq(&other.array.node, &operand.array.node) && other.axes == operand.axes);
    let input = known.unwrap_or_else(|| {
        kept.push(operand);
        kept.len() - 1
    });
    let step = Step::Input(input as u32);
    if let Some(place) = steps.iter().position(|other| *other == step) {
        return place as u32;
    }
    steps.push(step);
    steps.len() as u32 - 1
}

/// The value of an array all of whose elements are one.
fn constant(array: &Array) -> Option<Step> {
    let Expr::Memory(block) = &array.node.expr else { return None };
    let is_one =
        !block.is_empty() && block.shape().iter().zip(block.strides()).all(|(len, stride)| *len == 1 || *stride == 0);
    if !is_one || array.chunks().axes().iter().any(AxisChunks::is_empty) {
        return None;
    }
    let first: SmallVec<[usize; 4]> = SmallVec::from_elem(0, block.ndim());
    block.get(&first).ok().map(Step::Strong)
}
