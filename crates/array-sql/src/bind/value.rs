//! What an expression stands for before it is an array: literals that take the dtype of what they meet, lists, null.

use dolmen_array::{Arg, Array, ChunkSpec, Index};
use dolmen_kernels::{Block, Scalar, WeakScalar};
use num_complex::Complex;

use crate::{ArraySqlError, Result, Span};

/// The value of an expression.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    /// A literal, or what operators make of literals.
    Weak(WeakScalar),
    /// A number with a dtype of its own: `float32(1.5)`.
    Strong(Scalar),
    Text(String),
    List(Vec<Value>),
    /// `slice(start, stop, step)`: a slice outside of a subscript.
    Slice(Box<Index>),
    Array(Array),
    /// What a function of several results gives; a literal picks one.
    Results {
        function: &'static str,
        arrays: Vec<Array>,
    },
}

impl Value {
    /// What kind of value this is, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Weak(WeakScalar::Bool(_)) => "a truth value",
            Self::Weak(WeakScalar::Int(_)) => "an integer",
            Self::Weak(WeakScalar::Float(_)) => "a float",
            Self::Weak(WeakScalar::Complex(_)) => "a complex number",
            Self::Strong(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Slice(_) => "a slice",
            Self::Array(_) => "an array",
            Self::Results { .. } => "several arrays",
        }
    }

    pub(super) fn int(value: impl Into<i128>) -> Self {
        Self::Weak(WeakScalar::Int(value.into()))
    }

    pub(super) fn float(value: f64) -> Self {
        Self::Weak(WeakScalar::Float(value))
    }

    /// The value as an array, as `numpy.asarray` makes one. `subject` is what needs it.
    ///
    /// # Errors
    /// [`ArraySqlError::Kind`] for what is no array: null, a string, several arrays. Ragged lists, integers that no dtype
    /// holds.
    pub(super) fn into_array(self, subject: &str, span: Span) -> Result<Array> {
        match self {
            Self::Array(array) => Ok(array),
            Self::Strong(scalar) => Ok(Array::scalar(scalar)),
            Self::Weak(weak) => {
                let scalar = weak.to_scalar(weak.default_dtype()).map_err(|error| ArraySqlError::array(error, span))?;
                Ok(Array::scalar(scalar))
            }
            Self::List(items) => array_of(items, subject, span),
            Self::Results { function, arrays } => Err(several(function, arrays.len(), span)),
            other => {
                let (subject, found) = (subject.to_owned(), other.kind());
                Err(ArraySqlError::Kind { subject, expected: "an array", found, span })
            }
        }
    }

    /// The value as an argument of an elementwise function: a literal stays one.
    ///
    /// # Errors
    /// As [`into_array`](Self::into_array).
    pub(super) fn into_arg(self, subject: &str, span: Span) -> Result<Arg> {
        match self {
            Self::Weak(weak) => Ok(Arg::Weak(weak)),
            Self::Strong(scalar) => Ok(Arg::Strong(scalar)),
            other => other.into_array(subject, span).map(Arg::Array),
        }
    }

    /// The integer that this is.
    pub(super) fn as_int(&self) -> Option<i128> {
        match self {
            Self::Weak(WeakScalar::Int(value)) => Some(*value),
            Self::Strong(scalar) if scalar.dtype().is_integer() => scalar.as_int(),
            _ => None,
        }
    }

    /// The real number that this is.
    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Weak(WeakScalar::Int(value)) => Some(*value as f64),
            Self::Weak(WeakScalar::Float(value)) => Some(*value),
            Self::Strong(scalar) => scalar.as_f64(),
            _ => None,
        }
    }
}

/// The error that all results of a function stand where one array should.
pub(super) fn several(function: &str, n_results: usize, span: Span) -> ArraySqlError {
    ArraySqlError::value(
        format!("{function} has {n_results} results; take one of them, such as {function}(...)[0]"),
        span,
    )
}

/// The array of a list: of literals, which decide the dtype together, or of arrays, which are stacked.
fn array_of(items: Vec<Value>, subject: &str, span: Span) -> Result<Array> {
    let mut literals = Vec::new();
    if let Some(shape) = literal_shape(&items, &mut literals, span)? {
        return literal_array(&shape, &literals, span);
    }
    let arrays: Vec<Array> = items.into_iter().map(|item| item.into_array(subject, span)).collect::<Result<_>>()?;
    Array::stack(&arrays, 0).map_err(|error| ArraySqlError::array(error, span))
}

/// The shape of nested lists of literals, which are appended to `literals` in C order; `None` if not all are literals.
fn literal_shape(items: &[Value], literals: &mut Vec<WeakScalar>, span: Span) -> Result<Option<Vec<usize>>> {
    let mut inner: Option<Vec<usize>> = None;
    for item in items {
        let shape = match item {
            Value::Weak(weak) => {
                literals.push(*weak);
                Vec::new()
            }
            Value::List(items) => match literal_shape(items, literals, span)? {
                Some(shape) => shape,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        if inner.get_or_insert_with(|| shape.clone()) != &shape {
            return Err(ArraySqlError::value("a list is ragged: all its items need the same shape", span));
        }
    }
    let mut shape = vec![items.len()];
    shape.extend(inner.unwrap_or_default());
    Ok(Some(shape))
}

/// The array of literals in C order, with the dtype that holds all of them.
fn literal_array(shape: &[usize], literals: &[WeakScalar], span: Span) -> Result<Array> {
    let has = |test: fn(&WeakScalar) -> bool| literals.iter().any(test);
    let float = |weak: &WeakScalar| match *weak {
        WeakScalar::Bool(value) => f64::from(u8::from(value)),
        WeakScalar::Int(value) => value as f64,
        WeakScalar::Float(value) => value,
        WeakScalar::Complex(value) => value.re,
    };
    let int = |weak: &WeakScalar| match *weak {
        WeakScalar::Bool(value) => i128::from(value),
        WeakScalar::Int(value) => value,
        WeakScalar::Float(_) | WeakScalar::Complex(_) => 0,
    };
    let block = if has(|weak| matches!(weak, WeakScalar::Complex(_))) {
        let complex = |weak: &WeakScalar| match *weak {
            WeakScalar::Complex(value) => value,
            _ => Complex::new(float(weak), 0.0),
        };
        Block::from_vec(shape, literals.iter().map(complex).collect())
    } else if literals.is_empty() || has(|weak| matches!(weak, WeakScalar::Float(_))) {
        Block::from_vec(shape, literals.iter().map(float).collect())
    } else if has(|weak| matches!(weak, WeakScalar::Int(_))) {
        let ints: Vec<i128> = literals.iter().map(int).collect();
        if let Ok(ints) = ints.iter().map(|value| i64::try_from(*value)).collect::<Result<Vec<_>, _>>() {
            Block::from_vec(shape, ints)
        } else {
            let ints: Result<Vec<u64>, _> = ints.iter().map(|value| u64::try_from(*value)).collect();
            let message = "no integer dtype holds all integers of the list; write them as floats";
            Block::from_vec(shape, ints.map_err(|_| ArraySqlError::value(message, span))?)
        }
    } else {
        let bools = literals.iter().map(|weak| matches!(weak, WeakScalar::Bool(true)));
        Block::from_vec(shape, bools.collect())
    };
    let block = block.map_err(|error| ArraySqlError::array(error, span))?;
    Array::from_block(block, ChunkSpec::Auto).map_err(|error| ArraySqlError::array(error, span))
}
