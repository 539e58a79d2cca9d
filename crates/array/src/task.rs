//! What the tasks of arrays do, as data.

mod assemble;
mod operand;
mod pick;

use std::fmt;
use std::sync::Arc;

use dolmen_graph::{
    Awaited, DecodeError, EncodeError, Given, Op, OpRegistry, RegistryError, TaskBody, TaskContext, TaskError,
    TaskInputs, TaskResult,
};
use dolmen_kernels::{Block, DType, KernelError, Pool, Program};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub(crate) use assemble::next_index;
pub(crate) use operand::{KernelOperand, joined, joined_one, shape_of, view_of};

use crate::chunks::AxisChunks;
use crate::kernel::Kernel;
use crate::node::{OperandAxes, Slices};
use crate::source::SourceRef;
use crate::user::{BlockFn, External};
use crate::value::{self, BlockValue};
use crate::window::Window;
use crate::{Chunks, formula};

/// The operation of a stage of blocks: plain data, but for what comes from outside of this crate.
#[derive(Clone)]
pub(crate) struct ArrayOp {
    plan: Arc<Plan>,
    foreign: Foreign,
    pool: Pool,
}

/// The part of an operation that travels by itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// What pictures and errors call it.
    pub(crate) name: String,
    pub(crate) work: Work,
    pub(crate) dtype: DType,
    /// The chunks of the output; task `p` makes block `p`.
    pub(crate) out: Chunks,
}

/// What comes from outside of this crate, and travels by a name of its own.
#[derive(Debug, Clone)]
pub(crate) enum Foreign {
    /// Nothing.
    None,
    /// Where blocks are read.
    Source(SourceRef),
    /// A function of the user.
    Function(BlockFn),
    /// Values that are no blocks yet.
    External(External),
    /// Blocks that another run has.
    Persisted(Arc<[Arc<dyn Awaited>]>),
}

/// What each task does.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Shows a part of a block in memory.
    Memory(#[serde(with = "block_bytes")] Block),
    /// Reads a part of a source.
    Read { slices: Slices },
    /// Wraps a block that came about elsewhere, which has to be as it was described.
    Adopt,
    /// Passes on a block that another run has.
    Persisted,
    /// Runs a program for each element.
    Elementwise { program: Program, operands: Vec<OperandAxes> },
    /// Looks at a block in another way.
    View { axes: OperandAxes },
    /// Shows a part of a block.
    Slice { from: Chunks, slices: Slices },
    /// Puts parts of blocks together.
    Windows { from: Chunks, windows: SmallVec<[Window; 4]> },
    /// Passes on the one block that there is.
    Pass,
    /// Picks positions along an axis.
    Take {
        from: AxisChunks,
        axis: usize,
        #[serde(with = "crate::shared")]
        positions: Arc<[usize]>,
    },
    /// Picks points.
    Gather {
        from: Chunks,
        axes: SmallVec<[usize; 4]>,
        #[serde(with = "crate::shared")]
        points: Arc<[Box<[usize]>]>,
    },
    /// Writes a part of a block.
    Place { slices: Slices },
    /// Runs a kernel.
    Kernel {
        #[serde(with = "crate::shared")]
        kernel: Arc<Kernel>,
        operands: Vec<KernelOperand>,
    },
    /// Runs a function of the user.
    Function { operands: Vec<KernelOperand>, others: Vec<(DType, Chunks)> },
    /// Passes on one of several blocks.
    Part { idx: usize },
}

/// One task as it runs.
pub(crate) struct Task<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) foreign: &'a Foreign,
    pub(crate) pool: &'a Pool,
    pub(crate) partition: u32,
    pub(crate) inputs: &'a TaskInputs,
}

impl ArrayOp {
    const NAME: &'static str = "array";

    pub(crate) fn new(plan: Plan, foreign: Foreign, pool: Pool) -> Self {
        Self { plan: Arc::new(plan), foreign, pool }
    }
}

impl Task<'_> {
    /// The block at `position` of input `input_idx`.
    pub(crate) fn block(&self, input_idx: usize, position: usize) -> Result<&Block, TaskError> {
        Ok(self.inputs.get::<BlockValue>(input_idx, position)?.block())
    }

    /// The length of each axis of the block that is made; `None` where it is not known before.
    pub(crate) fn dims(&self) -> SmallVec<[Option<usize>; 4]> {
        let index = self.index();
        self.plan.out.axes().iter().zip(index).map(|(axis, idx)| axis.bounds(idx).map(|bounds| bounds.len())).collect()
    }

    /// Where the block that is made stands in the grid.
    pub(crate) fn index(&self) -> SmallVec<[u32; 4]> {
        self.plan.out.block_index(self.partition)
    }

    /// A block as the value of this task.
    pub(crate) fn value(&self, block: Block) -> TaskResult {
        Ok(BlockValue::new(kept(block, self.pool).map_err(failed)?).into_ref())
    }

    fn run(&self) -> TaskResult {
        match &self.plan.work {
            Work::Memory(block) => {
                let region = self.plan.out.block_region(self.partition).ok_or_else(unknown)?;
                Ok(BlockValue::resident(block.region(&region.offset, &region.shape).map_err(failed)?).into_ref())
            }
            Work::Read { .. } | Work::Persisted => Err(unknown()),
            Work::Adopt => crate::user::adopt(self),
            Work::Elementwise { program, operands } => formula::run(self, program, operands),
            Work::View { axes } => operand::view(self, axes),
            Work::Slice { from, slices } => assemble::slice(self, from, slices),
            Work::Windows { from, windows } => assemble::windows(self, from, windows),
            Work::Pass => assemble::pass(self),
            Work::Take { from, axis, positions } => pick::take(self, from, *axis, positions),
            Work::Gather { from, axes, points } => pick::gather(self, from, axes, points),
            Work::Place { slices } => assemble::place(self, slices),
            Work::Kernel { kernel, operands } => crate::kernel::run(self, kernel, operands),
            Work::Function { operands, others } => crate::user::call(self, &operand::joined(self, operands)?, others),
            Work::Part { idx } => operand::part(self, *idx),
        }
    }
}

impl Op for ArrayOp {
    fn name(&self) -> &str {
        match &self.foreign {
            Foreign::None => Self::NAME,
            Foreign::Source(source) => source.op_name(),
            Foreign::Function(function) => function.op_name(),
            Foreign::External(external) => external.name(),
            Foreign::Persisted(_) => "array.persisted",
        }
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        let own = match &self.foreign {
            Foreign::None => Vec::new(),
            Foreign::Source(source) => source.encode()?,
            Foreign::Function(function) => function.encode()?,
            Foreign::External(_) | Foreign::Persisted(_) => {
                return Err(EncodeError::Local { name: self.plan.name.clone() });
            }
        };
        postcard::to_stdvec(&(&*self.plan, own))
            .map_err(|error| EncodeError::Failed { name: self.plan.name.clone(), source: Arc::new(error) })
    }

    fn body(&self, partition: u32) -> TaskBody {
        let op = self.clone();
        if let (Foreign::Source(source), Work::Read { slices }) = (&self.foreign, &self.plan.work) {
            return crate::source::body(
                source.clone(),
                Arc::clone(&self.plan),
                slices.clone(),
                self.pool.clone(),
                partition,
            );
        }
        if let Foreign::Persisted(blocks) = &self.foreign {
            return TaskBody::awaited(Arc::clone(&blocks[partition as usize]));
        }
        TaskBody::sync(move |inputs, context: &TaskContext| {
            let shared = context.service::<Pool>();
            let pool = shared.as_deref().unwrap_or(&op.pool);
            Task { plan: &op.plan, foreign: &op.foreign, pool, partition, inputs: &inputs }.run()
        })
    }

    fn given(&self, partition: u32) -> Option<Given<'_>> {
        match &self.foreign {
            Foreign::Persisted(blocks) => Some(Given::Awaited(&blocks[partition as usize])),
            _ => None,
        }
    }

    fn label(&self, _: u32) -> String {
        self.plan.name.clone()
    }
}

impl fmt::Debug for ArrayOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayOp").field("plan", &self.plan).field("foreign", &self.foreign).finish_non_exhaustive()
    }
}

/// Registers everything that the graphs of arrays are made of, so that they can be read from bytes: operations and blocks.
///
/// `pool` is where tasks that were read from bytes get their memory, unless the run has a [`Pool`] as a service.
///
/// # Errors
/// [`RegistryError::Duplicate`] if that was done before.
pub fn register_ops(registry: &mut OpRegistry, pool: &Pool) -> Result<(), RegistryError> {
    value::register(registry, pool)?;
    let pool = pool.clone();
    registry.register_op(ArrayOp::NAME, move |bytes, _| {
        let (plan, _) = decode_plan(ArrayOp::NAME, bytes)?;
        Ok(Arc::new(ArrayOp::new(plan, Foreign::None, pool.clone())))
    })
}

/// The operation without what comes from outside, and the bytes of that.
pub(crate) fn decode_plan(name: &str, bytes: &[u8]) -> Result<(Plan, Vec<u8>), DecodeError> {
    postcard::from_bytes(bytes)
        .map_err(|error| DecodeError::Malformed { name: name.to_owned(), source: Arc::new(error) })
}

/// The block as a value keeps it: a small part would keep all of a large buffer.
pub(crate) fn kept(block: Block, pool: &Pool) -> Result<Block, KernelError> {
    let is_small_part = block.nbytes() < block.held_bytes() / 4 * 3;
    if is_small_part { block.compact(pool) } else { Ok(block) }
}

/// A kernel's error as that of its task.
pub(crate) fn failed(error: KernelError) -> TaskError {
    TaskError::failed(error)
}

/// A block whose size should be known and is not: the planner refuses what leads to it.
pub(crate) fn unknown() -> TaskError {
    TaskError::failed("the size of a block is not known; this is a mistake of the planner")
}

/// Blocks in their own encoding.
mod block_bytes {
    use dolmen_kernels::{Block, Pool};
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(block: &Block, to: S) -> Result<S::Ok, S::Error> {
        block.to_bytes().map_err(S::Error::custom)?.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Block, D::Error> {
        Block::from_bytes(&Vec::<u8>::deserialize(from)?, &Pool::new(0)).map_err(D::Error::custom)
    }
}
