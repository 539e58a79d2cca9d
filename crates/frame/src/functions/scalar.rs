//! Scalar functions from closures.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::call::{Arguments, Function, Skipped};
use super::error::{FunctionError, panic_message};
use super::signature::Declaration;
use super::value::{Outcome, SqlValue};

/// Makes a scalar SQL function from a closure.
///
/// The closure's types are the function's types: the engine converts arguments to them, and a call that does not fit
/// is an error when the statement is planned. An argument that is no `Option` makes the function strict: where it is
/// NULL the result is NULL and the closure is not called. A closure may return `T`, `Option<T>`, `Result<T, E>` or
/// `Result<Option<T>, E>`. See [`SqlType`](super::SqlType) for the types.
///
/// A function with arguments is taken to be immutable: the planner may evaluate it early, once for equal calls, or
/// inside a scan. A closure without arguments is taken to be volatile, because a constant needs no function: it is
/// called for every row. [`scalar_with_volatility`] says otherwise.
///
/// An `Err`, and a panic, ends the query with a [`FunctionError`]; the session goes on.
///
/// ```
/// use datafusion::prelude::SessionContext;
/// use dolmen_frame::functions::scalar;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let session = SessionContext::new();
/// session.register_udf(scalar("scale", |x: i64, y: f64| x as f64 * y));
/// session.register_udf(scalar("initial", |name: &str| name.chars().next().map(String::from)));
/// session.register_udf(scalar("port", |text: &str| text.parse::<u16>()));
///
/// let rows = session.sql("SELECT scale(3, 0.5), initial(''), port('8080')").await?.collect().await?;
/// let text = arrow::util::pretty::pretty_format_batches(&rows)?.to_string();
/// assert!(text.contains("| 1.5 "));
/// assert!(text.contains(" 8080 "));
/// # Ok(())
/// # }
/// ```
pub fn scalar<F, M>(name: impl Into<String>, function: F) -> ScalarUDF
where
    F: Function<M>,
    F::Output: Outcome,
    M: 'static,
{
    let pure = !F::Arguments::parameters().is_empty();
    let volatility = if pure { Volatility::Immutable } else { Volatility::Volatile };
    scalar_with_volatility(name, volatility, function)
}

/// Makes a scalar SQL function whose [`Volatility`] is not the usual one, see [`scalar`].
///
/// `Volatile` is right for a closure that counts its calls, draws random numbers or reads a clock: it is called for
/// every row and never early. `Stable` is right for one that keeps its answers during a statement.
pub fn scalar_with_volatility<F, M>(name: impl Into<String>, volatility: Volatility, function: F) -> ScalarUDF
where
    F: Function<M>,
    F::Output: Outcome,
    M: 'static,
{
    let declaration = Declaration::new::<F::Arguments>(name, volatility);
    let return_type = <F::Output as Outcome>::Value::data_type();
    let kernel_declaration = Arc::clone(&declaration);
    let kernel = move |arrays: &[ArrayRef], rows: usize| evaluate(&function, &kernel_declaration, arrays, rows);
    ScalarUDF::new_from_impl(ClosureScalar { declaration, return_type, kernel: Arc::new(kernel) })
}

/// Calls the closure for every row of a batch.
fn evaluate<F, M>(
    function: &F,
    declaration: &Declaration,
    arrays: &[ArrayRef],
    rows: usize,
) -> Result<ArrayRef, FunctionError>
where
    F: Function<M>,
    F::Output: Outcome,
{
    let columns = F::Arguments::open(arrays, rows).map_err(|index| declaration.unexpected_type(index, arrays))?;
    let skipped = Skipped::new(declaration.parameters(), arrays, rows);
    let mut builder = <F::Output as Outcome>::Value::builder(rows);
    let mut row = 0;
    // One guard for the whole batch costs nothing per row. Nothing that a panic leaves half done is used afterwards:
    // the builder is dropped with the error, and the closure is shared, so that it cannot be changed without a lock.
    let guarded = catch_unwind(AssertUnwindSafe(|| {
        while row < rows {
            let value = if skipped.contains(row) {
                None
            } else {
                let outcome =
                    function.call(&columns, row).map_err(|error| declaration.bad_value(error, arrays, row))?;
                outcome.into_result().map_err(|message| declaration.failed(message, arrays, row))?
            };
            <F::Output as Outcome>::Value::push(&mut builder, value);
            row += 1;
        }
        Ok(())
    }));
    match guarded {
        Ok(done) => done?,
        Err(payload) => return Err(declaration.panicked(panic_message(payload.as_ref()), arrays, row)),
    }
    Ok(<F::Output as Outcome>::Value::finish(builder))
}

type Kernel = dyn Fn(&[ArrayRef], usize) -> Result<ArrayRef, FunctionError> + Send + Sync;

/// A closure behind DataFusion's trait.
struct ClosureScalar {
    declaration: Arc<Declaration>,
    return_type: DataType,
    kernel: Arc<Kernel>,
}

impl ScalarUDFImpl for ClosureScalar {
    fn name(&self) -> &str {
        self.declaration.name()
    }

    fn aliases(&self) -> &[String] {
        self.declaration.aliases()
    }

    fn signature(&self) -> &Signature {
        self.declaration.signature()
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.return_type.clone())
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.declaration.coerce_planned(arg_types)
    }

    fn is_strict(&self) -> bool {
        self.declaration.is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.declaration.check_count(args.args.len())?;
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        // The value of a constant call is computed once, unless every row is meant to see a call of its own.
        let once = constant && self.declaration.signature().volatility != Volatility::Volatile;
        let rows = if once { 1 } else { args.number_rows };
        let arrays = open_arguments(&args.args)?;
        if rows == 0 {
            return Ok(ColumnarValue::Array(new_null_array(&self.return_type, 0)));
        }
        let result = (self.kernel)(&arrays, rows)?;
        if once {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// The arguments as arrays, where a constant has one row.
fn open_arguments(arguments: &[ColumnarValue]) -> Result<Vec<ArrayRef>> {
    let arrays = arguments.iter().map(|argument| match argument {
        ColumnarValue::Array(array) => Ok(Arc::clone(array)),
        ColumnarValue::Scalar(value) => value.to_array(),
    });
    arrays.collect()
}

impl fmt::Debug for ClosureScalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClosureScalar({})", self.declaration)
    }
}

/// Closures cannot be compared, so a function equals only itself.
impl PartialEq for ClosureScalar {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.declaration, &other.declaration)
    }
}

impl Eq for ClosureScalar {}

impl Hash for ClosureScalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.declaration.name().hash(state);
    }
}
