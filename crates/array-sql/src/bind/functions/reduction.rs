//! Functions that reduce axes, or run along one.

use dolmen_array::Array;
use dolmen_kernels::{Function as Kernel, Reduction};

use super::{Body, Function, one, own};
use crate::Result;
use crate::bind::call::Call;
use crate::bind::value::Value;

/// Reductions that have a dtype to compute in.
const WITH_DTYPE: &str = "a, axis=null, dtype=null, keepdims=false, split_every=null";
/// Those that take something off the count of elements.
const WITH_DDOF: &str = "a, axis=null, dtype=null, ddof=0, keepdims=false, split_every=null";
/// The others.
const PLAIN: &str = "a, axis=null, keepdims=false, split_every=null";

/// NumPy's reductions, with their parameters but `out`, `initial` and `where`.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    let reductions = [
        ("sum", Kernel::Sum.plain(), WITH_DTYPE),
        ("prod", Kernel::Prod.plain(), WITH_DTYPE),
        ("mean", Kernel::Mean.plain(), WITH_DTYPE),
        ("var", Kernel::Var.plain(), WITH_DDOF),
        ("std", Kernel::Std.plain(), WITH_DDOF),
        ("min", Kernel::Min.plain(), PLAIN),
        ("max", Kernel::Max.plain(), PLAIN),
        ("any", Kernel::Any.plain(), PLAIN),
        ("all", Kernel::All.plain(), PLAIN),
        ("argmin", Kernel::ArgMin.plain(), PLAIN),
        ("argmax", Kernel::ArgMax.plain(), PLAIN),
        ("count_nonzero", Kernel::CountNonzero.plain(), PLAIN),
        ("nansum", Kernel::Sum.skipping_nan(), WITH_DTYPE),
        ("nanprod", Kernel::Prod.skipping_nan(), WITH_DTYPE),
        ("nanmean", Kernel::Mean.skipping_nan(), WITH_DTYPE),
        ("nanvar", Kernel::Var.skipping_nan(), WITH_DDOF),
        ("nanstd", Kernel::Std.skipping_nan(), WITH_DDOF),
        ("nanmin", Kernel::Min.skipping_nan(), PLAIN),
        ("nanmax", Kernel::Max.skipping_nan(), PLAIN),
        ("nanargmin", Kernel::ArgMin.skipping_nan(), PLAIN),
        ("nanargmax", Kernel::ArgMax.skipping_nan(), PLAIN),
    ];
    let reductions = reductions.into_iter().map(|(name, reduction, signature)| Function {
        name,
        signature,
        body: Body::Reduce(reduction),
    });
    let others = [
        own("ptp", PLAIN, |call| {
            let (array, options) = (call.array("a")?, call.reduce()?);
            let (most, least) = (call.at(array.max(&options))?, call.at(array.min(&options))?);
            one(call.at(most.subtract(least))?)
        }),
        own("cumsum", "a, axis=null, dtype=null", |call| running(call, Array::cumsum)),
        own("cumprod", "a, axis=null, dtype=null", |call| running(call, Array::cumprod)),
        own("nancumsum", "a, axis=null, dtype=null", |call| running(call, Array::nancumsum)),
        own("nancumprod", "a, axis=null, dtype=null", |call| running(call, Array::nancumprod)),
        own("topk", "a, k, axis=-1", |call| {
            let k = call.int("k")?.and_then(|k| isize::try_from(k).ok());
            let k = k.ok_or_else(|| call.bad("k", "should be an integer"))?;
            one(call.at(call.array("a")?.topk(k, call.axis("axis")?.unwrap_or(-1)))?)
        }),
    ];
    reductions.chain(others)
}

/// A reduction over the axes of its arguments.
pub(super) fn reduce(call: &Call<'_>, reduction: Reduction) -> Result<Value> {
    let options = call.reduce()?;
    one(call.at(call.array("a")?.reduce(reduction, &options))?)
}

type Running = fn(&Array, Option<isize>) -> Result<Array, dolmen_array::ArrayError>;

/// The reduction of everything up to each element.
fn running(call: &Call<'_>, function: Running) -> Result<Value> {
    let (array, axis) = (call.array("a")?, call.axis("axis")?);
    let result = match call.dtype("dtype")? {
        None => function(&array, axis),
        // A narrow integer wraps as a wide one does that is cut afterwards.
        Some(dtype) => array.astype(dtype).and_then(|array| function(&array, axis)?.astype(dtype)),
    };
    one(call.at(result)?)
}
