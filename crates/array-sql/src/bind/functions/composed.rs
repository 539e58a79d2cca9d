//! Functions that are made of others: diagonals, splits, covariances, differences.

use dolmen_array::{Array, ChunkSpec, Index, Reduce, Spacing};
use dolmen_kernels::{DType, Kind, WeakScalar, float_that_holds};

use super::elementwise::floats;
use super::{Function, one, own};
use crate::Result;
use crate::bind::call::Call;
use crate::bind::value::Value;

/// NumPy's, and `moment` of Dask and `stats` of SciPy.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    matrices().into_iter().chain(arranged()).chain(statistics()).chain(elements())
}

fn matrices() -> Vec<Function> {
    vec![
        own("tri", "n, m=null, k=0, dtype='float64', chunks=null", |call| {
            let n = call.count("n")?.ok_or_else(|| call.bad("n", "should be the number of rows"))?;
            let (m, k) = (call.count("m")?.unwrap_or(n), call.int("k")?.unwrap_or(0));
            let dtype = call.dtype("dtype")?.unwrap_or(DType::F64);
            one(call.at(Array::tri(n, m, k, dtype, call.chunks("chunks")?))?)
        }),
        own("tril_indices", "n, k=0, m=null", |call| triangle(call, "tril_indices", false)),
        own("triu_indices", "n, k=0, m=null", |call| triangle(call, "triu_indices", true)),
        own("tril", "m, k=0", |call| one(call.at(call.array("m")?.tril(call.int("k")?.unwrap_or(0)))?)),
        own("triu", "m, k=0", |call| one(call.at(call.array("m")?.triu(call.int("k")?.unwrap_or(0)))?)),
        own("diag", "v, k=0", |call| one(call.at(call.array("v")?.diag(call.axis("k")?.unwrap_or(0)))?)),
        own("diagonal", "a, offset=0, axis1=0, axis2=1", |call| {
            let (offset, axes) = diagonal(call)?;
            one(call.at(call.array("a")?.diagonal(offset, axes))?)
        }),
        own("trace", "a, offset=0, axis1=0, axis2=1", |call| {
            let (offset, axes) = diagonal(call)?;
            one(call.at(call.array("a")?.trace(offset, axes))?)
        }),
        own("kron", "a, b", |call| one(call.at(call.array("a")?.kron(&call.array("b")?))?)),
        own("einsum", "*operands", einsum),
        own("linalg.multi_dot", "arrays", |call| {
            let arrays = call.arrays("arrays")?;
            let mut arrays = arrays.into_iter();
            let first = arrays.next().ok_or_else(|| call.bad("arrays", "should be a list of matrices"))?;
            one(call.at(arrays.try_fold(first, |product, next| product.matmul(&next)))?)
        }),
        own("linalg.matrix_power", "a, n", |call| {
            let (a, n) = (call.array("a")?, call.count("n")?);
            let n = n.ok_or_else(|| call.bad("n", "should be an integer that is not negative"))?;
            let shape = call.at(a.shape())?;
            if shape.len() != 2 || shape[0] != shape[1] {
                return Err(call.bad("a", "should be a square matrix"));
            }
            one(call.at(matrix_power(&a, n, shape[0]))?)
        }),
        own("indices", "dimensions, dtype='int64', chunks=null", |call| {
            let shape =
                call.shape("dimensions")?.ok_or_else(|| call.bad("dimensions", "should be a list of lengths"))?;
            let dtype = call.dtype("dtype")?.unwrap_or(DType::I64);
            one(call.at(Array::indices(&shape, dtype, call.chunks("chunks")?))?)
        }),
        own("meshgrid", "*xi, indexing='xy', sparse=false", |call| {
            let vectors = call.arrays("*xi")?;
            let by_position = match call.text("indexing")?.as_deref() {
                None | Some("xy") => false,
                Some("ij") => true,
                Some(_) => return Err(call.bad("indexing", "should be 'xy' or 'ij'")),
            };
            let arrays = call.at(Array::meshgrid(&vectors, by_position, call.flag("sparse")?))?;
            Ok(Value::Results { function: "meshgrid", arrays })
        }),
        own("nonzero", "a", |call| {
            Ok(Value::Results { function: "nonzero", arrays: call.at(call.array("a")?.nonzero())? })
        }),
        own("flatnonzero", "a", |call| {
            let mut positions = call.at(call.array("a")?.ravel().and_then(|a| a.nonzero()))?;
            one(positions.remove(0))
        }),
        own("extract", "condition, arr", |call| {
            let (condition, array) = (call.array("condition")?, call.array("arr")?);
            let condition = call.at(condition.ravel().and_then(|condition| condition.astype(DType::Bool)))?;
            one(call.at(array.ravel().and_then(|array| array.compress(&condition, Some(0))))?)
        }),
    ]
}

/// The positions of a triangle of a matrix.
fn triangle(call: &Call<'_>, function: &'static str, is_upper: bool) -> Result<Value> {
    let n = call.count("n")?.ok_or_else(|| call.bad("n", "should be the number of rows"))?;
    let (m, k) = (call.count("m")?.unwrap_or(n), call.int("k")?.unwrap_or(0));
    let k = if is_upper { k.saturating_sub(1) } else { k };
    let mask = call.at(Array::tri(n, m, k, DType::Bool, call.auto()))?;
    let mask = if is_upper { call.at(mask.logical_not())? } else { mask };
    Ok(Value::Results { function, arrays: call.at(mask.nonzero())? })
}

fn diagonal(call: &Call<'_>) -> Result<(isize, [isize; 2])> {
    let axes = [call.axis("axis1")?.unwrap_or(0), call.axis("axis2")?.unwrap_or(1)];
    Ok((call.axis("offset")?.unwrap_or(0), axes))
}

fn matrix_power(a: &Array, mut n: usize, size: usize) -> Result<Array, dolmen_array::ArrayError> {
    let mut power: Option<Array> = None;
    let mut square = a.clone();
    while n > 0 {
        if n % 2 == 1 {
            power = Some(power.map_or(Ok(square.clone()), |power| power.matmul(&square))?);
        }
        n /= 2;
        if n > 0 {
            square = square.matmul(&square)?;
        }
    }
    power.map_or_else(|| Array::eye(size, size, 0, a.dtype(), ChunkSpec::AutoBytes(a.block_bytes())), Ok)
}

/// The subscripts, and after them the operands.
fn einsum(call: &Call<'_>) -> Result<Value> {
    let given = call.required("*operands")?;
    let Value::List(items) = &given.value else { return Err(call.bad("*operands", "should be subscripts and arrays")) };
    let Some((Value::Text(subscripts), operands)) = items.split_first() else {
        return Err(call.bad("*operands", "should begin with the subscripts, such as 'ij,jk->ik'"));
    };
    let array = |value: &Value| value.clone().into_array("an operand of einsum", given.span);
    let operands = operands.iter().map(array).collect::<Result<Vec<_>>>()?;
    one(call.at(Array::einsum(subscripts, &operands))?)
}

fn arranged() -> Vec<Function> {
    vec![
        own("roll", "a, shift, axis=null", |call| {
            let expected = "should be an integer, or one for each axis";
            let shifts = call.axes("shift")?.ok_or_else(|| call.bad("shift", expected))?;
            let axes = call.axes("axis")?;
            // One shift may be for several axes.
            let shifts = match (&shifts[..], &axes) {
                ([one], Some(axes)) => vec![*one; axes.len()],
                _ => shifts,
            };
            one(call.at(call.array("a")?.roll(&shifts, axes.as_deref()))?)
        }),
        own("rot90", "m, k=1, axes=null", |call| {
            let axes = call.axes("axes")?.unwrap_or_else(|| vec![0, 1]);
            let axes = <[isize; 2]>::try_from(axes).map_err(|_| call.bad("axes", "should be two axes"))?;
            one(call.at(call.array("m")?.rot90(call.axis("k")?.unwrap_or(1), axes))?)
        }),
        own("repeat", "a, repeats, axis=null", repeat),
        own("tile", "a, reps", |call| {
            let reps =
                call.shape("reps")?.ok_or_else(|| call.bad("reps", "should be a number, or one for each axis"))?;
            one(call.at(call.array("a")?.tile(&reps))?)
        }),
        own("array_split", "ary, indices_or_sections, axis=0", |call| parts(call, "array_split", None, false)),
        own("split", "ary, indices_or_sections, axis=0", |call| parts(call, "split", None, true)),
        own("hsplit", "ary, indices_or_sections", |call| {
            let axis = isize::from(call.array("ary")?.n_dims() > 1);
            parts(call, "hsplit", Some(axis), true)
        }),
        own("vsplit", "ary, indices_or_sections", |call| parts(call, "vsplit", Some(0), true)),
        own("dsplit", "ary, indices_or_sections", |call| parts(call, "dsplit", Some(2), true)),
        own("atleast_1d", "ary", |call| at_least(call, 1)),
        own("atleast_2d", "ary", |call| at_least(call, 2)),
        own("atleast_3d", "ary", |call| at_least(call, 3)),
        own("dstack", "tup", |call| {
            let arrays = call.arrays("tup")?;
            let deep = arrays.iter().map(|array| call.at(three_axes(array))).collect::<Result<Vec<_>>>()?;
            one(call.at(Array::concatenate(&deep, 2))?)
        }),
        own("column_stack", "tup", |call| {
            let columns = call.arrays("tup")?.into_iter().map(|array| match array.n_dims() {
                0 => call.at(array.expand_dims(&[0, 1])),
                1 => call.at(array.expand_dims(&[1])),
                _ => Ok(array),
            });
            one(call.at(Array::concatenate(&columns.collect::<Result<Vec<_>>>()?, 1))?)
        }),
        own("block", "arrays", |call| {
            let given = call.required("arrays")?;
            let depth = depth(&given.value);
            one(block(call, &given.value, depth, depth)?)
        }),
    ]
}

/// Each element as often as one number says, or its own.
fn repeat(call: &Call<'_>) -> Result<Value> {
    let (array, axis) = (call.array("a")?, call.axis("axis")?);
    let counts =
        call.shape("repeats")?.ok_or_else(|| call.bad("repeats", "should be a number, or one for each element"))?;
    if let [n] = counts[..] {
        return one(call.at(array.repeat(n, axis))?);
    }
    let (array, axis) = match axis {
        None => (call.at(array.ravel())?, 0),
        Some(axis) => (array, axis),
    };
    let shape = call.at(array.shape())?;
    let at = usize::try_from(axis).ok().or_else(|| shape.len().checked_add_signed(axis));
    let at = at.filter(|at| *at < shape.len()).ok_or_else(|| call.bad("axis", "is out of bounds"))?;
    if shape[at] != counts.len() {
        let problem = format!("has {} numbers for {} elements", counts.len(), shape[at]);
        return Err(call.bad("repeats", &problem));
    }
    let positions = counts.iter().enumerate().flat_map(|(position, n)| std::iter::repeat_n(position as isize, *n));
    let mut indices = vec![Index::from(..); at];
    indices.push(Index::from(positions.collect::<Vec<_>>()));
    one(call.at(array.index(&indices))?)
}

/// Parts along an axis: a number of them, or those that begin at some positions.
fn parts(call: &Call<'_>, function: &'static str, axis: Option<isize>, all_alike: bool) -> Result<Value> {
    let array = call.array("ary")?;
    let axis = match axis {
        Some(axis) => axis,
        None => call.axis("axis")?.unwrap_or(0),
    };
    let expected = "should be a number of parts, or a list of positions";
    let arrays = match &call.required("indices_or_sections")?.value {
        Value::List(_) => {
            let starts = call.axes("indices_or_sections")?.unwrap_or_default();
            call.at(array.split_at(&starts, axis))?
        }
        _ => {
            let n = call.count("indices_or_sections")?.ok_or_else(|| call.bad("indices_or_sections", expected))?;
            let parts = call.at(array.array_split(n, axis))?;
            let len = |part: &Array| part.size().ok();
            if all_alike && parts.first().map(len) != parts.last().map(len) {
                return Err(
                    call.bad("indices_or_sections", "does not divide the axis; array_split makes unequal parts")
                );
            }
            parts
        }
    };
    Ok(Value::Results { function, arrays })
}

fn at_least(call: &Call<'_>, n: usize) -> Result<Value> {
    let array = call.array("ary")?;
    one(match (n, array.n_dims()) {
        (3, _) => call.at(three_axes(&array))?,
        (2, 1) => call.at(array.expand_dims(&[0]))?,
        (2, 0) => call.at(array.expand_dims(&[0, 1]))?,
        (_, 0) => call.at(array.expand_dims(&[0]))?,
        _ => array,
    })
}

/// As NumPy's `atleast_3d`: a vector is in the middle, a matrix in front.
fn three_axes(array: &Array) -> Result<Array, dolmen_array::ArrayError> {
    match array.n_dims() {
        0 => array.expand_dims(&[0, 1, 2]),
        1 => array.expand_dims(&[0, 2]),
        2 => array.expand_dims(&[2]),
        _ => Ok(array.clone()),
    }
}

/// How deep the lists around arrays are.
fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.first().map_or(0, depth),
        _ => 0,
    }
}

/// Nested lists of arrays: the innermost are put together along the last axis, those around them along the one before.
fn block(call: &Call<'_>, value: &Value, depth_left: usize, depth: usize) -> Result<Array> {
    let Value::List(items) = value else {
        let mut array = value.clone().into_array("a part of block", call.required("arrays")?.span)?;
        while array.n_dims() < depth {
            array = call.at(array.expand_dims(&[0]))?;
        }
        return Ok(array);
    };
    if depth_left == 0 {
        return Err(call.bad("arrays", "should be lists of one depth"));
    }
    let parts = items.iter().map(|item| block(call, item, depth_left - 1, depth)).collect::<Result<Vec<_>>>()?;
    call.at(Array::concatenate(&parts, -(depth_left as isize)))
}

fn statistics() -> Vec<Function> {
    vec![
        own("average", "a, axis=null, weights=null, keepdims=false", |call| {
            let weights = call.optional_array("weights")?;
            one(call.at(call.array("a")?.average(weights.as_ref(), &call.reduce()?))?)
        }),
        own("cov", "m, y=null, rowvar=true, bias=false, ddof=null", |call| {
            let ddof = match call.float("ddof")? {
                Some(ddof) => ddof,
                None => f64::from(u8::from(!call.flag("bias")?)),
            };
            let (table, rows) = observations(call, "m")?;
            one(call.at(table.cov(rows, ddof))?)
        }),
        own("corrcoef", "x, y=null, rowvar=true", |call| {
            let (table, rows) = observations(call, "x")?;
            one(call.at(table.corrcoef(rows))?)
        }),
        own("moment", "a, order, axis=null, dtype=null, keepdims=false, ddof=0", |call| {
            let order = call.count("order")?.and_then(|order| u32::try_from(order).ok());
            let order = order.ok_or_else(|| call.bad("order", "should be an integer that is not negative"))?;
            one(call.at(call.array("a")?.moment(order, &call.reduce()?))?)
        }),
        own("stats.skew", "a, axis=0, bias=true", |call| {
            one(call.at(call.array("a")?.skew(is_on(call, "bias")?, &along(call)?))?)
        }),
        own("stats.kurtosis", "a, axis=0, fisher=true, bias=true", |call| {
            let (fisher, biased) = (is_on(call, "fisher")?, is_on(call, "bias")?);
            one(call.at(call.array("a")?.kurtosis(fisher, biased, &along(call)?))?)
        }),
        own("stats.ttest_1samp", "a, popmean, axis=0", |call| {
            let (t, p) = call.at(call.array("a")?.ttest_1samp(&call.array("popmean")?, &along(call)?))?;
            Ok(Value::Results { function: "stats.ttest_1samp", arrays: vec![t, p] })
        }),
        own("stats.ttest_rel", "a, b, axis=0", |call| {
            let (t, p) = call.at(call.array("a")?.ttest_rel(&call.array("b")?, &along(call)?))?;
            Ok(Value::Results { function: "stats.ttest_rel", arrays: vec![t, p] })
        }),
        own("stats.ttest_ind", "a, b, axis=0, equal_var=true", |call| {
            let (a, b) = (call.array("a")?, call.array("b")?);
            let (t, p) = call.at(a.ttest_ind(&b, is_on(call, "equal_var")?, &along(call)?))?;
            Ok(Value::Results { function: "stats.ttest_ind", arrays: vec![t, p] })
        }),
        own("diff", "a, n=1, axis=-1", |call| {
            let n = call.count("n")?.unwrap_or(1);
            one(call.at(call.array("a")?.diff(n, call.axis("axis")?.unwrap_or(-1)))?)
        }),
        own("ediff1d", "ary", |call| {
            let array = call.array("ary")?;
            if array.dtype() == DType::Bool {
                return Err(call.bad("ary", "should be numbers or times; cast it with astype"));
            }
            one(call.at(array.ravel().and_then(|array| array.diff(1, 0)))?)
        }),
        own("gradient", "*f, axis=null, edge_order=1", gradient),
        own("trapezoid", "y, x=null, dx=1.0, axis=-1", |call| {
            let (x, dx) = (call.optional_array("x")?, call.float("dx")?.unwrap_or(1.0));
            one(call.at(call.array("y")?.trapezoid(x.as_ref(), dx, call.axis("axis")?.unwrap_or(-1)))?)
        }),
    ]
}

/// A flag that is on unless it is given as false.
fn is_on(call: &Call<'_>, name: &str) -> Result<bool> {
    Ok(call.given(name).is_none() || call.flag(name)?)
}

/// SciPy's axis: the first unless another is given, all for null.
fn along(call: &Call<'_>) -> Result<Reduce> {
    if call.is_null("axis") {
        return Ok(Reduce::all());
    }
    Ok(Reduce::axis(call.axis("axis")?.unwrap_or(0)))
}

/// The variables, with those of `y` behind them, and whether each is a row.
fn observations(call: &Call<'_>, name: &str) -> Result<(Array, bool)> {
    let (table, rows) = (call.array(name)?, is_on(call, "rowvar")?);
    let Some(y) = call.optional_array("y")? else { return Ok((table, rows)) };
    let as_rows = |array: Array| match array.n_dims() {
        0 | 1 => call.at(array.ravel().and_then(|array| array.expand_dims(&[0]))),
        2 if !rows => call.at(array.transpose(None)),
        _ => Ok(array),
    };
    let both = [as_rows(table)?, as_rows(y)?];
    Ok((call.at(Array::concatenate(&both, 0))?, true))
}

fn elements() -> Vec<Function> {
    vec![
        own("nan_to_num", "x, nan=0.0, posinf=null, neginf=null", |call| {
            let x = call.array("x")?;
            if !x.dtype().is_inexact() {
                return one(x);
            }
            let most = match x.dtype().real() {
                DType::F16 => 65504.0,
                DType::F32 => f64::from(f32::MAX),
                _ => f64::MAX,
            };
            let (nan, high) = (call.float("nan")?.unwrap_or(0.0), call.float("posinf")?.unwrap_or(most));
            let low = call.float("neginf")?.unwrap_or(-most);
            let replaced = |x: &Array| {
                let finite = Array::where_(x.equal(f64::INFINITY)?, high, x)?;
                let finite = Array::where_(x.equal(f64::NEG_INFINITY)?, low, finite)?;
                Array::where_(x.isnan()?, nan, finite)
            };
            if x.dtype().kind() == Kind::Complex {
                let parts = || {
                    replaced(&x.real()?)?
                        .add(replaced(&x.imag()?)?.multiply(WeakScalar::Complex(num_complex::Complex::I))?)
                };
                return one(call.at(parts())?);
            }
            one(call.at(replaced(&x))?)
        }),
        own("sinc", "x", |call| {
            let x = call.array("x")?;
            let sinc = || {
                let turned = x.multiply(std::f64::consts::PI)?;
                Array::where_(x.equal(0)?, 1.0, turned.sin()?.true_divide(&turned)?)
            };
            one(call.at(sinc())?)
        }),
        own("heaviside", "x1, x2", |call| {
            let (x, at_zero) = (floats(call, "x1")?, call.arg("x2")?);
            let step = || {
                let right = x.greater_equal(0)?.astype(x.dtype())?;
                let step = Array::where_(x.equal(0)?, at_zero, right)?;
                Array::where_(x.isnan()?, &x, step)
            };
            one(call.at(step())?)
        }),
        own("modf", "x", |call| {
            let x = call.array("x")?;
            let parts = || {
                let x = x.astype(float_that_holds(x.dtype()))?;
                let whole = x.trunc()?;
                let rest = Array::where_(x.isinf()?, 0.0, x.subtract(&whole)?)?;
                Ok::<_, dolmen_array::ArrayError>(vec![rest.copysign(&x)?, whole])
            };
            Ok(Value::Results { function: "modf", arrays: call.at(parts())? })
        }),
    ]
}

/// NumPy's `gradient(f, *spacing)`: without a spacing, with one for all axes, or one each; a number, or the coordinates of the
/// elements.
fn gradient(call: &Call<'_>) -> Result<Value> {
    let given = call.required("*f")?;
    let Value::List(items) = &given.value else { return Err(call.bad("*f", "should be an array, and its spacing")) };
    let Some((f, spacing)) = items.split_first() else { return Err(call.bad("*f", "is missing")) };
    let f = f.clone().into_array("the argument f of gradient", given.span)?;
    let all: Vec<isize> = (0..f.n_dims() as isize).collect();
    let axes = call.axes("axis")?.unwrap_or(all);
    let spacing = spacing.iter().map(|spacing| match spacing.as_float() {
        Some(spacing) => Ok(Spacing::Even(spacing)),
        None => spacing.clone().into_array("the spacing of gradient", given.span).map(Spacing::At),
    });
    let mut spacing = spacing.collect::<Result<Vec<_>>>()?;
    match spacing.len() {
        0 => spacing = vec![Spacing::Even(1.0); axes.len()],
        1 => spacing = vec![spacing.remove(0); axes.len()],
        n if n == axes.len() => {}
        n => return Err(call.bad("*f", &format!("has {n} spacings, for {} axes", axes.len()))),
    }
    let edge_order = call.count("edge_order")?.and_then(|order| u32::try_from(order).ok()).unwrap_or(1);
    let along = axes.into_iter().zip(spacing).map(|(axis, spacing)| call.at(f.gradient(spacing, axis, edge_order)));
    let mut arrays = along.collect::<Result<Vec<_>>>()?;
    if arrays.len() == 1 { one(arrays.remove(0)) } else { Ok(Value::Results { function: "gradient", arrays }) }
}
