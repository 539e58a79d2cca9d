//! Diagonals and triangles of matrices, and products of them.

use std::collections::BTreeSet;

use dolmen_kernels::{DType, Op, Scalar, promote};

use crate::chunks::AxisSpec;
use crate::formula::{Formula, Step};
use crate::linalg::{Contraction, contracted};
use crate::shape::normalize_axes;
use crate::{Array, ArrayError, ChunkSpec, Index, Reduce};

/// The steps that tell whether the column of an element is `op` its row and `k`.
fn compared(op: Op, n_dims: usize, k: i64, steps: &mut Vec<Step>) -> u32 {
    let at = steps.len() as u32;
    steps.push(Step::Index { axis: n_dims as u32 - 1, start: 0, step: 1 });
    steps.push(Step::Index { axis: n_dims as u32 - 2, start: k, step: 1 });
    steps.push(Step::Apply { op, args: [at, at + 1].into_iter().collect() });
    at + 2
}

impl Array {
    /// NumPy's `tri`: ones on and below the `k`-th diagonal of `n` rows and `m` columns, and zeros above.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn tri(n: usize, m: usize, k: i64, dtype: DType, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        let mut steps = Vec::new();
        compared(Op::LessEqual, 2, k, &mut steps);
        Self::generated(&[n, m], Formula { steps }, DType::Bool, chunks)?.astype(dtype)
    }

    /// NumPy's `tril`: zeros above the `k`-th diagonal of the last two axes; a vector is each row of a square.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] without axes; [`ArrayError::UnknownLength`] of a vector.
    pub fn tril(&self, k: i64) -> Result<Self, ArrayError> {
        self.triangle("tril", Op::LessEqual, k)
    }

    /// NumPy's `triu`: zeros below the `k`-th diagonal of the last two axes; a vector is each row of a square.
    ///
    /// # Errors
    /// As [`tril`](Self::tril).
    pub fn triu(&self, k: i64) -> Result<Self, ArrayError> {
        self.triangle("triu", Op::GreaterEqual, k)
    }

    fn triangle(&self, name: &'static str, op: Op, k: i64) -> Result<Self, ArrayError> {
        self.check()?;
        let (n_dims, expected) = (self.n_dims(), "at least one axis");
        if n_dims == 0 {
            return Err(ArrayError::WrongRank { op: name, expected, n_dims });
        }
        if n_dims == 1 {
            // As often as it is long, as NumPy has it.
            let n = self.known_shape(name)?[0];
            return self.broadcast_to(&[n, n], None)?.triangle(name, op, k);
        }
        let mut steps = vec![Step::Input(0)];
        let kept = compared(op, n_dims, k, &mut steps);
        steps.push(Step::Strong(Scalar::zero(self.dtype())));
        steps.push(Step::Apply { op: Op::Where, args: [kept, 0, kept + 1].into_iter().collect() });
        Self::from_formula(name, Formula { steps }, std::slice::from_ref(self), self.dtype())
    }

    /// NumPy's `diag`: the matrix whose `k`-th diagonal a vector is, or the diagonal of a matrix.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] for another number of axes than one or two; [`ArrayError::UnknownLength`].
    pub fn diag(&self, k: isize) -> Result<Self, ArrayError> {
        let op = "diag";
        if self.n_dims() == 2 {
            return self.diagonal(k, [0, 1]);
        }
        let [len] = self.known_shape(op)?[..] else {
            return Err(ArrayError::WrongRank { op, expected: "one axis or two", n_dims: self.n_dims() });
        };
        let above = k.unsigned_abs();
        let size = len.checked_add(above).ok_or(ArrayError::TooLarge { shape: vec![len, above] })?;
        // Along the rows above the main diagonal, along the columns below it: so the vector starts at the edge.
        let lined = self.pad(&[(0, above)], crate::PadMode::Constant(dolmen_kernels::WeakScalar::Int(0)))?;
        let lined = lined.expand_dims(&[isize::from(k >= 0)])?;
        let own = lined.chunks().axes()[usize::from(k < 0)].sizes().unwrap_or_else(|| vec![size]);
        // Long pieces would make a square that is too large for a block.
        let side_max = (self.node.block_bytes / self.dtype().size_bytes()).isqrt().max(1);
        let cut = match own.iter().max() {
            _ if size == 0 => AxisSpec::Full,
            Some(longest) if *longest > side_max => AxisSpec::Size(side_max),
            _ => AxisSpec::Sizes(own),
        };
        let chunks = ChunkSpec::PerAxis(vec![cut.clone(), cut]);
        let mut steps = Vec::new();
        compared(Op::Equal, 2, k as i64, &mut steps);
        let is_on = Self::generated(&[size, size], Formula { steps }, DType::Bool, chunks)?;
        Self::where_(is_on, lined, Scalar::zero(self.dtype()))
    }

    /// NumPy's `diagonal`: the elements whose position along the second of two axes is that along the first plus `offset`; they are
    /// the last axis of the result.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] for fewer than two axes; [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`],
    /// [`ArrayError::UnknownLength`].
    pub fn diagonal(&self, offset: isize, axes: [isize; 2]) -> Result<Self, ArrayError> {
        let op = "diagonal";
        let (shape, n_dims) = (self.known_shape(op)?, self.n_dims());
        if n_dims < 2 {
            return Err(ArrayError::WrongRank { op, expected: "at least two axes", n_dims });
        }
        let found = normalize_axes(op, Some(&axes), n_dims)?;
        let others = (0..n_dims).filter(|axis| !found.contains(axis));
        let order: Vec<isize> = others.chain(found.iter().copied()).map(|axis| axis as isize).collect();
        let (rows, columns) = (shape[found[0]] as isize, shape[found[1]] as isize);
        let (row, column) = ((-offset).max(0), offset.max(0));
        let len = (rows.saturating_sub(row)).min(columns.saturating_sub(column)).max(0);
        let points = |first: isize| Index::from((first..first + len).collect::<Vec<isize>>());
        self.transpose(Some(&order))?.index(&[Index::Ellipsis, points(row), points(column)])
    }

    /// NumPy's `trace`: the sum of a [`diagonal`](Self::diagonal).
    ///
    /// # Errors
    /// As there, and those of [`Array::reduce`].
    pub fn trace(&self, offset: isize, axes: [isize; 2]) -> Result<Self, ArrayError> {
        self.diagonal(offset, axes)?.sum(&Reduce::axis(-1))
    }

    /// NumPy's `kron`: the product of each element with the whole other array, in its place.
    ///
    /// # Errors
    /// [`ArrayError::UnknownLength`], [`ArrayError::TooLarge`]; [`ArrayError::Kernel`] if no dtype holds both.
    pub fn kron(&self, other: &Self) -> Result<Self, ArrayError> {
        let op = "kron";
        let n_dims = self.n_dims().max(other.n_dims());
        let (a, b) = (self.at_least(n_dims)?, other.at_least(n_dims)?);
        let n_dims = n_dims as isize;
        let shape = a.known_shape(op)?.into_iter().zip(b.known_shape(op)?);
        let shape: Option<Vec<isize>> = shape.map(|(a, b)| isize::try_from(a.checked_mul(b)?).ok()).collect();
        let shape = shape.ok_or(ArrayError::TooLarge { shape: a.known_shape(op)? })?;
        let a = a.expand_dims(&(0..n_dims).map(|axis| 2 * axis + 1).collect::<Vec<_>>())?;
        let b = b.expand_dims(&(0..n_dims).map(|axis| 2 * axis).collect::<Vec<_>>())?;
        a.multiply(&b)?.reshape(&shape)
    }

    /// NumPy's `einsum`: products summed over the axes whose letters are not those of the result, `"ij,jk->ik"`. Without an arrow
    /// the result has the letters that stand once, in the order of the alphabet; `...` are axes that broadcast.
    ///
    /// Operands are multiplied from left to right, two at a time.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for subscripts that cannot be read or do not fit the operands; [`ArrayError::ShapeMismatch`] for axes
    /// of one letter and different lengths; [`ArrayError::Kernel`] if no dtype holds all.
    pub fn einsum(subscripts: &str, operands: &[Self]) -> Result<Self, ArrayError> {
        let (mut labelled, result) = read_subscripts(subscripts, operands)?;
        let mut dtype = operands[0].dtype();
        for operand in operands {
            dtype = promote(dtype, operand.dtype())?;
        }
        for operand in &mut labelled {
            operand.array = operand.array.astype(dtype)?;
            operand.only_once()?;
        }
        // There is at least one.
        let mut product = labelled.remove(0);
        while !labelled.is_empty() {
            let mut next = labelled.remove(0);
            let later: BTreeSet<char> =
                labelled.iter().flat_map(|operand| &operand.labels).chain(&result).copied().collect();
            product.sum_but(|label| later.contains(&label) || next.labels.contains(&label))?;
            next.sum_but(|label| later.contains(&label) || product.labels.contains(&label))?;
            product = product.times(&next, &later)?;
        }
        product.sum_but(|label| result.contains(&label))?;
        let place = |label: &char| product.labels.iter().position(|own| own == label);
        let order: Option<Vec<isize>> = result.iter().map(|label| place(label).map(|axis| axis as isize)).collect();
        let order = order.ok_or_else(|| bad_subscripts("name an axis of the result that no operand has"))?;
        product.array.transpose(Some(&order))
    }
}

/// An operand of `einsum`: a letter for each axis.
struct Labelled {
    array: Array,
    labels: Vec<char>,
}

impl Labelled {
    /// Takes the diagonal where a letter stands twice.
    fn only_once(&mut self) -> Result<(), ArrayError> {
        let twice = |labels: &[char]| {
            (0..labels.len())
                .find_map(|second| Some((labels[..second].iter().position(|l| *l == labels[second])?, second)))
        };
        while let Some((first, second)) = twice(&self.labels) {
            let shape = self.array.known_shape("einsum")?;
            if shape[first] != shape[second] {
                return Err(differs(self.labels[first], &[&self.array]));
            }
            self.array = self.array.diagonal(0, [first as isize, second as isize])?;
            let label = self.labels.remove(second);
            self.labels.remove(first);
            self.labels.push(label);
        }
        Ok(())
    }

    /// Sums over the axes whose letters are not kept.
    fn sum_but(&mut self, keeps: impl Fn(char) -> bool) -> Result<(), ArrayError> {
        let axes: Vec<isize> =
            (0..self.labels.len()).filter(|axis| !keeps(self.labels[*axis])).map(|axis| axis as isize).collect();
        if !axes.is_empty() {
            let options = Reduce::over(&axes);
            self.array = match self.array.dtype() {
                DType::Bool => self.array.any(&options)?,
                dtype => self.array.sum(&options.dtype(dtype))?,
            };
            self.labels.retain(|label| keeps(*label));
        }
        Ok(())
    }

    /// The product, summed over what both have and nothing later needs.
    fn times(&self, other: &Self, later: &BTreeSet<char>) -> Result<Self, ArrayError> {
        let (mut batch, mut summed) = (Vec::new(), Vec::new());
        let (mut a, mut b) = (self.array.clone(), other.array.clone());
        for (axis, label) in self.labels.iter().enumerate() {
            let Some(theirs) = other.labels.iter().position(|other| other == label) else { continue };
            let (own_len, other_len) = (a.known_shape("einsum")?[axis], b.known_shape("einsum")?[theirs]);
            // An axis of length 1 is repeated, as when arrays are multiplied.
            if own_len != other_len {
                let widened = |array: &Array, axis: usize, len: usize| {
                    let mut shape = array.known_shape("einsum")?;
                    shape[axis] = len;
                    array.broadcast_to(&shape, None)
                };
                match (own_len, other_len) {
                    (1, len) => a = widened(&a, axis, len)?,
                    (len, 1) => b = widened(&b, theirs, len)?,
                    _ => return Err(differs(*label, &[&a, &b])),
                }
            }
            if later.contains(label) { &mut batch } else { &mut summed }.push((axis, theirs));
        }
        let free = |labels: &[char], others: &[char]| -> Vec<usize> {
            (0..labels.len()).filter(|axis| !others.contains(&labels[*axis])).collect()
        };
        let (free_a, free_b) = (free(&self.labels, &other.labels), free(&other.labels, &self.labels));
        let labels = batch.iter().map(|(axis, _)| self.labels[*axis]);
        let labels = labels.chain(free_a.iter().map(|axis| self.labels[*axis]));
        let labels: Vec<char> = labels.chain(free_b.iter().map(|axis| other.labels[*axis])).collect();
        let own = batch.iter().map(|(axis, _)| *axis).chain(free_a).chain(summed.iter().map(|(axis, _)| *axis));
        let theirs = batch.iter().chain(&summed).map(|(_, axis)| *axis).chain(free_b);
        let spec = Contraction {
            order_a: own.collect(),
            order_b: theirs.collect(),
            n_batch: batch.len(),
            n_contracted: summed.len(),
        };
        Ok(Self { array: contracted("einsum", &a, &b, &spec)?, labels })
    }
}

fn bad_subscripts(problem: &str) -> ArrayError {
    ArrayError::Argument { op: "einsum", argument: "subscripts", problem: problem.to_owned() }
}

fn differs(label: char, arrays: &[&Array]) -> ArrayError {
    let expected = format!("axes of the letter {label} must be of equal length");
    ArrayError::ShapeMismatch { op: "einsum", shapes: crate::array::dims_of(arrays), expected }
}

/// The operands with their letters, and those of the result. Axes of `...` have digits, counted from the last.
fn read_subscripts(text: &str, operands: &[Array]) -> Result<(Vec<Labelled>, Vec<char>), ArrayError> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (&*text, None),
    };
    let terms: Vec<&str> = inputs.split(',').collect();
    if terms.len() != operands.len() || operands.is_empty() {
        let problem = format!("name {} operands, {} are given", terms.len(), operands.len());
        return Err(bad_subscripts(&problem));
    }
    let wide = |n: usize| -> Result<Vec<char>, ArrayError> {
        let digit =
            |at: usize| char::from_digit(at as u32, 10).ok_or_else(|| bad_subscripts("leave more than 10 axes to ..."));
        (0..n).rev().map(digit).collect()
    };
    let letters = |term: &str, n_wide: usize| -> Result<Vec<char>, ArrayError> {
        let (before, after) = match term.split_once("...") {
            Some((before, after)) => (before, Some(after)),
            None => (term, None),
        };
        let mut labels: Vec<char> = before.chars().collect();
        if let Some(after) = after {
            labels.extend(wide(n_wide)?);
            labels.extend(after.chars());
        }
        match before.chars().chain(after.unwrap_or("").chars()).find(|c| !c.is_ascii_alphabetic()) {
            Some(other) => Err(bad_subscripts(&format!("hold `{other}`, where a letter should be"))),
            None => Ok(labels),
        }
    };
    let mut labelled = Vec::with_capacity(operands.len());
    let mut n_wide_max = 0;
    for (term, array) in terms.iter().zip(operands) {
        array.check()?;
        let n_letters = term.replace("...", "").chars().count();
        let n_wide = array.n_dims().checked_sub(n_letters).filter(|n| term.contains("...") || *n == 0);
        let Some(n_wide) = n_wide else {
            return Err(bad_subscripts(&format!("`{term}` does not fit an array of {} axes", array.n_dims())));
        };
        n_wide_max = n_wide_max.max(n_wide);
        labelled.push(Labelled { array: array.clone(), labels: letters(term, n_wide)? });
    }
    let result = match output {
        Some(output) => letters(output, n_wide_max)?,
        None => {
            let all: Vec<char> = labelled.iter().flat_map(|operand| operand.labels.iter().copied()).collect();
            let once = |label: &char| all.iter().filter(|other| *other == label).count() == 1;
            let mut own: Vec<char> = all.iter().copied().filter(|label| label.is_alphabetic() && once(label)).collect();
            own.sort_unstable();
            wide(n_wide_max)?.into_iter().chain(own).collect()
        }
    };
    let distinct: BTreeSet<char> = result.iter().copied().collect();
    if distinct.len() != result.len() {
        return Err(bad_subscripts("name an axis of the result twice"));
    }
    Ok((labelled, result))
}
