//! Reductions: partial results of blocks, which combine in any tree, and their end.

use std::marker::PhantomData;

use num_complex::Complex;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::block::c_strides;
use crate::cursor::Cursor;
use crate::element::{B8, Lane, cast, with_lane};
use crate::lanes::fold::{FoldLane, SumLane, Time, squared_distances};
use crate::run::{Prepared, Sink, inverse};
use crate::{
    Block, DType, KernelError, Kind, Op, Operand, Pool, Program, ProgramBuilder, Region, Result, Scalar, Shape,
};

/// What the elements along some axes become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reduction {
    /// The function.
    pub function: Function,
    /// Whether NaN (and NaT) counts as missing, as in `nansum`.
    pub skip_nan: bool,
}

/// The function of a [`Reduction`], with NumPy's name and meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Function {
    /// `sum`.
    Sum,
    /// `prod`.
    Prod,
    /// `min`.
    Min,
    /// `max`.
    Max,
    /// `any`.
    Any,
    /// `all`.
    All,
    /// `argmin`, the first of equals, the first NaN before all.
    ArgMin,
    /// `argmax`.
    ArgMax,
    /// `mean`.
    Mean,
    /// `var`; its end is told the degrees of freedom.
    Var,
    /// `std`.
    Std,
    /// `count_nonzero`.
    CountNonzero,
}

impl Function {
    /// The reduction that lets NaN through.
    #[must_use]
    pub fn plain(self) -> Reduction {
        Reduction { function: self, skip_nan: false }
    }

    /// The reduction that leaves NaN out.
    #[must_use]
    pub fn skipping_nan(self) -> Reduction {
        Reduction { function: self, skip_nan: true }
    }
}

impl Reduction {
    /// NumPy's name: `sum`, `nanmean`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let names = match self.function {
            Function::Sum => ["sum", "nansum"],
            Function::Prod => ["prod", "nanprod"],
            Function::Min => ["min", "nanmin"],
            Function::Max => ["max", "nanmax"],
            Function::Any => ["any", "any"],
            Function::All => ["all", "all"],
            Function::ArgMin => ["argmin", "nanargmin"],
            Function::ArgMax => ["argmax", "nanargmax"],
            Function::Mean => ["mean", "nanmean"],
            Function::Var => ["var", "nanvar"],
            Function::Std => ["std", "nanstd"],
            Function::CountNonzero => ["count_nonzero", "count_nonzero"],
        };
        names[usize::from(self.skip_nan)]
    }

    /// The dtype of the result for elements of `dtype`: sums of integers are 64 bits wide, means of integers `float64`.
    ///
    /// # Errors
    /// [`KernelError::UnsupportedDType`] for what has no meaning: sums of points in time, products and variances of time.
    pub fn result_dtype(self, dtype: DType) -> Result<DType> {
        let refused = || KernelError::UnsupportedDType { op: self.name(), dtypes: vec![dtype], remedy: "" };
        let widened = match dtype.kind() {
            Kind::Bool | Kind::Signed => DType::I64,
            Kind::Unsigned => DType::U64,
            _ => dtype,
        };
        match self.function {
            Function::Sum if dtype.kind() != Kind::DateTime => Ok(widened),
            Function::Prod if !dtype.is_time() => Ok(widened),
            Function::Min | Function::Max => Ok(dtype),
            Function::Any | Function::All => Ok(DType::Bool),
            Function::ArgMin | Function::ArgMax | Function::CountNonzero => Ok(DType::I64),
            Function::Mean if dtype.kind() == Kind::TimeDelta => Ok(dtype),
            Function::Mean if !dtype.is_time() => Ok(if dtype.is_inexact() { dtype } else { DType::F64 }),
            Function::Var | Function::Std if !dtype.is_time() => {
                Ok(if dtype.is_inexact() { dtype.real() } else { DType::F64 })
            }
            _ => Err(refused()),
        }
    }

    fn is_arg(self) -> bool {
        matches!(self.function, Function::ArgMin | Function::ArgMax)
    }

    fn is_moment(self) -> bool {
        matches!(self.function, Function::Var | Function::Std)
    }

    /// Whether NaN can occur and be left out, so that the elements of each result are counted.
    fn counts(self, dtype: DType) -> bool {
        self.skip_nan && (dtype.is_inexact() || dtype.is_time())
    }
}

/// The result of a reduction over a part of the elements, with reduced axes of length one.
#[derive(Debug, Clone)]
pub struct Partial {
    reduction: Reduction,
    /// Of the elements.
    dtype: DType,
    /// The elements that went into each value, NaN included.
    count: u64,
    /// Sums, or values and positions, or means and squares; last the counts without NaN, where they are counted.
    states: SmallVec<[Block; 3]>,
}

impl Program {
    /// Computes the block of `region` and reduces it over `axes`, without the block ever being whole.
    ///
    /// Positions (`argmin`) are those in the whole array of the region: along the axis, or in C order if all axes are
    /// reduced.
    ///
    /// # Errors
    /// As [`Program::run`] and [`Reduction::result_dtype`]; [`KernelError::Axis`].
    pub fn reduce(
        &self,
        inputs: &[Block],
        region: &Region,
        reduction: Reduction,
        axes: &[usize],
        pool: &Pool,
    ) -> Result<Partial> {
        reduction.result_dtype(self.dtype())?;
        let n_axes = region.shape.len();
        for (position, &axis) in axes.iter().enumerate() {
            if axis >= n_axes || axes[..position].contains(&axis) {
                return Err(KernelError::Axis { op: reduction.name(), axis, n_axes });
            }
        }
        if reduction.is_arg() && axes.len() != 1 && axes.len() != n_axes {
            return Err(KernelError::WrongRank { op: reduction.name(), expected: "one axis, or all", n_axes });
        }
        let (program, simple) = simplify(self, reduction)?;
        let prepared = program.prepare(inputs, region, pool)?;
        let count = axes.iter().map(|&axis| region.shape[axis] as u64).product();
        let layout = Layout::new(region, &prepared, axes);
        let dtype = program.dtype();
        let states = if dtype.is_time() {
            fold_lane::<Time>(&program, &prepared, simple, &layout, pool)?
        } else {
            with_lane!(dtype, T => fold_lane::<T>(&program, &prepared, simple, &layout, pool)?)
        };
        Ok(Partial { reduction, dtype: self.dtype(), count, states })
    }
}

/// Reduces `block` over `axes`, see [`Program::reduce`].
///
/// # Errors
/// As [`Program::reduce`].
pub fn partial(block: &Block, region: &Region, reduction: Reduction, axes: &[usize], pool: &Pool) -> Result<Partial> {
    let program = Program::identity(block.dtype());
    program.reduce(std::slice::from_ref(block), region, reduction, axes, pool)
}

/// What is left of `reduction` once the elements are prepared: sums of zeros in place of NaN, of truth values for counts.
fn simplify(program: &Program, reduction: Reduction) -> Result<(Program, Reduction)> {
    let dtype = program.dtype();
    let mut builder = ProgramBuilder::new();
    let inputs: Vec<Operand> = program.inputs().iter().map(|dtype| builder.input(*dtype)).collect();
    let value = builder.splice(program, &inputs)?;
    let plain = |function: Function| function.plain();
    let (value, reduction) = match reduction.function {
        Function::CountNonzero if dtype.is_time() => {
            let zero = builder.scalar(Scalar::zero(dtype));
            (builder.apply(Op::NotEqual, &[value, zero])?, plain(Function::Sum))
        }
        Function::CountNonzero => (builder.apply(Op::Cast(DType::Bool), &[value])?, plain(Function::Sum)),
        Function::Any | Function::All => (builder.apply(Op::Cast(DType::Bool), &[value])?, plain(reduction.function)),
        Function::Sum | Function::Prod if reduction.counts(dtype) => {
            let missing = builder.apply(Op::Isnan, &[value])?;
            let neutral = if reduction.function == Function::Sum { Scalar::zero(dtype) } else { Scalar::one(dtype) };
            let neutral = builder.scalar(neutral);
            (builder.apply(Op::Where, &[missing, neutral, value])?, plain(reduction.function))
        }
        Function::Mean if !dtype.is_inexact() && !dtype.is_time() => {
            (builder.apply(Op::Cast(DType::F64), &[value])?, plain(Function::Mean))
        }
        Function::Var | Function::Std => {
            let wide = if dtype.kind() == Kind::Complex { DType::C128 } else { DType::F64 };
            (builder.apply(Op::Cast(wide), &[value])?, reduction)
        }
        _ => (value, Reduction { skip_nan: reduction.counts(dtype), ..reduction }),
    };
    Ok((builder.finish(value)?, reduction))
}

/// How the order of visiting maps to results.
struct Layout {
    /// The visited shape.
    shape: Shape,
    /// The distance of results for neighbours along each visited axis.
    out_strides: SmallVec<[isize; 6]>,
    /// The distance of positions, for `argmin`.
    position_strides: SmallVec<[isize; 6]>,
    position_start: isize,
    n_out: usize,
    /// The shape of the results in the order of visiting, and back.
    out_shape: Shape,
    back: Option<SmallVec<[usize; 6]>>,
}

impl Layout {
    fn new(region: &Region, prepared: &Prepared<'_>, axes: &[usize]) -> Self {
        let order: SmallVec<[usize; 6]> = prepared.order.clone().unwrap_or_else(|| (0..region.shape.len()).collect());
        let reduced = |axis: &usize| axes.contains(axis);
        let out_shape: Shape = order.iter().map(|axis| if reduced(axis) { 1 } else { region.shape[*axis] }).collect();
        let mut out_strides = c_strides(&out_shape);
        // Positions count reduced axes of the whole array only.
        let whole: Shape =
            (0..region.whole.len()).map(|axis| if reduced(&axis) { region.whole[axis] } else { 1 }).collect();
        let strides = c_strides(&whole);
        let mut position_strides = SmallVec::new();
        let mut position_start = 0;
        for (position, axis) in order.iter().enumerate() {
            if reduced(axis) {
                out_strides[position] = 0;
                position_strides.push(strides[*axis]);
                position_start += region.start[*axis] as isize * strides[*axis];
            } else {
                position_strides.push(0);
            }
        }
        Self {
            shape: prepared.shape.clone(),
            out_strides,
            position_strides,
            position_start,
            n_out: out_shape.iter().product(),
            out_shape,
            back: prepared.order.as_ref().map(|order| inverse(order)),
        }
    }

    /// Results in the order of visiting as a block with the region's axes.
    fn block<T: Lane>(&self, dtype: DType, pool: &Pool, values: impl Iterator<Item = T>) -> Result<Block> {
        let mut buffer = pool.buffer(self.n_out * size_of::<T>())?;
        for (to, value) in buffer.as_mut_slice::<T>().iter_mut().zip(values) {
            *to = value;
        }
        let block = Block::contiguous(dtype, &self.out_shape, buffer.freeze());
        match &self.back {
            None => Ok(block),
            Some(back) => block.transpose(back)?.to_contiguous(pool),
        }
    }
}

type States = SmallVec<[Block; 3]>;

fn fold_lane<T: FoldLane + MomentLane>(
    program: &Program,
    prepared: &Prepared<'_>,
    reduction: Reduction,
    layout: &Layout,
    pool: &Pool,
) -> Result<States> {
    let dtype = program.dtype();
    let mut states = States::new();
    let skip = reduction.skip_nan;
    let sums = if dtype.is_time() { dtype } else { <T::Sum as Lane>::DTYPE };
    match reduction.function {
        Function::Sum | Function::CountNonzero => {
            let values = fold::<SumFold<T>>(program, prepared, layout)?;
            states.push(layout.block(sums, pool, values.into_iter())?);
        }
        Function::Prod => {
            let values = fold::<ProdFold<T>>(program, prepared, layout)?;
            states.push(layout.block(sums, pool, values.into_iter())?);
        }
        Function::Mean if skip => {
            let values = fold::<Counted<T, SumFold<T>>>(program, prepared, layout)?;
            states.push(layout.block(sums, pool, values.iter().map(|(sum, _)| *sum))?);
            states.push(layout.block(DType::I64, pool, values.iter().map(|(_, n)| *n))?);
        }
        Function::Mean => {
            let values = fold::<SumFold<T>>(program, prepared, layout)?;
            states.push(layout.block(sums, pool, values.into_iter())?);
        }
        Function::Any | Function::All => {
            let all = reduction.function == Function::All;
            let values = if all {
                fold::<Extreme<B8, false>>(program, prepared, layout)?
            } else {
                fold::<Extreme<B8, true>>(program, prepared, layout)?
            };
            states.push(layout.block(DType::Bool, pool, values.into_iter())?);
        }
        Function::Min | Function::Max if skip => {
            let values = if reduction.function == Function::Max {
                fold::<Counted<T, Extreme<T, true>>>(program, prepared, layout)?
            } else {
                fold::<Counted<T, Extreme<T, false>>>(program, prepared, layout)?
            };
            states.push(layout.block(dtype, pool, values.iter().map(|(value, _)| *value))?);
            states.push(layout.block(DType::I64, pool, values.iter().map(|(_, n)| *n))?);
        }
        Function::Min | Function::Max => {
            let values = if reduction.function == Function::Max {
                fold::<Extreme<T, true>>(program, prepared, layout)?
            } else {
                fold::<Extreme<T, false>>(program, prepared, layout)?
            };
            states.push(layout.block(dtype, pool, values.into_iter())?);
        }
        Function::ArgMin | Function::ArgMax => {
            let max = reduction.function == Function::ArgMax;
            let values = match (max, skip) {
                (false, false) => fold::<Arg<T, false, false>>(program, prepared, layout)?,
                (false, true) => fold::<Arg<T, false, true>>(program, prepared, layout)?,
                (true, false) => fold::<Arg<T, true, false>>(program, prepared, layout)?,
                (true, true) => fold::<Arg<T, true, true>>(program, prepared, layout)?,
            };
            states.push(layout.block(dtype, pool, values.iter().map(|best| best.value))?);
            states.push(layout.block(DType::I64, pool, values.iter().map(|best| best.position))?);
        }
        Function::Var | Function::Std => {
            let values = if skip {
                fold::<Moments<T, true>>(program, prepared, layout)?
            } else {
                fold::<Moments<T, false>>(program, prepared, layout)?
            };
            states.push(layout.block(<T::Mean as Lane>::DTYPE, pool, values.iter().map(|moments| moments.mean))?);
            states.push(layout.block(DType::F64, pool, values.iter().map(|moments| moments.squares))?);
            if skip {
                states.push(layout.block(DType::I64, pool, values.iter().map(|moments| moments.n as i64))?);
            }
        }
    }
    Ok(states)
}

/// How elements are folded into one value.
trait Fold {
    type In: Lane;
    /// The value of one result.
    type Acc: Copy;
    /// The value of a run of elements of one result, with whatever makes it more exact.
    type Run: Copy;
    const EMPTY: Self::Acc;
    fn start() -> Self::Run;
    /// Folds the next elements of a run; the first is at `position`, the next `step` further.
    fn run(run: &mut Self::Run, tile: &[Self::In], position: i64, step: i64);
    fn end(run: Self::Run) -> Self::Acc;
    fn merge(acc: &mut Self::Acc, other: Self::Acc);
    /// Folds one element into each of as many results; all are at `position` of the reduced axes.
    fn each(accs: &mut [Self::Acc], tile: &[Self::In], position: i64);
}

struct Folder<F: Fold> {
    accs: Vec<F::Acc>,
    cursor: Cursor<2>,
    /// The run that is not at its end yet, and its result.
    open: Option<(usize, F::Run)>,
}

fn fold<F: Fold>(program: &Program, prepared: &Prepared<'_>, layout: &Layout) -> Result<Vec<F::Acc>> {
    let mut accs = Vec::new();
    accs.try_reserve_exact(layout.n_out)
        .map_err(|_| KernelError::OutOfMemory { bytes: layout.n_out * size_of::<F::Acc>() })?;
    accs.resize(layout.n_out, F::EMPTY);
    let strides = [&*layout.out_strides, &*layout.position_strides];
    let cursor = Cursor::of(&layout.shape, strides, [0, layout.position_start]);
    let mut folder = Folder::<F> { accs, cursor, open: None };
    program.feed(prepared, &mut folder)?;
    folder.close();
    Ok(folder.accs)
}

impl<F: Fold> Folder<F> {
    fn close(&mut self) {
        if let Some((out, run)) = self.open.take() {
            F::merge(&mut self.accs[out], F::end(run));
        }
    }
}

impl<F: Fold> Sink for Folder<F> {
    fn tile(&mut self, bytes: &[u8]) {
        let mut rest: &[F::In] = bytemuck::cast_slice(bytes);
        let Self { accs, cursor, open } = self;
        cursor.walk(rest.len(), |[out, position], len, [out_stride, step]| {
            let (now, later) = rest.split_at(len);
            rest = later;
            let (out, position) = (out as usize, position as i64);
            if out_stride == 0 || len == 1 {
                match open {
                    Some((at, run)) if *at == out => F::run(run, now, position, step as i64),
                    _ => {
                        if let Some((at, run)) = open.take() {
                            F::merge(&mut accs[at], F::end(run));
                        }
                        let mut run = F::start();
                        F::run(&mut run, now, position, step as i64);
                        *open = Some((out, run));
                    }
                }
            } else {
                // Results lie in the order of visiting, so that neighbours are neighbours.
                F::each(&mut accs[out..out + len], now, position);
            }
        });
    }
}

struct SumFold<T>(PhantomData<T>);

impl<T: FoldLane> Fold for SumFold<T> {
    type In = T;
    type Acc = T::Sum;
    type Run = <T::Sum as SumLane>::Exact;
    const EMPTY: T::Sum = T::Sum::ZERO;

    fn start() -> Self::Run {
        Self::Run::default()
    }

    #[inline]
    fn run(run: &mut Self::Run, tile: &[T], _: i64, _: i64) {
        // Pieces so short that each accumulator takes sixteen elements, as NumPy's do.
        for piece in tile.chunks(512) {
            T::Sum::push(run, T::sum(piece));
        }
    }

    fn end(run: Self::Run) -> T::Sum {
        T::Sum::total(run)
    }

    fn merge(acc: &mut T::Sum, other: T::Sum) {
        *acc = acc.add(other);
    }

    #[inline]
    fn each(accs: &mut [T::Sum], tile: &[T], _: i64) {
        T::add_each(accs, tile);
    }
}

struct ProdFold<T>(PhantomData<T>);

impl<T: FoldLane> Fold for ProdFold<T> {
    type In = T;
    type Acc = T::Sum;
    type Run = T::Sum;
    const EMPTY: T::Sum = T::Sum::ONE;

    fn start() -> T::Sum {
        T::Sum::ONE
    }

    fn run(run: &mut T::Sum, tile: &[T], _: i64, _: i64) {
        *run = tile.iter().fold(*run, |product, value| product.multiply(value.widen()));
    }

    fn end(run: T::Sum) -> T::Sum {
        run
    }

    fn merge(acc: &mut T::Sum, other: T::Sum) {
        *acc = acc.multiply(other);
    }

    fn each(accs: &mut [T::Sum], tile: &[T], _: i64) {
        for (acc, value) in accs.iter_mut().zip(tile) {
            *acc = acc.multiply(value.widen());
        }
    }
}

/// The least or greatest value, NaN if there is one.
struct Extreme<T, const MAX: bool>(PhantomData<T>);

#[inline(always)]
fn better<T: FoldLane, const MAX: bool>(value: T, than: T) -> bool {
    if MAX { than.less(value) } else { value.less(than) }
}

impl<T: FoldLane, const MAX: bool> Fold for Extreme<T, MAX> {
    type In = T;
    type Acc = T;
    type Run = T;
    const EMPTY: T = if MAX { T::LEAST } else { T::GREATEST };

    fn start() -> T {
        Self::EMPTY
    }

    fn run(run: &mut T, tile: &[T], _: i64, _: i64) {
        Self::merge(run, if MAX { T::max(tile) } else { T::min(tile) });
    }

    fn end(run: T) -> T {
        run
    }

    #[inline(always)]
    fn merge(acc: &mut T, other: T) {
        let take = !acc.is_nan() && (other.is_nan() || better::<T, MAX>(other, *acc));
        *acc = if take { other } else { *acc };
    }

    fn each(accs: &mut [T], tile: &[T], _: i64) {
        for (acc, value) in accs.iter_mut().zip(tile) {
            Self::merge(acc, *value);
        }
    }
}

/// A fold of what is not NaN, with the number of elements that were not.
struct Counted<T, F>(PhantomData<(T, F)>);

impl<T: FoldLane, F: Fold<In = T>> Fold for Counted<T, F> {
    type In = T;
    type Acc = (F::Acc, i64);
    type Run = (F::Run, i64);
    const EMPTY: Self::Acc = (F::EMPTY, 0);

    fn start() -> Self::Run {
        (F::start(), 0)
    }

    fn run((run, n): &mut Self::Run, tile: &[T], position: i64, step: i64) {
        // Positions do not count in the folds that are counted.
        let kept: Vec<T> = tile.iter().copied().filter(|value| !value.is_nan()).collect();
        *n += kept.len() as i64;
        F::run(run, &kept, position, step);
    }

    fn end((run, n): Self::Run) -> Self::Acc {
        (F::end(run), n)
    }

    fn merge(acc: &mut Self::Acc, other: Self::Acc) {
        F::merge(&mut acc.0, other.0);
        acc.1 += other.1;
    }

    fn each(accs: &mut [Self::Acc], tile: &[T], position: i64) {
        for (acc, value) in accs.iter_mut().zip(tile) {
            if !value.is_nan() {
                F::each(std::slice::from_mut(&mut acc.0), std::slice::from_ref(value), position);
                acc.1 += 1;
            }
        }
    }
}

/// An extreme value and where it is.
#[derive(Clone, Copy)]
struct Best<T> {
    value: T,
    position: i64,
}

/// No position is as far.
const NOWHERE: i64 = i64::MAX;

struct Arg<T, const MAX: bool, const SKIP: bool>(PhantomData<T>);

impl<T: FoldLane, const MAX: bool, const SKIP: bool> Arg<T, MAX, SKIP> {
    /// Whether `other` comes before: NaN first, then the extreme value, then the lower position.
    #[inline(always)]
    fn precedes(other: Best<T>, best: Best<T>) -> bool {
        let equal = !better::<T, MAX>(best.value, other.value) && !better::<T, MAX>(other.value, best.value);
        match (other.value.is_nan(), best.value.is_nan()) {
            (true, false) => true,
            (false, true) => false,
            (true, true) => other.position < best.position,
            (false, false) => better::<T, MAX>(other.value, best.value) || equal && other.position < best.position,
        }
    }
}

impl<T: FoldLane, const MAX: bool, const SKIP: bool> Fold for Arg<T, MAX, SKIP> {
    type In = T;
    type Acc = Best<T>;
    type Run = Best<T>;
    const EMPTY: Best<T> = Best { value: if MAX { T::LEAST } else { T::GREATEST }, position: NOWHERE };

    fn start() -> Best<T> {
        Self::EMPTY
    }

    fn run(run: &mut Best<T>, tile: &[T], position: i64, step: i64) {
        if SKIP {
            for (at, value) in tile.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                Self::merge(run, Best { value: *value, position: position + at as i64 * step });
            }
            return;
        }
        // The extreme of the tile by vectors first, then where it is; most tiles hold nothing better.
        let value = if MAX { T::max(tile) } else { T::min(tile) };
        let found = if value.is_nan() {
            tile.iter().position(|other| other.is_nan())
        } else {
            tile.iter().position(|other| *other == value)
        };
        if let Some(at) = found.filter(|_| value.is_nan() || !better::<T, MAX>(run.value, value)) {
            Self::merge(run, Best { value, position: position + at as i64 * step });
        }
    }

    fn end(run: Best<T>) -> Best<T> {
        run
    }

    fn merge(acc: &mut Best<T>, other: Best<T>) {
        if other.position != NOWHERE && Self::precedes(other, *acc) {
            *acc = other;
        }
    }

    fn each(accs: &mut [Best<T>], tile: &[T], position: i64) {
        for (acc, value) in accs.iter_mut().zip(tile) {
            if !(SKIP && value.is_nan()) {
                Self::merge(acc, Best { value: *value, position });
            }
        }
    }
}

/// What variances are computed in: `f64`, or its complex numbers.
trait MomentLane: Lane {
    type Mean: Mean;
    /// The sum of the squared distances from the mean of a tile, and the sum of distances.
    fn squares(tile: &[Self], mean: Self::Mean) -> (f64, Self::Mean);
    fn moment(self) -> Self::Mean;
}

trait Mean: Lane {
    const ZERO_MEAN: Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, factor: f64) -> Self;
    /// The real part of `self` times the conjugate of `other`.
    fn dot(self, other: Self) -> f64;
}

impl Mean for f64 {
    const ZERO_MEAN: Self = 0.0;

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn times(self, factor: f64) -> Self {
        self * factor
    }

    fn dot(self, other: Self) -> f64 {
        self * other
    }
}

impl Mean for Complex<f64> {
    const ZERO_MEAN: Self = Complex::new(0.0, 0.0);

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn times(self, factor: f64) -> Self {
        self * factor
    }

    fn dot(self, other: Self) -> f64 {
        self.re * other.re + self.im * other.im
    }
}

macro_rules! real_moments {
    ($($type:ty),*) => {$(
        impl MomentLane for $type {
            type Mean = f64;

            fn squares(tile: &[Self], mean: f64) -> (f64, f64) {
                // Variances are computed of float64 only, so that the cast is a view.
                bytemuck::try_cast_slice::<Self, f64>(tile)
                    .map_or((0.0, 0.0), |tile| squared_distances(tile, mean))
            }

            fn moment(self) -> f64 {
                cast(self)
            }
        }
    )*};
}

real_moments!(B8, i8, i16, i32, i64, u8, u16, u32, u64, half::f16, f32, f64, Time);

macro_rules! complex_moments {
    ($($real:ty),*) => {$(
        impl MomentLane for Complex<$real> {
            type Mean = Complex<f64>;

            fn squares(tile: &[Self], mean: Complex<f64>) -> (f64, Complex<f64>) {
                tile.iter().fold((0.0, Complex::default()), |(squares, rest), value| {
                    let distance = value.moment() - mean;
                    (squares + distance.norm_sqr(), rest + distance)
                })
            }

            fn moment(self) -> Complex<f64> {
                cast(self)
            }
        }
    )*};
}

complex_moments!(f32, f64);

/// Number, mean, and sum of squared distances from the mean.
#[derive(Clone, Copy)]
struct Spread<M> {
    n: f64,
    mean: M,
    squares: f64,
}

impl<M: Mean> Spread<M> {
    const NOTHING: Self = Self { n: 0.0, mean: M::ZERO_MEAN, squares: 0.0 };

    /// Joins two groups.
    ///
    /// Source: Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances (1979).
    fn join(self, other: Self) -> Self {
        if self.n == 0.0 {
            return other;
        }
        if other.n == 0.0 {
            return self;
        }
        let n = self.n + other.n;
        let distance = other.mean.minus(self.mean);
        Self {
            n,
            mean: self.mean.plus(distance.times(other.n / n)),
            squares: self.squares + other.squares + distance.dot(distance) * (self.n * other.n / n),
        }
    }
}

struct Moments<T, const SKIP: bool>(PhantomData<T>);

impl<T: FoldLane + MomentLane, const SKIP: bool> Moments<T, SKIP> {
    fn spread(tile: &[T]) -> Spread<T::Mean> {
        let n = tile.len() as f64;
        if tile.is_empty() {
            return Spread::NOTHING;
        }
        let sum: T::Mean = cast(T::sum(tile));
        let mean = sum.times(1.0 / n);
        let (squares, rest) = T::squares(tile, mean);
        // The mean was rounded; what that adds to the squares is taken back.
        let mean = mean.plus(rest.times(1.0 / n));
        Spread { n, mean, squares: squares - rest.dot(rest) / n }
    }
}

impl<T: FoldLane + MomentLane, const SKIP: bool> Fold for Moments<T, SKIP> {
    type In = T;
    type Acc = Spread<T::Mean>;
    type Run = Spread<T::Mean>;
    const EMPTY: Self::Acc = Spread::NOTHING;

    fn start() -> Self::Run {
        Spread::NOTHING
    }

    fn run(run: &mut Self::Run, tile: &[T], _: i64, _: i64) {
        let spread = if SKIP && tile.iter().any(|value| value.is_nan()) {
            let kept: Vec<T> = tile.iter().copied().filter(|value| !value.is_nan()).collect();
            Self::spread(&kept)
        } else {
            Self::spread(tile)
        };
        *run = run.join(spread);
    }

    fn end(run: Self::Run) -> Self::Acc {
        run
    }

    fn merge(acc: &mut Self::Acc, other: Self::Acc) {
        *acc = acc.join(other);
    }

    fn each(accs: &mut [Self::Acc], tile: &[T], _: i64) {
        for (acc, value) in accs.iter_mut().zip(tile) {
            if SKIP && value.is_nan() {
                continue;
            }
            let value = value.moment();
            acc.n += 1.0;
            let before = value.minus(acc.mean);
            acc.mean = acc.mean.plus(before.times(1.0 / acc.n));
            acc.squares += before.dot(value.minus(acc.mean));
        }
    }
}

impl Partial {
    /// The reduction that this is a part of.
    #[must_use]
    pub fn reduction(&self) -> Reduction {
        self.reduction
    }

    /// The shape, with reduced axes of length one.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.states[0].shape()
    }

    /// The elements that went into each value.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The bytes in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.states.iter().map(Block::held_bytes).sum()
    }

    /// Joins partial results of the same shape, from first to last.
    ///
    /// # Errors
    /// [`KernelError::ShapeMismatch`], [`KernelError::Parameter`] if there is none, or they are of different reductions.
    pub fn combine(parts: &[Self], pool: &Pool) -> Result<Self> {
        let refused = |problem| KernelError::Parameter { op: "combine", parameter: "the partial results", problem };
        let Some((first, rest)) = parts.split_first() else { return Err(refused("are none")) };
        let mut joined = first.clone();
        for part in rest {
            if (part.reduction, part.dtype) != (first.reduction, first.dtype) {
                return Err(refused("belong to different reductions"));
            }
            if part.shape() != first.shape() {
                let (left, right) = (first.shape().into(), part.shape().into());
                let expected = "the shapes must be equal";
                return Err(KernelError::ShapeMismatch { op: first.reduction.name(), left, right, expected });
            }
            joined = joined.join(part, pool)?;
        }
        Ok(joined)
    }

    fn join(&self, other: &Self, pool: &Pool) -> Result<Self> {
        if other.count == 0 {
            return Ok(self.clone());
        }
        if self.count == 0 {
            return Ok(other.clone());
        }
        let apply = |op, a: usize| apply(op, &[&self.states[a], &other.states[a]], pool);
        let mut states = States::new();
        match self.reduction.function {
            Function::Sum | Function::CountNonzero => states.push(apply(Op::Add, 0)?),
            Function::Prod => states.push(apply(Op::Multiply, 0)?),
            Function::Any => states.push(apply(Op::BitwiseOr, 0)?),
            Function::All => states.push(apply(Op::BitwiseAnd, 0)?),
            Function::Mean | Function::Min | Function::Max => {
                let op = match self.reduction.function {
                    Function::Mean => Op::Add,
                    Function::Min => Op::Minimum,
                    _ => Op::Maximum,
                };
                states.push(apply(op, 0)?);
                if self.states.len() > 1 {
                    states.push(apply(Op::Add, 1)?);
                }
            }
            Function::ArgMin | Function::ArgMax => states = self.join_positions(other, pool)?,
            Function::Var | Function::Std => states = self.join_moments(other, pool)?,
        }
        Ok(Self { count: self.count + other.count, states, ..*self })
    }

    fn join_positions(&self, other: &Self, pool: &Pool) -> Result<States> {
        let mut builder = ProgramBuilder::new();
        let dtype = self.dtype;
        let [a, at_a, b, at_b] = [dtype, DType::I64, dtype, DType::I64].map(|dtype| builder.input(dtype));
        // The other one is taken if it is NaN and this is not, if it is better, or if it is equal and before.
        let (nan_a, nan_b) = (builder.apply(Op::Isnan, &[a])?, builder.apply(Op::Isnan, &[b])?);
        let order = if self.reduction.function == Function::ArgMax { Op::Greater } else { Op::Less };
        let better = builder.apply(order, &[b, a])?;
        let equal = builder.apply(Op::Equal, &[a, b])?;
        let both = builder.apply(Op::LogicalAnd, &[nan_a, nan_b])?;
        let equal = builder.apply(Op::LogicalOr, &[equal, both])?;
        let before = builder.apply(Op::Less, &[at_b, at_a])?;
        let tie = builder.apply(Op::LogicalAnd, &[equal, before])?;
        let real_a = builder.apply(Op::LogicalNot, &[nan_a])?;
        let better = builder.apply(Op::LogicalOr, &[better, nan_b])?;
        let better = builder.apply(Op::LogicalAnd, &[better, real_a])?;
        let take = builder.apply(Op::LogicalOr, &[better, tie])?;
        let blocks = [&self.states[0], &self.states[1], &other.states[0], &other.states[1]].map(Block::clone);
        let region = Region::whole(self.shape());
        let mut states = States::new();
        for (ours, theirs) in [(a, b), (at_a, at_b)] {
            let mut builder = builder.clone();
            let chosen = builder.apply(Op::Where, &[take, theirs, ours])?;
            states.push(builder.finish(chosen)?.run(&blocks, &region, pool)?);
        }
        Ok(states)
    }

    fn join_moments(&self, other: &Self, pool: &Pool) -> Result<States> {
        let mut builder = ProgramBuilder::new();
        let mean = self.states[0].dtype();
        let [mean_a, squares_a, n_a, mean_b, squares_b, n_b] =
            [mean, DType::F64, DType::F64, mean, DType::F64, DType::F64].map(|dtype| builder.input(dtype));
        let n = builder.apply(Op::Add, &[n_a, n_b])?;
        let one = builder.scalar(Scalar::F64(1.0));
        let divisor = builder.apply(Op::Maximum, &[n, one])?;
        let share = builder.apply(Op::TrueDivide, &[n_b, divisor])?;
        let distance = builder.apply(Op::Subtract, &[mean_b, mean_a])?;
        let step = builder.apply(Op::Multiply, &[distance, share])?;
        let mean = builder.apply(Op::Add, &[mean_a, step])?;
        let conjugate = builder.apply(Op::Conjugate, &[distance])?;
        let square = builder.apply(Op::Multiply, &[distance, conjugate])?;
        let square = builder.apply(Op::Real, &[square])?;
        let weight = builder.apply(Op::Multiply, &[n_a, share])?;
        let between = builder.apply(Op::Multiply, &[square, weight])?;
        let squares = builder.apply(Op::Add, &[squares_a, squares_b])?;
        let squares = builder.apply(Op::Add, &[squares, between])?;
        let counted = builder.apply(Op::Cast(DType::I64), &[n])?;
        let number = |part: &Self| match part.states.get(2) {
            Some(counts) => apply(Op::Cast(DType::F64), &[counts], pool),
            None => Ok(Block::full(self.shape(), Scalar::F64(part.count as f64))),
        };
        let blocks = [
            self.states[0].clone(),
            self.states[1].clone(),
            number(self)?,
            other.states[0].clone(),
            other.states[1].clone(),
            number(other)?,
        ];
        let region = Region::whole(self.shape());
        let mut states = States::new();
        for state in [mean, squares, counted].into_iter().take(self.states.len()) {
            states.push(builder.clone().finish(state)?.run(&blocks, &region, pool)?);
        }
        Ok(states)
    }

    /// The result, with reduced axes of length one. `ddof` counts for `var` and `std`: they divide by the number of
    /// elements less `ddof`.
    ///
    /// # Errors
    /// [`KernelError::EmptyReduction`] for extremes of no elements, [`KernelError::AllNaN`] for positions among nothing but
    /// NaN.
    pub fn finish(&self, ddof: f64, pool: &Pool) -> Result<Block> {
        let result = self.reduction.result_dtype(self.dtype)?;
        let op = self.reduction.name();
        let empty = self.count == 0 && !self.states[0].is_empty();
        let skips = self.reduction.counts(self.dtype);
        let needs_elements =
            matches!(self.reduction.function, Function::Min | Function::Max | Function::ArgMin | Function::ArgMax);
        if empty && needs_elements {
            return Err(KernelError::EmptyReduction { op, shape: self.shape().into() });
        }
        let cast = Op::Cast(result);
        match self.reduction.function {
            Function::Sum | Function::Prod | Function::Any | Function::All | Function::CountNonzero => {
                apply(cast, &[&self.states[0]], pool)
            }
            Function::Min | Function::Max if skips => {
                let mut builder = ProgramBuilder::new();
                let (value, n) = (builder.input(result), builder.input(DType::I64));
                let none = builder.scalar(missing(result));
                let some = builder.apply(Op::Cast(DType::Bool), &[n])?;
                let value = builder.apply(Op::Where, &[some, value, none])?;
                builder.finish(value)?.run(&self.states, &Region::whole(self.shape()), pool)
            }
            Function::Min | Function::Max => Ok(self.states[0].clone()),
            Function::ArgMin | Function::ArgMax => {
                let positions = &self.states[1];
                if positions.to_vec::<i64>()?.contains(&NOWHERE) {
                    return Err(KernelError::AllNaN { op });
                }
                Ok(positions.clone())
            }
            Function::Mean => {
                let count = Block::full(self.shape(), Scalar::I64(self.count as i64));
                let counts = self.states.get(1).unwrap_or(&count);
                let mean = apply(Op::TrueDivide, &[&self.states[0], counts], pool)?;
                apply(cast, &[&mean], pool)
            }
            Function::Var | Function::Std => {
                let mut builder = ProgramBuilder::new();
                let (squares, n) = (builder.input(DType::F64), builder.input(DType::I64));
                let ddof = builder.scalar(Scalar::F64(ddof));
                let freedom = builder.apply(Op::Subtract, &[n, ddof])?;
                // Without degrees of freedom, the result is NaN or infinite.
                let zero = builder.scalar(Scalar::F64(0.0));
                let freedom = builder.apply(Op::Maximum, &[freedom, zero])?;
                let mut value = builder.apply(Op::TrueDivide, &[squares, freedom])?;
                if skips {
                    // nanvar gives NaN there, not infinity.
                    let none = builder.scalar(Scalar::F64(f64::NAN));
                    let some = builder.apply(Op::Cast(DType::Bool), &[freedom])?;
                    value = builder.apply(Op::Where, &[some, value, none])?;
                }
                if self.reduction.function == Function::Std {
                    value = builder.apply(Op::Sqrt, &[value])?;
                }
                let value = builder.apply(cast, &[value])?;
                let count = Block::full(self.shape(), Scalar::I64(self.count as i64));
                let counts = self.states.get(2).unwrap_or(&count);
                let blocks = [self.states[1].clone(), counts.clone()];
                builder.finish(value)?.run(&blocks, &Region::whole(self.shape()), pool)
            }
        }
    }

    /// The partial result as bytes.
    ///
    /// # Errors
    /// [`KernelError::OutOfMemory`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let states: Vec<Vec<u8>> = self.states.iter().map(Block::to_bytes).collect::<Result<_>>()?;
        let mut bytes = Vec::new();
        bytes.extend(self.count.to_le_bytes());
        bytes.extend([self.reduction.function as u8, u8::from(self.reduction.skip_nan), states.len() as u8]);
        bytes.extend(<[u8; 2]>::from(crate::encode::dtype_code(self.dtype)));
        for state in states {
            bytes.extend((state.len() as u64).to_le_bytes());
            bytes.extend(state);
        }
        Ok(bytes)
    }

    /// Reads what [`Partial::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`KernelError::MalformedBlock`] if the bytes are something else.
    pub fn from_bytes(bytes: &[u8], pool: &Pool) -> Result<Self> {
        let malformed = || KernelError::MalformedBlock { problem: "they are no partial result of a reduction" };
        let (count, rest) = bytes.split_first_chunk().ok_or_else(malformed)?;
        let (&[function, skip, n_states, kind, unit], mut rest) = rest.split_first_chunk().ok_or_else(malformed)?;
        let functions = {
            use Function::*;
            [Sum, Prod, Min, Max, Any, All, ArgMin, ArgMax, Mean, Var, Std, CountNonzero]
        };
        let function = *functions.get(usize::from(function)).ok_or_else(malformed)?;
        let reduction = Reduction { function, skip_nan: skip != 0 };
        let dtype = crate::encode::dtype_of_code(kind, unit).ok_or_else(malformed)?;
        let mut states = States::new();
        for _ in 0..n_states {
            let (len, after) = rest.split_first_chunk().ok_or_else(malformed)?;
            let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| malformed())?;
            let (state, after) = after.split_at_checked(len).ok_or_else(malformed)?;
            states.push(Block::from_bytes(state, pool)?);
            rest = after;
        }
        let part = Self { reduction, dtype, count: u64::from_le_bytes(*count), states };
        if part.expected_states()? != part.states.iter().map(Block::dtype).collect::<Vec<_>>()
            || part.states.iter().any(|state| state.shape() != part.states[0].shape())
        {
            return Err(malformed());
        }
        Ok(part)
    }

    /// The dtypes of the states.
    fn expected_states(&self) -> Result<Vec<DType>> {
        let sums = match self.dtype.kind() {
            Kind::Float => DType::F64,
            Kind::Complex => DType::C128,
            _ if self.reduction.function == Function::Mean && !self.dtype.is_time() => DType::F64,
            _ => Function::Sum.plain().result_dtype(self.dtype).unwrap_or(self.dtype),
        };
        let mut states = match self.reduction.function {
            Function::Sum | Function::Prod | Function::Mean => vec![sums],
            Function::CountNonzero => vec![DType::I64],
            Function::Any | Function::All => vec![DType::Bool],
            Function::Min | Function::Max => vec![self.dtype],
            Function::ArgMin | Function::ArgMax => vec![self.dtype, DType::I64],
            Function::Var | Function::Std if sums == DType::C128 => vec![DType::C128, DType::F64],
            Function::Var | Function::Std => vec![DType::F64; 2],
        };
        self.reduction.result_dtype(self.dtype)?;
        let counted = matches!(self.reduction.function, Function::Mean | Function::Min | Function::Max);
        if self.reduction.counts(self.dtype) && counted || self.reduction.skip_nan && self.reduction.is_moment() {
            states.push(DType::I64);
        }
        Ok(states)
    }
}

/// What stands for no value: NaN or NaT.
fn missing(dtype: DType) -> Scalar {
    match dtype {
        DType::DateTime(unit) => Scalar::DateTime(crate::time::NAT, unit),
        DType::TimeDelta(unit) => Scalar::TimeDelta(crate::time::NAT, unit),
        DType::C64 => Scalar::C64(Complex::new(f32::NAN, 0.0)),
        DType::C128 => Scalar::C128(Complex::new(f64::NAN, 0.0)),
        DType::F32 => Scalar::F32(f32::NAN),
        DType::F16 => Scalar::F16(half::f16::NAN),
        _ => Scalar::F64(f64::NAN),
    }
}

/// Applies one operation to whole blocks of one shape.
pub(crate) fn apply(op: Op, blocks: &[&Block], pool: &Pool) -> Result<Block> {
    let mut builder = ProgramBuilder::new();
    let operands: Vec<Operand> = blocks.iter().map(|block| builder.input(block.dtype())).collect();
    let value = builder.apply(op, &operands)?;
    let blocks: Vec<Block> = blocks.iter().copied().cloned().collect();
    builder.finish(value)?.run(&blocks, &Region::whole(blocks[0].shape()), pool)
}
