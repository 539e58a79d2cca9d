//! Operations in the steps that tasks take: reductions as trees, rechunks within a memory budget.

mod rechunk;

use std::collections::HashMap;
use std::sync::Arc;

use dolmen_kernels::DType;
use smallvec::SmallVec;

use super::{inputs_first, key};
use crate::chunks::AxisChunks;
use crate::kernel::{Kernel, unknown_axes};
use crate::node::{Expr, Node, Operand, OperandAxis};
use crate::reduce::Reduced;
use crate::{Array, ArrayError, Chunks};

/// How many partial results a task combines, at most.
const FAN_IN_MAX: u64 = 16;
/// The bytes of partial results that a task combines, unless two are more.
const COMBINED_BYTES: u64 = 64 << 20;

/// The expressions in the steps that tasks take, which read about `task_bytes` at once.
pub(super) fn expand(arrays: &[Array], task_bytes: u64) -> Result<Vec<Array>, ArrayError> {
    let mut done: HashMap<*const Node, Array> = HashMap::new();
    for array in inputs_first(arrays) {
        let node = &*array.node;
        let mut expr = node.expr.clone();
        let mut has_changed = false;
        for input in expr.inputs_mut() {
            let new = &done[&key(input)];
            has_changed |= !Arc::ptr_eq(&new.node, &input.node);
            *input = new.clone();
        }
        let expanded = match expr {
            Expr::Reduce(reduction) => reduced(reduction, &array, task_bytes)?,
            Expr::Rechunk { input } => rechunk::planned(&input, &node.chunks, task_bytes)?,
            expr if has_changed => Array::from_node(expr, node.dtype, node.chunks.clone()),
            _ => array.clone(),
        };
        done.insert(key(&array), expanded);
    }
    Ok(arrays.iter().map(|array| done[&key(array)].clone()).collect())
}

/// A reduction as a tree: partial results block by block, combined a few at a time.
fn reduced(reduction: Reduced, array: &Array, task_bytes: u64) -> Result<Array, ArrayError> {
    let Reduced { formula, mut operands, chunks, spec } = reduction;
    let dtypes: Vec<_> = operands.iter().map(|operand| operand.array.dtype()).collect();
    let program = formula.program(&dtypes)?;
    let lens: Vec<Operand> =
        unknown_axes(&spec, &chunks).iter().filter_map(|axis| lens_along(*axis, &operands, &chunks)).collect();
    operands.extend(lens);
    let is_reduced = |axis: usize| spec.axes.contains(&axis);
    // A partial result has one element for each block along the axes that are reduced.
    let mut counts: Vec<u32> = chunks.numblocks().collect();
    let cut = |counts: &[u32]| {
        Chunks::new(chunks.axes().iter().enumerate().map(|(axis, own)| match is_reduced(axis) {
            true => AxisChunks::uniform(counts[axis] as usize, 1),
            false => own.clone(),
        }))
    };
    let is_one = |counts: &[u32]| (0..counts.len()).all(|axis| !is_reduced(axis) || counts[axis] == 1);
    let kernel = Kernel::Partial { program, spec: spec.clone(), chunks: chunks.clone(), is_last: is_one(&counts) };
    let expr = Expr::Blockwise { kernel: Arc::new(kernel), operands };
    let mut partial = Array::from_node(expr, array.dtype(), cut(&counts));
    while !is_one(&counts) {
        let n_long = (0..counts.len()).filter(|axis| is_reduced(*axis) && counts[*axis] > 1).count();
        let fan_in = spec.split_every.map_or_else(|| fan_in(&partial, task_bytes), u64::from);
        let size = (fan_in as f64).powf(1.0 / n_long as f64).floor().max(2.0) as u32;
        let axes = (0..counts.len()).map(|axis| match is_reduced(axis) && counts[axis] > 1 {
            true => OperandAxis::Group { out: axis, size: size.min(counts[axis]) },
            false => OperandAxis::Out(axis),
        });
        let operand = Operand { array: partial, axes: axes.collect() };
        for (_, count) in counts.iter_mut().enumerate().filter(|(axis, _)| is_reduced(*axis)) {
            *count = count.div_ceil(size.min(*count).max(1));
        }
        let kernel = Kernel::Combine { spec: spec.clone(), is_last: is_one(&counts) };
        let expr = Expr::Blockwise { kernel: Arc::new(kernel), operands: vec![operand] };
        partial = Array::from_node(expr, array.dtype(), cut(&counts));
    }
    Ok(partial)
}

/// The lengths of blocks along an axis of unknown sizes, read as a whole, from an operand that has the axis.
pub(crate) fn lens_along(axis: usize, operands: &[Operand], chunks: &Chunks) -> Option<Operand> {
    let (operand, own) = operands.iter().find_map(|operand| {
        let own = operand.axes.iter().position(|from| *from == OperandAxis::Out(axis))?;
        (!operand.array.chunks().axes()[own].is_known()).then_some((operand, own))
    })?;
    let axes = (0..operand.axes.len()).map(|other| if other == own { OperandAxis::Out(0) } else { OperandAxis::One });
    let operands = vec![Operand { array: operand.array.clone(), axes: axes.collect() }];
    let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Lens { axis: own }), operands };
    let cut = Chunks::new([AxisChunks::uniform(chunks.axes()[axis].n_blocks() as usize, 1)]);
    let array = Array::from_node(expr, DType::I64, cut);
    Some(Operand { array, axes: SmallVec::from_elem(OperandAxis::All, 1) })
}

/// How many values of a stage a task should read at once.
fn fan_in(partial: &Array, task_bytes: u64) -> u64 {
    let bytes = match &partial.node.expr {
        Expr::Blockwise { kernel, operands } => kernel.value_bytes(partial, operands),
        _ => partial.block_bytes_max(),
    };
    let combined_bytes = COMBINED_BYTES.min(task_bytes);
    (combined_bytes / bytes.unwrap_or(combined_bytes).max(1)).clamp(2, FAN_IN_MAX)
}
