//! Functions of each element.

use dolmen_array::{Array, Reduce};
use dolmen_kernels::{DType, Kind, Op, Scalar, float_that_holds, promote};

use super::{Body, Function, one, own};
use crate::Result;
use crate::bind::call::Call;
use crate::bind::value::Value;

/// The operations of the kernels under NumPy's names, and what is made of several of them.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    let operations =
        Op::ALL.iter().filter(|op| !matches!(op, Op::Clip | Op::Mantissa | Op::Exponent | Op::Ldexp)).map(|op| {
            let signature = match (op, op.n_operands()) {
                (Op::Where, _) => "condition, x, y",
                (_, 1) => "x",
                _ => "x1, x2",
            };
            Function { name: op.name(), signature, body: Body::Elementwise(*op) }
        });
    let others = [
        own("clip", "a, a_min|min=null, a_max|max=null", clip),
        own("frexp", "x", |call| {
            let (mantissa, exponent) = call.at(call.array("x")?.frexp())?;
            Ok(Value::Results { function: "frexp", arrays: vec![mantissa, exponent] })
        }),
        own("ldexp", "x1, x2", |call| one(call.at(call.array("x1")?.ldexp(&call.array("x2")?))?)),
        own("round", "a, decimals=0", |call| {
            let decimals = i32::try_from(call.int("decimals")?.unwrap_or(0));
            let decimals = decimals.map_err(|_| call.bad("decimals", "is too large"))?;
            one(call.at(call.array("a")?.round(decimals))?)
        }),
        own("astype", "x, dtype", |call| {
            call.required("dtype")?;
            let array = call.array("x")?;
            let dtype = call.dtype("dtype")?.unwrap_or(array.dtype());
            one(call.at(array.astype(dtype))?)
        }),
        own("notnull", "values", |call| {
            let missing = call.at(call.array("values")?.isnan())?;
            one(call.at(missing.logical_not())?)
        }),
        own("divmod", "x1, x2", |call| {
            let (x, y) = (call.arg("x1")?, call.arg("x2")?);
            let quotient = call.at(Array::apply(Op::FloorDivide, &[x.clone(), y.clone()]))?;
            let rest = call.at(Array::apply(Op::Remainder, &[x, y]))?;
            Ok(Value::Results { function: "divmod", arrays: vec![quotient, rest] })
        }),
        own("isclose", "a, b, rtol=1e-05, atol=1e-08, equal_nan=false", isclose),
        own("allclose", "a, b, rtol=1e-05, atol=1e-08, equal_nan=false", |call| {
            let Value::Array(close) = isclose(call)? else { return Ok(Value::Null) };
            one(call.at(close.all(&Reduce::all()))?)
        }),
        own("isreal", "x", |call| one(call.at(imaginary(call)?.equal(0))?)),
        own("iscomplex", "x", |call| one(call.at(imaginary(call)?.not_equal(0))?)),
        own("isposinf", "x", |call| one(call.at(real(call, "x")?.equal(f64::INFINITY))?)),
        own("isneginf", "x", |call| one(call.at(real(call, "x")?.equal(f64::NEG_INFINITY))?)),
        own("array_equal", "a1, a2", |call| {
            let (a, b) = (call.array("a1")?, call.array("a2")?);
            if call.at(a.shape())? != call.at(b.shape())? {
                return Ok(Value::Strong(Scalar::Bool(false)));
            }
            one(call.at(a.equal(&b).and_then(|same| same.all(&Reduce::all())))?)
        }),
        own("fabs", "x", |call| one(call.at(floats(call, "x")?.absolute())?)),
        own("float_power", "x1, x2", |call| {
            let wide = |array: Array| {
                call.at(promote(array.dtype(), DType::F64).map_err(Into::into).and_then(|dtype| array.astype(dtype)))
            };
            let (base, exponent) = (wide(call.array("x1")?)?, wide(call.array("x2")?)?);
            one(call.at(base.power(&exponent))?)
        }),
        own("degrees", "x", |call| scaled(call, 180.0 / std::f64::consts::PI)),
        own("rad2deg", "x", |call| scaled(call, 180.0 / std::f64::consts::PI)),
        own("radians", "x", |call| scaled(call, std::f64::consts::PI / 180.0)),
        own("deg2rad", "x", |call| scaled(call, std::f64::consts::PI / 180.0)),
    ];
    operations.chain(others)
}

/// An operation on as many arguments as it has operands.
pub(super) fn apply(call: &Call<'_>, op: Op) -> Result<Value> {
    let names: &[&str] = match op.n_operands() {
        1 => &["x"],
        2 => &["x1", "x2"],
        _ => &["condition", "x", "y"],
    };
    let args = names.iter().map(|name| call.arg(name)).collect::<Result<Vec<_>>>()?;
    one(call.at(Array::apply(op, &args))?)
}

fn clip(call: &Call<'_>) -> Result<Value> {
    let given = |name: &str| call.given(name).map(|_| call.arg(name)).transpose();
    let a = call.arg("a")?;
    let result = match (given("a_min")?, given("a_max")?) {
        (Some(low), Some(high)) => Array::apply(Op::Clip, &[a, low, high]),
        (Some(low), None) => Array::apply(Op::Maximum, &[a, low]),
        (None, Some(high)) => Array::apply(Op::Minimum, &[a, high]),
        (None, None) => Array::apply(Op::Positive, &[a]),
    };
    one(call.at(result)?)
}

/// `|a - b| <= atol + rtol * |b|`; infinities are close to themselves only, NaN to nothing, or to itself if asked for.
fn isclose(call: &Call<'_>) -> Result<Value> {
    let (a, mut b) = (call.array("a")?, call.array("b")?);
    if !b.dtype().is_inexact() && !b.dtype().is_time() {
        b = call.at(b.astype(DType::F64))?;
    }
    let relative = call.float("rtol")?.unwrap_or(1e-5);
    let absolute = call.float("atol")?.unwrap_or(1e-8);
    let close = || {
        let bound = b.absolute()?.multiply(relative)?.add(absolute)?;
        let near = a.subtract(&b)?.absolute()?.less_equal(bound)?.logical_and(b.isfinite()?)?;
        near.logical_or(a.equal(&b)?)
    };
    let mut close = call.at(close())?;
    if call.flag("equal_nan")? {
        let both = call.at(a.isnan().and_then(|nan| nan.logical_and(b.isnan()?)))?;
        close = call.at(close.logical_or(both))?;
    }
    one(close)
}

fn scaled(call: &Call<'_>, factor: f64) -> Result<Value> {
    one(call.at(floats(call, "x")?.multiply(factor))?)
}

/// The imaginary part of `x`, which is zero for real numbers.
fn imaginary(call: &Call<'_>) -> Result<Array> {
    let x = call.array("x")?;
    if x.dtype().kind() == Kind::Complex { call.at(x.imag()) } else { call.at(x.zeros_like(None)) }
}

/// An argument that is to be real.
fn real(call: &Call<'_>, name: &str) -> Result<Array> {
    let array = call.array(name)?;
    if array.dtype().kind() == Kind::Complex { Err(call.bad(name, "should be real")) } else { Ok(array) }
}

/// An argument that is to be real, as floats.
pub(super) fn floats(call: &Call<'_>, name: &str) -> Result<Array> {
    let array = real(call, name)?;
    call.at(array.astype(float_that_holds(array.dtype())))
}
