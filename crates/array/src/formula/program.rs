//! Formulas as programs of the kernels.

use dolmen_graph::{TaskError, TaskResult};
use dolmen_kernels::{Block, DType, KernelError, Op, Operand, Program, ProgramBuilder, Region, Scalar};
use smallvec::SmallVec;

use super::{Formula, Step};
use crate::node::OperandAxes;
use crate::task::{Task, failed, shape_of, view_of};

impl Formula {
    /// The program for operands of `dtypes`.
    ///
    /// # Errors
    /// [`KernelError`] if an operation is not defined for its operands, which was checked when the formula was made.
    pub(crate) fn program(&self, dtypes: &[DType]) -> Result<Program, KernelError> {
        let mut builder = ProgramBuilder::new();
        let inputs: SmallVec<[Operand; 4]> = dtypes.iter().map(|dtype| builder.input(*dtype)).collect();
        let mut places: Vec<Operand> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            places.push(match step {
                Step::Input(input) => inputs[*input as usize],
                Step::Weak(value) => Operand::Weak(*value),
                Step::Strong(value) => builder.scalar(*value),
                Step::Apply { op, args } => {
                    let args: SmallVec<[Operand; 3]> = args.iter().map(|arg| places[*arg as usize]).collect();
                    builder.apply(*op, &args)?
                }
                Step::Index { axis, start, step } => {
                    let mut index = builder.index(*axis as usize);
                    if *step != 1 {
                        let step = builder.scalar(Scalar::I64(*step));
                        index = builder.apply(Op::Multiply, &[index, step])?;
                    }
                    if *start != 0 {
                        let start = builder.scalar(Scalar::I64(*start));
                        index = builder.apply(Op::Add, &[index, start])?;
                    }
                    index
                }
                Step::Random(random) => builder.random(*random)?,
            });
        }
        let result = places.last().copied().unwrap_or(Operand::Weak(dolmen_kernels::WeakScalar::Bool(false)));
        builder.finish(result)
    }
}

/// What a program makes of the blocks of a task.
pub(crate) fn run(task: &Task<'_>, program: &Program, operands: &[OperandAxes]) -> TaskResult {
    let (views, region) = operands_of(task, &task.plan.out, operands)?;
    task.value(program.run(&views, &region, task.pool).map_err(failed)?)
}

/// The blocks of a task as an output with chunks `out` sees them, and the part of it that they make.
pub(crate) fn operands_of(
    task: &Task<'_>,
    out: &crate::Chunks,
    operands: &[OperandAxes],
) -> Result<(SmallVec<[Block; 4]>, Region), TaskError> {
    let n_dims = out.n_dims();
    let mut views: SmallVec<[Block; 4]> = SmallVec::new();
    for (input_idx, axes) in operands.iter().enumerate() {
        views.push(view_of(task.block(input_idx, 0)?, axes, n_dims).map_err(failed)?);
    }
    let index = out.block_index(task.partition);
    let bounds = out.axes().iter().zip(&index).map(|(axis, idx)| axis.bounds(*idx));
    let bounds: SmallVec<[Option<std::ops::Range<usize>>; 4]> = bounds.collect();
    let dims: SmallVec<[Option<usize>; 4]> =
        bounds.iter().map(|range| range.as_ref().map(|range| range.len())).collect();
    let shape = shape_of(&dims, &views.iter().collect::<SmallVec<[&Block; 4]>>())?;
    // Where a size is unknown nothing depends on the position: generators have known shapes.
    let start = bounds.iter().map(|range| range.as_ref().map_or(0, |range| range.start));
    let whole = out.axes().iter().zip(&shape).map(|(axis, own)| axis.len().unwrap_or(*own));
    Ok((views, Region { start: start.collect(), shape: shape.iter().copied().collect(), whole: whole.collect() }))
}
