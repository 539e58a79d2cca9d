//! `boolean_column = 'true'`: a text in quotes has the type of what it is compared with.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Reads the text of a comparison with a boolean as a boolean; DataFusion refuses it.
#[derive(Debug)]
pub(super) struct BooleanTextPlanner;

impl ExprPlanner for BooleanTextPlanner {
    fn plan_binary_op(&self, mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let compares = matches!(
            expr.op,
            BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
        );
        if !compares {
            return Ok(PlannerResult::Original(expr));
        }
        let is_boolean = |side: &Expr| matches!(side.get_type(schema), Ok(DataType::Boolean));
        if let Some(written) = text_of(&expr.right)
            && is_boolean(&expr.left)
        {
            expr.right = lit(boolean(written)?);
        } else if let Some(written) = text_of(&expr.left)
            && is_boolean(&expr.right)
        {
            expr.left = lit(boolean(written)?);
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => Some(text),
        _ => None,
    }
}

/// The words that PostgreSQL reads, in any case, and their beginnings as far as they are one word's.
fn boolean(text: &str) -> Result<bool> {
    let word = text.trim().to_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        plan_err!("'{text}' is not a boolean; write true or false")
    }
}
