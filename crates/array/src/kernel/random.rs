//! Random numbers whose parameters are arrays, and random rows.

use dolmen_graph::TaskResult;
use dolmen_kernels::{Family, ParameterRule};

use crate::formula::operands_of;
use crate::node::OperandAxes;
use crate::task::{KernelOperand, Task, failed, unknown};

/// The numbers of a law with the parameters that the operands have for each element.
pub(super) fn drawn(task: &Task<'_>, family: Family, seed: u64, stream: u64, operands: &[KernelOperand]) -> TaskResult {
    let (parameters, region) = operands_of(task, &task.plan.out, &axes_of(operands))?;
    task.value(family.draw(&parameters, seed, stream, &region, task.pool).map_err(failed)?)
}

/// The parameters that the operands have for each element, as a formula goes on with them.
pub(super) fn parameter(task: &Task<'_>, rule: ParameterRule, operands: &[KernelOperand]) -> TaskResult {
    let (parameters, region) = operands_of(task, &task.plan.out, &axes_of(operands))?;
    task.value(rule.apply_to_blocks(&parameters, &region.shape, task.pool).map_err(failed)?)
}

fn axes_of(operands: &[KernelOperand]) -> Vec<OperandAxes> {
    operands.iter().map(|operand| operand.axes.clone()).collect()
}

/// How many of `n` draws are of each kind, for a block of which the last axis has the kinds and the one before is cut.
pub(super) fn multinomial(task: &Task<'_>, n: u64, chances: &[f64], seed: u64, stream: u64) -> TaskResult {
    let region = task.plan.out.block_region(task.partition).ok_or_else(unknown)?;
    let (first, n_rows) = (region.offset[0] as u64, region.shape[0]);
    let rows = dolmen_kernels::multinomial(n, chances, seed, stream, first, n_rows, task.pool);
    task.value(rows.map_err(failed)?)
}
