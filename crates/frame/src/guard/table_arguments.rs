//! An argument of a table function that has no value says why.
//!
//! The planner folds the arguments and hands on what it cannot fold as it is, so that `generate_series(1, 1 / 0)` would
//! hear that an argument must be a literal.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::{Session, TableFunction, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;

/// A table function that evaluates its arguments before it is called.
#[derive(Debug)]
struct ConstantArguments(Arc<TableFunction>);

/// `function`, with its arguments evaluated first.
pub(super) fn guarded(function: &Arc<TableFunction>) -> Arc<TableFunction> {
    let guarded = ConstantArguments(Arc::clone(function));
    Arc::new(TableFunction::new(function.name().to_owned(), Arc::new(guarded)))
}

impl TableFunctionImpl for ConstantArguments {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        for arg in args.exprs() {
            check(arg, args.session())?;
        }
        self.0.create_table_provider_with_args(args)
    }
}

/// The error of an expression without columns that has no value.
fn check(arg: &Expr, session: &dyn Session) -> Result<()> {
    if matches!(arg, Expr::Literal(..)) || arg.any_column_refs() {
        return Ok(());
    }
    let Ok(physical) = session.create_physical_expr(arg.clone(), &DFSchema::empty()) else { return Ok(()) };
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one_row)?;
    physical.evaluate(&row).map(drop)
}
