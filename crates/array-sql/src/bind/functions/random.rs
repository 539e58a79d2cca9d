//! Random numbers: of the seed that is given, else of one that the statement draws.

use dolmen_array::{Array, ChunkSpec};
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
    .chain(laws())
}

/// The number of a parameter, `default` if nobody says.
fn number(call: &Call<'_>, name: &str, default: f64) -> Result<f64> {
    Ok(call.float(name)?.unwrap_or(default))
}

/// A number that has to be given.
fn needed(call: &Call<'_>, name: &str) -> Result<f64> {
    call.float(name)?.ok_or_else(|| call.bad(name, "should be a number"))
}

/// A count that has to be given.
fn counted(call: &Call<'_>, name: &str) -> Result<u64> {
    let n = call.count(name)?.ok_or_else(|| call.bad(name, "should be an integer that is not negative"))?;
    Ok(n as u64)
}

/// The numbers of a law with some parameters.
macro_rules! law {
    ($name:literal, $method:ident, $signature:literal, $($parameter:expr),+) => {
        own($name, concat!($signature, ", size=null, chunks=null, seed=null"), |call| {
            let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.$method($($parameter(call)?,)+ &shape, chunks)))?)
        })
    };
}

type Number = fn(&Call<'_>) -> Result<f64>;

fn laws() -> Vec<Function> {
    const LOC: Number = |call| number(call, "loc", 0.0);
    const SCALE: Number = |call| number(call, "scale", 1.0);
    const A: Number = |call| needed(call, "a");
    const B: Number = |call| needed(call, "b");
    const P: Number = |call| needed(call, "p");
    const DF: Number = |call| needed(call, "df");
    const MEAN: Number = |call| needed(call, "mean");
    vec![
        law!("random.exponential", exponential, "scale=1", SCALE),
        law!("random.rayleigh", rayleigh, "scale=1", SCALE),
        law!("random.laplace", laplace, "loc=0, scale=1", LOC, SCALE),
        law!("random.logistic", logistic, "loc=0, scale=1", LOC, SCALE),
        law!("random.gumbel", gumbel, "loc=0, scale=1", LOC, SCALE),
        law!("random.lognormal", lognormal, "mean=0, sigma=1", |call: &Call<'_>| number(call, "mean", 0.0), {
            |call: &Call<'_>| number(call, "sigma", 1.0)
        }),
        law!("random.poisson", poisson, "lam=1", |call: &Call<'_>| number(call, "lam", 1.0)),
        law!("random.weibull", weibull, "a", A),
        law!("random.pareto", pareto, "a", A),
        law!("random.power", power, "a", A),
        law!("random.zipf", zipf, "a", A),
        law!("random.beta", beta, "a, b", A, B),
        law!("random.geometric", geometric, "p", P),
        law!("random.logseries", logseries, "p", P),
        law!("random.chisquare", chisquare, "df", DF),
        law!("random.standard_t", standard_t, "df", DF),
        law!("random.gamma", gamma, "shape, scale=1", |call: &Call<'_>| needed(call, "shape"), SCALE),
        law!("random.f", f, "dfnum, dfden", |call: &Call<'_>| needed(call, "dfnum"), {
            |call: &Call<'_>| needed(call, "dfden")
        }),
        law!("random.vonmises", vonmises, "mu, kappa", |call: &Call<'_>| needed(call, "mu"), {
            |call: &Call<'_>| needed(call, "kappa")
        }),
        law!("random.wald", wald, "mean, scale", MEAN, |call: &Call<'_>| needed(call, "scale")),
        law!("random.binomial", binomial, "n, p", |call: &Call<'_>| counted(call, "n"), P),
        law!(
            "random.hypergeometric",
            hypergeometric,
            "ngood, nbad, nsample",
            |call: &Call<'_>| counted(call, "ngood"),
            { |call: &Call<'_>| counted(call, "nbad") },
            |call: &Call<'_>| counted(call, "nsample")
        ),
        law!(
            "random.triangular",
            triangular,
            "left, mode, right",
            |call: &Call<'_>| needed(call, "left"),
            { |call: &Call<'_>| needed(call, "mode") },
            |call: &Call<'_>| needed(call, "right")
        ),
        own("random.standard_cauchy", "size|shape=null, chunks=null, seed=null", |call| {
            let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.standard_cauchy(&shape, chunks)))?)
        }),
        own("random.standard_exponential", "size|shape=null, chunks=null, seed=null", |call| {
            let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.exponential(1.0, &shape, chunks)))?)
        }),
        own("random.multinomial", "n, pvals, size|shape=null, seed=null", |call| {
            let chances = call.floats("pvals")?.ok_or_else(|| call.bad("pvals", "should be a list of chances"))?;
            let (n, shape) = (counted(call, "n")?, size(call)?);
            one(call.with_random(|random| call.at(random.multinomial(n, &chances, &shape)))?)
        }),
        own("random.multivariate_normal", "mean, cov, size|shape=null, chunks=null, seed=null", |call| {
            let (mean, cov) = (call.array("mean")?, call.array("cov")?);
            let (shape, chunks) = (size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.multivariate_normal(&mean, &cov, &shape, chunks)))?)
        }),
        own("random.choice", "a, size|shape=null, replace=true, p=null, chunks=null, seed=null", |call| {
            let replace = call.given("replace").is_none() || call.flag("replace")?;
            let (shape, chunks, chances) = (size(call)?, call.chunks("chunks")?, call.floats("p")?);
            let from = integers_or_array(call, "a")?;
            one(call.with_random(|random| call.at(random.choice(&from, &shape, replace, chances.as_deref(), chunks)))?)
        }),
        own("random.permutation", "x, seed=null", |call| {
            let array = integers_or_array(call, "x")?;
            one(call.with_random(|random| call.at(random.permutation(&array)))?)
        }),
    ]
}

/// An array, or for a number the integers below it.
fn integers_or_array(call: &Call<'_>, name: &str) -> Result<Array> {
    match call.given(name).and_then(|given| given.value.as_int()) {
        Some(n) => call.at(Array::arange(0, i64::try_from(n).unwrap_or(0), 1, None, ChunkSpec::Auto)),
        None => call.array(name),
    }
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
