//! Sets, counts of integers, sorted tables.

use dolmen_array::{Array, ArrayError, HistogramBins, Index};
use dolmen_kernels::{DType, Side};

use super::{Function, one, own};
use crate::Result;
use crate::bind::call::Call;
use crate::bind::value::Value;

/// NumPy's.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    [
        own("unique", "ar, return_index=false, return_inverse=false, return_counts=false", unique),
        own("union1d", "ar1, ar2", |call| {
            let both = [call.array("ar1")?, call.array("ar2")?].map(|array| call.at(array.ravel()));
            let both = both.into_iter().collect::<Result<Vec<_>>>()?;
            one(call.at(Array::concatenate(&both, 0).and_then(|both| both.unique()))?.values)
        }),
        own("isin", "element, test_elements, assume_unique=false, invert=false", |call| {
            let found = call.at(call.array("element")?.isin(&call.array("test_elements")?))?;
            one(if call.flag("invert")? { call.at(found.logical_not())? } else { found })
        }),
        own("searchsorted", "a, v, side='left'", |call| {
            let side = match call.text("side")?.as_deref() {
                None | Some("left") => Side::Left,
                Some("right") => Side::Right,
                Some(_) => return Err(call.bad("side", "should be 'left' or 'right'")),
            };
            one(call.at(call.array("a")?.searchsorted(&call.array("v")?, side))?)
        }),
        own("digitize", "x, bins, right=false", |call| {
            one(call.at(call.array("x")?.digitize(&call.array("bins")?, call.flag("right")?))?)
        }),
        own("bincount", "x, weights=null, minlength=0", |call| {
            let weights = call.optional_array("weights")?;
            one(call.at(call.array("x")?.bincount(weights.as_ref(), call.count("minlength")?.unwrap_or(0)))?)
        }),
        own("histogram2d", "x, y, bins=10, range=null, density=false, weights=null", |call| {
            let (counts, edges) = cells(call, &[call.array("x")?, call.array("y")?])?;
            Ok(Value::Results { function: "histogram2d", arrays: [counts].into_iter().chain(edges).collect() })
        }),
        own("histogramdd", "sample, bins=10, range=null, density=false, weights=null", |call| {
            let (counts, edges) = cells(call, &coordinates(call)?)?;
            Ok(Value::Results { function: "histogramdd", arrays: [counts].into_iter().chain(edges).collect() })
        }),
        own("choose", "a, choices, mode='raise'", |call| {
            let (index, choices) = (call.array("a")?, call.arrays("choices")?);
            let n = choices.len() as i64;
            let index = match call.text("mode")?.as_deref() {
                None | Some("raise") => index,
                Some("wrap") => call.at(index.remainder(n.max(1)))?,
                Some("clip") => call.at(index.clip(0, n - 1))?,
                Some(_) => return Err(call.bad("mode", "should be 'raise', 'wrap' or 'clip'")),
            };
            one(call.at(index.choose(&choices))?)
        }),
        own("argwhere", "a", |call| one(call.at(argwhere(&call.array("a")?))?)),
        own("unravel_index", "indices, shape", |call| {
            let shape = call.shape("shape")?.ok_or_else(|| call.bad("shape", "should be a list of lengths"))?;
            let indices = call.array("indices")?;
            let arrays = (0..shape.len()).map(|axis| {
                let below: usize = shape[axis + 1..].iter().product();
                call.at(indices.floor_divide(below as i64).and_then(|at| at.remainder(shape[axis] as i64)))
            });
            Ok(Value::Results { function: "unravel_index", arrays: arrays.collect::<Result<_>>()? })
        }),
    ]
    .into_iter()
}

/// The values alone, or with what is asked for besides.
fn unique(call: &Call<'_>) -> Result<Value> {
    let unique = call.at(call.array("ar")?.unique())?;
    let mut arrays = vec![unique.values];
    for (flag, array) in
        [("return_index", unique.index), ("return_inverse", unique.inverse), ("return_counts", unique.counts)]
    {
        if call.flag(flag)? {
            arrays.push(array);
        }
    }
    if arrays.len() == 1 { one(arrays.remove(0)) } else { Ok(Value::Results { function: "unique", arrays }) }
}

/// The positions where an array is not zero, a row for each.
fn argwhere(array: &Array) -> Result<Array, ArrayError> {
    let shape = array.shape()?;
    let flat = array.ravel()?.nonzero()?.remove(0);
    let below: Vec<i64> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>() as i64).collect();
    let lens: Vec<i64> = shape.iter().map(|len| (*len).max(1) as i64).collect();
    let strides = Array::from_vec(&[shape.len()], below.iter().map(|stride| (*stride).max(1)).collect())?;
    flat.expand_dims(&[1])?.floor_divide(strides)?.remainder(Array::from_vec(&[shape.len()], lens)?)
}

/// The coordinates of points: a list of rows, or a matrix with a column for each.
fn coordinates(call: &Call<'_>) -> Result<Vec<Array>> {
    if matches!(call.required("sample")?.value, Value::List(_)) {
        return call.arrays("sample");
    }
    let sample = call.array("sample")?;
    let shape = call.at(sample.shape())?;
    let [_, n] = shape[..] else {
        return Err(call.bad("sample", "should be a matrix with a column for each coordinate"));
    };
    (0..n).map(|at| call.at(sample.index(&[Index::from(..), Index::At(at as isize)]))).collect()
}

/// How many points are in each cell of a grid, and its edges: one count of bins for all coordinates, or one for each, or
/// their edges.
fn cells(call: &Call<'_>, coordinates: &[Array]) -> Result<(Array, Vec<Array>)> {
    let n = coordinates.len();
    let expected = "should be a number of bins, or a list with a number or edges for each coordinate";
    let of = |value: &Value| match value {
        Value::List(_) | Value::Array(_) => {
            value.clone().into_array("the argument bins", call.span).ok().map(HistogramBins::EdgeArray)
        }
        other => usize::try_from(other.as_int()?).ok().map(HistogramBins::Count),
    };
    let bins = match call.given("bins").map(|given| &given.value) {
        None => vec![HistogramBins::Count(10); n],
        Some(Value::List(items)) if items.len() == n => {
            items.iter().map(of).collect::<Option<Vec<_>>>().ok_or_else(|| call.bad("bins", expected))?
        }
        Some(Value::List(_)) => return Err(call.bad("bins", expected)),
        Some(one) => vec![of(one).ok_or_else(|| call.bad("bins", expected))?; n],
    };
    let expected = "should be a list with [low, high] or null for each coordinate";
    let ranges = match call.given("range").map(|given| &given.value) {
        None => vec![None; n],
        Some(Value::List(items)) if items.len() == n => {
            let pair = |item: &Value| match item {
                Value::Null => Some(None),
                Value::List(ends) => match ends.as_slice() {
                    [low, high] => Some(Some((low.as_float()?, high.as_float()?))),
                    _ => None,
                },
                _ => None,
            };
            items.iter().map(pair).collect::<Option<Vec<_>>>().ok_or_else(|| call.bad("range", expected))?
        }
        Some(_) => return Err(call.bad("range", expected)),
    };
    let weights = call.optional_array("weights")?;
    let coordinates = coordinates.iter().map(|x| call.at(x.astype(DType::F64))).collect::<Result<Vec<_>>>()?;
    call.at(Array::histogramdd(&coordinates, &bins, &ranges, weights.as_ref(), call.flag("density")?))
}
