//! Runs programs, tile by tile.

use smallvec::SmallVec;

use crate::block::n_elements;
use crate::buffer::Line;
use crate::cursor::Cursor;
use crate::element::{B8, with_lane, with_word};
use crate::lanes::{self, LaneOps, TimeTile};
use crate::program::{Binary, Generator, Node, Unary, binary_kernel, unary_kernel};
use crate::{Block, DType, KernelError, Kind, Op, Pool, Program, Result, Shape};

/// The part of an array that a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// The shape of the block.
    pub shape: Shape,
    /// The position of its first element in the array.
    pub start: Shape,
    /// The shape of the array.
    pub whole: Shape,
}

impl Region {
    /// An array of one block.
    #[must_use]
    pub fn whole(shape: &[usize]) -> Self {
        Self { shape: shape.into(), start: SmallVec::from_elem(0, shape.len()), whole: shape.into() }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let n_axes = self.shape.len();
        if self.start.len() != n_axes || self.whole.len() != n_axes {
            return Err(KernelError::WrongRank { op: "region", expected: "as many axes as the array", n_axes });
        }
        for axis in 0..n_axes {
            let size = self.whole[axis];
            match self.start[axis].checked_add(self.shape[axis]) {
                Some(end) if end <= size => {}
                _ => return Err(KernelError::IndexOutOfBounds { index: self.start[axis] as i64, axis, size }),
            }
        }
        n_elements(&self.shape).map(drop)
    }
}

/// What takes the tiles of a result in order.
pub(crate) trait Sink {
    /// The next elements, as lanes of the program's dtype.
    fn tile(&mut self, bytes: &[u8]);
}

impl Program {
    /// Computes the block of `region` from `inputs`, which are broadcast to its shape.
    ///
    /// The result is contiguous, its axes in the order of the largest input's memory.
    ///
    /// # Errors
    /// [`KernelError::Broadcast`], [`KernelError::WrongDType`] and [`KernelError::Parameter`] if the inputs do not fit,
    /// [`KernelError::NegativePower`], [`KernelError::OutOfMemory`].
    pub fn run(&self, inputs: &[Block], region: &Region, pool: &Pool) -> Result<Block> {
        self.check_inputs(inputs, region)?;
        match self.nodes[self.output].0 {
            // Nothing is computed: a view will do.
            Node::Input(input) => return inputs[input].broadcast_to(&region.shape),
            Node::Constant(value) => return Ok(Block::full(&region.shape, value)),
            _ => {}
        }
        let prepared = self.prepare(inputs, region, pool)?;
        let dtype = self.dtype();
        let size = dtype.size_bytes();
        let n = n_elements(&region.shape)?;
        let mut buffer = pool.buffer(n * size)?;
        let mut out = buffer.bytes_mut();
        let mut machine = Machine::new(self, &prepared)?;
        while !out.is_empty() {
            let len = machine.tile_len.min(out.len() / size);
            let (now, later) = std::mem::take(&mut out).split_at_mut(len * size);
            machine.tile(len, Some(now))?;
            out = later;
        }
        let block = Block::contiguous(dtype, &prepared.shape, buffer.freeze());
        match prepared.order {
            None => Ok(block),
            Some(order) => block.transpose(&inverse(&order)),
        }
    }

    /// Computes the block of `region` and hands it to `sink` tile by tile.
    pub(crate) fn feed(&self, prepared: &Prepared<'_>, sink: &mut dyn Sink) -> Result<()> {
        if let Node::Input(input) = self.nodes[self.output].0
            && feed_runs(&prepared.blocks[input], sink)
        {
            return Ok(());
        }
        let mut machine = Machine::new(self, prepared)?;
        let mut rest = n_elements(&prepared.shape)?;
        while rest > 0 {
            let len = machine.tile_len.min(rest);
            machine.tile(len, None)?;
            sink.tile(machine.result(len));
            machine.recycle(len);
            rest -= len;
        }
        Ok(())
    }

    fn check_inputs(&self, inputs: &[Block], region: &Region) -> Result<()> {
        region.check()?;
        if inputs.len() != self.inputs.len() {
            let problem = "are not as many as it has inputs";
            return Err(KernelError::Parameter { op: "program", parameter: "the blocks", problem });
        }
        for (block, dtype) in inputs.iter().zip(&self.inputs) {
            if block.dtype() != *dtype {
                return Err(KernelError::WrongDType { expected: *dtype, actual: block.dtype() });
            }
        }
        Ok(())
    }

    /// Checks the inputs, and settles in which order elements are visited.
    pub(crate) fn prepare<'r>(&self, inputs: &[Block], region: &'r Region, pool: &Pool) -> Result<Prepared<'r>> {
        self.check_inputs(inputs, region)?;
        let mut blocks: Vec<Block> =
            inputs.iter().map(|block| block.broadcast_to(&region.shape)).collect::<Result<_>>()?;
        let order = if self.depends_on_position() { None } else { memory_order(&blocks) };
        let mut shape = region.shape.clone();
        if let Some(order) = &order {
            blocks = blocks.iter().map(|block| block.transpose(order)).collect::<Result<_>>()?;
            shape = order.iter().map(|&axis| region.shape[axis]).collect();
        }
        for (block, input) in blocks.iter_mut().zip(inputs) {
            if jumps(block) {
                // Visiting it in this order would load a cache line for every element. It is copied before it is broadcast.
                let mut own = input.clone();
                while own.ndim() < region.shape.len() {
                    own = own.expand_dims(0)?;
                }
                if let Some(order) = &order {
                    own = own.transpose(order)?;
                }
                *block = own.to_contiguous(pool)?.broadcast_to(&shape)?;
            }
        }
        Ok(Prepared { blocks, order, shape, region })
    }
}

/// Hands a block to `sink` from where it is; `false` if neighbours are not next to each other in memory.
fn feed_runs(block: &Block, sink: &mut dyn Sink) -> bool {
    let mut cursor = Cursor::new(block.shape(), block.strides(), block.offset() as isize);
    if !cursor.has_runs() {
        return false;
    }
    let (size, bytes) = (block.dtype().size_bytes(), block.words::<u8>());
    cursor.advance(block.len(), |offset, len, _| {
        let start = offset as usize * size;
        for tile in bytes[start..start + len * size].chunks(RUN_BYTES) {
            sink.tile(tile);
        }
    });
    true
}

/// The bytes of a tile that is read where it is: it is in the nearest cache for whoever looks twice.
const RUN_BYTES: usize = 16 << 10;

/// The blocks that a program runs on, broadcast, with their axes in the order of visiting.
pub(crate) struct Prepared<'r> {
    blocks: Vec<Block>,
    /// Position `i` of the visiting order is axis `order[i]` of the region; `None` if that is C order.
    pub(crate) order: Option<SmallVec<[usize; 6]>>,
    pub(crate) shape: Shape,
    region: &'r Region,
}

pub(crate) fn inverse(order: &[usize]) -> SmallVec<[usize; 6]> {
    let mut inverse = SmallVec::from_elem(0, order.len());
    for (position, &axis) in order.iter().enumerate() {
        inverse[axis] = position;
    }
    inverse
}

/// The order of axes in which the largest block lies in memory, unless that is C order.
fn memory_order(blocks: &[Block]) -> Option<SmallVec<[usize; 6]>> {
    let varies = |block: &&Block| (0..block.ndim()).all(|axis| block.shape()[axis] == 1 || block.strides()[axis] != 0);
    let block = blocks.iter().filter(varies).max_by_key(|block| block.dtype().size_bytes())?;
    let mut order: SmallVec<[usize; 6]> = (0..block.ndim()).collect();
    let stride = |axis: &usize| {
        if block.shape()[*axis] == 1 { usize::MAX } else { block.strides()[*axis].unsigned_abs() }
    };
    order.sort_by_key(|axis| std::cmp::Reverse(stride(axis)));
    // Axes of length one may stand anywhere.
    let moves = order.iter().filter(|axis| block.shape()[**axis] != 1).collect::<Vec<_>>();
    (!moves.is_sorted()).then_some(order)
}

/// Whether neighbours in C order are far apart in memory while other elements are near.
fn jumps(block: &Block) -> bool {
    let axes = (0..block.ndim()).filter(|axis| block.shape()[*axis] > 1);
    let strides: SmallVec<[usize; 6]> = axes.map(|axis| block.strides()[axis].unsigned_abs()).collect();
    let Some((&inner, outer)) = strides.split_last() else { return false };
    inner * block.dtype().size_bytes() >= 64 && outer.iter().any(|stride| *stride != 0 && *stride < inner)
}

/// Where the value of a step is while a tile is computed.
#[derive(Clone, Copy)]
enum Place {
    /// In the block of an input, which is contiguous.
    Block(usize),
    Slot(usize),
    /// Nowhere: nothing uses it.
    Unused,
}

enum Action {
    Gather(usize, Cursor),
    Index(Cursor),
    Random(crate::random::Random, Cursor),
    Unary(Unary, Op, usize),
    Binary(Binary, Op, usize, usize),
    Select(usize, usize, usize),
    Convert(usize),
}

/// A program while it runs: where its values are, and what is done for each tile.
struct Machine<'a> {
    program: &'a Program,
    blocks: &'a [Block],
    places: Vec<Place>,
    actions: Vec<(usize, Action)>,
    slots: Vec<Box<[Line]>>,
    tile_len: usize,
    /// The elements that are done.
    done: usize,
    /// The elements of the tile that are done, while an operation goes through it in parts.
    part: usize,
}

/// What is to be asked of memory.
struct Ahead<'a>(SmallVec<[&'a [u8]; 4]>);

impl Ahead<'_> {
    fn len(&self) -> usize {
        self.0.iter().map(|bytes| bytes.len()).sum()
    }

    /// Asks for at most so many bytes. Memory answers so many requests at once and lets everyone else wait.
    fn ask(&mut self, mut n_bytes: usize) {
        while n_bytes > 0
            && let Some(bytes) = self.0.last_mut()
        {
            let (now, later) = bytes.split_at(n_bytes.min(bytes.len()));
            lanes::prefetch(now);
            n_bytes -= now.len();
            *bytes = later;
            if later.is_empty() {
                self.0.pop();
            }
        }
    }
}

/// Bytes of results after which an operation that takes long asks memory for more.
const SLOW_PART_BYTES: usize = 512;

impl Action {
    /// Whether it computes for longer than memory takes to bring what it works on.
    fn is_slow(&self) -> bool {
        match self {
            Self::Unary(_, op, _) | Self::Binary(_, op, _, _) => is_slow(*op),
            Self::Gather(..) | Self::Index(_) | Self::Random(..) | Self::Select(..) | Self::Convert(_) => false,
        }
    }
}

/// The bytes that a slot has for a tile: with a handful of slots, all stay in the nearest cache.
const SLOT_BYTES: usize = 4096;

impl<'a> Machine<'a> {
    fn new(program: &'a Program, prepared: &'a Prepared<'_>) -> Result<Self> {
        let nodes = &program.nodes;
        let mut last_use: Vec<Option<usize>> = vec![None; nodes.len()];
        last_use[program.output] = Some(usize::MAX);
        for at in (0..=program.output).rev() {
            if last_use[at].is_some() {
                for operand in nodes[at].0.operands() {
                    last_use[operand] = Some(last_use[operand].map_or(at, |last| last.max(at)));
                }
            }
        }
        let used = || (0..nodes.len()).filter(|at| last_use[*at].is_some());
        let widest = used().map(|at| nodes[at].1.size_bytes()).max().unwrap_or(1);
        let tile_len = (SLOT_BYTES / widest).min(1024);
        let slot_lines = (tile_len * widest).div_ceil(size_of::<Line>());

        let mut machine = Self {
            program,
            blocks: &prepared.blocks,
            places: vec![Place::Unused; nodes.len()],
            actions: Vec::new(),
            slots: Vec::new(),
            tile_len,
            done: 0,
            part: 0,
        };
        let mut free: Vec<usize> = Vec::new();
        for at in used() {
            let (node, dtype) = nodes[at];
            let mut keep = false;
            let mut filled = None;
            let action = match node {
                Node::Input(input) => {
                    let block = &prepared.blocks[input];
                    let cursor = Cursor::new(block.shape(), block.strides(), block.offset() as isize);
                    if cursor.is_contiguous() {
                        machine.places[at] = Place::Block(input);
                        continue;
                    }
                    if cursor.is_constant() && !block.is_empty() {
                        filled = Some(block.get(&vec![0; block.ndim()])?);
                        None
                    } else {
                        Some(Action::Gather(input, cursor))
                    }
                }
                Node::Constant(value) => {
                    filled = Some(value);
                    None
                }
                Node::Generate(generator) => Some(generate(generator, prepared.region)?),
                Node::Unary(op, a) => {
                    let (kernel, _) = unary_kernel(op, nodes[a].1).unwrap_or_else(|| unchecked(op));
                    Some(Action::Unary(kernel, op, a))
                }
                Node::Binary(op, a, b) => {
                    let (kernel, _) = binary_kernel(op, nodes[a].1, nodes[b].1).unwrap_or_else(|| unchecked(op));
                    Some(Action::Binary(kernel, op, a, b))
                }
                Node::Select(condition, a, b) => Some(Action::Select(condition, a, b)),
                Node::Convert(a) => Some(Action::Convert(a)),
            };
            let slot = if let (None, Some(value)) = (&action, filled) {
                keep = true;
                let mut lines = vec![Line::default(); slot_lines].into_boxed_slice();
                with_lane!(dtype, T => {
                    bytemuck::cast_slice_mut::<_, T>(&mut lines).fill(value.lane::<T>());
                });
                machine.slots.push(lines);
                machine.slots.len() - 1
            } else {
                free.pop().unwrap_or_else(|| {
                    machine.slots.push(vec![Line::default(); slot_lines].into_boxed_slice());
                    machine.slots.len() - 1
                })
            };
            machine.places[at] = Place::Slot(slot);
            if let Some(action) = action {
                machine.actions.push((at, action));
            }
            // The slots of operands are free once this step is done, so that it never writes over what it reads.
            let mut operands: SmallVec<[usize; 3]> = node.operands().collect();
            operands.sort_unstable();
            operands.dedup();
            for operand in operands {
                if let (Some(last), Place::Slot(slot)) = (last_use[operand], machine.places[operand])
                    && last == at
                    && !matches!(nodes[operand].0, Node::Constant(_))
                    && machine.actions.iter().any(|(made, _)| *made == operand)
                {
                    free.push(slot);
                }
            }
            debug_assert!(!keep || !free.contains(&slot));
        }
        Ok(machine)
    }

    /// Computes the next `len` elements, the result into `out` if that is given and something is computed.
    fn tile(&mut self, len: usize, mut out: Option<&mut [u8]>) -> Result<()> {
        let mut ahead = self.next_tile(len);
        let mut actions = std::mem::take(&mut self.actions);
        let n_actions = actions.len();
        let n_parts = |node: usize| (len * self.program.nodes[node].1.size_bytes()).div_ceil(SLOW_PART_BYTES);
        let n_parts: usize =
            actions.iter().filter(|(_, action)| action.is_slow()).map(|(node, _)| n_parts(*node)).sum();
        if n_parts == 0 {
            ahead.ask(usize::MAX);
        }
        let ask_bytes = ahead.len().div_ceil(n_parts.max(1));
        for (position, (node, action)) in actions.iter_mut().enumerate() {
            let Place::Slot(slot) = self.places[*node] else { unreachable!("what is computed has a slot") };
            let size = self.program.nodes[*node].1.size_bytes();
            let mut lines = std::mem::take(&mut self.slots[slot]);
            let target = match &mut out {
                Some(out) if position + 1 == n_actions => &mut **out,
                _ => &mut bytemuck::cast_slice_mut(&mut lines)[..len * size],
            };
            let part = if action.is_slow() { (SLOW_PART_BYTES / size).max(1) } else { len.max(1) };
            let mut done = Ok(());
            for (i, target) in target[..len * size].chunks_mut(part * size).enumerate() {
                self.part = i * part;
                if action.is_slow() {
                    ahead.ask(ask_bytes);
                }
                done = self.act(*node, action, target.len() / size, target);
                if done.is_err() {
                    break;
                }
            }
            self.part = 0;
            self.slots[slot] = lines;
            if done.is_err() {
                self.actions = actions;
                return done;
            }
        }
        self.actions = actions;
        if out.is_some() {
            self.done += len;
        }
        Ok(())
    }

    /// The next tile of each input that is read where it is, if there is work to do while memory brings it.
    fn next_tile(&self, len: usize) -> Ahead<'a> {
        let mut ahead = Ahead(SmallVec::new());
        if self.actions.len() < 2 {
            return ahead;
        }
        for (node, place) in self.places.iter().enumerate() {
            if let Place::Block(input) = place {
                let size = self.program.nodes[node].1.size_bytes();
                let block = &self.blocks[*input];
                let bytes = block.words::<u8>();
                let start = ((block.offset() + self.done + len) * size).min(bytes.len());
                ahead.0.push(&bytes[start..(start + len * size).min(bytes.len())]);
            }
        }
        ahead
    }

    /// The result of the tile that was just computed.
    fn result(&self, len: usize) -> &[u8] {
        self.bytes(self.program.output, len)
    }

    /// Goes on to the tile after the one whose result was read.
    fn recycle(&mut self, len: usize) {
        self.done += len;
    }

    fn bytes(&self, node: usize, len: usize) -> &[u8] {
        let size = self.program.nodes[node].1.size_bytes();
        match self.places[node] {
            Place::Slot(slot) => &bytemuck::cast_slice(&self.slots[slot])[self.part * size..][..len * size],
            Place::Block(input) => {
                let block = &self.blocks[input];
                let start = (block.offset() + self.done + self.part) * size;
                &block.words::<u8>()[start..start + len * size]
            }
            Place::Unused => &[],
        }
    }

    fn lanes<T: bytemuck::Pod>(&self, node: usize, len: usize) -> &[T] {
        bytemuck::cast_slice(self.bytes(node, len))
    }

    fn act(&self, node: usize, action: &mut Action, len: usize, out: &mut [u8]) -> Result<()> {
        use bytemuck::cast_slice_mut as cast;
        let dtype = self.program.nodes[node].1;
        let dtype_of = |node: usize| self.program.nodes[node].1;
        match action {
            Action::Gather(input, cursor) => {
                let block = &self.blocks[*input];
                with_word!(dtype, W => cursor.gather(block.words::<W>(), cast::<_, W>(out)));
            }
            Action::Index(cursor) => cursor.offsets(cast(out)),
            Action::Random(random, cursor) => random_tile(*random, cursor, dtype, out),
            Action::Unary(kernel, op, a) => {
                let from = dtype_of(*a);
                match kernel {
                    Unary::Same if from.is_time() => lanes::time_unary(*op, self.lanes(*a, len), cast(out)),
                    Unary::Same => with_lane!(from, T => T::unary(*op, self.lanes(*a, len), cast(out))),
                    Unary::Test if from.is_time() => lanes::time_test(*op, self.lanes(*a, len), cast(out)),
                    Unary::Test => with_lane!(from, T => T::test(*op, self.lanes(*a, len), cast(out))),
                    Unary::Part if from == DType::C64 => lanes::parts::<f32>(*op, self.lanes(*a, len), cast(out)),
                    Unary::Part => lanes::parts::<f64>(*op, self.lanes(*a, len), cast(out)),
                }
            }
            Action::Binary(kernel, op, a, b) => {
                let (op, a, b) = (*op, *a, *b);
                let from = dtype_of(a);
                let time = |tile| lanes::time_binary(op, dtype, tile);
                match kernel {
                    Binary::Same => {
                        return with_lane!(from, T => T::binary(op, self.lanes(a, len), self.lanes(b, len), cast(out)));
                    }
                    Binary::Compare if from.is_time() => {
                        time(TimeTile::Compare(self.lanes(a, len), self.lanes(b, len), cast(out)));
                    }
                    Binary::Compare => {
                        with_lane!(from, T => T::compare(op, self.lanes(a, len), self.lanes(b, len), cast(out)));
                    }
                    Binary::CompareMixed => {
                        lanes::compare_mixed(op, self.lanes(a, len), self.lanes(b, len), cast(out));
                    }
                    Binary::CompareMixedSwapped => {
                        lanes::compare_mixed(swapped(op), self.lanes(b, len), self.lanes(a, len), cast(out));
                    }
                    Binary::Time => time(TimeTile::Both(self.lanes(a, len), self.lanes(b, len), cast(out))),
                    Binary::TimeQuotient => time(TimeTile::Quotient(self.lanes(a, len), self.lanes(b, len), cast(out))),
                    Binary::TimeInt => time(TimeTile::Int(self.lanes(a, len), self.lanes(b, len), cast(out))),
                    Binary::TimeIntSwapped => time(TimeTile::Int(self.lanes(b, len), self.lanes(a, len), cast(out))),
                    Binary::TimeFloat => time(TimeTile::Float(self.lanes(a, len), self.lanes(b, len), cast(out))),
                    Binary::TimeFloatSwapped => {
                        time(TimeTile::Float(self.lanes(b, len), self.lanes(a, len), cast(out)));
                    }
                }
            }
            Action::Select(condition, a, b) => {
                let condition: &[B8] = self.lanes(*condition, len);
                with_word!(dtype, W => {
                    lanes::select::<W>(condition, self.lanes(*a, len), self.lanes(*b, len), cast(out));
                });
            }
            Action::Convert(a) => {
                let from = dtype_of(*a);
                match (from.unit(), dtype.unit()) {
                    (Some(unit), Some(to)) if from.kind() == dtype.kind() => {
                        lanes::time_convert(self.lanes(*a, len), cast(out), unit, to);
                    }
                    _ => with_lane!(from, S => convert_from::<S>(self.lanes(*a, len), dtype, out)),
                }
            }
        }
        Ok(())
    }
}

fn convert_from<S: LaneOps>(from: &[S], dtype: DType, out: &mut [u8]) {
    with_lane!(dtype, T => lanes::convert::<S, T>(from, bytemuck::cast_slice_mut(out)));
}

fn generate(generator: Generator, region: &Region) -> Result<Action> {
    let whole = crate::block::c_strides(&region.whole);
    let linear = || {
        let start = region.start.iter().zip(&whole).map(|(&start, &stride)| start as isize * stride).sum();
        Cursor::new(&region.shape, &whole, start)
    };
    match generator {
        Generator::LinearIndex => Ok(Action::Index(linear())),
        Generator::Random(random) => Ok(Action::Random(random, linear())),
        Generator::Index(axis) => {
            let n_axes = region.shape.len();
            if axis >= n_axes {
                return Err(KernelError::Axis { op: "index", axis, n_axes });
            }
            let mut strides: SmallVec<[isize; 6]> = SmallVec::from_elem(0, n_axes);
            strides[axis] = 1;
            Ok(Action::Index(Cursor::new(&region.shape, &strides, region.start[axis] as isize)))
        }
    }
}

fn random_tile(random: crate::random::Random, cursor: &mut Cursor, dtype: DType, out: &mut [u8]) {
    let size = dtype.size_bytes();
    let n = out.len() / size;
    let mut out = out;
    cursor.advance(n, |offset, len, stride| {
        let (now, later) = std::mem::take(&mut out).split_at_mut(len * size);
        // Positions that are not neighbours are drawn one by one.
        let piece = if stride == 1 { len } else { 1 };
        for (at, now) in now.chunks_mut(piece * size).enumerate() {
            let start = (offset + (at * piece) as isize * stride) as u64;
            if dtype.kind() == Kind::Float {
                random.fill_f64(start, bytemuck::cast_slice_mut(now));
            } else {
                random.fill_i64(start, bytemuck::cast_slice_mut(now));
            }
        }
        out = later;
    });
}

fn is_slow(op: Op) -> bool {
    use Op::*;
    let is_root_or_quotient =
        matches!(op, Sqrt | Cbrt | Hypot | TrueDivide | FloorDivide | Remainder | Fmod | Reciprocal);
    let is_power = matches!(op, Power | Exp | Exp2 | Expm1 | Log | Log2 | Log10 | Log1p | Logaddexp | Logaddexp2);
    let is_angle = matches!(op, Sin | Cos | Tan | Arcsin | Arccos | Arctan | Arctan2);
    is_root_or_quotient || is_power || is_angle || matches!(op, Sinh | Cosh | Tanh | Arcsinh | Arccosh | Arctanh | I0)
}

fn swapped(op: Op) -> Op {
    match op {
        Op::Less => Op::Greater,
        Op::LessEqual => Op::GreaterEqual,
        Op::Greater => Op::Less,
        Op::GreaterEqual => Op::LessEqual,
        op => op,
    }
}

#[cold]
fn unchecked(op: Op) -> ! {
    unreachable!("a program was checked when it was made, but there is no kernel for `{}`", op.name())
}
