//! Aggregate functions from closures.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::accumulate::{Buffered, Running};
use super::call::{Arguments, Fold, RowError, Step};
use super::signature::Declaration;
use super::value::{Done, Nullable, Outcome, SqlValue};

/// What an aggregate does with its state: the closures of [`aggregate`] and of [`fold`] behind one form.
///
/// The state is an `Option`, so that a fold by value can take it out and put the next one in; it is `None` before the
/// first row.
pub(super) trait Recipe: Send + Sync + 'static {
    type State: Serialize + DeserializeOwned + Send + Sync + 'static;
    type Arguments: Arguments;
    type Value: SqlValue;

    fn step(
        &self,
        state: &mut Option<Self::State>,
        columns: &<Self::Arguments as Arguments>::Columns<'_>,
        row: usize,
    ) -> Result<Result<(), String>, RowError>;

    fn merge(&self, state: Self::State, other: Self::State) -> Self::State;

    fn finish(&self, state: Option<&Self::State>) -> Result<Option<Self::Value>, String>;
}

/// Makes an aggregate SQL function from a state and three closures.
///
/// - `init` is the state before the first row. Every partition starts from a copy of it, so it must change nothing
///   when it is merged: 0 for a sum, an empty list for a collection.
/// - `step` puts the arguments of one row into the state. Like the built-in aggregates it does not see rows where an
///   argument is NULL, unless the argument is an `Option`. It returns nothing, or a `Result<(), E>`.
/// - `merge` puts the state of another partition into this one.
/// - `finish` makes the result: `T`, `Option<T>`, `Result<T, E>` or `Result<Option<T>, E>`. It may be called many
///   times, as a running window does. Over no rows it sees `init`.
///
/// Between the phases of a query the state travels as bytes (MessagePack with named fields), hence the serde bounds.
/// DISTINCT, FILTER, ORDER BY inside the call, GROUP BY and windows work. DISTINCT and ORDER BY keep the arguments of
/// a group in memory; a window whose start moves runs the closures over its rows again for every row.
///
/// An `Err`, and a panic, ends the query with a [`FunctionError`](super::FunctionError); the session goes on.
///
/// ```
/// use datafusion::prelude::SessionContext;
/// use dolmen_frame::functions::aggregate;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let session = SessionContext::new();
/// session.register_udaf(aggregate(
///     "weighted_avg",
///     (0.0, 0.0),
///     |state: &mut (f64, f64), value: f64, weight: f64| {
///         state.0 += value * weight;
///         state.1 += weight;
///     },
///     |state, other| *state = (state.0 + other.0, state.1 + other.1),
///     |state| (state.1 != 0.0).then(|| state.0 / state.1),
/// ));
/// let rows = session.sql("SELECT weighted_avg(x, w) FROM (VALUES (1, 1), (4, 2)) AS t (x, w)").await?.collect().await?;
/// assert!(arrow::util::pretty::pretty_format_batches(&rows)?.to_string().contains("| 3.0 "));
/// # Ok(())
/// # }
/// ```
pub fn aggregate<S, F, M, G, H, R>(name: impl Into<String>, init: S, step: F, merge: G, finish: H) -> AggregateUDF
where
    S: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    F: Step<S, M>,
    F::Output: Done,
    M: 'static,
    G: Fn(&mut S, S) + Send + Sync + 'static,
    H: Fn(&S) -> R + Send + Sync + 'static,
    R: Outcome + 'static,
{
    from_recipe(name, InPlace { init, step, merge, finish, marker: PhantomData::<fn() -> (M, R)> })
}

/// Makes an aggregate SQL function from a value and two closures that combine values.
///
/// The short form of [`aggregate`] for a result that is its own state: `step` makes the next value from the value so
/// far and the arguments of a row, `merge` combines the values of two partitions. `init` must change nothing when it
/// is merged, and it is the result over no rows; with an `Option` both may be NULL. The types of the arguments after
/// the value so far must be written.
///
/// ```
/// use datafusion::prelude::SessionContext;
/// use dolmen_frame::functions::fold;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let session = SessionContext::new();
/// session.register_udaf(fold("product", 1.0, |so_far, x: f64| so_far * x, |a, b| a * b));
/// let rows = session.sql("SELECT product(x) FROM (VALUES (2), (3), (7)) AS t (x)").await?.collect().await?;
/// assert!(arrow::util::pretty::pretty_format_batches(&rows)?.to_string().contains("| 42.0 "));
/// # Ok(())
/// # }
/// ```
pub fn fold<S, F, M, G>(name: impl Into<String>, init: S, step: F, merge: G) -> AggregateUDF
where
    S: Nullable + Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    F: Fold<S, M>,
    M: 'static,
    G: Fn(S, S) -> S + Send + Sync + 'static,
{
    from_recipe(name, ByValue { init, step, merge, marker: PhantomData })
}

/// The closures of [`aggregate`].
struct InPlace<S, F, G, H, M> {
    init: S,
    step: F,
    merge: G,
    finish: H,
    marker: PhantomData<fn() -> M>,
}

impl<S, F, G, H, M, R> Recipe for InPlace<S, F, G, H, (M, R)>
where
    S: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    F: Step<S, M>,
    F::Output: Done,
    M: 'static,
    G: Fn(&mut S, S) + Send + Sync + 'static,
    H: Fn(&S) -> R + Send + Sync + 'static,
    R: Outcome + 'static,
{
    type State = S;
    type Arguments = F::Arguments;
    type Value = R::Value;

    #[inline]
    fn step(
        &self,
        state: &mut Option<S>,
        columns: &<F::Arguments as Arguments>::Columns<'_>,
        row: usize,
    ) -> Result<Result<(), String>, RowError> {
        let state = state.get_or_insert_with(|| self.init.clone());
        Ok(self.step.call(state, columns, row)?.into_done())
    }

    fn merge(&self, mut state: S, other: S) -> S {
        (self.merge)(&mut state, other);
        state
    }

    fn finish(&self, state: Option<&S>) -> Result<Option<R::Value>, String> {
        (self.finish)(state.unwrap_or(&self.init)).into_result()
    }
}

/// The closures of [`fold`].
struct ByValue<S, F, G, M> {
    init: S,
    step: F,
    merge: G,
    marker: PhantomData<fn() -> M>,
}

impl<S, F, G, M> Recipe for ByValue<S, F, G, M>
where
    S: Nullable + Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    F: Fold<S, M>,
    M: 'static,
    G: Fn(S, S) -> S + Send + Sync + 'static,
{
    type State = S;
    type Arguments = F::Arguments;
    type Value = S::Value;

    #[inline]
    fn step(
        &self,
        state: &mut Option<S>,
        columns: &<F::Arguments as Arguments>::Columns<'_>,
        row: usize,
    ) -> Result<Result<(), String>, RowError> {
        let so_far = state.take().unwrap_or_else(|| self.init.clone());
        *state = Some(self.step.call(so_far, columns, row)?);
        Ok(Ok(()))
    }

    fn merge(&self, state: S, other: S) -> S {
        (self.merge)(state, other)
    }

    fn finish(&self, state: Option<&S>) -> Result<Option<S::Value>, String> {
        Ok(state.unwrap_or(&self.init).clone().into_option())
    }
}

fn from_recipe<R: Recipe>(name: impl Into<String>, recipe: R) -> AggregateUDF {
    let declaration = Declaration::new::<R::Arguments>(name, Volatility::Immutable);
    AggregateUDF::new_from_impl(ClosureAggregate { declaration, recipe: Arc::new(recipe) })
}

/// Closures behind DataFusion's trait.
struct ClosureAggregate<R> {
    declaration: Arc<Declaration>,
    recipe: Arc<R>,
}

impl<R: Recipe> ClosureAggregate<R> {
    fn running(&self) -> Running<R> {
        Running::new(Arc::clone(&self.declaration), Arc::clone(&self.recipe))
    }

    fn buffered(&self, args: &AccumulatorArgs, sliding: bool) -> Result<Box<dyn Accumulator>> {
        let arguments = args.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Box::new(Buffered::try_new(self.running(), arguments, args, sliding)?))
    }
}

/// Whether the arguments of a group must be kept until its end.
fn must_buffer(distinct: bool, n_orderings: usize) -> bool {
    distinct || n_orderings > 0
}

impl<R: Recipe> AggregateUDFImpl for ClosureAggregate<R> {
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
        Ok(R::Value::data_type())
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.declaration.coerce_planned(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if must_buffer(args.is_distinct, args.order_bys.len()) {
            return self.buffered(&args, false);
        }
        Ok(Box::new(self.running()))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.buffered(&args, true)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !must_buffer(args.is_distinct, args.ordering_fields.len()) {
            let name = format_state_name(args.name, "state");
            return Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))]);
        }
        let kept = args.input_fields.iter().chain(args.ordering_fields).enumerate();
        let lists = kept.map(|(index, field)| {
            let element = Field::new_list_field(field.data_type().clone(), true);
            let name = format_state_name(args.name, &format!("rows_{index}"));
            Arc::new(Field::new(name, DataType::List(Arc::new(element)), true))
        });
        Ok(lists.collect())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        // The accumulator sorts what it has kept, because partial results of several partitions arrive in any order;
        // so it also works where the planner cannot sort the input for it.
        AggregateOrderSensitivity::SoftRequirement
    }

    fn with_beneficial_ordering(self: Arc<Self>, _: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        self.running().evaluate()
    }
}

impl<R> fmt::Debug for ClosureAggregate<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClosureAggregate({})", self.declaration)
    }
}

/// Closures cannot be compared, so a function equals only itself.
impl<R> PartialEq for ClosureAggregate<R> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.declaration, &other.declaration)
    }
}

impl<R> Eq for ClosureAggregate<R> {}

impl<R> Hash for ClosureAggregate<R> {
    fn hash<T: Hasher>(&self, state: &mut T) {
        self.declaration.name().hash(state);
    }
}
