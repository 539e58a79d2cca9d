//! Random numbers: of the seed that is given, else of one that the statement draws.

use dolmen_array::{Array, Parameter, Size};
use dolmen_kernels::{DType, Scalar};

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
            let (low, high) = (number(call, "low", 0.0)?, number(call, "high", 1.0)?);
            let (shape, chunks) = (call.shape("size")?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.uniform(low, high, of(&shape), chunks)))?)
        }),
        own("random.normal", "loc=0, scale=1, size|shape=null, chunks=null, seed=null", |call| {
            let (loc, scale) = (number(call, "loc", 0.0)?, number(call, "scale", 1.0)?);
            let (shape, chunks) = (call.shape("size")?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.normal(loc, scale, of(&shape), chunks)))?)
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

/// A parameter, `default` if nobody says.
fn number(call: &Call<'_>, name: &str, default: f64) -> Result<Parameter<f64>> {
    Ok(call.parameter(name)?.unwrap_or(Parameter::Number(default)))
}

/// A parameter that has to be given.
fn needed(call: &Call<'_>, name: &str) -> Result<Parameter<f64>> {
    call.parameter(name)?.ok_or_else(|| call.bad(name, "should be a number or an array"))
}

/// A count that has to be given.
fn counted(call: &Call<'_>, name: &str) -> Result<Parameter<u64>> {
    let expected = "an integer that is not negative, or an array of them";
    call.integer_parameter(name, expected)?.ok_or_else(|| call.bad(name, "should be an integer that is not negative"))
}

/// The numbers of a law with some parameters.
macro_rules! law {
    ($name:literal, $method:ident, $signature:literal, $($parameter:expr),+) => {
        own($name, concat!($signature, ", size=null, chunks=null, seed=null"), |call| {
            let (shape, chunks) = (call.shape("size")?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.$method($($parameter(call)?,)+ of(&shape), chunks)))?)
        })
    };
}

type Number = fn(&Call<'_>) -> Result<Parameter<f64>>;

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
        law!("random.negative_binomial", negative_binomial, "n, p", |call: &Call<'_>| needed(call, "n"), P),
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
        own("random.multinomial", "n, pvals, size|shape=null, chunks=null, seed=null", |call| {
            let chances = call.floats("pvals")?.ok_or_else(|| call.bad("pvals", "should be a list of chances"))?;
            let n = call.count("n")?.ok_or_else(|| call.bad("n", "should be an integer that is not negative"))?;
            let (n, shape, chunks) = (n as u64, size(call)?, call.chunks("chunks")?);
            one(call.with_random(|random| call.at(random.multinomial(n, &chances, &shape, chunks)))?)
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
        Some(n) => call.at(Array::arange(0, i64::try_from(n).unwrap_or(0), 1, None, call.auto())),
        None => call.array(name),
    }
}

/// The shape; one number without axes if none is given.
fn size(call: &Call<'_>) -> Result<Vec<usize>> {
    Ok(call.shape("size")?.unwrap_or_default())
}

/// The shape that was given, else that of the parameters.
fn of(shape: &Option<Vec<usize>>) -> Size<'_> {
    shape.as_deref().map_or(Size::OfParameters, Size::Shape)
}

fn integers(call: &Call<'_>, endpoint: bool) -> Result<crate::bind::value::Value> {
    let bound = |name| call.integer_parameter::<i64>(name, "an integer or an array of them");
    let first = bound("low")?.ok_or_else(|| call.bad("low", "should be an integer"))?;
    // One bound is where to stop.
    let (low, high) = match bound("high")? {
        Some(high) => (first, high),
        None => (Parameter::Number(0), first),
    };
    let high = match (endpoint, high) {
        (false, high) => high,
        (true, Parameter::Number(high)) => {
            Parameter::Number(high.checked_add(1).ok_or_else(|| call.bad("high", "is too large"))?)
        }
        // No sum of narrow integers wraps, and floats stay what is refused.
        (true, Parameter::Array(high)) => Parameter::Array(call.at(high.add(Scalar::I64(1)))?),
    };
    let (shape, chunks) = (call.shape("size")?, call.chunks("chunks")?);
    let dtype = call.dtype("dtype")?.unwrap_or(DType::I64);
    one(call.with_random(|random| call.at(random.integers_as(dtype, low, high, of(&shape), chunks)))?)
}
