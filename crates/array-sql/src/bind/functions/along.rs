//! Sorting, quantiles and Fourier transforms: what goes along a whole axis.

use dolmen_array::{Array, ArrayError, FftNorm};
use dolmen_kernels::QuantileMethod;

use super::{Function, one, own};
use crate::Result;
use crate::bind::call::Call;
use crate::bind::value::Value;

/// NumPy's, and Dask's `argtopk`.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    in_order().into_iter().chain(quantiles()).chain(transforms())
}

fn in_order() -> Vec<Function> {
    vec![
        own("sort", "a, axis=-1", |call| one(call.at(call.array("a")?.sort(axis_or_all(call)?))?)),
        own("argsort", "a, axis=-1", |call| one(call.at(call.array("a")?.argsort(axis_or_all(call)?))?)),
        own("argtopk", "a, k, axis=-1", |call| {
            let k = call.int("k")?.and_then(|k| isize::try_from(k).ok());
            let k = k.ok_or_else(|| call.bad("k", "should be an integer"))?;
            one(call.at(call.array("a")?.argtopk(k, call.axis("axis")?.unwrap_or(-1)))?)
        }),
    ]
}

/// The last axis unless another is given, all elements in one row for null.
fn axis_or_all(call: &Call<'_>) -> Result<Option<isize>> {
    Ok(if call.is_null("axis") { None } else { Some(call.axis("axis")?.unwrap_or(-1)) })
}

fn quantiles() -> Vec<Function> {
    vec![
        own("median", MEDIAN, |call| median(call, false)),
        own("nanmedian", MEDIAN, |call| median(call, true)),
        own("quantile", QUANTILE, |call| quantile(call, 1.0, false)),
        own("percentile", QUANTILE, |call| quantile(call, 100.0, false)),
        own("nanquantile", QUANTILE, |call| quantile(call, 1.0, true)),
        own("nanpercentile", QUANTILE, |call| quantile(call, 100.0, true)),
    ]
}

const MEDIAN: &str = "a, axis=null, keepdims=false, method=null";

/// The median: exact, or by a sketch.
fn median(call: &Call<'_>, skip_nan: bool) -> Result<Value> {
    let (array, options) = (call.array("a")?, call.reduce()?);
    match (call.text("method")?.as_deref(), skip_nan) {
        (None, false) => one(call.at(array.median(&options))?),
        (None, true) => one(call.at(array.nanmedian(&options))?),
        (Some("tdigest"), _) => {
            let found = call.at(array.quantile(&[0.5], QuantileMethod::TDigest, skip_nan, &options))?;
            one(call.at(single(&array, &found))?)
        }
        _ => Err(call.bad("method", "should be 'tdigest', or null for the exact one")),
    }
}

const QUANTILE: &str = "a, q, axis=null, method='linear', keepdims=false";

/// Quantiles at shares of `whole`: along a first axis for a list of them.
fn quantile(call: &Call<'_>, whole: f64, skip_nan: bool) -> Result<Value> {
    let shares = call.floats("q")?.ok_or_else(|| call.bad("q", "should be a number or a list of numbers"))?;
    if !shares.iter().all(|share| (0.0..=whole).contains(share)) {
        return Err(call.bad("q", &format!("should be between 0 and {whole}")));
    }
    let is_list = matches!(call.required("q")?.value, Value::List(_));
    let method = match call.text("method")? {
        None => QuantileMethod::Linear,
        Some(name) => {
            let named = QuantileMethod::NAMED.iter().find(|(other, _)| *other == name);
            let names = || QuantileMethod::NAMED.map(|(name, _)| name).join(", ");
            named
                .map(|(_, method)| *method)
                .ok_or_else(|| call.bad("method", &format!("should be one of {}", names())))?
        }
    };
    let shares: Vec<f64> = shares.iter().map(|share| share / whole).collect();
    let array = call.array("a")?;
    let found = call.at(array.quantile(&shares, method, skip_nan, &call.reduce()?))?;
    if is_list {
        return one(found);
    }
    one(call.at(single(&array, &found))?)
}

/// The one quantile that was asked for. One number is weak: the quantile keeps a narrower float's dtype.
fn single(array: &Array, found: &Array) -> std::result::Result<Array, ArrayError> {
    let single = found.squeeze(Some(&[0]))?;
    match array.dtype() {
        dtype if dtype.is_inexact() && found.dtype() != dtype => single.astype(dtype),
        _ => Ok(single),
    }
}

type Along = fn(&Array, Option<usize>, isize, FftNorm) -> Result<Array, ArrayError>;
type OverAxes = fn(&Array, Option<&[usize]>, Option<&[isize]>, FftNorm) -> Result<Array, ArrayError>;

const ONE: &str = "a, n=null, axis=-1, norm='backward'";
const TWO: &str = "a, s=null, axes=null, norm='backward'";
const ALL: &str = "a, s=null, axes=null, norm='backward'";

fn transforms() -> Vec<Function> {
    vec![
        own("fft.fft", ONE, |call| along(call, Array::fft)),
        own("fft.ifft", ONE, |call| along(call, Array::ifft)),
        own("fft.rfft", ONE, |call| along(call, Array::rfft)),
        own("fft.irfft", ONE, |call| along(call, Array::irfft)),
        own("fft.hfft", ONE, |call| along(call, Array::hfft)),
        own("fft.ihfft", ONE, |call| along(call, Array::ihfft)),
        own("fft.fft2", TWO, |call| over(call, Array::fftn, true)),
        own("fft.ifft2", TWO, |call| over(call, Array::ifftn, true)),
        own("fft.rfft2", TWO, |call| over(call, Array::rfftn, true)),
        own("fft.irfft2", TWO, |call| over(call, Array::irfftn, true)),
        own("fft.fftn", ALL, |call| over(call, Array::fftn, false)),
        own("fft.ifftn", ALL, |call| over(call, Array::ifftn, false)),
        own("fft.rfftn", ALL, |call| over(call, Array::rfftn, false)),
        own("fft.irfftn", ALL, |call| over(call, Array::irfftn, false)),
        own("fft.fftfreq", "n, d=1.0, chunks=null", |call| frequencies(call, Array::fftfreq)),
        own("fft.rfftfreq", "n, d=1.0, chunks=null", |call| frequencies(call, Array::rfftfreq)),
        own("fft.fftshift", "x, axes=null", |call| {
            one(call.at(call.array("x")?.fftshift(call.axes("axes")?.as_deref()))?)
        }),
        own("fft.ifftshift", "x, axes=null", |call| {
            one(call.at(call.array("x")?.ifftshift(call.axes("axes")?.as_deref()))?)
        }),
    ]
}

fn norm(call: &Call<'_>) -> Result<FftNorm> {
    match call.text("norm")?.as_deref() {
        None | Some("backward") => Ok(FftNorm::Backward),
        Some("ortho") => Ok(FftNorm::Ortho),
        Some("forward") => Ok(FftNorm::Forward),
        Some(_) => Err(call.bad("norm", "should be 'backward', 'ortho' or 'forward'")),
    }
}

fn along(call: &Call<'_>, transform: Along) -> Result<Value> {
    let (n, axis) = (call.count("n")?, call.axis("axis")?.unwrap_or(-1));
    one(call.at(transform(&call.array("a")?, n, axis, norm(call)?))?)
}

fn over(call: &Call<'_>, transform: OverAxes, is_of_two: bool) -> Result<Value> {
    let (lens, axes) = (call.shape("s")?, call.axes("axes")?);
    let axes = axes.or_else(|| is_of_two.then(|| vec![-2, -1]));
    one(call.at(transform(&call.array("a")?, lens.as_deref(), axes.as_deref(), norm(call)?))?)
}

type Frequencies = fn(usize, f64, dolmen_array::ChunkSpec) -> Result<Array, ArrayError>;

fn frequencies(call: &Call<'_>, of: Frequencies) -> Result<Value> {
    let n = call.count("n")?.ok_or_else(|| call.bad("n", "should be the length of a transform"))?;
    one(call.at(of(n, call.float("d")?.unwrap_or(1.0), call.chunks("chunks")?))?)
}
