//! SQL functions of a session: from typed Rust closures, and from DataFusion's traits.

use datafusion::catalog::TableFunction;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use dolmen_frame::functions::{Done, Fold, Function, Nullable, Outcome, Step};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Result, Session};

pub use dolmen_frame::functions::{
    FunctionError, aggregate, fold, scalar, scalar_with_volatility, table, table_of_batches, table_of_results,
    try_table,
};

impl Session {
    /// Makes a closure a scalar function. Its argument and result types are the function's.
    ///
    /// An argument that is no `Option` makes the function strict: where it is NULL, so is the result. An `Err` ends the
    /// query with its message; a panic does too, and the session goes on. See [`scalar`].
    ///
    /// ```
    /// # fn main() -> dolmen::Result<()> {
    /// let session = dolmen::Session::new()?;
    /// session.register_scalar("fahrenheit", |celsius: f64| celsius * 1.8 + 32.0)?;
    /// let rows: Vec<f64> = session.sql("SELECT fahrenheit(100)").rows_blocking()?;
    /// assert_eq!(rows, [212.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Session::register_scalar_udf`].
    pub fn register_scalar<F, M>(&self, name: &str, function: F) -> Result<()>
    where
        F: Function<M>,
        F::Output: Outcome,
        M: 'static,
    {
        self.register_scalar_udf(scalar(name, function))
    }

    /// Makes an aggregate function of a first value and two closures: one takes a row in, one combines two results.
    ///
    /// ```
    /// # fn main() -> dolmen::Result<()> {
    /// let session = dolmen::Session::new()?;
    /// session.register_fold("product", 1.0, |product, x: f64| product * x, |a, b| a * b)?;
    /// let rows: Vec<f64> = session.sql("SELECT product(x) FROM (VALUES (2), (3), (7)) AS t(x)").rows_blocking()?;
    /// assert_eq!(rows, [42.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Session::register_aggregate_udf`].
    pub fn register_fold<S, F, M, G>(&self, name: &str, init: S, step: F, merge: G) -> Result<()>
    where
        S: Nullable + Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fold<S, M>,
        M: 'static,
        G: Fn(S, S) -> S + Send + Sync + 'static,
    {
        self.register_aggregate_udf(fold(name, init, step, merge))
    }

    /// Makes an aggregate function of a state and closures that change, merge and finish it. See [`aggregate`].
    ///
    /// # Errors
    /// As [`Session::register_aggregate_udf`].
    pub fn register_aggregate<S, F, M, G, H, R>(&self, name: &str, init: S, step: F, merge: G, finish: H) -> Result<()>
    where
        S: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Step<S, M>,
        F::Output: Done,
        M: 'static,
        G: Fn(&mut S, S) + Send + Sync + 'static,
        H: Fn(&S) -> R + Send + Sync + 'static,
        R: Outcome + 'static,
    {
        self.register_aggregate_udf(aggregate(name, init, step, merge, finish))
    }

    /// Makes a closure that returns rows a table function. It is called with constants, once for every scan; its rows are
    /// taken as the query needs them. See [`table`].
    ///
    /// ```
    /// # fn main() -> dolmen::Result<()> {
    /// let session = dolmen::Session::new()?;
    /// session.register_table_function("squares", |n: i64| (1..=n).map(|i| (i, i * i)))?;
    /// let rows: Vec<(i64, i64)> = session.sql("SELECT * FROM squares(3)").rows_blocking()?;
    /// assert_eq!(rows, [(1, 1), (2, 4), (3, 9)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Session::register_table_udf`].
    pub fn register_table_function<F, M, I>(&self, name: &str, function: F) -> Result<()>
    where
        F: Function<M, Output = I>,
        M: 'static,
        I: IntoIterator + 'static,
        I::IntoIter: Send + 'static,
        I::Item: Serialize + DeserializeOwned + Send + 'static,
    {
        self.register_table_udf(&table(name, function))
    }

    /// Adds a scalar function of DataFusion's kind; one of the same name is replaced.
    ///
    /// # Errors
    /// None at present; the engine may refuse a function in future.
    pub fn register_scalar_udf(&self, function: ScalarUDF) -> Result<()> {
        self.core().context.register_scalar(function)
    }

    /// Adds an aggregate function of DataFusion's kind; one of the same name is replaced.
    ///
    /// # Errors
    /// As [`Session::register_scalar_udf`].
    pub fn register_aggregate_udf(&self, function: AggregateUDF) -> Result<()> {
        self.core().context.register_aggregate(function)
    }

    /// Adds a window function of DataFusion's kind; one of the same name is replaced.
    ///
    /// # Errors
    /// As [`Session::register_scalar_udf`].
    pub fn register_window_udf(&self, function: WindowUDF) -> Result<()> {
        self.core().context.register_window(function)
    }

    /// Adds a table function of DataFusion's kind; one of the same name is replaced.
    ///
    /// # Errors
    /// A name of a built-in function that reads files.
    pub fn register_table_udf(&self, function: &TableFunction) -> Result<()> {
        self.core().context.register_table_function(function)
    }
}
