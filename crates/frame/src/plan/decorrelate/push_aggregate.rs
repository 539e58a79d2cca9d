//! The dependent join under an aggregation.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use datafusion::common::{Column, Result, ScalarValue, internal_err, not_impl_err};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_aggregate::all_default_aggregate_functions;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet, JoinType, LogicalPlan, and, cast, lit};

use super::build::{as_exprs, column_at, join, named, named_like, project};
use super::push::{Push, Pushed};

/// An aggregation without groups, computed for each value of the domain that has an input row.
#[derive(Debug)]
pub(super) struct AggregatePerDomain {
    /// The domain columns and the aggregates, to be joined to the rows they are for by a LEFT join.
    pub(super) plan: LogicalPlan,
    /// The domain columns of `plan`.
    pub(super) domain: Vec<Column>,
    /// The aggregates as expressions over that join, right also where no row of `plan` matched.
    pub(super) values: Vec<Expr>,
}

/// The aggregates whose value over no rows DataFusion knows without evaluating them.
static WITH_KNOWN_EMPTY_VALUE: LazyLock<HashSet<String>> =
    LazyLock::new(|| all_default_aggregate_functions().iter().map(|f| f.name().to_string()).collect());

impl Push<'_> {
    pub(super) fn push_aggregate(&self, aggregate: &Aggregate) -> Result<Pushed> {
        if aggregate.group_expr.is_empty() {
            self.push_scalar_aggregate(aggregate)
        } else {
            self.push_grouped_aggregate(aggregate)
        }
    }

    /// The domain joins the groups, in front: the position of a group decides its bit in `GROUPING`.
    fn push_grouped_aggregate(&self, aggregate: &Aggregate) -> Result<Pushed> {
        let input = self.push(&aggregate.input)?;
        let domain_exprs = as_exprs(&input.domain);
        let replace_all =
            |exprs: &[Expr]| exprs.iter().map(|e| self.replace(e, &input.domain)).collect::<Result<Vec<_>>>();
        let groups = match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => {
                if sets.iter().any(Vec::is_empty) {
                    return not_impl_err!("a correlated subquery with a grand total (ROLLUP, CUBE or an empty set)");
                }
                let sets = sets
                    .iter()
                    .map(|set| Ok([domain_exprs.clone(), replace_all(set)?].concat()))
                    .collect::<Result<Vec<_>>>()?;
                vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets))]
            }
            groups if groups.iter().any(|g| matches!(g, Expr::GroupingSet(_))) => {
                return not_impl_err!("a correlated subquery with ROLLUP or CUBE");
            }
            groups => [domain_exprs, replace_all(groups)?].concat(),
        };
        let aggregates = replace_all(&aggregate.aggr_expr)?;
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input.plan), groups, aggregates)?);

        let n_domain = input.domain.len();
        let schema = plan.schema();
        let mut exprs = Vec::with_capacity(schema.fields().len());
        for idx in 0..aggregate.schema.fields().len() {
            let value = Expr::Column(column_at(schema, n_domain + idx));
            // More groups can mean a wider number of the grouping set.
            let wanted = aggregate.schema.field(idx).data_type();
            let value =
                if schema.field(n_domain + idx).data_type() == wanted { value } else { cast(value, wanted.clone()) };
            exprs.push(named_like(value, &aggregate.schema, idx));
        }
        let domain: Vec<Column> = (0..n_domain).map(|idx| column_at(schema, idx)).collect();
        exprs.extend(as_exprs(&domain));
        Ok(Pushed { plan: project(exprs, plan)?, domain })
    }

    /// An aggregation without groups has a row for every value of the domain, also for one without input rows.
    fn push_scalar_aggregate(&self, aggregate: &Aggregate) -> Result<Pushed> {
        let per_domain = self.aggregate_per_domain(aggregate)?;
        let Some((instance, domain)) = self.domain.instance(self.ids)? else {
            return internal_err!("an aggregation reads a domain without columns");
        };
        let condition = self.same_domain(&domain, &per_domain.domain);
        let plan = join(instance, per_domain.plan, JoinType::Left, condition)?;
        let mut exprs: Vec<Expr> = per_domain
            .values
            .into_iter()
            .enumerate()
            .map(|(idx, value)| named_like(value, &aggregate.schema, idx))
            .collect();
        exprs.extend(as_exprs(&domain));
        Ok(Pushed { plan: project(exprs, plan)?, domain })
    }

    /// Groups an aggregation that has no groups by the domain.
    ///
    /// A value of the domain without input rows has no group. Its aggregates are NULL after a LEFT join, which is right
    /// for most; those that are never NULL get their value over no rows. A function DataFusion does not bring along may
    /// be either: it is evaluated over the domain joined to the input, with a FILTER that drops the rows of the join that
    /// have no input row.
    pub(super) fn aggregate_per_domain(&self, aggregate: &Aggregate) -> Result<AggregatePerDomain> {
        let known = self.domain.outer.is_empty()
            || aggregate
                .aggr_expr
                .iter()
                .all(|e| aggregate_function(e).is_some_and(|f| WITH_KNOWN_EMPTY_VALUE.contains(f.func.name())));
        if known { self.aggregate_present_values(aggregate) } else { self.aggregate_all_values(aggregate) }
    }

    fn aggregate_present_values(&self, aggregate: &Aggregate) -> Result<AggregatePerDomain> {
        let input = self.push(&aggregate.input)?;
        let aggregates =
            aggregate.aggr_expr.iter().map(|e| self.replace(e, &input.domain)).collect::<Result<Vec<_>>>()?;
        let (plan, domain, columns) = self.aggregate_by(input.plan, &input.domain, aggregates)?;
        let mut values = Vec::with_capacity(columns.len());
        for (column, expr) in columns.into_iter().zip(&aggregate.aggr_expr) {
            let idx = values.len();
            let data_type = aggregate.schema.field(idx).data_type();
            let empty = match aggregate_function(expr) {
                Some(function) if !function.func.is_nullable() => function.func.default_value(data_type)?,
                _ => ScalarValue::Null,
            };
            let column = Expr::Column(column);
            values.push(if empty.is_null() { column } else { coalesce(vec![column, lit(empty.cast_to(data_type)?)]) });
        }
        Ok(AggregatePerDomain { plan, domain, values })
    }

    fn aggregate_all_values(&self, aggregate: &Aggregate) -> Result<AggregatePerDomain> {
        let input = self.push(&aggregate.input)?;
        let Some((instance, domain)) = self.domain.instance(self.ids)? else {
            return internal_err!("an aggregation reads a domain without columns");
        };
        let present = self.ids.fresh("present");
        let mut exprs = super::build::all_columns(input.plan.schema());
        exprs.push(lit(true).alias(&present));
        let input_plan = project(exprs, input.plan)?;
        let condition = self.same_domain(&domain, &input.domain);
        let all = join(instance, input_plan, JoinType::Left, condition)?;
        let is_present = Expr::Column(Column::new_unqualified(present)).is_true();
        let mut aggregates = Vec::with_capacity(aggregate.aggr_expr.len());
        for expr in &aggregate.aggr_expr {
            let mut expr = self.replace(expr, &input.domain)?;
            let Some(function) = aggregate_function_mut(&mut expr) else {
                return internal_err!("{expr} is not an aggregate");
            };
            function.params.filter = Some(Box::new(match function.params.filter.take() {
                Some(filter) => and(is_present.clone(), *filter),
                None => is_present.clone(),
            }));
            aggregates.push(expr);
        }
        let (plan, domain, columns) = self.aggregate_by(all, &domain, aggregates)?;
        Ok(AggregatePerDomain { plan, domain, values: as_exprs(&columns) })
    }

    /// Groups `input` by `domain` and gives every output column a name of its own.
    fn aggregate_by(
        &self,
        input: LogicalPlan,
        domain: &[Column],
        aggregates: Vec<Expr>,
    ) -> Result<(LogicalPlan, Vec<Column>, Vec<Column>)> {
        let n_domain = domain.len();
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), as_exprs(domain), aggregates)?);
        let relation = self.ids.fresh("aggregate");
        let exprs = (0..plan.schema().fields().len())
            .map(|idx| {
                let column = Expr::Column(column_at(plan.schema(), idx));
                named(column, Some(&relation.as_str().into()), &self.ids.fresh("value"))
            })
            .collect();
        let plan = project(exprs, plan)?;
        let mut columns = plan.schema().columns();
        let values = columns.split_off(n_domain);
        Ok((plan, columns, values))
    }
}

fn aggregate_function(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::AggregateFunction(function) => Some(function),
        Expr::Alias(alias) => aggregate_function(&alias.expr),
        _ => None,
    }
}

fn aggregate_function_mut(expr: &mut Expr) -> Option<&mut AggregateFunction> {
    match expr {
        Expr::AggregateFunction(function) => Some(function),
        Expr::Alias(alias) => aggregate_function_mut(&mut alias.expr),
        _ => None,
    }
}
