//! Replacing subquery expressions by columns that are joined to the input of their node.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Case};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, BinaryExpr, Expr, ExprSchemable, JoinType, Limit, LogicalPlan, Operator, Subquery, cast,
    lit, when,
};

use super::build::{alias, as_exprs, column_at, filter, join, named, named_like, project};
use super::domain::Domain;
use super::ids::Ids;
use super::push::Push;
use super::references::{bind_refs, free_refs, refs_bound_by, to_outer_refs};
use super::shape::{OverAggregate, has_at_most_one_row, has_one_row};
use super::single_row::single_row;
use super::stable::substitute;

/// The input of a node while its subquery expressions are replaced one by one.
///
/// The rows of the input stay what they are, each once; every replaced subquery adds columns behind its own.
#[derive(Debug)]
pub(super) struct Attach<'a> {
    /// The input with everything that was joined to it.
    pub(super) plan: LogicalPlan,
    /// The input as it was. Domains are taken from it, so that they do not evaluate the other subqueries again.
    base: LogicalPlan,
    ids: &'a Ids,
}

impl<'a> Attach<'a> {
    pub(super) fn new(input: LogicalPlan, ids: &'a Ids) -> Self {
        Self { plan: input.clone(), base: input, ids }
    }

    /// The schema of the input, without what was joined to it.
    pub(super) fn base_schema(&self) -> &DFSchema {
        self.base.schema()
    }

    /// The value of a scalar subquery: NULL without rows, an error (where the value is used) with several.
    pub(super) fn scalar(&mut self, subquery: &LogicalPlan) -> Result<Expr> {
        let [field] = subquery.schema().fields().as_ref() else {
            return plan_err!("a scalar subquery must have one column, not {}", subquery.schema().fields().len());
        };
        let data_type = field.data_type().clone();
        let value = match OverAggregate::find(subquery)? {
            Some(shape) => self.scalar_over_aggregate(shape)?,
            None => self.scalar_in_general(subquery)?,
        };
        if value.get_type(self.plan.schema())? == data_type { Ok(value) } else { Ok(cast(value, data_type)) }
    }

    /// An aggregation without groups has one row for each outer row: the expressions above it move to the outer query,
    /// where they see the right value over no rows and are as lazy as the expression around the subquery.
    fn scalar_over_aggregate(&mut self, shape: OverAggregate) -> Result<Expr> {
        let OverAggregate { aggregate, value, having } = shape;
        let node = LogicalPlan::Aggregate(aggregate.clone());
        let domain = self.domain_of(&node)?;
        let push = Push { domain: &domain, ids: self.ids };
        let per_domain = push.aggregate_per_domain(&aggregate)?;
        let condition = self.matches(&domain, &as_exprs(&per_domain.domain))?;
        self.plan = join(self.plan.clone(), per_domain.plan, JoinType::Left, condition)?;

        let exprs: Vec<Expr> = [value].into_iter().chain(having).collect();
        let exprs = substitute(exprs, &aggregate.schema, &per_domain.values)?;
        let mut exprs = exprs.into_iter().map(|e| bind_refs(e, self.base_schema()));
        let Some(value) = exprs.next() else {
            return plan_err!("a scalar subquery without a value");
        };
        let value = value?;
        let mut kept: Option<Expr> = None;
        for condition in exprs {
            let condition = condition?;
            kept = Some(match kept {
                Some(kept) => kept.and(condition),
                None => condition,
            });
        }
        match kept {
            None => Ok(value),
            Some(kept) => when(kept, value).end(),
        }
    }

    fn scalar_in_general(&mut self, subquery: &LogicalPlan) -> Result<Expr> {
        let domain = self.domain_of(subquery)?;
        let pushed = Push { domain: &domain, ids: self.ids }.push(subquery)?;
        let relation = self.ids.fresh("scalar");
        let value = Expr::Column(column_at(pushed.plan.schema(), 0));
        let keys = as_exprs(&pushed.domain);
        let n_keys = keys.len();
        let one_row = has_at_most_one_row(subquery);
        let plan = if one_row {
            project([keys, vec![value]].concat(), pushed.plan)?
        } else {
            let first = self.aggregate(first_value_udaf(), value);
            let n_rows = self.aggregate(count_udaf(), lit(1_i64));
            LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(pushed.plan), keys, vec![first, n_rows])?)
        };
        let columns = self.join_named(&domain, plan, &relation, n_keys)?;
        Ok(match columns.as_slice() {
            [value, n_rows] => single_row(value.clone(), n_rows.clone()),
            [value] => value.clone(),
            other => return plan_err!("a scalar subquery left {} columns", other.len()),
        })
    }

    /// Whether a subquery has a row. Never NULL.
    pub(super) fn exists(&mut self, subquery: &LogicalPlan) -> Result<Expr> {
        if free_refs(subquery)?.is_empty() {
            return exists_once(subquery);
        }
        let domain = self.domain_of(subquery)?;
        let pushed = Push { domain: &domain, ids: self.ids }.push(subquery)?;
        let keys = as_exprs(&pushed.domain);
        let plan = if keys.is_empty() { pushed.plan } else { project(keys.clone(), pushed.plan)? };
        self.mark(&domain, plan, keys.len(), None)
    }

    /// `needle IN (subquery)`, where UNKNOWN may be taken for false.
    pub(super) fn is_in(&mut self, needle: &Expr, subquery: &LogicalPlan) -> Result<Expr> {
        let domain = self.domain_of(subquery)?;
        let pushed = Push { domain: &domain, ids: self.ids }.push(subquery)?;
        let value = Expr::Column(column_at(pushed.plan.schema(), 0));
        let keys = as_exprs(&pushed.domain);
        let plan = project([keys.clone(), vec![value]].concat(), pushed.plan)?;
        self.mark(&domain, plan, keys.len(), Some(needle))
    }

    /// `needle IN (subquery)` in three-valued logic.
    ///
    /// It is true if a value matches, else UNKNOWN if the needle or a value is NULL and there is a value at all.
    pub(super) fn is_in_or_unknown(&mut self, needle: &Expr, subquery: &LogicalPlan) -> Result<Expr> {
        let found = self.is_in(needle, subquery)?;
        let needle_nullable = needle.nullable(self.plan.schema())?;
        if !needle_nullable && !subquery.schema().field(0).is_nullable() {
            return Ok(found);
        }
        let domain = self.domain_of(subquery)?;
        let pushed = Push { domain: &domain, ids: self.ids }.push(subquery)?;
        let value = Expr::Column(column_at(pushed.plan.schema(), 0));
        let keys = as_exprs(&pushed.domain);
        let n_keys = keys.len();
        let n_rows = self.aggregate(count_udaf(), lit(1_i64));
        let n_values = self.aggregate(count_udaf(), value);
        let counts = Aggregate::try_new(Arc::new(pushed.plan), keys, vec![n_rows, n_values])?;
        let columns = self.join_named(&domain, LogicalPlan::Aggregate(counts), &self.ids.fresh("counts"), n_keys)?;
        let [n_rows, n_values] = columns.as_slice() else {
            return plan_err!("the counts of an IN subquery left {} columns", columns.len());
        };
        let empty = n_rows.clone().is_null().or(n_rows.clone().eq(lit(0_i64)));
        let unknown = needle.clone().is_null().or(n_values.clone().lt(n_rows.clone()));
        when(found, lit(true))
            .when(empty, lit(false))
            .when(unknown, lit(ScalarValue::Boolean(None)))
            .otherwise(lit(false))
    }

    /// Lets the domains of the subqueries to come see the columns of `expr`, if subqueries before it added some of them.
    pub(super) fn include(&mut self, expr: &Expr) {
        if expr.column_refs().iter().any(|column| !self.base.schema().is_column_from_schema(column)) {
            self.base = self.plan.clone();
        }
    }

    /// An aggregate under a name of its own: a value may be a column that is called like a literal.
    fn aggregate(&self, function: Arc<AggregateUDF>, argument: Expr) -> Expr {
        aggregate_call(function, argument).alias(self.ids.fresh("value"))
    }

    fn domain_of(&self, subquery: &LogicalPlan) -> Result<Domain> {
        let refs = refs_bound_by(subquery, self.base_schema())?;
        Domain::new(&self.base, &refs, self.ids)
    }

    fn matches(&self, domain: &Domain, keys: &[Expr]) -> Result<Option<Expr>> {
        Ok(domain.same(&domain.outer_values(&self.plan)?, keys))
    }

    /// LEFT-joins `plan`, whose first `n_keys` columns are the domain, and returns its other columns.
    fn join_named(&mut self, domain: &Domain, plan: LogicalPlan, relation: &str, n_keys: usize) -> Result<Vec<Expr>> {
        let plan = self.renamed(plan, relation)?;
        let mut columns = as_exprs(&plan.schema().columns());
        let values = columns.split_off(n_keys);
        let condition = self.matches(domain, &columns)?;
        self.plan = join(self.plan.clone(), plan, JoinType::Left, condition)?;
        Ok(values)
    }

    /// Joins a mark: whether `plan`, whose first `n_keys` columns are the domain, has a partner for a row. With a
    /// needle, the column behind them must equal it.
    fn mark(&mut self, domain: &Domain, plan: LogicalPlan, n_keys: usize, needle: Option<&Expr>) -> Result<Expr> {
        let relation = self.ids.fresh("mark");
        let plan = self.renamed(plan, &relation)?;
        let columns = as_exprs(&plan.schema().columns());
        let same_domain = self.matches(domain, &columns[..n_keys])?;
        let found = needle.map(|needle| needle.clone().eq(columns[n_keys].clone()));
        let condition = conjunction(same_domain.into_iter().chain(found));
        self.plan = join(self.plan.clone(), plan, JoinType::LeftMark, condition)?;
        // A mark column is always called "mark"; the relation name of the right side tells it from others.
        let schema = self.plan.schema();
        Ok(Expr::Column(column_at(schema, schema.fields().len() - 1)))
    }

    /// `plan` under a relation name of its own, with column names of their own.
    fn renamed(&self, plan: LogicalPlan, relation: &str) -> Result<LogicalPlan> {
        let exprs = (0..plan.schema().fields().len())
            .map(|idx| named(Expr::Column(column_at(plan.schema(), idx)), None, &self.ids.fresh("value")))
            .collect();
        alias(project(exprs, plan)?, relation)
    }
}

/// `EXISTS` of a subquery that reads no outer query, as a scalar subquery, which is evaluated once.
fn exists_once(subquery: &LogicalPlan) -> Result<Expr> {
    let limit =
        LogicalPlan::Limit(Limit { skip: None, fetch: Some(Box::new(lit(1_i64))), input: Arc::new(subquery.clone()) });
    let n_rows = aggregate_call(count_udaf(), lit(1_i64));
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(limit), vec![], vec![n_rows])?);
    let found = Expr::Column(column_at(plan.schema(), 0)).gt(lit(0_i64));
    let plan = project(vec![found.alias("exists")], plan)?;
    Ok(Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        outer_ref_columns: vec![],
        spans: datafusion::common::Spans::new(),
    })
    .is_true())
}

/// Rewrites `needle op ANY (subquery)` and `ALL` into conditions over `EXISTS`, which `exists` evaluates.
///
/// `exists` gets the subquery restricted to the rows for which the comparison is true, false or UNKNOWN.
pub(super) fn quantified(
    needle: &Expr,
    op: Operator,
    all: bool,
    subquery: &LogicalPlan,
    outer: &DFSchema,
    mut exists: impl FnMut(&LogicalPlan) -> Result<Expr>,
) -> Result<Expr> {
    let needle = to_outer_refs(needle.clone(), outer)?;
    let value = Expr::Column(column_at(subquery.schema(), 0));
    let comparison = Expr::BinaryExpr(BinaryExpr::new(Box::new(needle), op, Box::new(value)));
    let (decides, decided) =
        if all { (comparison.clone().is_false(), false) } else { (comparison.clone().is_true(), true) };
    let decides = exists(&filter(decides, subquery.clone())?)?;
    let unknown = exists(&filter(comparison.is_null(), subquery.clone())?)?;
    Ok(Expr::Case(Case::new(
        None,
        vec![
            (Box::new(decides), Box::new(lit(decided))),
            (Box::new(unknown), Box::new(lit(ScalarValue::Boolean(None)))),
        ],
        Some(Box::new(lit(!decided))),
    )))
}

/// A scalar subquery that reads no outer query, with a value that is nullable if there can be no row; `None` if the
/// subquery is fine as it is.
///
/// DataFusion (55.2) takes the value of such a subquery for non-NULL if its column is, even where it may have no row. The
/// column may also become non-NULL only later, when the optimizer makes an inner join of an outer one.
pub(super) fn nullable_scalar(subquery: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    if subquery.schema().fields().len() != 1 || has_one_row(subquery) {
        return Ok(None);
    }
    let value = Expr::Column(column_at(subquery.schema(), 0));
    // The function keeps the value, and its result is nullable.
    let value = named_like(single_row(value, lit(1_i64)), subquery.schema(), 0);
    project(vec![value], subquery.clone()).map(Some)
}

fn aggregate_call(function: Arc<AggregateUDF>, argument: Expr) -> Expr {
    Expr::AggregateFunction(AggregateFunction::new_udf(function, vec![argument], false, None, vec![], None))
}
