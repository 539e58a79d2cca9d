//! Reductions.

use dolmen_kernels::{DType, Function, Kind, Reduction};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::formula::{Formula, Step};
use crate::node::{Expr, Operand};
use crate::shape::normalize_axes;
use crate::{Array, ArrayError, Chunks};

/// Over which axes to reduce, and how.
///
/// ```
/// # use dolmen_array::{Array, Reduce};
/// # use dolmen_kernels::{DType, Function, Reduction};
/// let x = Array::ones(&[4, 6], DType::F32, 2)?;
/// assert_eq!(x.sum(&Reduce::all())?.shape()?, [0_usize; 0]);
/// assert_eq!(x.mean(&Reduce::axis(-1).keepdims())?.shape()?, [4, 1]);
/// # Ok::<(), dolmen_array::ArrayError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reduce {
    /// The axes, counted from the end if negative; all of them for `None`.
    pub axes: Option<Vec<isize>>,
    /// Whether reduced axes stay, with length 1.
    pub keepdims: bool,
    /// The dtype to compute in, where NumPy's function has one.
    pub dtype: Option<DType>,
    /// What is taken off the count of elements by `var` and `std`.
    pub ddof: f64,
    /// How many partial results a task combines; chosen by their bytes for `None`.
    pub split_every: Option<u32>,
}

impl Reduce {
    /// Over all axes.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Over one axis.
    #[must_use]
    pub fn axis(axis: isize) -> Self {
        Self::over(&[axis])
    }

    /// Over some axes.
    #[must_use]
    pub fn over(axes: &[isize]) -> Self {
        Self { axes: Some(axes.to_vec()), ..Self::default() }
    }

    /// Reduced axes stay, with length 1.
    #[must_use]
    pub fn keepdims(self) -> Self {
        Self { keepdims: true, ..self }
    }

    /// Computes in `dtype`.
    #[must_use]
    pub fn dtype(self, dtype: DType) -> Self {
        Self { dtype: Some(dtype), ..self }
    }

    /// Takes `ddof` off the count of elements, in `var` and `std`.
    #[must_use]
    pub fn ddof(self, ddof: f64) -> Self {
        Self { ddof, ..self }
    }

    /// Combines so many partial results in a task, at least 2.
    #[must_use]
    pub fn split_every(self, n: u32) -> Self {
        Self { split_every: Some(n.max(2)), ..self }
    }
}

/// What a reduction does, apart from what it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) reduction: Reduction,
    pub(crate) axes: SmallVec<[usize; 4]>,
    pub(crate) ddof: f64,
    pub(crate) split_every: Option<u32>,
}

/// A formula, reduced. Reduced axes are of length 1.
#[derive(Debug, Clone)]
pub(crate) struct Reduced {
    pub(crate) formula: Formula,
    pub(crate) operands: Vec<Operand>,
    /// The chunks of what the formula makes.
    pub(crate) chunks: Chunks,
    pub(crate) spec: Spec,
}

impl Reduced {
    pub(crate) fn name(&self) -> &'static str {
        self.spec.reduction.name()
    }

    pub(crate) fn axes(&self) -> &[usize] {
        &self.spec.axes
    }
}

macro_rules! reductions {
    ($($name:ident $function:ident $form:ident)*) => {
        impl Array {
            $(
                #[doc = concat!("NumPy's `", stringify!($name), "` over some axes.")]
                ///
                /// # Errors
                /// Those of [`Array::reduce`].
                pub fn $name(&self, options: &Reduce) -> Result<Self, ArrayError> {
                    self.reduce(Function::$function.$form(), options)
                }
            )*
        }
    };
}

reductions! {
    sum Sum plain
    prod Prod plain
    min Min plain
    max Max plain
    any Any plain
    all All plain
    argmin ArgMin plain
    argmax ArgMax plain
    mean Mean plain
    var Var plain
    std Std plain
    count_nonzero CountNonzero plain
    nansum Sum skipping_nan
    nanprod Prod skipping_nan
    nanmin Min skipping_nan
    nanmax Max skipping_nan
    nanargmin ArgMin skipping_nan
    nanargmax ArgMax skipping_nan
    nanmean Mean skipping_nan
    nanvar Var skipping_nan
    nanstd Std skipping_nan
}

impl Array {
    /// NumPy's reduction `reduction` over some axes. Every named one is this, so that whoever has the reduction as a value
    /// needs no other.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`]; [`ArrayError::EmptyReduction`] for an extreme of no
    /// elements; [`ArrayError::Argument`] for positions over some but not all of several axes; [`ArrayError::Kernel`] if
    /// it is not defined for the dtype.
    pub fn reduce(&self, reduction: Reduction, options: &Reduce) -> Result<Self, ArrayError> {
        self.check()?;
        let op = reduction.name();
        let axes = normalize_axes(op, options.axes.as_deref(), self.n_dims())?;
        let is_position = matches!(reduction.function, Function::ArgMin | Function::ArgMax);
        if is_position && axes.len() != 1 && axes.len() != self.n_dims() {
            let problem = format!("names {} axes: a position is along one axis, or among all elements", axes.len());
            return Err(ArrayError::Argument { op, argument: "axis", problem });
        }
        if is_position || matches!(reduction.function, Function::Min | Function::Max) {
            let dims = self.dims();
            let (gone, kept): (Vec<usize>, Vec<usize>) = (0..dims.len()).partition(|axis| axes.contains(axis));
            let is_empty = |axes: &[usize]| axes.iter().any(|axis| dims[*axis] == Some(0));
            if is_empty(&gone) && !is_empty(&kept) {
                return Err(ArrayError::EmptyReduction { op, shape: dims.into_vec() });
            }
        }
        let input = match options.dtype {
            // What points in time have no sum of, no other dtype has either.
            Some(_) if self.dtype().kind() == Kind::DateTime => {
                reduction.result_dtype(self.dtype())?;
                self.clone()
            }
            Some(dtype) => self.astype(dtype)?,
            None => self.clone(),
        };
        let dtype = reduction.result_dtype(input.dtype())?;
        let spec = Spec { reduction, axes: axes.clone(), ddof: options.ddof, split_every: options.split_every };
        let own = input.chunks().axes().iter().enumerate();
        let chunks = own.map(|(axis, own)| if axes.contains(&axis) { AxisChunks::single(1) } else { own.clone() });
        let chunks = Chunks::new(chunks);
        let reduced = Reduced {
            formula: Formula::single(Step::Input(0)),
            chunks: input.chunks().clone(),
            operands: vec![Operand::same(input)],
            spec,
        };
        let kept = Self::from_node(Expr::Reduce(reduced), dtype, chunks);
        let kept = match options.dtype {
            // A sum in a narrow dtype wraps as one in a wide dtype does that is cut afterwards.
            Some(asked) if matches!(reduction.function, Function::Sum | Function::Prod) => kept.astype(asked)?,
            _ => kept,
        };
        Ok(if options.keepdims { kept } else { kept.without_axes(&axes) })
    }
}
