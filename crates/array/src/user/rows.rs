//! Functions of the user on rows along an axis, and on parts of arrays by a signature.

use dolmen_kernels::{Block, DType, Element, Pool};

use super::{BlockError, BlockFn, BlockInfo};
use crate::chunks::AxisChunks;
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::normalize_axis;
use crate::{Array, ArrayError, Chunks};

impl Array {
    /// NumPy's `apply_along_axis`: what `function` makes of each row of elements along `axis`, which is put into one block; each
    /// time `len` elements, by which the row is replaced.
    ///
    /// ```
    /// # use dolmen_array::{Array, ChunkSpec};
    /// let x = Array::arange(0, 12, 1, None, ChunkSpec::Auto)?.reshape(&[3, 4])?;
    /// // The first and the last element of each row.
    /// let ends = x.apply_along_axis("ends", 1, 2, |row: &[i64]| vec![row[0], row[row.len() - 1]])?;
    /// assert_eq!(ends.shape()?, [3, 2]);
    /// # Ok::<(), dolmen_array::ArrayError>(())
    /// ```
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`]; [`ArrayError::WrongDType`] if the elements are no `T`. Another number of elements than
    /// `len` is an error of the run.
    pub fn apply_along_axis<T, U, F>(
        &self,
        name: &str,
        axis: isize,
        len: usize,
        function: F,
    ) -> Result<Self, ArrayError>
    where
        T: Element + Clone,
        U: Element,
        F: Fn(&[T]) -> Vec<U> + Send + Sync + 'static,
    {
        self.check()?;
        let axis = normalize_axis("apply_along_axis", axis, self.n_dims())?;
        if self.dtype().storage() != T::DTYPE {
            return Err(ArrayError::WrongDType { expected: T::DTYPE, actual: self.dtype() });
        }
        let pool = Pool::new(0);
        let of_rows = move |blocks: &[Block], _: &BlockInfo| -> Result<Block, BlockError> {
            let block = &blocks[0];
            let mut order: Vec<usize> = (0..block.ndim()).filter(|other| *other != axis).collect();
            order.push(axis);
            let rows = block.transpose(&order)?.to_contiguous(&pool)?;
            let mut shape = rows.shape().to_vec();
            let own = std::mem::replace(&mut shape[block.ndim() - 1], len);
            let elements = rows.as_slice::<T>()?.unwrap_or_default();
            let mut made = Vec::with_capacity(elements.len() / own.max(1) * len);
            for row in elements.chunks_exact(own.max(1)) {
                let row = function(row);
                if row.len() != len {
                    return Err(format!("the function made {} elements of a row, not {len}", row.len()).into());
                }
                made.extend(row);
            }
            let mut back: Vec<usize> = (0..block.ndim() - 1).collect();
            back.insert(axis, block.ndim() - 1);
            Ok(Block::from_vec(&shape, made)?.transpose(&back)?)
        };
        let x = self.whole_along(axis);
        let mut chunks = x.chunks().axes().to_vec();
        chunks[axis] = AxisChunks::single(len);
        let mut operand = Operand::same(x);
        operand.axes[axis] = OperandAxis::All;
        let expr =
            Expr::Function { function: BlockFn::local(name, of_rows), operands: vec![operand], others: Vec::new() };
        Ok(Self::from_node(expr, U::DTYPE, Chunks::new(chunks)))
    }

    /// Dask's `apply_gufunc`: what `function` makes of parts of arrays, by a signature such as `(i,j),(j)->(i)`. The axes that
    /// it names are the last ones of each array, and there as a whole; blocks along the others meet as they are. `new_sizes` are
    /// the lengths of axes that only the result has.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for a signature that is none or does not fit the arrays, or has several results; those of
    /// [`blockwise`](Self::blockwise).
    pub fn apply_gufunc(
        function: BlockFn,
        signature: &str,
        inputs: &[&Self],
        new_sizes: &[(&str, usize)],
        dtype: DType,
    ) -> Result<Self, ArrayError> {
        let [made] = <[Self; 1]>::try_from(Self::apply_gufunc_many(function, signature, inputs, new_sizes, &[dtype])?)
            .unwrap_or_else(|_| unreachable!("there are as many results as dtypes"));
        Ok(made)
    }

    /// As [`apply_gufunc`](Self::apply_gufunc), of several results of a function that is called once for all of them: by a
    /// signature such as `(i)->(),()`, with a dtype for each result. The function is told about the first one.
    ///
    /// ```
    /// # use dolmen_array::{Array, BlockError, BlockFn, BlockInfo, ChunkSpec};
    /// # use dolmen_kernels::{Block, DType};
    /// /// The least and the greatest element of each row.
    /// fn ends(blocks: &[Block], _: &BlockInfo) -> Result<Vec<Block>, BlockError> {
    ///     let rows = blocks[0].view::<f64>()?;
    ///     let of = |pick: fn(f64, f64) -> f64, from: f64| {
    ///         let ends = rows.rows().into_iter().map(|row| row.iter().copied().fold(from, pick)).collect();
    ///         Block::from_vec(&blocks[0].shape()[..1], ends)
    ///     };
    ///     Ok(vec![of(f64::min, f64::INFINITY)?, of(f64::max, f64::NEG_INFINITY)?])
    /// }
    /// let x = Array::ones(&[4, 6], DType::F64, 2)?;
    /// let both = Array::apply_gufunc_many(BlockFn::local("ends", ends), "(i)->(),()", &[&x], &[], &[DType::F64; 2])?;
    /// assert_eq!((both.len(), both[1].shape()?), (2, vec![4]));
    /// # Ok::<(), dolmen_array::ArrayError>(())
    /// ```
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for a signature that is none or does not fit the arrays and dtypes; those of
    /// [`blockwise`](Self::blockwise). Other blocks than were announced are an error of the run.
    pub fn apply_gufunc_many(
        function: BlockFn,
        signature: &str,
        inputs: &[&Self],
        new_sizes: &[(&str, usize)],
        dtypes: &[DType],
    ) -> Result<Vec<Self>, ArrayError> {
        let op = "apply_gufunc";
        let bad = |problem: &str| ArrayError::Argument {
            op,
            argument: "signature",
            problem: format!("is `{signature}`: {problem}"),
        };
        let (given, made) = signature.split_once("->").ok_or_else(|| bad("it has the form `(i,j),(j)->(i)`"))?;
        let given = core_axes(given).ok_or_else(|| bad("an argument is no list of names in brackets"))?;
        let made = core_axes(made).ok_or_else(|| bad("a result is no list of names in brackets"))?;
        if made.is_empty() || made.len() != dtypes.len() {
            return Err(bad(&format!("it has {} results, for {} dtypes", made.len(), dtypes.len())));
        }
        if given.len() != inputs.len() {
            return Err(bad(&format!("{} arrays are given", inputs.len())));
        }
        let mut names: Vec<String> = Vec::new();
        let mut label = |name: &String| {
            let known = names.iter().position(|other| other == name);
            known.unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            }) as u32
        };
        // Axes that are not named are counted from the last one, behind all labels of names.
        const LOOP: u32 = 1 << 16;
        let mut n_loop = 0;
        let mut operands = Vec::new();
        for (array, core) in inputs.iter().zip(&given) {
            array.check()?;
            let Some(own) = array.n_dims().checked_sub(core.len()) else {
                return Err(bad(&format!("an array of {} axes has not as many", array.n_dims())));
            };
            n_loop = n_loop.max(own);
            let labels = (0..own).map(|axis| LOOP + (own - 1 - axis) as u32).chain(core.iter().map(&mut label));
            let labels: Vec<u32> = labels.collect();
            let mut chunks = array.chunks().axes().to_vec();
            for (axis, name) in (own..).zip(core) {
                // What a result has as well is one block; anything else is joined where it is read.
                if made.iter().any(|made| made.contains(name)) {
                    let len = chunks[axis].len().ok_or(ArrayError::UnknownLength { op, axis })?;
                    chunks[axis] = AxisChunks::single(len);
                }
            }
            operands.push((array.with_chunks(&Chunks::new(chunks)), labels));
        }
        let mut outs: Vec<Vec<u32>> = Vec::with_capacity(made.len());
        for made in &made {
            let out = (0..n_loop).map(|axis| LOOP + (n_loop - 1 - axis) as u32).chain(made.iter().map(&mut label));
            outs.push(out.collect());
        }
        let new: Vec<(u32, Vec<usize>)> =
            new_sizes.iter().map(|(name, size)| (label(&(*name).to_owned()), vec![*size])).collect();
        let operands: Vec<(&Self, &[u32])> = operands.iter().map(|(array, labels)| (array, &labels[..])).collect();
        let outs: Vec<(&[u32], DType)> = outs.iter().map(|out| &out[..]).zip(dtypes.iter().copied()).collect();
        Self::blockwise_many(function, &outs, &operands, &new)
    }
}

/// The names in each pair of brackets: `(i,j),(j)`.
fn core_axes(text: &str) -> Option<Vec<Vec<String>>> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut groups = Vec::new();
    let mut rest = &text[..];
    while !rest.is_empty() {
        let (group, behind) = rest.strip_prefix('(')?.split_once(')')?;
        let names: Vec<String> = group.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if !names.iter().all(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_')) {
            return None;
        }
        groups.push(names);
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    Some(groups)
}
