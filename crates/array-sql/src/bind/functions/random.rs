//! Random numbers: of the seed that is given, else of one that the statement draws.

use dolmen_kernels::{Kind, Scalar};

use super::{Function, one, own};
use crate::Result;
use crate::bind::call::Call;

/// NumPy's distributions, with `size` (or `shape`), `chunks` and `seed`.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    [
        own("random.random", "size|shape=null, chunks=null, seed=null", |call| {
            let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.random(&shape, chunks)))?)
        }),
        own("random.uniform", "low=0, high=1, size|shape=null, chunks=null, seed=null", |call| {
            let (low, high) = (call.float("low")?.unwrap_or(0.0), call.float("high")?.unwrap_or(1.0));
            let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.uniform(low, high, &shape, chunks)))?)
        }),
        own("random.normal", "loc=0, scale=1, size|shape=null, chunks=null, seed=null", |call| {
            let (loc, scale) = (call.float("loc")?.unwrap_or(0.0), call.float("scale")?.unwrap_or(1.0));
            let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.normal(loc, scale, &shape, chunks)))?)
        }),
        own("random.standard_normal", "size|shape=null, chunks=null, seed=null", |call| {
            let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.normal(0.0, 1.0, &shape, chunks)))?)
        }),
        own(
            "random.integers",
            "low, high=null, size|shape=null, dtype='int64', endpoint=false, chunks=null, seed=null",
            |call| integers(call, call.flag("endpoint")?),
        ),
        own("random.randint", "low, high=null, size|shape=null, dtype='int64', chunks=null, seed=null", |call| {
            integers(call, false)
        }),
    ]
    .into_iter()
}

/// The shape; one number without axes if none is given.
fn size(call: &Call<'_>) -> Result<Vec<usize>> {
    Ok(call.shape("size")?.unwrap_or_default())
}

fn integers(call: &Call<'_>, endpoint: bool) -> Result<crate::bind::value::Value> {
    let first = call.int("low")?.ok_or_else(|| call.bad("low", "should be an integer"))?;
    // One bound is where to stop.
    let (low, high) = match call.int("high")? {
        Some(high) => (first, high),
        None => (0, first),
    };
    let high = match endpoint {
        true => high.checked_add(1).ok_or_else(|| call.bad("high", "is too large"))?,
        false => high,
    };
    let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
    let array = call.with_random(|random| call.at(random.integers(low, high, &shape, chunks)))?;
    let Some(dtype) = call.dtype("dtype")? else { return one(array) };
    // No number wraps: the bounds have to fit.
    let fits = match dtype.kind() {
        Kind::Bool => low >= 0 && high <= 2,
        Kind::Signed | Kind::Unsigned => [low, high - 1].iter().all(|n| Scalar::from_int((*n).into(), dtype).is_ok()),
        _ => return Err(call.bad("dtype", "should be a dtype of integers, or bool")),
    };
    if !fits {
        return Err(call.bad("dtype", &format!("{dtype} does not hold all integers from {low} to {}", high - 1)));
    }
    one(call.at(array.astype(dtype))?)
}
