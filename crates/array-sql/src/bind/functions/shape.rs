//! Functions that move elements, and that tell shapes.

use dolmen_array::{Array, Index, PadMode, broadcast_arrays};
use dolmen_kernels::WeakScalar;

use super::{Function, one, own};
use crate::Result;
use crate::bind::call::{CHUNKS_EXPECTED, Call};
use crate::bind::subscript::indices_of;
use crate::bind::value::Value;

/// NumPy's functions on shapes, and Dask's `rechunk`.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    [
        own("reshape", "a, shape", |call| {
            let shape = call.signed_shape("shape")?.ok_or_else(|| call.bad("shape", "should be a list of lengths"))?;
            one(call.at(call.array("a")?.reshape(&shape))?)
        }),
        own("ravel", "a", |call| one(call.at(call.array("a")?.ravel())?)),
        own("transpose", "a, axes=null", |call| {
            one(call.at(call.array("a")?.transpose(call.axes("axes")?.as_deref()))?)
        }),
        own("matrix_transpose", "x", |call| {
            let x = call.array("x")?;
            let n = x.n_dims() as isize;
            let order: Vec<isize> = (0..n - 2).chain([n - 1, n - 2]).collect();
            if n < 2 {
                return Err(call.bad("x", "should have at least two axes"));
            }
            one(call.at(x.transpose(Some(&order)))?)
        }),
        own("swapaxes", "a, axis1, axis2", |call| {
            let a = call.array("a")?;
            let n = a.n_dims();
            let axis = |name| {
                let axis = call.axis(name)?.ok_or_else(|| call.bad(name, "should be an axis"))?;
                let found = if axis < 0 { axis.checked_add_unsigned(n) } else { Some(axis) };
                let found = found.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < n);
                found.ok_or_else(|| call.bad(name, &format!("is out of bounds for an array of {n} axes")))
            };
            let mut order: Vec<isize> = (0..n as isize).collect();
            order.swap(axis("axis1")?, axis("axis2")?);
            one(call.at(a.transpose(Some(&order)))?)
        }),
        own("moveaxis", "a, source, destination", |call| {
            let axes = |name| call.axes(name)?.ok_or_else(|| call.bad(name, "should be an axis or a list of them"));
            one(call.at(call.array("a")?.moveaxes(&axes("source")?, &axes("destination")?))?)
        }),
        own("rollaxis", "a, axis, start=0", |call| {
            let a = call.array("a")?;
            let n = a.n_dims() as i64;
            let place = |name: &str, past: i64| {
                let given = call.int(name)?.unwrap_or(0);
                let place = if given < 0 { given + n } else { given };
                if (0..n + past).contains(&place) {
                    Ok(place)
                } else {
                    Err(call.bad(name, &format!("is out of bounds for an array of {n} axes")))
                }
            };
            let (axis, start) = (place("axis", 0)?, place("start", 1)?);
            let to = if axis < start { start - 1 } else { start };
            one(call.at(a.moveaxis(axis as isize, to as isize))?)
        }),
        own("expand_dims", "a, axis", |call| {
            let axes = call.axes("axis")?.ok_or_else(|| call.bad("axis", "should be an axis or a list of them"))?;
            one(call.at(call.array("a")?.expand_dims(&axes))?)
        }),
        own("squeeze", "a, axis=null", |call| one(call.at(call.array("a")?.squeeze(call.axes("axis")?.as_deref()))?)),
        own("broadcast_to", "array, shape, chunks=null", |call| {
            let shape = call.shape("shape")?.ok_or_else(|| call.bad("shape", "should be a list of lengths"))?;
            let chunks = call.given("chunks").map(|_| call.chunks("chunks")).transpose()?;
            one(call.at(call.array("array")?.broadcast_to(&shape, chunks.as_ref()))?)
        }),
        own("broadcast_arrays", "*arrays", |call| {
            let arrays = call.at(broadcast_arrays(&call.arrays("*arrays")?))?;
            Ok(Value::Results { function: "broadcast_arrays", arrays })
        }),
        own("flip", "m, axis=null", |call| one(call.at(call.array("m")?.flip(call.axes("axis")?.as_deref()))?)),
        own("flipud", "m", |call| one(call.at(call.array("m")?.flip(Some(&[0])))?)),
        own("fliplr", "m", |call| one(call.at(call.array("m")?.flip(Some(&[1])))?)),
        own("concatenate", "arrays, axis=0", |call| {
            let mut arrays = call.arrays("arrays")?;
            // Without an axis, what is put together are the elements.
            if call.is_null("axis") {
                arrays = call.at(arrays.iter().map(Array::ravel).collect::<Result<Vec<_>, _>>())?;
            }
            one(call.at(Array::concatenate(&arrays, call.axis("axis")?.unwrap_or(0)))?)
        }),
        own("append", "arr, values, axis=null", |call| {
            let (array, values) = (call.array("arr")?, call.array("values")?);
            let (axis, both) = match call.axis("axis")? {
                Some(axis) => (axis, [array, values]),
                None => (0, [call.at(array.ravel())?, call.at(values.ravel())?]),
            };
            one(call.at(Array::concatenate(&both, axis))?)
        }),
        own("delete", "arr, obj, axis=null", |call| {
            let (array, axis, len, gone) = places(call)?;
            let gone: Vec<usize> = gone.into_iter().map(|at| at.min(len)).collect();
            if gone.contains(&len) {
                return Err(call.bad("obj", &format!("is out of bounds for an axis of {len} elements")));
            }
            let kept: Vec<isize> = (0..len).filter(|at| !gone.contains(at)).map(|at| at as isize).collect();
            one(call.at(array.take(&kept, axis as isize))?)
        }),
        own("insert", "arr, obj, values, axis=null", insert),
        own("stack", "arrays, axis=0", |call| {
            one(call.at(Array::stack(&call.arrays("arrays")?, call.axis("axis")?.unwrap_or(0)))?)
        }),
        own("vstack", "tup", |call| one(call.at(Array::concatenate(&at_least(call, 2, 0)?, 0))?)),
        own("hstack", "tup", |call| {
            let arrays = at_least(call, 1, 0)?;
            let axis = isize::from(arrays.first().is_none_or(|first| first.n_dims() > 1));
            one(call.at(Array::concatenate(&arrays, axis))?)
        }),
        own("pad", "array, pad_width, mode='constant', constant_values=0", pad),
        own("rechunk", "x, chunks", |call| {
            if call.given("chunks").is_none() {
                return Err(call.bad("chunks", &format!("should be {CHUNKS_EXPECTED}")));
            }
            one(call.at(call.array("x")?.rechunk(call.chunks("chunks")?))?)
        }),
        own("take", "a, indices, axis=null", take),
        own("compress", "condition, a, axis=null", |call| {
            one(call.at(call.array("a")?.compress(&call.array("condition")?, call.axis("axis")?))?)
        }),
        own("setitem", "x, index, value", |call| {
            let index = call.required("index")?;
            let indices = indices_of(&index.value, index.span)?;
            one(call.at(call.array("x")?.setitem(&indices, &call.array("value")?))?)
        }),
        own("slice", "start, stop=null, step=null", |call| {
            // One bound is where to stop.
            let (start, stop) = match (call.axis("start")?, call.axis("stop")?) {
                (first, None) if !call.is_null("stop") => (None, first),
                bounds => bounds,
            };
            Ok(Value::Slice(Box::new(Index::slice(start, stop, call.axis("step")?))))
        }),
        own("shape", "a", |call| {
            let shape = call.at(call.array("a")?.shape())?;
            Ok(Value::List(shape.into_iter().map(|len| Value::int(len as u64)).collect()))
        }),
        own("size", "a, axis=null", |call| {
            let array = call.array("a")?;
            let Some(axis) = call.axis("axis")? else {
                return Ok(Value::int(call.at(array.size())? as u64));
            };
            let shape = call.at(array.shape())?;
            let from_end = usize::try_from(axis).ok().or_else(|| shape.len().checked_add_signed(axis));
            let len = from_end.and_then(|axis| shape.get(axis));
            len.map(|len| Value::int(*len as u64)).ok_or_else(|| call.bad("axis", "is out of bounds"))
        }),
        own("ndim", "a", |call| Ok(Value::int(call.array("a")?.n_dims() as u64))),
    ]
    .into_iter()
}

/// The arrays of a list, with axes of length 1 at `at` where they have fewer than `n`.
fn at_least(call: &Call<'_>, n: usize, at: isize) -> Result<Vec<Array>> {
    let mut arrays = call.arrays("tup")?;
    for array in &mut arrays {
        while array.n_dims() < n {
            *array = call.at(array.expand_dims(&[at]))?;
        }
    }
    Ok(arrays)
}

fn take(call: &Call<'_>) -> Result<Value> {
    let axis = call.axis("axis")?;
    let array = call.array("a")?;
    // Without an axis, positions count among all elements.
    let array = if axis.is_none() { call.at(array.ravel())? } else { array };
    let index = call.required("indices")?;
    let n = array.n_dims() as isize;
    let axis = axis.unwrap_or(0);
    let at = if axis < 0 { axis + n } else { axis };
    if !(0..n).contains(&at) {
        return Err(call.bad("axis", &format!("is out of bounds for an array of {n} axes")));
    }
    let mut indices = vec![Index::from(..); usize::try_from(at).unwrap_or(0)];
    match indices_of(&index.value, index.span)?.as_slice() {
        [one] => indices.push(one.clone()),
        _ => return Err(call.bad("indices", "should be an integer, a list of integers, or an array")),
    }
    one(call.at(array.index(&indices))?)
}

fn pad(call: &Call<'_>) -> Result<Value> {
    let array = call.array("array")?;
    let pair = |value: &Value| -> Option<(usize, usize)> {
        let width = |value: &Value| usize::try_from(value.as_int()?).ok();
        match value {
            Value::List(items) => match items.as_slice() {
                [both] => Some((width(both)?, width(both)?)),
                [before, after] => Some((width(before)?, width(after)?)),
                _ => None,
            },
            both => Some((width(both)?, width(both)?)),
        }
    };
    let widths = &call.required("pad_width")?.value;
    let widths = match widths {
        Value::List(items) if items.iter().any(|item| matches!(item, Value::List(_))) => {
            items.iter().map(pair).collect()
        }
        other => pair(other).map(|pair| vec![pair]),
    };
    let expected = "should be a width, [before, after], or a list of [before, after] for each axis";
    let widths: Vec<(usize, usize)> = widths.ok_or_else(|| call.bad("pad_width", expected))?;
    let constant = match call.given("constant_values").map(|given| &given.value) {
        None => WeakScalar::Int(0),
        Some(Value::Weak(weak)) => *weak,
        Some(_) => return Err(call.bad("constant_values", "should be one number")),
    };
    let mode = match call.text("mode")?.as_deref() {
        None | Some("constant") => PadMode::Constant(constant),
        Some("edge") => PadMode::Edge,
        Some("reflect") => PadMode::Reflect,
        Some("symmetric") => PadMode::Symmetric,
        Some("wrap") => PadMode::Wrap,
        Some(_) => return Err(call.bad("mode", "should be 'constant', 'edge', 'reflect', 'symmetric' or 'wrap'")),
    };
    one(call.at(array.pad(&widths, mode))?)
}

/// The array whose elements are named, the axis along which they are, its length, and their positions from the front.
fn places(call: &Call<'_>) -> Result<(Array, usize, usize, Vec<usize>)> {
    let array = call.array("arr")?;
    let (array, axis) = match call.axis("axis")? {
        Some(axis) => (array, axis),
        None => (call.at(array.ravel())?, 0),
    };
    let shape = call.at(array.shape())?;
    let at = if axis < 0 { axis + shape.len() as isize } else { axis };
    let axis = usize::try_from(at).ok().filter(|at| *at < shape.len());
    let axis = axis.ok_or_else(|| call.bad("axis", &format!("is out of bounds for {} axes", shape.len())))?;
    let len = shape[axis];
    let named = call.axes("obj")?.ok_or_else(|| call.bad("obj", "should be an integer or a list of integers"))?;
    let from_front = |at: isize| usize::try_from(if at < 0 { at + len as isize } else { at }).ok();
    let positions = named.iter().map(|at| from_front(*at).filter(|at| *at <= len)).collect::<Option<Vec<_>>>();
    let positions =
        positions.ok_or_else(|| call.bad("obj", &format!("is out of bounds for an axis of {len} elements")))?;
    Ok((array, axis, len, positions))
}

/// Values in front of the positions that are named: one for each, or all of them at one position.
fn insert(call: &Call<'_>) -> Result<Value> {
    let (array, axis, len, positions) = places(call)?;
    let shape = call.at(array.shape())?;
    let values = call.at(call.array("values")?.astype(array.dtype()))?;
    let mut wanted = shape.clone();
    wanted[axis] = positions.len();
    let is_single = !matches!(call.required("obj")?.value, Value::List(_));
    if is_single {
        // All values go to the one position, as many as there are along the axis.
        let own = call.at(values.shape())?;
        let behind = shape.len() - axis;
        wanted[axis] = if own.len() >= behind { own[own.len() - behind] } else { 1 };
    }
    let values = call.at(values.broadcast_to(&wanted, None))?;
    let part = |array: &Array, from: usize, to: usize| {
        let mut index = vec![Index::from(..); shape.len()];
        index[axis] = Index::from(from as isize..to as isize);
        call.at(array.index(&index))
    };
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by_key(|at| positions[*at]);
    let (mut pieces, mut done) = (Vec::new(), 0);
    for at in order {
        pieces.push(part(&array, done, positions[at])?);
        pieces.push(if is_single { values.clone() } else { part(&values, at, at + 1)? });
        done = positions[at];
    }
    pieces.push(part(&array, done, len)?);
    one(call.at(Array::concatenate(&pieces, axis as isize))?)
}
