//! IN lists of one expression are not merged by the optimizer.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// DataFusion's rule of the same name, kept from merging IN lists.
///
/// It computes with the lists as with sets of values: `a NOT IN (4, 5) OR a NOT IN (6, 7)` becomes true, also where `a` is
/// NULL; `a IN (1, 2) AND a NOT IN (1, NULL)` becomes `a = 2`; `a IN (b, 5) AND a IN (c, 6)` becomes false, also where `b`
/// is `c`. Lists are merged only where their left sides are equal, so these are told apart while the rule runs.
#[derive(Debug, Default)]
pub(super) struct SimplifyWithoutMerging {
    stock: SimplifyExpressions,
}

impl OptimizerRule for SimplifyWithoutMerging {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.stock.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let subjects = subjects_of_different_lists(&plan)?;
        if subjects.is_empty() {
            return self.stock.rewrite(plan, config);
        }
        let names = NamePreserver::new(&plan);
        let mut n_lists = 0;
        let apart = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(expr
                .transform_up(|part| Ok(tell_apart(part, &subjects, &mut n_lists)))?
                .update_data(|expr| name.restore(expr)))
        })?;
        let simplified = self.stock.rewrite(apart.data, config)?;
        let transformed = simplified.transformed;
        let merged = simplified.data.map_expressions(|expr| expr.transform_up(|part| Ok(as_before(part))))?;
        Ok(Transformed::new_transformed(merged.data, transformed))
    }
}

/// What stands before IN more than once, with different lists. Merging a list with itself changes nothing.
fn subjects_of_different_lists(plan: &LogicalPlan) -> Result<Vec<Expr>> {
    let (mut seen, mut repeated): (Vec<Expr>, Vec<Expr>) = (Vec::new(), Vec::new());
    for_each_list(plan, |list| match seen.contains(&list.expr) {
        true => repeated.push(list.expr.as_ref().clone()),
        false => seen.push(list.expr.as_ref().clone()),
    })?;
    // Lists may be long; those that stand alone are not copied.
    let (mut lists, mut subjects): (Vec<InList>, Vec<Expr>) = (Vec::new(), Vec::new());
    if !repeated.is_empty() {
        for_each_list(plan, |list| {
            if repeated.contains(&list.expr) && !subjects.contains(&list.expr) {
                match lists.iter().find(|other| other.expr == list.expr) {
                    Some(other) if other != list => subjects.push(list.expr.as_ref().clone()),
                    Some(_) => {}
                    None => lists.push(list.clone()),
                }
            }
        })?;
    }
    Ok(subjects)
}

fn for_each_list(plan: &LogicalPlan, mut f: impl FnMut(&InList)) -> Result<()> {
    plan.apply_expressions(|expr| {
        expr.apply(|part| {
            if let Expr::InList(list) = part {
                f(list);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })
    .map(drop)
}

fn tell_apart(expr: Expr, subjects: &[Expr], n_lists: &mut i64) -> Transformed<Expr> {
    match expr {
        Expr::InList(list) if subjects.contains(&list.expr) => {
            *n_lists += 1;
            let call = ScalarFunction::new_udf(Arc::clone(&APART), vec![*list.expr, lit(*n_lists)]);
            Transformed::yes(Expr::InList(InList { expr: Box::new(Expr::ScalarFunction(call)), ..list }))
        }
        other => Transformed::no(other),
    }
}

fn as_before(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::ScalarFunction(mut call) if call.func.inner().is::<Apart>() => Transformed::yes(call.args.swap_remove(0)),
        other => Transformed::no(other),
    }
}

static APART: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(Apart::new())));

/// `__apart(value, n)` is `value`. It is only there while [`SimplifyWithoutMerging`] runs.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Apart {
    signature: Signature,
}

impl Apart {
    fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Apart {
    fn name(&self) -> &str {
        "__apart"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.len() {
            2 => Ok(args.args.swap_remove(0)),
            n => internal_err!("__apart takes two arguments, not {n}"),
        }
    }
}
