//! `ORDER BY ALL`: which columns there are is known only when the query below is planned.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Sort, SortExpr,
    Volatility,
};

/// The function whose call stands for all columns in an ORDER BY, until [`sort_by_all_columns`].
pub(crate) const ALL_COLUMNS: &str = "__all_columns";

/// Lets every sort by [`ALL_COLUMNS`] go by the columns of its input, from the left, each in the order that was asked for.
pub(crate) fn sort_by_all_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let written_out = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Sort(Sort { expr, input, fetch }) if expr.iter().any(is_all_columns) => {
            let order = expr.into_iter().flat_map(|asked| match is_all_columns(&asked) {
                true => {
                    let columns = input.schema().columns().into_iter();
                    columns.map(|column| SortExpr { expr: Expr::Column(column), ..asked.clone() }).collect()
                }
                false => vec![asked],
            });
            Ok(Transformed::yes(LogicalPlan::Sort(Sort { expr: order.collect(), input, fetch })))
        }
        plan => Ok(Transformed::no(plan)),
    })?;
    Ok(written_out.data)
}

fn is_all_columns(sort: &SortExpr) -> bool {
    matches!(&sort.expr, Expr::ScalarFunction(ScalarFunction { func, .. }) if func.name() == ALL_COLUMNS)
}

/// The function; it is never computed.
pub(crate) fn all_columns() -> ScalarUDF {
    ScalarUDF::new_from_impl(AllColumns { signature: Signature::nullary(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AllColumns {
    signature: Signature,
}

impl ScalarUDFImpl for AllColumns {
    fn name(&self) -> &str {
        ALL_COLUMNS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("ORDER BY ALL was not written out")
    }
}
