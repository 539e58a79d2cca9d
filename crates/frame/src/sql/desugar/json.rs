//! `j -> 'key' ->> 0`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
};

use super::build::call;
use crate::builtin::{JSON_GET, JSON_GET_TEXT};
use crate::sql::calls::called_name;

/// The function for an operator; `None` for operators that do not look into JSON.
pub(super) fn function(op: &BinaryOperator) -> Option<&'static str> {
    match op {
        BinaryOperator::Arrow => Some(JSON_GET),
        BinaryOperator::LongArrow => Some(JSON_GET_TEXT),
        _ => None,
    }
}

/// The call for one operator. A chain becomes one call, which reads the text once.
pub(super) fn step(function: &str, left: Expr, step: Expr) -> Expr {
    match left {
        Expr::Function(mut inner) if called_name(&inner).as_deref() == Some(JSON_GET) => {
            if let FunctionArguments::List(list) = &mut inner.args {
                list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(step)));
            }
            inner.name = ObjectName::from(vec![Ident::new(function)]);
            Expr::Function(inner)
        }
        other => call(function, vec![other, step]),
    }
}
