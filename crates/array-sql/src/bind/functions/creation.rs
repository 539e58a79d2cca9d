//! Functions that make arrays from nothing.

use dolmen_array::{Arg, Array};
use dolmen_kernels::{DType, Kind, Op, Scalar, TimeUnit, WeakScalar};

use super::{Function, one, own};
use crate::bind::call::Call;
use crate::bind::time;
use crate::bind::value::Value;
use crate::{ArraySqlError, Result};

/// NumPy's functions of creation; those that make an array of a shape take `chunks` as Dask's do.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    let functions = [
        own("array", "object, dtype=null, chunks=null", array),
        own("zeros", "shape, dtype='float64', chunks=null", |call| full(call, Scalar::zero)),
        own("empty", "shape, dtype='float64', chunks=null", |call| full(call, Scalar::zero)),
        own("ones", "shape, dtype='float64', chunks=null", |call| full(call, Scalar::one)),
        own("full", "shape, fill_value, dtype=null, chunks=null", |call| {
            let value = call.scalar("fill_value", call.dtype("dtype")?)?;
            one(call.at(Array::full(&shape(call)?, value, call.chunks("chunks")?))?)
        }),
        own("zeros_like", "a, dtype=null, chunks=null", |call| {
            like(call, call.at(call.array("a")?.zeros_like(call.dtype("dtype")?))?)
        }),
        own("empty_like", "a, dtype=null, chunks=null", |call| {
            like(call, call.at(call.array("a")?.zeros_like(call.dtype("dtype")?))?)
        }),
        own("ones_like", "a, dtype=null, chunks=null", |call| {
            like(call, call.at(call.array("a")?.ones_like(call.dtype("dtype")?))?)
        }),
        own("full_like", "a, fill_value, dtype=null, chunks=null", |call| {
            let value = call.number("fill_value")?.ok_or_else(|| call.bad("fill_value", "should be a number"))?;
            like(call, call.at(call.array("a")?.full_like(value, call.dtype("dtype")?))?)
        }),
        own("eye", "n, m=null, k=0, dtype='float64', chunks=null", |call| {
            let n = call.count("n")?.ok_or_else(|| call.bad("n", "should be the number of rows"))?;
            let (m, k) = (call.count("m")?.unwrap_or(n), call.int("k")?.unwrap_or(0));
            let dtype = call.dtype("dtype")?.unwrap_or(DType::F64);
            one(call.at(Array::eye(n, m, k, dtype, call.chunks("chunks")?))?)
        }),
        own("identity", "n, dtype='float64', chunks=null", |call| {
            let n = call.count("n")?.ok_or_else(|| call.bad("n", "should be the number of rows"))?;
            let dtype = call.dtype("dtype")?.unwrap_or(DType::F64);
            one(call.at(Array::eye(n, n, 0, dtype, call.chunks("chunks")?))?)
        }),
        own("arange", "start, stop=null, step=1, dtype=null, chunks=null", arange),
        own("linspace", "start, stop, num=50, endpoint=true, dtype=null, chunks=null", |call| {
            let end = |name| call.float(name)?.ok_or_else(|| call.bad(name, "should be a number"));
            let endpoint = call.given("endpoint").is_none() || call.flag("endpoint")?;
            let n = call.count("num")?.unwrap_or(50);
            let chunks = call.chunks("chunks")?;
            one(call.at(Array::linspace(end("start")?, end("stop")?, n, endpoint, call.dtype("dtype")?, chunks))?)
        }),
        own("complex", "real=0, imag=0", complex),
        own("datetime64", "value, unit=null", datetime),
        own("timedelta64", "value, unit=null", timedelta),
    ];
    functions.into_iter().chain(DType::NUMERIC.into_iter().map(constructor))
}

/// The function of a dtype's name: the number with that dtype, or the array cast to it.
fn constructor(dtype: DType) -> Function {
    match dtype {
        DType::Bool => own("bool", "x", |call| cast(call, DType::Bool)),
        DType::I8 => own("int8", "x", |call| cast(call, DType::I8)),
        DType::I16 => own("int16", "x", |call| cast(call, DType::I16)),
        DType::I32 => own("int32", "x", |call| cast(call, DType::I32)),
        DType::I64 => own("int64", "x", |call| cast(call, DType::I64)),
        DType::U8 => own("uint8", "x", |call| cast(call, DType::U8)),
        DType::U16 => own("uint16", "x", |call| cast(call, DType::U16)),
        DType::U32 => own("uint32", "x", |call| cast(call, DType::U32)),
        DType::U64 => own("uint64", "x", |call| cast(call, DType::U64)),
        DType::F16 => own("float16", "x", |call| cast(call, DType::F16)),
        DType::F32 => own("float32", "x", |call| cast(call, DType::F32)),
        DType::C64 => own("complex64", "real, imag=0", |call| complex_of(call, DType::C64)),
        DType::C128 => own("complex128", "real, imag=0", |call| complex_of(call, DType::C128)),
        _ => own("float64", "x", |call| cast(call, DType::F64)),
    }
}

/// The shape, which has to be there.
fn shape(call: &Call<'_>) -> Result<Vec<usize>> {
    call.shape("shape")?.ok_or_else(|| call.bad("shape", "should be a list of lengths"))
}

fn full(call: &Call<'_>, value: fn(DType) -> Scalar) -> Result<Value> {
    let dtype = call.dtype("dtype")?.unwrap_or(DType::F64);
    one(call.at(Array::full(&shape(call)?, value(dtype), call.chunks("chunks")?))?)
}

/// An array made like another, cut as asked for.
fn like(call: &Call<'_>, array: Array) -> Result<Value> {
    match call.given("chunks") {
        None => one(array),
        Some(_) => one(call.at(array.rechunk(call.chunks("chunks")?))?),
    }
}

fn array(call: &Call<'_>) -> Result<Value> {
    let mut array = call.array("object")?;
    if let Some(dtype) = call.dtype("dtype")? {
        check_integers(call, &call.required("object")?.value, dtype)?;
        array = call.at(array.astype(dtype))?;
    }
    like(call, array)
}

/// Integers of a list have to fit the dtype that is asked for, as in NumPy 2; other literals are cast.
fn check_integers(call: &Call<'_>, value: &Value, dtype: DType) -> Result<()> {
    match value {
        Value::List(items) => items.iter().try_for_each(|item| check_integers(call, item, dtype)),
        Value::Weak(WeakScalar::Int(value)) => call.at(Scalar::from_int(*value, dtype)).map(drop),
        _ => Ok(()),
    }
}

fn arange(call: &Call<'_>) -> Result<Value> {
    let number = |name| call.number(name)?.ok_or_else(|| call.bad(name, "should be a number"));
    let first = number("start")?;
    // One argument is where to stop.
    let (start, stop) = match call.number("stop")? {
        Some(stop) => (first, stop),
        None => (Arg::Weak(WeakScalar::Int(0)), first),
    };
    let step = call.number("step")?.unwrap_or(Arg::Weak(WeakScalar::Int(1)));
    one(call.at(Array::arange(start, stop, step, call.dtype("dtype")?, call.chunks("chunks")?))?)
}

fn cast(call: &Call<'_>, dtype: DType) -> Result<Value> {
    match call.required("x")?.value {
        Value::Weak(_) | Value::Strong(_) => Ok(Value::Strong(call.scalar("x", Some(dtype))?)),
        _ => one(call.at(call.array("x")?.astype(dtype))?),
    }
}

/// `complex(re, im)`: a literal if both parts are, else an array.
fn complex(call: &Call<'_>) -> Result<Value> {
    let literal = |name: &str| match call.given(name).map(|given| &given.value) {
        None => Some(0.0),
        Some(Value::Weak(WeakScalar::Int(value))) => Some(*value as f64),
        Some(Value::Weak(WeakScalar::Float(value))) => Some(*value),
        _ => None,
    };
    if let (Some(re), Some(im)) = (literal("real"), literal("imag")) {
        return Ok(Value::Weak(WeakScalar::Complex(num_complex::Complex::new(re, im))));
    }
    let complex = |im| WeakScalar::Complex(num_complex::Complex::new(0.0, im));
    // A literal stays weak, so that single precision stays single.
    let imaginary = match literal("imag") {
        Some(im) => Arg::Weak(complex(im)),
        None => Arg::Array(call.at(Array::apply(Op::Multiply, &[call.arg("imag")?, complex(1.0).into()]))?),
    };
    let real = match call.given("real") {
        None => Arg::Weak(WeakScalar::Int(0)),
        Some(_) => call.arg("real")?,
    };
    one(call.at(Array::apply(Op::Add, &[real, imaginary]))?)
}

fn complex_of(call: &Call<'_>, dtype: DType) -> Result<Value> {
    match complex(call)? {
        Value::Weak(weak) => Ok(Value::Strong(call.at(weak.to_scalar(dtype))?)),
        other => one(call.at(other.into_array("a complex number", call.span)?.astype(dtype))?),
    }
}

fn unit(call: &Call<'_>) -> Result<Option<TimeUnit>> {
    let Some(name) = call.text("unit")? else { return Ok(None) };
    match format!("datetime64[{name}]").parse::<DType>() {
        Ok(dtype) => Ok(dtype.unit()),
        Err(_) => Err(call.bad("unit", "should be 'D', 'h', 'm', 's', 'ms', 'us' or 'ns'")),
    }
}

/// `datetime64('2014-01-01T12:00')`, in the unit that its digits need or that is given.
fn datetime(call: &Call<'_>) -> Result<Value> {
    let (given, unit) = (call.required("value")?, unit(call)?);
    match &given.value {
        Value::Text(text) => {
            let (count, own) = time::parse(text).map_err(|problem| ArraySqlError::value(problem, given.span))?;
            let scalar = Scalar::DateTime(count, own);
            Ok(Value::Strong(call.at(scalar.cast(DType::DateTime(unit.unwrap_or(own))))?))
        }
        Value::Weak(WeakScalar::Int(_)) => match (unit, call.int("value")?) {
            (Some(unit), Some(count)) => Ok(Value::Strong(Scalar::DateTime(count, unit))),
            _ => Err(call.bad("value", "is an integer, whose unit is missing: datetime64(0, 's')")),
        },
        _ => {
            let array = call.array("value")?;
            let unit = unit.or(array.dtype().unit());
            let unit = unit.ok_or_else(|| call.bad("value", "has no unit: datetime64(x, 's')"))?;
            one(call.at(array.astype(DType::DateTime(unit)))?)
        }
    }
}

fn timedelta(call: &Call<'_>) -> Result<Value> {
    let unit = unit(call)?;
    let given = call.required("value")?;
    if let Value::Text(text) = &given.value
        && text.eq_ignore_ascii_case("nat")
    {
        return Ok(Value::Strong(Scalar::TimeDelta(i64::MIN, unit.unwrap_or(TimeUnit::Second))));
    }
    if matches!(given.value, Value::Weak(_)) {
        let unit = unit.ok_or_else(|| call.bad("value", "has no unit: timedelta64(5, 's')"))?;
        let count = call.int("value")?.ok_or_else(|| call.bad("value", "should be an integer"))?;
        return Ok(Value::Strong(Scalar::TimeDelta(count, unit)));
    }
    let array = call.array("value")?;
    let own = if array.dtype().kind() == Kind::TimeDelta { array.dtype().unit() } else { None };
    let unit = unit.or(own).ok_or_else(|| call.bad("value", "has no unit: timedelta64(x, 's')"))?;
    one(call.at(array.astype(DType::TimeDelta(unit)))?)
}
