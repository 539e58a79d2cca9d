//! What stands in the brackets behind an array.

use dolmen_array::Index;
use dolmen_kernels::WeakScalar;

use super::value::Value;
use crate::{ArraySqlError, Result, Span};

/// An index of one entry: an integer, a list of integers or of truth values, an array of either.
///
/// # Errors
/// [`ArraySqlError::Kind`] for what is no index.
pub(super) fn index_of(value: &Value, span: Span) -> Result<Index> {
    let wrong = |found| ArraySqlError::Kind {
        subject: "a subscript".to_owned(),
        expected: "integers, slices, or lists and arrays of integers or truth values",
        found,
        span,
    };
    match value {
        Value::Weak(WeakScalar::Bool(value)) => Ok(Index::Mask { shape: Vec::new(), values: vec![*value] }),
        Value::Array(array) => Ok(Index::Array(array.clone())),
        Value::Slice(slice) => Ok(slice.as_ref().clone()),
        Value::Null => Ok(Index::NewAxis),
        Value::List(items) => list_index(items, span),
        other => match other.as_int() {
            Some(at) => {
                isize::try_from(at).map(Index::At).map_err(|_| ArraySqlError::value("the index is too large", span))
            }
            None => Err(wrong(other.kind())),
        },
    }
}

/// The entries of a subscript that is given as an argument. A list of integers or truth values is one entry, as `x[[0, 2]]`;
/// a list with anything else in it has an entry for each axis: `[slice(0, 3), [0, 2]]`.
pub(super) fn indices_of(value: &Value, span: Span) -> Result<Vec<Index>> {
    match value {
        Value::List(items) if items.iter().any(|item| !matches!(item, Value::Weak(_) | Value::Strong(_))) => {
            items.iter().map(|item| index_of(item, span)).collect()
        }
        one => Ok(vec![index_of(one, span)?]),
    }
}

/// A list of positions, or a mask; nested as its shape is.
fn list_index(items: &[Value], span: Span) -> Result<Index> {
    let mut leaves = Vec::new();
    let Some(shape) = shape_of(items, &mut leaves) else {
        let array = Value::List(items.to_vec()).into_array("a subscript", span)?;
        return Ok(Index::Array(array));
    };
    let bools: Option<Vec<bool>> = leaves
        .iter()
        .map(|leaf| match leaf {
            Value::Weak(WeakScalar::Bool(value)) => Some(*value),
            _ => None,
        })
        .collect();
    match bools {
        Some(values) if !values.is_empty() => Ok(Index::Mask { shape, values }),
        _ => {
            let values: Option<Vec<isize>> =
                leaves.iter().map(|leaf| leaf.as_int().and_then(|at| isize::try_from(at).ok())).collect();
            let message = "a list in a subscript holds integers, or truth values";
            Ok(Index::Ints { shape, values: values.ok_or_else(|| ArraySqlError::value(message, span))? })
        }
    }
}

/// The shape of nested lists whose leaves are no arrays; `None` if some are, or if the lists are ragged.
fn shape_of<'a>(items: &'a [Value], leaves: &mut Vec<&'a Value>) -> Option<Vec<usize>> {
    let mut inner: Option<Vec<usize>> = None;
    for item in items {
        let shape = match item {
            Value::List(items) => shape_of(items, leaves)?,
            Value::Array(_) | Value::Results { .. } => return None,
            leaf => {
                leaves.push(leaf);
                Vec::new()
            }
        };
        if inner.get_or_insert_with(|| shape.clone()) != &shape {
            return None;
        }
    }
    let mut shape = vec![items.len()];
    shape.extend(inner.unwrap_or_default());
    Some(shape)
}
