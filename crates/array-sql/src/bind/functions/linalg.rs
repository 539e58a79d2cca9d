//! Products, factorisations, norms, histograms.

use dolmen_array::{Array, HistogramBins, NormOrder};

use super::{Function, one, own};
use crate::Result;
use crate::bind::call::Call;
use crate::bind::value::Value;

/// NumPy's algebra.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    [
        own("matmul", "x1, x2", |call| one(call.at(call.array("x1")?.matmul(&call.array("x2")?))?)),
        own("dot", "a, b", |call| one(call.at(call.array("a")?.dot(&call.array("b")?))?)),
        own("vdot", "a, b", |call| {
            let (a, b) = (call.at(call.array("a")?.ravel())?, call.at(call.array("b")?.ravel())?);
            one(call.at(a.conjugate().and_then(|a| a.dot(&b)))?)
        }),
        own("outer", "a, b", |call| {
            let (a, b) = (call.at(call.array("a")?.ravel())?, call.at(call.array("b")?.ravel())?);
            one(call.at(a.expand_dims(&[1]).and_then(|a| a.multiply(&b)))?)
        }),
        own("tensordot", "a, b, axes=2", tensordot),
        own("linalg.norm", "x, ord=null, axis=null, keepdims=false", norm),
        own("linalg.qr", "a, mode='reduced'", |call| {
            let (q, r) = call.at(call.array("a")?.qr())?;
            match call.text("mode")?.as_deref() {
                None | Some("reduced") => Ok(Value::Results { function: "linalg.qr", arrays: vec![q, r] }),
                Some("r") => one(r),
                Some(_) => Err(call.bad("mode", "should be 'reduced' or 'r'")),
            }
        }),
        own("linalg.svd", "a, full_matrices=false, compute_uv=true", svd),
        own("linalg.svdvals", "x", |call| one(call.at(call.array("x")?.svdvals())?)),
        own("histogram", "a, bins=10, range=null, density=false, weights=null", histogram),
    ]
    .into_iter()
}

/// Sums over the last `axes` axes of `a` and the first of `b`, or over two lists of axes.
fn tensordot(call: &Call<'_>) -> Result<Value> {
    let (a, b) = (call.array("a")?, call.array("b")?);
    let expected = "should be a number of axes, or two lists of axes";
    let axes_of = |value: &Value| -> Option<Vec<isize>> {
        let axis = |value: &Value| isize::try_from(value.as_int()?).ok();
        match value {
            Value::List(items) => items.iter().map(axis).collect(),
            other => axis(other).map(|axis| vec![axis]),
        }
    };
    let (own, other) = match call.given("axes").map(|given| &given.value) {
        Some(Value::List(lists)) => match lists.as_slice() {
            [own, other] => axes_of(own).zip(axes_of(other)).ok_or_else(|| call.bad("axes", expected))?,
            _ => return Err(call.bad("axes", expected)),
        },
        _ => {
            let n = call.count("axes")?.unwrap_or(2);
            if n > a.n_dims().min(b.n_dims()) {
                return Err(call.bad("axes", "is more than the arrays have"));
            }
            let n = n as isize;
            ((a.n_dims() as isize - n..a.n_dims() as isize).collect(), (0..n).collect())
        }
    };
    one(call.at(a.tensordot(&b, &own, &other))?)
}

fn norm(call: &Call<'_>) -> Result<Value> {
    let order = match call.given("ord").map(|given| &given.value) {
        None => NormOrder::Default,
        Some(Value::Text(name)) if name == "fro" => NormOrder::Frobenius,
        Some(Value::Text(name)) if name == "nuc" => NormOrder::Nuclear,
        Some(Value::Text(_)) => return Err(call.bad("ord", "should be a number, 'fro' or 'nuc'")),
        Some(_) => call.float("ord")?.map_or(NormOrder::Default, NormOrder::P),
    };
    one(call.at(call.array("x")?.norm(order, &call.reduce()?))?)
}

/// The thin decomposition, as Dask's; a full one is the same for a square matrix only.
fn svd(call: &Call<'_>) -> Result<Value> {
    let array = call.array("a")?;
    if call.given("compute_uv").is_some() && !call.flag("compute_uv")? {
        return one(call.at(array.svdvals())?);
    }
    if call.flag("full_matrices")? {
        let shape = call.at(array.shape())?;
        if shape.len() == 2 && shape[0] != shape[1] {
            return Err(call.bad("full_matrices", "is possible for square matrices only; leave it out"));
        }
    }
    let (u, s, v) = call.at(array.svd())?;
    Ok(Value::Results { function: "linalg.svd", arrays: vec![u, s, v] })
}

fn histogram(call: &Call<'_>) -> Result<Value> {
    let bins = match call.given("bins").map(|given| &given.value) {
        Some(Value::List(_)) => HistogramBins::Edges(call.floats("bins")?.unwrap_or_default()),
        _ => HistogramBins::Count(call.count("bins")?.unwrap_or(10)),
    };
    let range = match call.floats("range")?.as_deref() {
        None => None,
        Some([low, high]) => Some((*low, *high)),
        Some(_) => return Err(call.bad("range", "should be [low, high]")),
    };
    let weights: Option<Array> = call.optional_array("weights")?;
    let density = call.flag("density")?;
    let (counts, edges) = call.at(call.array("a")?.histogram(&bins, range, weights.as_ref(), density))?;
    Ok(Value::Results { function: "histogram", arrays: vec![counts, edges] })
}
