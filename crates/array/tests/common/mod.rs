//! Computing arrays in tests, and cutting them at random.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;

use dolmen_array::{Array, AxisSpec, ChunkSpec, lower};
use dolmen_graph::{Executor, FuseOptions, GraphBuilder, InlineExecutor, SubmitOptions, TaskId, cull, fuse};
use dolmen_kernels::{Block, Pool};

/// Computes on the calling thread.
pub(crate) fn compute(array: &Array) -> Block {
    try_compute(&InlineExecutor::new(), array).unwrap_or_else(|error| panic!("{array}: {error}"))
}

/// Computes on an executor.
pub(crate) fn try_compute(executor: &dyn Executor, array: &Array) -> Result<Block, Box<dyn std::error::Error>> {
    Ok(try_compute_all(executor, std::slice::from_ref(array))?.remove(0))
}

/// Computes several arrays in one graph.
pub(crate) fn try_compute_all(
    executor: &dyn Executor,
    arrays: &[Array],
) -> Result<Vec<Block>, Box<dyn std::error::Error>> {
    let mut builder = GraphBuilder::new();
    let outputs = lower(arrays, &mut builder)?;
    let graph = Arc::new(fuse(cull(builder.build()?), FuseOptions::default()));
    let run = executor.submit(Arc::clone(&graph), SubmitOptions::default())?;
    let mut blocks = Vec::new();
    for (output, wanted) in outputs.iter().zip(graph.outputs()) {
        let values = wanted
            .partitions
            .iter()
            .map(|partition| run.wait_value(TaskId::new(wanted.stage, partition), None).expect("there is no timeout"));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        blocks.push(output.assemble(&values, &Pool::new(0))?);
    }
    Ok(blocks)
}

/// Random numbers for tests: the same for the same seed.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }

    /// Sizes that add up to `len`.
    pub(crate) fn sizes(&mut self, len: usize) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut left = len;
        while left > 0 {
            let size = 1 + self.below(left);
            sizes.push(size);
            left -= size;
        }
        if sizes.is_empty() { vec![0] } else { sizes }
    }

    /// Some way to cut an array: irregular, uniform or whole along each axis.
    pub(crate) fn chunks(&mut self, shape: &[usize]) -> ChunkSpec {
        let axes = shape.iter().map(|len| match self.below(3) {
            0 => AxisSpec::Sizes(self.sizes(*len)),
            1 => AxisSpec::Size(1 + self.below(*len)),
            _ => AxisSpec::Size(1 + self.below(3)),
        });
        ChunkSpec::PerAxis(axes.collect())
    }
}

/// One block, and three ways to cut at random.
pub(crate) fn chunkings(seed: u64, shape: &[usize]) -> Vec<ChunkSpec> {
    let mut random = Seeded(seed);
    let whole = ChunkSpec::PerAxis(vec![AxisSpec::Full; shape.len()]);
    std::iter::once(whole).chain((0..3).map(|_| random.chunks(shape))).collect()
}
