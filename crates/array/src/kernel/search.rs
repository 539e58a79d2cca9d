//! What differs, how often, and where in sorted tables.

use dolmen_graph::{TaskError, TaskResult};
use dolmen_kernels::{Block, KernelError, Side, Unique, bincount, contains, merge_unique, searchsorted, sum_rows};
use smallvec::smallvec;

use crate::task::{KernelOperand, Task, failed, joined_one};
use crate::value::BlockValue;

/// What differs in a row, with first positions and counts.
pub(super) fn unique(task: &Task<'_>, operands: &[KernelOperand]) -> TaskResult {
    let idx = task.index()[0];
    let start = match operands {
        // The second one has the lengths of all blocks.
        [_, lens] => {
            let lens = joined_one(task, 1, lens)?.to_vec::<i64>().map_err(failed)?;
            lens.iter().take(idx as usize).sum()
        }
        _ => {
            let first = operands.first().and_then(|operand| operand.from.axes()[0].bounds(idx));
            first.map_or(0, |bounds| bounds.start as i64)
        }
    };
    packed(dolmen_kernels::unique(task.block(0, 0)?, start, task.pool).map_err(failed)?)
}

/// What differs in several rows.
pub(super) fn merged(task: &Task<'_>) -> TaskResult {
    let n_parts = task.inputs.input(0).len();
    let parts = (0..n_parts).map(|position| match task.inputs.get::<BlockValue>(0, position)?.blocks() {
        [values, positions, counts] => Ok([values, positions, counts]),
        _ => Err(TaskError::InputMissing { input_idx: 0, position }),
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    packed(merge_unique(&parts, task.pool).map_err(failed)?)
}

fn packed(unique: Unique) -> TaskResult {
    let Unique { values, positions, counts } = unique;
    Ok(BlockValue::of(smallvec![values, positions, counts]).into_ref())
}

/// How often each integer is in a row, or the sum of its weights.
pub(super) fn counts(task: &Task<'_>, len_min: usize, as_row: bool) -> TaskResult {
    let weights = if task.inputs.n_inputs() > 1 { Some(task.block(1, 0)?) } else { None };
    let counts = bincount(task.block(0, 0)?, weights, len_min, task.pool).map_err(failed)?;
    task.value(if as_row { counts.expand_dims(0).map_err(failed)? } else { counts })
}

/// Rows of different lengths, summed.
pub(super) fn summed(task: &Task<'_>) -> TaskResult {
    let rows = (0..task.inputs.input(0).len()).map(|position| task.block(0, position).cloned());
    let rows = rows.collect::<Result<Vec<Block>, _>>()?;
    task.value(sum_rows(&rows, task.pool).map_err(failed)?)
}

/// Where in the table, which is the second operand, each element belongs, or whether it is there.
pub(super) fn looked_up(task: &Task<'_>, side: Option<Side>, operands: &[Block]) -> TaskResult {
    let [values, table] = operands else { return Err(TaskError::InputMissing { input_idx: 1, position: 0 }) };
    let found = match side {
        Some(side) => searchsorted(table, values, side, task.pool),
        None => contains(table, values, task.pool),
    };
    task.value(found.map_err(failed)?)
}

/// The first operand, a row of edges that ascend, or descend if they may: then it comes in the other order. The second has the
/// edges as floats.
pub(super) fn ascending(task: &Task<'_>, may_descend: bool, operands: &[Block]) -> TaskResult {
    let [edges, values] = operands else { return Err(TaskError::InputMissing { input_idx: 1, position: 0 }) };
    let values = values.to_vec::<f64>().map_err(failed)?;
    let op = if may_descend { "digitize" } else { "histogram" };
    let bad = |problem| failed(KernelError::Parameter { op, parameter: "bins", problem });
    let descends = descends(&values, may_descend).map_err(bad)?;
    task.value(if descends { edges.flip(&[0]).map_err(failed)? } else { edges.clone() })
}

/// Whether edges descend, if they may; they ascend otherwise, or the error says what they do not.
pub(crate) fn descends(edges: &[f64], may_descend: bool) -> Result<bool, &'static str> {
    match (edges.is_sorted(), may_descend) {
        (true, _) => Ok(false),
        (false, true) if edges.iter().rev().is_sorted() => Ok(true),
        (false, true) => Err("neither ascend nor descend"),
        (false, false) => Err("do not ascend"),
    }
}
