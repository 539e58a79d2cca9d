//! Random rows.

use dolmen_graph::TaskResult;

use crate::task::{Task, failed, unknown};

/// How many of `n` draws are of each kind, for a block of which the last axis has the kinds and the one before is cut.
pub(super) fn multinomial(task: &Task<'_>, n: u64, chances: &[f64], seed: u64, stream: u64) -> TaskResult {
    let region = task.plan.out.block_region(task.partition).ok_or_else(unknown)?;
    let (first, n_rows) = (region.offset[0] as u64, region.shape[0]);
    let rows = dolmen_kernels::multinomial(n, chances, seed, stream, first, n_rows, task.pool);
    task.value(rows.map_err(failed)?)
}
