//! One stage for each node of an expression.

use std::collections::HashMap;
use std::sync::Arc;

use dolmen_graph::{AxisMap, BlockAxis, Blocks, ByteEstimate, GraphBuilder, Input, Stage, StageId, Table, Wiring};
use dolmen_kernels::{DType, Pool};
use smallvec::SmallVec;

use super::ArrayOutput;
use crate::chunks::AxisChunks;
use crate::node::{Expr, Node, Operand, OperandAxis, Slices};
use crate::persisted::Borrowed;
use crate::slice::AxisSlice;
use crate::task::{ArrayOp, Foreign, KernelOperand, Plan, Work};
use crate::value::BlockValue;
use crate::window::Window;
use crate::{Array, ArrayError, Chunks};

/// What a value that shows data which is in memory anyway is counted as.
const RESIDENT_BYTES: u64 = 256;

/// Adds the stages of `arrays`, which are in the form that lowering takes, see [`optimise`](crate::optimise::optimise).
pub(crate) fn add_stages(
    arrays: &[Array],
    builder: &mut GraphBuilder,
    pool: &Pool,
) -> Result<Vec<ArrayOutput>, ArrayError> {
    let mut adding = Adding { builder, pool, done: HashMap::new(), borrowed: Vec::new() };
    for array in crate::optimise::inputs_first(arrays) {
        let added = adding.node(&array)?;
        adding.done.insert(Arc::as_ptr(&array.node), added);
    }
    let borrowed = Arc::from(std::mem::take(&mut adding.borrowed));
    let output = |array| ArrayOutput::new(adding.of(array).stage, array, Arc::clone(&borrowed));
    Ok(arrays.iter().map(output).collect())
}

/// A stage, and the most bytes that one of its blocks has, if that is known.
#[derive(Debug, Clone, Copy)]
struct Added {
    stage: StageId,
    bytes: Option<u64>,
}

struct Adding<'a> {
    builder: &'a mut GraphBuilder,
    pool: &'a Pool,
    done: HashMap<*const Node, Added>,
    borrowed: Vec<Borrowed>,
}

/// What makes a stage of a node.
struct Parts {
    work: Work,
    foreign: Foreign,
    inputs: Vec<Input>,
    /// Bytes besides inputs and result.
    scratch: Option<u64>,
}

impl Parts {
    fn new(work: Work, inputs: Vec<Input>) -> Self {
        Self { work, foreign: Foreign::None, inputs, scratch: Some(0) }
    }
}

impl Adding<'_> {
    fn of(&self, array: &Array) -> Added {
        self.done[&Arc::as_ptr(&array.node)]
    }

    fn node(&mut self, array: &Array) -> Result<Added, ArrayError> {
        let node = &*array.node;
        let parts = self.parts(array)?;
        let is_resident = matches!(parts.work, Work::Memory(_));
        let bytes = match array.block_bytes_max() {
            _ if is_resident => Some(RESIDENT_BYTES),
            Some(bytes) => Some(self.with_parts(array, bytes)),
            None => self.bytes_of_unknown(array),
        };
        let n_tasks = node.chunks.n_blocks()?;
        let estimate = |bytes: Option<u64>| bytes.map_or(ByteEstimate::Unknown, ByteEstimate::AtMost);
        // A value has fields of its own besides its elements.
        let of_value = bytes.map(|bytes| bytes.saturating_add(size_of::<BlockValue>() as u64));
        let name = node.expr.name();
        let plan = Plan { name: name.clone(), work: parts.work, dtype: node.dtype, out: node.chunks.clone() };
        let op = Arc::new(ArrayOp::new(plan, parts.foreign, self.pool.clone()));
        let own = match of_value {
            // The run that has the block counts it.
            _ if matches!(node.expr, Expr::Persisted(_)) => ByteEstimate::AtMost(RESIDENT_BYTES),
            Some(bytes) if is_exact(array) => ByteEstimate::Exact(bytes),
            _ => estimate(of_value),
        };
        let mut stage = Stage::new(self.builder.unique_key(&name), n_tasks, op).bytes(own);
        stage.inputs = parts.inputs;
        stage.scratch = estimate(parts.scratch);
        Ok(Added { stage: self.builder.add_stage(stage)?, bytes })
    }

    /// The bytes of a value of which `first` is the first block.
    fn with_parts(&self, array: &Array, first: u64) -> u64 {
        match &array.node.expr {
            Expr::Blockwise { kernel, operands } => kernel.value_bytes(array, operands).unwrap_or(first),
            Expr::Function { others, .. } => {
                let bytes = |(dtype, chunks): &(DType, Chunks)| {
                    Some(chunks.block_elements_max()? as u64 * dtype.size_bytes() as u64)
                };
                others.iter().filter_map(bytes).fold(first, u64::saturating_add)
            }
            _ => first,
        }
    }

    /// The bytes of a block of unknown size.
    fn bytes_of_unknown(&self, array: &Array) -> Option<u64> {
        if let Expr::Blockwise { kernel, operands } = &array.node.expr {
            let inputs: SmallVec<[Option<u64>; 4]> =
                operands.iter().map(|operand| self.of(&operand.array).bytes).collect();
            return kernel.unknown_bytes(array, operands, &inputs);
        }
        let others = match &array.node.expr {
            Expr::Function { others, .. } => others.iter().map(|(dtype, _)| dtype.size_bytes()).sum(),
            _ => 0,
        };
        // Nothing else makes more elements than the largest of its inputs has.
        let of_input = |input: &&Array| {
            let elements = self.of(input).bytes?.div_ceil(input.dtype().size_bytes() as u64);
            elements.checked_mul((array.dtype().size_bytes() + others) as u64)
        };
        array.node.expr.inputs().iter().map(of_input).try_fold(0, |most, bytes| Some(most.max(bytes?)))
    }

    fn parts(&mut self, array: &Array) -> Result<Parts, ArrayError> {
        let node = &*array.node;
        let chunks = &node.chunks;
        Ok(match &node.expr {
            Expr::Failed(error) => return Err(ArrayError::clone(error)),
            Expr::Memory(block) => Parts::new(Work::Memory(block.clone()), Vec::new()),
            Expr::Source { source, slices } => {
                let foreign = Foreign::Source(source.clone());
                // What steps leave out is read with the rest.
                let steps = slices.iter().flatten().filter(|slice| slice.len > 1);
                let steps = steps.map(|slice| slice.step.unsigned_abs() as u64);
                let scratch = match steps.fold(1, u64::saturating_mul) {
                    1 => Some(0),
                    factor => array.block_bytes_max().and_then(|bytes| bytes.checked_mul(factor)),
                };
                Parts { foreign, scratch, ..Parts::new(Work::Read { slices: slices.clone() }, Vec::new()) }
            }
            Expr::External(external) => {
                let tasks = external.lower(self.builder)?;
                let stage = tasks.first().map_or(StageId(0), |task| task.stage);
                let n_up = self.builder.stage(stage).map_or(0, |stage| stage.n_tasks);
                let table = Table::new(n_up, tasks.iter().map(|task| [task.partition]))?;
                let inputs = vec![Input { stage, wiring: Wiring::Table(Arc::new(table)) }];
                Parts { foreign: Foreign::External(external.clone()), ..Parts::new(Work::Adopt, inputs) }
            }
            Expr::Persisted(persisted) => {
                let borrowed = persisted.lend();
                let foreign = Foreign::Persisted(borrowed.links());
                self.borrowed.push(borrowed);
                Parts { foreign, ..Parts::new(Work::Persisted, Vec::new()) }
            }
            Expr::Elementwise(elementwise) => {
                let axes = elementwise.operands.iter().map(|operand| operand.axes.clone()).collect();
                let work = Work::Elementwise { program: elementwise.program()?, operands: axes };
                Parts::new(work, self.operands(&elementwise.operands, chunks)?)
            }
            Expr::View(operand) => {
                let inputs = self.operands(std::slice::from_ref(operand), chunks)?;
                Parts::new(Work::View { axes: operand.axes.clone() }, inputs)
            }
            Expr::Slice { input, slices } => {
                let axes = slices.iter().enumerate().map(|(axis, slice)| slice_axis(input, axis, slice.as_ref()));
                let axes: Vec<BlockAxis> = axes.collect::<Result<_, _>>()?;
                let work = Work::Slice { from: input.chunks().clone(), slices: slices.clone() };
                Parts::new(work, vec![self.blocks(input, chunks, axes)?])
            }
            Expr::Rechunk { input } => {
                let windows = chunks.axes().iter().cloned().map(Window::exact).collect();
                self.windows(input, chunks, windows)?
            }
            Expr::Windows { input, windows } => self.windows(input, chunks, windows.clone())?,
            Expr::Concat { axis, inputs } => {
                let mut first = 0;
                let mut wired = Vec::with_capacity(inputs.len());
                for input in inputs {
                    let n = input.chunks().axes()[*axis].n_blocks();
                    let axes = (0..chunks.n_dims()).map(|own| match own == *axis {
                        true => {
                            BlockAxis::From { axis: own, map: AxisMap::Affine { offset: -i64::from(first), step: 1 } }
                        }
                        false => BlockAxis::same(own),
                    });
                    wired.push(self.blocks(input, chunks, axes.collect())?);
                    first += n;
                }
                Parts::new(Work::Pass, wired)
            }
            Expr::Take { input, axis, positions } => {
                let from = input.chunks().axes()[*axis].clone();
                let axes = (0..chunks.n_dims()).map(|own| match own == *axis {
                    true => take_axis(&from, &chunks.axes()[own], own, positions),
                    false => Ok(BlockAxis::same(own)),
                });
                let axes: Vec<BlockAxis> = axes.collect::<Result<_, _>>()?;
                let work = Work::Take { from, axis: *axis, positions: Arc::clone(positions) };
                // What is taken block by block is put in order afterwards.
                let scratch = array.block_bytes_max();
                Parts { scratch, ..Parts::new(work, vec![self.blocks(input, chunks, axes)?]) }
            }
            Expr::Gather { input, points, axes } => {
                let mut next = 0;
                let of_input = (0..input.n_dims()).map(|axis| {
                    let Some(list) = axes.iter().position(|picked| *picked == axis) else {
                        next += 1;
                        return Ok(BlockAxis::same(next));
                    };
                    take_axis(&input.chunks().axes()[axis], &chunks.axes()[0], 0, &points[list])
                });
                let of_input: Vec<BlockAxis> = of_input.collect::<Result<_, _>>()?;
                let wired = self.blocks(input, chunks, of_input)?;
                let work =
                    Work::Gather { from: input.chunks().clone(), axes: axes.clone(), points: Arc::clone(points) };
                Parts::new(work, vec![wired])
            }
            Expr::Place { base, value, slices } => {
                let axes = place_axes(base, value, slices)?;
                let inputs =
                    vec![Input { stage: self.of(base).stage, wiring: Wiring::Same }, self.blocks(value, chunks, axes)?];
                Parts::new(Work::Place { slices: slices.clone() }, inputs)
            }
            Expr::Reduce(_) => unreachable!("reductions are expanded before they are lowered"),
            Expr::Blockwise { kernel, operands } => {
                let inputs = self.operands(operands, chunks)?;
                let scratch = kernel.scratch_bytes(array, operands);
                let operands = operands.iter().map(kernel_operand).collect();
                Parts { scratch, ..Parts::new(Work::Kernel { kernel: Arc::clone(kernel), operands }, inputs) }
            }
            Expr::Function { function, operands, others } => {
                let inputs = self.operands(operands, chunks)?;
                // Blocks that are read together are joined.
                let has_all = |operand: &&Operand| operand.axes.contains(&OperandAxis::All);
                let scratch = operands.iter().filter(has_all).map(read_bytes).sum();
                let operands = operands.iter().map(kernel_operand).collect();
                let foreign = Foreign::Function(function.clone());
                Parts { foreign, scratch, ..Parts::new(Work::Function { operands, others: others.clone() }, inputs) }
            }
            Expr::Part { input, idx } => {
                let inputs = vec![Input { stage: self.of(input).stage, wiring: Wiring::Same }];
                Parts::new(Work::Part { idx: *idx }, inputs)
            }
        })
    }

    fn windows(&self, input: &Array, chunks: &Chunks, windows: SmallVec<[Window; 4]>) -> Result<Parts, ArrayError> {
        let axes = windows.iter().enumerate().map(|(axis, window)| window.wiring(&input.chunks().axes()[axis], axis));
        let wired = self.blocks(input, chunks, axes.collect())?;
        Ok(Parts::new(Work::Windows { from: input.chunks().clone(), windows }, vec![wired]))
    }

    fn operands(&self, operands: &[Operand], chunks: &Chunks) -> Result<Vec<Input>, ArrayError> {
        operands.iter().map(|operand| self.operand(operand, chunks)).collect()
    }

    fn operand(&self, operand: &Operand, chunks: &Chunks) -> Result<Input, ArrayError> {
        if operand.axes.is_empty() && operand.array.n_dims() > 0 {
            // Other axes, the same blocks in the same order.
            return Ok(Input { stage: self.of(&operand.array).stage, wiring: Wiring::Same });
        }
        let axes = operand.axes.iter().zip(operand.array.chunks().axes()).map(|(from, own)| match *from {
            OperandAxis::One => BlockAxis::At(0),
            OperandAxis::Out(_) if own.n_blocks() == 1 => BlockAxis::At(0),
            OperandAxis::Out(axis) => BlockAxis::same(axis),
            OperandAxis::All => BlockAxis::All,
            OperandAxis::Group { out, size } => BlockAxis::From { axis: out, map: AxisMap::Group { size } },
        });
        self.blocks(&operand.array, chunks, axes.collect())
    }

    fn blocks(&self, input: &Array, chunks: &Chunks, axes: Vec<BlockAxis>) -> Result<Input, ArrayError> {
        let blocks = Blocks::new(input.chunks().grid()?, chunks.grid()?, axes)?;
        let stage = self.of(input).stage;
        let wiring = Wiring::Blocks(Arc::new(blocks));
        let n_tasks = (input.chunks().n_blocks()?, chunks.n_blocks()?);
        // The shorter form is the one that other parts of the system know best.
        let wiring = if wiring.is_same(n_tasks.0, n_tasks.1) { Wiring::Same } else { wiring };
        Ok(Input { stage, wiring })
    }
}

/// Whether every block is new memory of the size of the largest, so that one that cannot fit is refused before it is made.
fn is_exact(array: &Array) -> bool {
    let is_new = match &array.node.expr {
        Expr::Elementwise(elementwise) => !elementwise.operands.is_empty() || elementwise.formula.has_positions(),
        Expr::Take { .. } | Expr::Gather { .. } => true,
        Expr::Blockwise { kernel, .. } => kernel.is_of_new_memory(),
        Expr::Source { slices, .. } => slices.iter().flatten().all(|slice| slice.step == 1),
        _ => false,
    };
    let is_even = |own: &AxisChunks| {
        let all = own.size_max().and_then(|size| size.checked_mul(own.n_blocks() as usize));
        own.len().is_some() && all == own.len()
    };
    is_new && array.chunks().axes().iter().all(is_even)
}

fn kernel_operand(operand: &Operand) -> KernelOperand {
    KernelOperand { axes: operand.axes.clone(), from: operand.array.chunks().clone() }
}

/// The most bytes that a task reads by an operand.
pub(crate) fn read_bytes(operand: &Operand) -> Option<u64> {
    let axes = operand.axes.iter().zip(operand.array.chunks().axes());
    let n_blocks = axes.map(|(from, own)| match from {
        OperandAxis::All => u64::from(own.n_blocks()),
        OperandAxis::Group { size, .. } => u64::from(*size),
        OperandAxis::Out(_) | OperandAxis::One => 1,
    });
    n_blocks.product::<u64>().checked_mul(operand.array.block_bytes_max()?)
}

/// The blocks of an input that each block of a slice along one axis shows.
fn slice_axis(input: &Array, axis: usize, slice: Option<&AxisSlice>) -> Result<BlockAxis, ArrayError> {
    let own = &input.chunks().axes()[axis];
    let Some(slice) = slice else { return Ok(BlockAxis::same(axis)) };
    if own.n_blocks() == 1 || slice.len == 0 {
        return Ok(BlockAxis::At(0));
    }
    let map = match slice.step {
        1 | -1 => AxisMap::Affine { offset: own.block_of(slice.start).into(), step: slice.step as i64 },
        _ => {
            let blocks = own.slice_blocks(slice);
            match slice.step > 0 {
                true => AxisMap::Ranges(blocks.iter().map(|(idx, _)| (*idx, idx + 1)).collect()),
                false => AxisMap::Lists(Arc::new(Table::new(own.n_blocks(), blocks.iter().map(|(idx, _)| [*idx]))?)),
            }
        }
    };
    Ok(BlockAxis::From { axis, map })
}

/// The blocks of an input that have the positions of each block of the output.
fn take_axis(from: &AxisChunks, out: &AxisChunks, axis: usize, positions: &[usize]) -> Result<BlockAxis, ArrayError> {
    if from.n_blocks() == 1 {
        return Ok(BlockAxis::At(0));
    }
    let lists = (0..out.n_blocks()).map(|idx| {
        let mut blocks: Vec<u32> =
            positions[out.bounds(idx).unwrap_or(0..0)].iter().map(|position| from.block_of(*position)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        // One block is read even for no position: the other axes have lengths.
        if blocks.is_empty() { vec![0] } else { blocks }
    });
    let lists: Vec<Vec<u32>> = lists.collect();
    let map = AxisMap::Lists(Arc::new(Table::new(from.n_blocks(), lists)?));
    Ok(BlockAxis::From { axis, map })
}

/// The block of a value, cut as the slice of the base is, that goes into each block of the base.
fn place_axes(base: &Array, value: &Array, slices: &Slices) -> Result<Vec<BlockAxis>, ArrayError> {
    let axes = slices.iter().enumerate().map(|(axis, slice)| {
        let own = &base.chunks().axes()[axis];
        let n_value = value.chunks().axes()[axis].n_blocks();
        let Some(slice) = slice else { return Ok(BlockAxis::same(axis)) };
        let first = i64::from(own.block_of(slice.start));
        let map = match slice.step {
            1 => AxisMap::Affine { offset: -first, step: 1 },
            -1 => AxisMap::Affine { offset: first, step: -1 },
            _ => {
                let mut lists: Vec<Vec<u32>> = vec![Vec::new(); own.n_blocks() as usize];
                for (part, (idx, _)) in (0..).zip(own.slice_blocks(slice)) {
                    lists[idx as usize].push(part);
                }
                AxisMap::Lists(Arc::new(Table::new(n_value, lists)?))
            }
        };
        Ok(BlockAxis::From { axis, map })
    });
    axes.collect()
}
