//! Lists of positions and masks in subscripts.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Entry, Parsed, position};
use crate::array::dims_of;
use crate::chunks::AxisChunks;
use crate::kernel::Kernel;
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::{n_elements, normalize_axis};
use crate::slice::AxisSlice;
use crate::{Array, ArrayError, Chunks, Index};

/// Positions along one axis, an array of any shape.
struct Positions {
    axis: usize,
    shape: Vec<usize>,
    values: Vec<usize>,
}

impl Array {
    /// The elements at `positions` along `axis`, counted from the end if negative, in the order given.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::IndexOutOfBounds`], [`ArrayError::UnknownLength`].
    pub fn take(&self, positions: &[isize], axis: isize) -> Result<Self, ArrayError> {
        self.check()?;
        let axis = normalize_axis("take", axis, self.n_dims())?;
        let len = self.dims()[axis].ok_or(ArrayError::UnknownLength { op: "take", axis })?;
        let positions = positions.iter().map(|at| position(*at, axis, len)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.take_known(axis, positions))
    }

    /// The elements at `positions`, which are on the axis.
    fn take_known(&self, axis: usize, positions: Vec<usize>) -> Self {
        let own = &self.chunks().axes()[axis];
        let is_whole = positions.iter().enumerate().all(|(at, position)| at == *position);
        if is_whole && own.len() == Some(positions.len()) {
            return self.clone();
        }
        let mut chunks: Vec<AxisChunks> = self.chunks().axes().to_vec();
        chunks[axis] = AxisChunks::uniform(positions.len(), own.size_max().unwrap_or(1));
        let expr = Expr::Take { input: self.clone(), axis, positions: positions.into() };
        Self::from_node(expr, self.dtype(), Chunks::new(chunks))
    }

    /// The elements of `self`, of which `condition` along `axis` is true; with no axis, of the whole array in C order. A
    /// condition that is shorter than the axis is false behind its end.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::MaskShape`]; [`ArrayError::UnknownLength`] if the array has to be cut
    /// anew for it and some length is not known.
    pub fn compress(&self, condition: &Self, axis: Option<isize>) -> Result<Self, ArrayError> {
        self.check()?;
        condition.check()?;
        match axis {
            None => {
                let condition = condition.ravel()?;
                compress(&self.ravel()?.as_long_as(&condition, 0), &condition, 0)
            }
            Some(axis) => {
                let axis = normalize_axis("compress", axis, self.n_dims())?;
                compress(&self.as_long_as(condition, axis), condition, axis)
            }
        }
    }

    /// The array up to the length of a shorter `condition`.
    fn as_long_as(&self, condition: &Self, axis: usize) -> Self {
        match (condition.dims().first(), self.dims()[axis]) {
            (Some(Some(len)), Some(own)) if condition.n_dims() == 1 && *len < own => {
                let mut slices = SmallVec::from_elem(None, self.n_dims());
                slices[axis] = Some(AxisSlice { start: 0, step: 1, len: *len });
                self.sliced(slices)
            }
            _ => self.clone(),
        }
    }

    /// A copy with `value` where `mask`, over the first axes, is true.
    pub(super) fn masked_set(&self, mask: &Self, value: &Self) -> Result<Self, ArrayError> {
        let new: Vec<isize> = (mask.n_dims()..self.n_dims()).map(|axis| axis as isize).collect();
        let set = Self::where_(&mask.expand_dims(&new)?, value, self)?;
        if set.dims() != self.dims() {
            let shapes = dims_of(&[self, value]);
            return Err(ArrayError::Broadcast { op: "setitem".to_owned(), shapes, hint: String::new() });
        }
        // Cut as it was, even if the value was cut otherwise.
        if self.chunks().axes().iter().all(AxisChunks::is_known) { Ok(set.with_chunks(self.chunks())) } else { Ok(set) }
    }
}

/// The elements of `x` that the lists and masks among `entries` select; the other axes are as they are to be.
pub(super) fn select(x: &Array, entries: &[Entry<'_>]) -> Result<Array, ArrayError> {
    if let Some((axis, array)) = lazy(entries)? {
        if entries.iter().any(|entry| matches!(entry, Entry::Drop(_))) {
            return Err(mixed());
        }
        let (selected, n_given) = match array.is_mask() {
            true => (select_by_mask(x, axis, array)?, 1),
            false => (take_lazy(x, axis, array)?, array.n_dims()),
        };
        return arrange_new(&selected, entries, axis, n_given);
    }
    let lists = resolve(x, entries)?;
    let shape = common_shape(&lists)?;
    let points: Vec<Box<[usize]>> = lists.iter().map(|list| spread(list, &shape).into()).collect();
    let picked: SmallVec<[usize; 4]> = lists.iter().map(|list| list.axis).collect();
    let selected = match &points[..] {
        [one] => x.take_known(picked[0], one.to_vec()).moveaxis(picked[0] as isize, 0)?,
        _ => gather(x, &picked, &points),
    };
    // The points come first, behind them the other axes, of which those that one element is left of go.
    let others = (0..x.n_dims()).filter(|axis| !picked.contains(axis));
    let is_dropped =
        |axis: &usize| entries.iter().any(|entry| matches!(entry, Entry::Drop(dropped) if dropped == axis));
    let dropped: Vec<usize> =
        others.enumerate().filter(|(_, axis)| is_dropped(axis)).map(|(place, _)| place + 1).collect();
    let mut selected = selected.without_axes(&dropped);
    if shape.len() != 1 {
        let rest = selected.known_shape("index")?;
        let whole: Vec<usize> = shape.iter().chain(&rest[1..]).copied().collect();
        selected = selected.reshape(&whole.iter().map(|len| *len as isize).collect::<Vec<_>>())?;
    }
    arrange(&selected, entries, shape.len())
}

/// The one lazy array among `entries`, and the axis it stands at.
fn lazy<'a>(entries: &[Entry<'a>]) -> Result<Option<(usize, &'a Array)>, ArrayError> {
    let mut advanced = entries.iter().filter_map(|entry| match entry {
        Entry::Advanced(axis, index) => Some((*axis, *index)),
        _ => None,
    });
    let arrays: Vec<_> = advanced.clone().filter(|(_, index)| matches!(index, Index::Array(_))).collect();
    match (&arrays[..], advanced.nth(1)) {
        ([], _) => Ok(None),
        ([(axis, Index::Array(array))], None) => Ok(Some((*axis, array))),
        _ => Err(mixed()),
    }
}

fn mixed() -> ArrayError {
    let problem =
        "a lazy array stands beside other indices that select single positions; select in two steps, or compute it";
    ArrayError::Index { problem: problem.to_owned() }
}

/// Masks and lists as positions along single axes.
fn resolve(x: &Array, entries: &[Entry<'_>]) -> Result<Vec<Positions>, ArrayError> {
    let shape = x.known_shape("index")?;
    let mut lists = Vec::new();
    for entry in entries {
        match entry {
            Entry::Advanced(axis, Index::Ints { shape: own, values }) => {
                if n_elements(own)? != values.len() {
                    let problem = format!("{} positions are given for shape {own:?}", values.len());
                    return Err(ArrayError::Index { problem });
                }
                let values = values.iter().map(|at| position(*at, *axis, shape[*axis])).collect::<Result<_, _>>()?;
                lists.push(Positions { axis: *axis, shape: own.clone(), values });
            }
            Entry::Advanced(axis, Index::Mask { shape: own, values }) => {
                if own[..] != shape[*axis..*axis + own.len()] || n_elements(own)? != values.len() {
                    let mask = own.iter().copied().map(Some).collect();
                    return Err(ArrayError::MaskShape { mask, shape: x.dims().into_vec() });
                }
                let hits: Vec<usize> = (0..values.len()).filter(|at| values[*at]).collect();
                for (idx, _) in own.iter().enumerate() {
                    let below: usize = own[idx + 1..].iter().product();
                    let values = hits.iter().map(|at| at / below % own[idx]).collect();
                    lists.push(Positions { axis: axis + idx, shape: vec![hits.len()], values });
                }
            }
            _ => {}
        }
    }
    Ok(lists)
}

/// The shape that all lists broadcast to.
fn common_shape(lists: &[Positions]) -> Result<Vec<usize>, ArrayError> {
    let shapes: Vec<Vec<Option<usize>>> =
        lists.iter().map(|list| list.shape.iter().copied().map(Some).collect()).collect();
    let shape = crate::shape::broadcast(shapes.iter().map(|shape| &**shape));
    let shape = shape.and_then(|dims| dims.into_iter().collect::<Option<Vec<usize>>>());
    shape.ok_or(ArrayError::Broadcast { op: "index".to_owned(), shapes, hint: String::new() })
}

/// The positions of a list repeated to `shape`, in C order.
fn spread(list: &Positions, shape: &[usize]) -> Vec<usize> {
    let n: usize = shape.iter().product();
    let first = shape.len() - list.shape.len();
    let at = |flat: usize| {
        let (mut rest, mut idx, mut stride) = (flat, 0, 1);
        for (axis, len) in shape.iter().enumerate().rev() {
            let own = axis.checked_sub(first).map_or(1, |axis| list.shape[axis]);
            if own != 1 {
                idx += rest % len * stride;
            }
            stride *= own;
            rest /= len;
        }
        list.values[idx]
    };
    (0..n).map(at).collect()
}

/// The points of which `points` have the positions along `axes`: first axis the points, behind it the other axes.
///
/// They are picked from one block after the other, so that no task reads more than one, and put in order afterwards.
fn gather(x: &Array, axes: &SmallVec<[usize; 4]>, points: &[Box<[usize]>]) -> Array {
    let n_points = points[0].len();
    let own = |axis: usize| &x.chunks().axes()[axis];
    let blocks_of = |point: usize| -> SmallVec<[u32; 4]> {
        axes.iter().zip(points).map(|(axis, list)| own(*axis).block_of(list[point])).collect()
    };
    // Blocks of the result are no larger than those of the array.
    let size = axes.iter().filter_map(|axis| own(*axis).size_max()).product::<usize>().max(1);
    let mut order: Vec<usize> = (0..n_points).collect();
    order.sort_by_cached_key(|point| blocks_of(*point));
    let runs = order.chunk_by(|point, next| blocks_of(*point) == blocks_of(*next));
    let sizes: Vec<usize> = runs.flat_map(|run| run.chunks(size)).map(<[usize]>::len).collect();
    let picked: Vec<Box<[usize]>> =
        points.iter().map(|list| order.iter().map(|point| list[*point]).collect()).collect();
    let others = (0..x.n_dims()).filter(|axis| !axes.contains(axis)).map(|axis| own(axis).clone());
    let others: Vec<AxisChunks> = others.collect();
    let cut = |points| Chunks::new(std::iter::once(points).chain(others.iter().cloned()));
    let expr = Expr::Gather { input: x.clone(), points: picked.into(), axes: axes.clone() };
    let gathered = Array::from_node(expr, x.dtype(), cut(AxisChunks::from_sizes(&sizes)));
    let chunks = cut(AxisChunks::uniform(n_points, size));
    if order.is_sorted() {
        return gathered.with_chunks(&chunks);
    }
    let mut places = vec![0; n_points];
    order.iter().enumerate().for_each(|(place, point)| places[*point] = place);
    let expr = Expr::Take { input: gathered, axis: 0, positions: places.into() };
    Array::from_node(expr, x.dtype(), chunks)
}

/// The selected points, whose `n_points` axes stand first, with all axes where the subscript puts them.
fn arrange(selected: &Array, entries: &[Entry<'_>], n_points: usize) -> Result<Array, ArrayError> {
    let is_point = |entry: &Entry<'_>| matches!(entry, Entry::Advanced(..) | Entry::Drop(_));
    let first = entries.iter().position(is_point).unwrap_or(0);
    let last = entries.iter().rposition(is_point).unwrap_or(0);
    let are_neighbours = entries[first..=last].iter().all(is_point);
    let n_before = entries[..first].iter().filter(|entry| matches!(entry, Entry::Keep)).count();
    let place = if are_neighbours { n_before } else { 0 };
    let n_dims = selected.n_dims();
    let rest: Vec<usize> = (n_points..n_dims).collect();
    let order = rest[..place].iter().copied().chain(0..n_points).chain(rest[place..].iter().copied());
    let order: Vec<isize> = order.map(|axis| axis as isize).collect();
    let arranged = selected.transpose(Some(&order))?;
    // New axes count where they stand among all that is kept; points are there as a whole.
    let mut at = if are_neighbours { 0 } else { n_points };
    let mut new = Vec::new();
    for (idx, entry) in entries.iter().enumerate() {
        if are_neighbours && idx == first {
            at += n_points;
        }
        match entry {
            Entry::New => {
                new.push(at as isize);
                at += 1;
            }
            Entry::Keep => at += 1,
            Entry::Advanced(..) | Entry::Drop(_) | Entry::Gap => {}
        }
    }
    arranged.expand_dims(&new)
}

/// New axes around what a lazy array selected, which has `n_given` axes in place of the entry at `axis`.
fn arrange_new(selected: &Array, entries: &[Entry<'_>], axis: usize, n_given: usize) -> Result<Array, ArrayError> {
    let mut at = 0;
    let mut new = Vec::new();
    for entry in entries {
        match entry {
            Entry::New => {
                new.push(at as isize);
                at += 1;
            }
            Entry::Advanced(own, _) if *own == axis => at += n_given,
            Entry::Gap => {}
            _ => at += 1,
        }
    }
    selected.expand_dims(&new)
}

/// Fails unless `mask` has the lengths of the axes of `x` from `axis` on.
pub(super) fn check_mask(mask: &Array, x: &Array, axis: usize) -> Result<(), ArrayError> {
    mask.check()?;
    let (own, dims) = (mask.dims(), x.dims());
    if axis + own.len() <= dims.len() && own[..] == dims[axis..axis + own.len()] {
        return Ok(());
    }
    Err(ArrayError::MaskShape { mask: own.into_vec(), shape: dims.into_vec() })
}

/// What a lazy mask over some axes selects, in place of these axes.
fn select_by_mask(x: &Array, axis: usize, mask: &Array) -> Result<Array, ArrayError> {
    check_mask(mask, x, axis)?;
    if mask.n_dims() == 0 {
        return compress(&x.expand_dims(&[0])?, &mask.expand_dims(&[0])?, 0);
    }
    if mask.n_dims() == 1 {
        return compress(x, mask, axis);
    }
    // Several axes as one, so that the elements come in C order.
    let shape = x.known_shape("index")?;
    let n_mask: usize = n_elements(&shape[axis..axis + mask.n_dims()])?;
    let joined: Vec<isize> = shape[..axis]
        .iter()
        .chain(std::iter::once(&n_mask))
        .chain(&shape[axis + mask.n_dims()..])
        .map(|len| *len as isize)
        .collect();
    compress(&x.reshape(&joined)?, &mask.ravel()?, axis)
}

/// The elements along `axis` where the one-dimensional `mask`, which is as long, is true.
fn compress(x: &Array, mask: &Array, axis: usize) -> Result<Array, ArrayError> {
    let fits = mask.n_dims() == 1 && (mask.dims()[0] == x.dims()[axis]);
    if !fits {
        return Err(ArrayError::MaskShape { mask: mask.dims().into_vec(), shape: x.dims().into_vec() });
    }
    let mut own = x.chunks().axes().to_vec();
    let common = crate::chunks::common(&own[axis], &mask.chunks().axes()[0]);
    own[axis] = common.ok_or(ArrayError::UnknownLength { op: "index", axis })?;
    let mask = mask.with_chunks(&Chunks::new([own[axis].clone()]));
    let n_blocks = own[axis].n_blocks();
    let x = x.with_chunks(&Chunks::new(own.clone()));
    own[axis] = AxisChunks::unknown(n_blocks);
    let operands =
        vec![Operand::same(x.clone()), Operand { array: mask, axes: SmallVec::from_elem(OperandAxis::Out(axis), 1) }];
    let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Compress { axis }), operands };
    Ok(Array::from_node(expr, x.dtype(), Chunks::new(own)))
}

/// The elements along `axis` at the positions that a lazy array holds.
fn take_lazy(x: &Array, axis: usize, positions: &Array) -> Result<Array, ArrayError> {
    positions.check()?;
    if !positions.dtype().is_integer() {
        let problem = format!("an array of {} is no index: it takes integers or booleans", positions.dtype());
        return Err(ArrayError::Index { problem });
    }
    let n_given = positions.n_dims();
    let own = x.chunks().axes();
    let chunks = own[..axis].iter().chain(positions.chunks().axes()).chain(&own[axis + 1..]);
    let chunks = Chunks::new(chunks.cloned());
    let of_x = (0..x.n_dims()).map(|idx| match idx.cmp(&axis) {
        std::cmp::Ordering::Less => OperandAxis::Out(idx),
        std::cmp::Ordering::Equal => OperandAxis::All,
        std::cmp::Ordering::Greater => OperandAxis::Out(idx + n_given - 1),
    });
    let operands = vec![
        Operand { array: x.clone(), axes: of_x.collect() },
        Operand { array: positions.clone(), axes: (axis..axis + n_given).map(OperandAxis::Out).collect() },
    ];
    let expr = Expr::Blockwise { kernel: Arc::new(Kernel::TakeLazy { axis }), operands };
    Ok(Array::from_node(expr, x.dtype(), chunks))
}

/// A copy of `x` with `value` at the positions of the one list of a subscript.
pub(super) fn set(x: &Array, parsed: &Parsed<'_>, value: &Array) -> Result<Array, ArrayError> {
    let only_lists = || ArrayError::Index {
        problem: "an assignment takes slices and one list of positions, or one mask; assign in several steps"
            .to_owned(),
    };
    let part = x.sliced(parsed.slices.clone());
    let has_other = parsed.entries.iter().any(|entry| matches!(entry, Entry::Drop(_) | Entry::New));
    if has_other || lazy(&parsed.entries)?.is_some() {
        return Err(only_lists());
    }
    let lists = resolve(&part, &parsed.entries)?;
    let [list] = &lists[..] else { return Err(only_lists()) };
    if list.shape.len() != 1 {
        return Err(only_lists());
    }
    let mut shape = part.known_shape("setitem")?;
    let len = shape[list.axis];
    shape[list.axis] = list.values.len();
    let value = value.broadcast_to(&shape, None)?;
    if list.values.is_empty() {
        return Ok(x.clone());
    }
    // For each position along the axis whether it is set, and by which of the values; the last one counts.
    let (mut is_set, mut source) = (vec![false; len], vec![0; len]);
    for (at, position) in list.values.iter().enumerate() {
        (is_set[*position], source[*position]) = (true, at);
    }
    let trailing: Vec<isize> = (1..(part.n_dims() - list.axis) as isize).collect();
    let mask = Array::from_vec(&[len], is_set)?.expand_dims(&trailing)?;
    let set = Array::where_(&mask, value.take_known(list.axis, source), &part)?;
    Ok(x.placed(&parsed.slices, &set))
}
