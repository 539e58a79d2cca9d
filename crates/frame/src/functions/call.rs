//! Calling a typed closure with the rows of Arrow columns.
//!
//! Everything here is generic, so that the loop over the rows is compiled for one closure and its types: no value is
//! boxed and nothing is looked up per row.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use super::error::ValueError;
use super::sealed::Sealed;
use super::sql_type::Argument;

/// One parameter of a closure.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// The name of its type in SQL.
    pub sql_name: String,
    /// The Arrow type it takes when the call gives no better one.
    pub data_type: DataType,
    /// Whether it is an `Option`, which receives NULL.
    pub takes_null: bool,
    /// Converts the type of an argument in a call, see [`Argument::accept`].
    pub accept: fn(&DataType) -> Option<DataType>,
}

impl Parameter {
    fn of<A: Argument>() -> Self {
        Self { sql_name: A::sql_name(), data_type: A::data_type(), takes_null: A::TAKES_NULL, accept: A::accept }
    }
}

/// One opened column. A constant is a column of one row that is read again for every row.
#[derive(Debug)]
pub struct Opened<C> {
    column: C,
    stride: usize,
}

/// Why a row could not be read: the position of the argument, counted from 1, and the reason.
pub type RowError = (usize, ValueError);

/// The arguments of a closure, as a tuple of [`Argument`]s.
pub trait Arguments: Sealed {
    /// The opened columns.
    type Columns<'a>;

    /// The parameters in order.
    fn parameters() -> Vec<Parameter>;

    /// Opens `arrays`, each with as many rows as the batch, or with one row that stands for a constant.
    ///
    /// # Errors
    /// The position, counted from 0, of an array that is missing or has a type the parameter does not take.
    fn open(arrays: &[ArrayRef], rows: usize) -> Result<Self::Columns<'_>, usize>;
}

/// A function of `Arguments` that returns `Output`.
///
/// Every closure and function whose arguments are up to eight [`Argument`]s is one; `Marker` is inferred. The
/// arguments must be written with their types: `|x: i64, name: &str| ...`.
pub trait Function<Marker>: Send + Sync + 'static {
    /// The arguments.
    type Arguments: Arguments;
    /// What the function returns.
    type Output;

    /// Calls the function with the arguments at `row`.
    ///
    /// # Errors
    /// [`RowError`] if a stored value has no counterpart in the argument's type.
    fn call(&self, columns: &<Self::Arguments as Arguments>::Columns<'_>, row: usize)
    -> Result<Self::Output, RowError>;
}

/// One step of an aggregate: takes the state and the arguments of a row, and changes the state.
///
/// Every closure `Fn(&mut State, A, B, ...) -> R` with one to eight [`Argument`]s is one; `Marker` is inferred.
pub trait Step<State, Marker>: Send + Sync + 'static {
    /// The arguments after the state.
    type Arguments: Arguments;
    /// What the step returns.
    type Output;

    /// Calls the step with the arguments at `row`.
    ///
    /// # Errors
    /// [`RowError`] if a stored value has no counterpart in the argument's type.
    fn call(
        &self,
        state: &mut State,
        columns: &<Self::Arguments as Arguments>::Columns<'_>,
        row: usize,
    ) -> Result<Self::Output, RowError>;
}

/// One step of a fold: takes the value so far and the arguments of a row, and returns the next value.
///
/// Every closure `Fn(State, A, B, ...) -> State` with one to eight [`Argument`]s is one; `Marker` is inferred.
pub trait Fold<State, Marker>: Send + Sync + 'static {
    /// The arguments after the value so far.
    type Arguments: Arguments;

    /// Calls the step with the arguments at `row`.
    ///
    /// # Errors
    /// [`RowError`] if a stored value has no counterpart in the argument's type.
    fn call(
        &self,
        state: State,
        columns: &<Self::Arguments as Arguments>::Columns<'_>,
        row: usize,
    ) -> Result<State, RowError>;
}

macro_rules! arities {
    ($(($($A:ident $a:ident $position:literal),*))*) => { $( arities!(@one $($A $a $position),*); )* };

    (@one $($A:ident $a:ident $position:literal),*) => {
        impl<$($A: Argument),*> Sealed for ($($A,)*) {}

        #[allow(unused_variables, reason = "the tuple of no arguments reads nothing")]
        impl<$($A: Argument),*> Arguments for ($($A,)*) {
            type Columns<'a> = ($(Opened<$A::Column<'a>>,)*);

            fn parameters() -> Vec<Parameter> {
                vec![$(Parameter::of::<$A>()),*]
            }

            fn open(arrays: &[ArrayRef], rows: usize) -> Result<Self::Columns<'_>, usize> {
                Ok(($({
                    let index = $position - 1;
                    let array = arrays.get(index).ok_or(index)?;
                    let column = $A::column(array.as_ref()).ok_or(index)?;
                    Opened { column, stride: usize::from(array.len() == rows && rows != 1) }
                },)*))
            }
        }

        #[allow(unused_variables, clippy::too_many_arguments, reason = "one method per number of arguments")]
        impl<Func, R, $($A: Argument),*> Function<fn($($A),*) -> R> for Func
        where
            // The first bound names the types of the closure, from which they are inferred; the second lets the
            // closure borrow from the columns for as long as a call lasts.
            Func: Fn($($A),*) -> R + for<'a> Fn($($A::Item<'a>),*) -> R + Send + Sync + 'static,
        {
            type Arguments = ($($A,)*);
            type Output = R;

            #[inline]
            fn call(
                &self,
                columns: &<Self::Arguments as Arguments>::Columns<'_>,
                row: usize,
            ) -> Result<R, RowError> {
                fn apply<R, $($A),*>(function: impl Fn($($A),*) -> R, $($a: $A),*) -> R {
                    function($($a),*)
                }
                let ($($a,)*) = columns;
                Ok(apply(self, $($A::item(&$a.column, row * $a.stride).map_err(|error| ($position, error))?),*))
            }
        }

        arities!(@state $($A $a $position),*);
    };

    // An aggregate of nothing cannot tell how many rows it has.
    (@state) => {};

    (@state $($A:ident $a:ident $position:literal),*) => {
        #[allow(clippy::too_many_arguments, reason = "one method per number of arguments")]
        impl<Func, State, R, $($A: Argument),*> Step<State, fn($($A),*) -> R> for Func
        where
            Func: Fn(&mut State, $($A),*) -> R
                + for<'s, 'a> Fn(&'s mut State, $($A::Item<'a>),*) -> R
                + Send + Sync + 'static,
        {
            type Arguments = ($($A,)*);
            type Output = R;

            #[inline]
            fn call(
                &self,
                state: &mut State,
                columns: &<Self::Arguments as Arguments>::Columns<'_>,
                row: usize,
            ) -> Result<R, RowError> {
                fn apply<State, R, $($A),*>(
                    step: impl Fn(&mut State, $($A),*) -> R,
                    state: &mut State,
                    $($a: $A),*
                ) -> R {
                    step(state, $($a),*)
                }
                let ($($a,)*) = columns;
                Ok(apply(self, state, $($A::item(&$a.column, row * $a.stride).map_err(|error| ($position, error))?),*))
            }
        }

        #[allow(clippy::too_many_arguments, reason = "one method per number of arguments")]
        impl<Func, State, $($A: Argument),*> Fold<State, fn($($A),*)> for Func
        where
            Func: Fn(State, $($A),*) -> State
                + for<'a> Fn(State, $($A::Item<'a>),*) -> State
                + Send + Sync + 'static,
        {
            type Arguments = ($($A,)*);

            #[inline]
            fn call(
                &self,
                state: State,
                columns: &<Self::Arguments as Arguments>::Columns<'_>,
                row: usize,
            ) -> Result<State, RowError> {
                fn apply<State, $($A),*>(
                    step: impl Fn(State, $($A),*) -> State,
                    state: State,
                    $($a: $A),*
                ) -> State {
                    step(state, $($a),*)
                }
                let ($($a,)*) = columns;
                Ok(apply(self, state, $($A::item(&$a.column, row * $a.stride).map_err(|error| ($position, error))?),*))
            }
        }
    };
}

arities! {
    ()
    (A a 1)
    (A a 1, B b 2)
    (A a 1, B b 2, C c 3)
    (A a 1, B b 2, C c 3, D d 4)
    (A a 1, B b 2, C c 3, D d 4, E e 5)
    (A a 1, B b 2, C c 3, D d 4, E e 5, F f 6)
    (A a 1, B b 2, C c 3, D d 4, E e 5, F f 6, G g 7)
    (A a 1, B b 2, C c 3, D d 4, E e 5, F f 6, G g 7, H h 8)
}

/// The rows that must not reach the closure, because an argument that is no `Option` is NULL there.
#[derive(Debug)]
pub(super) enum Skipped {
    /// None.
    None,
    /// All of them: a constant argument is NULL.
    All,
    /// Those that the buffer marks.
    Some(NullBuffer),
}

impl Skipped {
    /// Collects the NULLs of the arguments that `parameters` do not let through.
    pub(super) fn new(parameters: &[Parameter], arrays: &[ArrayRef], rows: usize) -> Self {
        let mut nulls: Option<NullBuffer> = None;
        for (parameter, array) in parameters.iter().zip(arrays) {
            if parameter.takes_null {
                continue;
            }
            let Some(own) = array.logical_nulls().filter(|own| own.null_count() > 0) else { continue };
            if own.null_count() == own.len() {
                return Self::All;
            }
            debug_assert_eq!(own.len(), rows, "a constant is either NULL or not");
            nulls = NullBuffer::union(nulls.as_ref(), Some(&own));
        }
        nulls.map_or(Self::None, Self::Some)
    }

    /// Whether `row` must not reach the closure.
    #[inline]
    pub(super) fn contains(&self, row: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(nulls) => nulls.is_null(row),
        }
    }
}
