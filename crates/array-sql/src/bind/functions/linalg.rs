//! Products, factorisations, norms, histograms.

use dolmen_array::{Array, HistogramBins, Index, NormOrder};
use dolmen_kernels::Kind;

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
            // Of booleans it is whether any are true together, so they stay what they are.
            let a = if a.dtype().kind() == Kind::Complex { call.at(a.conjugate())? } else { a };
            one(call.at(a.dot(&b))?)
        }),
        own("inner", "a, b", |call| {
            let (a, b) = (call.array("a")?, call.array("b")?);
            let is_scaled = a.n_dims() == 0 || b.n_dims() == 0;
            one(call.at(if is_scaled { a.multiply(&b) } else { a.tensordot(&b, &[-1], &[-1]) })?)
        }),
        own("outer", "a, b", |call| {
            let (a, b) = (call.at(call.array("a")?.ravel())?, call.at(call.array("b")?.ravel())?);
            one(call.at(a.expand_dims(&[1]).and_then(|a| a.multiply(&b)))?)
        }),
        own("tensordot", "a, b, axes=2", tensordot),
        own("linalg.norm", "x, ord=null, axis=null, keepdims=false", norm),
        own("linalg.qr", "a, mode='reduced'", |call| {
            let a = call.array("a")?;
            match call.text("mode")?.as_deref() {
                None | Some("reduced") => {
                    let (q, r) = call.at(a.qr())?;
                    Ok(Value::Results { function: "linalg.qr", arrays: vec![q, r] })
                }
                Some("r") => one(call.at(a.qr_r())?),
                Some(_) => Err(call.bad("mode", "should be 'reduced' or 'r'")),
            }
        }),
        own("linalg.svd", "a, full_matrices=false, compute_uv=true", svd),
        own("linalg.svdvals", "x", |call| one(call.at(call.array("x")?.svdvals())?)),
        own("linalg.svd_compressed", "a, k, n_power_iter=0, seed=null", |call| {
            let k = call.count("k")?.ok_or_else(|| call.bad("k", "should be the number of singular values"))?;
            let (a, n) = (call.array("a")?, call.count("n_power_iter")?.unwrap_or(0));
            let (u, s, v) = call.with_random(|random| call.at(a.svd_compressed(k, n, random)))?;
            Ok(Value::Results { function: "linalg.svd_compressed", arrays: vec![u, s, v] })
        }),
        own("linalg.cholesky", "a, upper=false", |call| {
            let l = call.at(call.array("a")?.cholesky())?;
            one(if call.flag("upper")? { call.at(l.conjugate().and_then(|l| l.transpose(None)))? } else { l })
        }),
        own("linalg.lu", "a, permute_l=false, p_indices=false", lu),
        own("linalg.solve", "a, b, assume_a='gen'", |call| {
            let is_positive = match call.text("assume_a")?.as_deref() {
                None | Some("gen" | "general" | "sym" | "her") => false,
                Some("pos" | "positive definite") => true,
                Some(_) => return Err(call.bad("assume_a", "should be 'gen' or 'pos'")),
            };
            one(call.at(call.array("a")?.solve(&call.array("b")?, is_positive))?)
        }),
        own("linalg.solve_triangular", "a, b, lower=false, unit_diagonal=false", |call| {
            let (is_lower, unit_diagonal) = (call.flag("lower")?, call.flag("unit_diagonal")?);
            one(call.at(call.array("a")?.solve_triangular(&call.array("b")?, is_lower, unit_diagonal))?)
        }),
        own("linalg.inv", "a", |call| one(call.at(call.array("a")?.inv())?)),
        own("linalg.lstsq", "a, b, rcond=null", |call| {
            let found = call.at(call.array("a")?.lstsq(&call.array("b")?, call.float("rcond")?))?;
            let arrays = vec![found.solution, found.residuals, found.rank, found.singular_values];
            Ok(Value::Results { function: "linalg.lstsq", arrays })
        }),
        own("linalg.eigh", "a", |call| {
            let (w, v) = call.at(call.array("a")?.eigh())?;
            Ok(Value::Results { function: "linalg.eigh", arrays: vec![w, v] })
        }),
        own("linalg.eigvalsh", "a", |call| one(call.at(call.array("a")?.eigh())?.0)),
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

/// SciPy's factors: `p @ l @ u` is the matrix, or `l[p] @ u`, or, with the rows of `l` exchanged, `l @ u`.
fn lu(call: &Call<'_>) -> Result<Value> {
    let (order, l, u) = call.at(call.array("a")?.lu())?;
    let inverse = call.at(order.argsort(Some(0)))?;
    let results = |arrays| Ok(Value::Results { function: "linalg.lu", arrays });
    if call.flag("permute_l")? {
        return results(vec![call.at(l.index(&[Index::Array(inverse)]))?, u]);
    }
    if call.flag("p_indices")? {
        return results(vec![inverse, l, u]);
    }
    // Row `order[i]` of the permutation has its one in column `i`.
    let n = call.at(l.shape())?[0];
    let rows = call.at(Array::arange(0, n as i64, 1, None, call.auto()).and_then(|rows| rows.expand_dims(&[1])))?;
    results(vec![call.at(rows.equal(&order).and_then(|p| p.astype(l.dtype())))?, l, u])
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
        Some(Value::List(_) | Value::Array(_)) => HistogramBins::EdgeArray(call.array("bins")?),
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
