//! Pushing a dependent join down through the plan of a subquery, until nothing below depends on it any more.
//!
//! For a domain `D` (the distinct outer values) and a correlated plan `S`, the dependent join `D * S` holds, for every
//! value `d` of `D`, the rows that `S` has for it, each beside `d`. Every rule below moves it under one operator; where a
//! plan does not read the outer query it becomes a plain cross product, which the filters above turn into a join.
//!
//! Source: Neumann and Kemper, "Unnesting Arbitrary Queries" (BTW 2015).

use std::sync::Arc;

use datafusion::common::{Column, Result, not_impl_err};
use datafusion::logical_expr::{
    Distinct, Expr, JoinType, LogicalPlan, Projection, Sort, SortExpr, Union, Unnest, Values,
};

use super::build::{all_columns, as_exprs, column_at, filter, join, named, named_like, project};
use super::domain::Domain;
use super::ids::Ids;
use super::references::{OuterRef, free_refs, replace_refs};

/// A plan after the dependent join went into it.
#[derive(Debug)]
pub(super) struct Pushed {
    /// The columns of the original plan, under their names and in their order, then the columns of the domain.
    pub(super) plan: LogicalPlan,
    /// Where the values of the domain stand in `plan`, in the order of the domain.
    pub(super) domain: Vec<Column>,
}

impl Pushed {
    /// The number of columns that come from the original plan.
    pub(super) fn n_original(&self) -> usize {
        self.plan.schema().fields().len() - self.domain.len()
    }

    /// References to the columns that come from the original plan.
    pub(super) fn original_columns(&self) -> Vec<Expr> {
        (0..self.n_original()).map(|idx| Expr::Column(column_at(self.plan.schema(), idx))).collect()
    }
}

/// Pushes the dependent join with one domain.
#[derive(Debug)]
pub(super) struct Push<'a> {
    pub(super) domain: &'a Domain,
    pub(super) ids: &'a Ids,
}

impl Push<'_> {
    /// The dependent join of the domain and `plan`.
    ///
    /// # Errors
    /// Not implemented, if `plan` reads the outer query under an operator that no rule moves the join through.
    pub(super) fn push(&self, plan: &LogicalPlan) -> Result<Pushed> {
        if !self.reads_domain(&free_refs(plan)?) {
            return self.cross(plan);
        }
        match plan {
            LogicalPlan::Projection(projection) => self.push_projection(projection),
            LogicalPlan::Filter(node) => {
                let input = self.push(&node.input)?;
                let predicate = self.replace(&node.predicate, &input.domain)?;
                Ok(Pushed { plan: filter(predicate, input.plan)?, domain: input.domain })
            }
            LogicalPlan::SubqueryAlias(node) => {
                let input = self.push(&node.input)?;
                let n_original = input.n_original();
                let plan = LogicalPlan::SubqueryAlias(datafusion::logical_expr::SubqueryAlias::try_new(
                    Arc::new(input.plan),
                    node.alias.clone(),
                )?);
                let domain = plan.schema().columns().split_off(n_original);
                Ok(Pushed { plan, domain })
            }
            LogicalPlan::Subquery(node) => self.push(&node.subquery),
            LogicalPlan::Sort(node) if node.fetch.is_none() => {
                let input = self.push(&node.input)?;
                let expr = self.replace_in_sort(&node.expr, &input.domain)?;
                let plan = LogicalPlan::Sort(Sort { expr, input: Arc::new(input.plan), fetch: None });
                Ok(Pushed { plan, domain: input.domain })
            }
            LogicalPlan::Sort(node) => self.push_sort_with_fetch(node),
            LogicalPlan::Limit(limit) => self.push_limit(limit),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.push(input)?;
                let plan = LogicalPlan::Distinct(Distinct::All(Arc::new(input.plan)));
                Ok(Pushed { plan, domain: input.domain })
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.push_distinct_on(distinct),
            LogicalPlan::Window(window) => self.push_window(window),
            LogicalPlan::Aggregate(aggregate) => self.push_aggregate(aggregate),
            LogicalPlan::Join(join) => self.push_join(join),
            LogicalPlan::Union(union) => self.push_union(union),
            LogicalPlan::Values(values) => self.push_values(values),
            LogicalPlan::Unnest(unnest) => self.push_unnest(unnest),
            other => not_impl_err!("a correlated subquery that reads the outer query under {}", other.display()),
        }
    }

    /// Whether any of `refs` means a column of the domain.
    pub(super) fn reads_domain(&self, refs: &[OuterRef]) -> bool {
        refs.iter().any(|r| self.domain.outer.contains(&r.column))
    }

    /// `expr` with the outer columns replaced by `domain`.
    pub(super) fn replace(&self, expr: &Expr, domain: &[Column]) -> Result<Expr> {
        replace_refs(expr.clone(), &self.domain.outer, &as_exprs(domain))
    }

    pub(super) fn replace_in_sort(&self, sort: &[SortExpr], domain: &[Column]) -> Result<Vec<SortExpr>> {
        sort.iter().map(|s| Ok(SortExpr::new(self.replace(&s.expr, domain)?, s.asc, s.nulls_first))).collect()
    }

    /// The condition that two copies of the domain hold the same values.
    pub(super) fn same_domain(&self, left: &[Column], right: &[Column]) -> Option<Expr> {
        self.domain.same(&as_exprs(left), &as_exprs(right))
    }

    /// The cross product of the domain and a plan that does not read it.
    pub(super) fn cross(&self, plan: &LogicalPlan) -> Result<Pushed> {
        let Some((instance, domain)) = self.domain.instance(self.ids)? else {
            return Ok(Pushed { plan: plan.clone(), domain: vec![] });
        };
        let plan = match plan {
            // One row without columns, the input of a SELECT without FROM, adds nothing to the domain.
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row && empty.schema.fields().is_empty() => instance,
            plan => join(plan.clone(), instance, JoinType::Inner, None)?,
        };
        Ok(Pushed { plan, domain })
    }

    fn push_projection(&self, projection: &Projection) -> Result<Pushed> {
        let input = self.push(&projection.input)?;
        let mut exprs = projection
            .expr
            .iter()
            .enumerate()
            .map(|(idx, expr)| Ok(named_like(self.replace(expr, &input.domain)?, &projection.schema, idx)))
            .collect::<Result<Vec<_>>>()?;
        exprs.extend(as_exprs(&input.domain));
        Ok(Pushed { plan: project(exprs, input.plan)?, domain: input.domain })
    }

    fn push_union(&self, union: &Union) -> Result<Pushed> {
        let relation = self.ids.fresh("union");
        let names: Vec<String> = self.domain.outer.iter().map(|_| self.ids.fresh("outer")).collect();
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            let input = self.push(input)?;
            let originals = input.original_columns().into_iter().enumerate();
            let mut exprs: Vec<Expr> = originals
                .map(|(idx, expr)| named(expr, Some(&relation.as_str().into()), union.schema.field(idx).name()))
                .collect();
            exprs.extend(
                input
                    .domain
                    .iter()
                    .zip(&names)
                    .map(|(column, name)| named(Expr::Column(column.clone()), Some(&relation.as_str().into()), name)),
            );
            inputs.push(Arc::new(project(exprs, input.plan)?));
        }
        let plan = LogicalPlan::Union(Union::try_new(inputs)?);
        let n_original = union.schema.fields().len();
        let mut columns = plan.schema().columns();
        let domain = columns.split_off(n_original);
        let mut exprs: Vec<Expr> = columns
            .into_iter()
            .enumerate()
            .map(|(idx, column)| named_like(Expr::Column(column), &union.schema, idx))
            .collect();
        exprs.extend(as_exprs(&domain));
        Ok(Pushed { plan: project(exprs, plan)?, domain })
    }

    /// `VALUES` becomes one projection of the domain for each of its rows.
    fn push_values(&self, values: &Values) -> Result<Pushed> {
        let relation = self.ids.fresh("values");
        let names: Vec<String> = self.domain.outer.iter().map(|_| self.ids.fresh("outer")).collect();
        let mut rows = Vec::with_capacity(values.values.len());
        for row in &values.values {
            let Some((instance, columns)) = self.domain.instance(self.ids)? else {
                return not_impl_err!("VALUES that read an outer query without columns");
            };
            let mut exprs = Vec::with_capacity(row.len() + columns.len());
            for (idx, value) in row.iter().enumerate() {
                let value = self.replace(value, &columns)?;
                let field = values.schema.field(idx);
                let value = datafusion::logical_expr::cast(value, field.data_type().clone());
                exprs.push(named(value, Some(&relation.as_str().into()), field.name()));
            }
            exprs.extend(
                columns
                    .into_iter()
                    .zip(&names)
                    .map(|(column, name)| named(Expr::Column(column), Some(&relation.as_str().into()), name)),
            );
            rows.push(project(exprs, instance)?);
        }
        let plan = match rows.len() {
            1 => rows.remove(0),
            _ => LogicalPlan::Union(Union::try_new(rows.into_iter().map(Arc::new).collect())?),
        };
        let mut columns = plan.schema().columns();
        let domain = columns.split_off(values.schema.fields().len());
        let mut exprs: Vec<Expr> = columns
            .into_iter()
            .enumerate()
            .map(|(idx, column)| named_like(Expr::Column(column), &values.schema, idx))
            .collect();
        exprs.extend(as_exprs(&domain));
        Ok(Pushed { plan: project(exprs, plan)?, domain })
    }

    fn push_unnest(&self, unnest: &Unnest) -> Result<Pushed> {
        let input = self.push(&unnest.input)?;
        let plan = LogicalPlan::Unnest(Unnest::try_new(
            Arc::new(input.plan),
            unnest.exec_columns.clone(),
            unnest.options.clone(),
        )?);
        let n_original = unnest.schema.fields().len();
        let columns = all_columns(plan.schema());
        let mut exprs: Vec<Expr> = columns[..n_original]
            .iter()
            .enumerate()
            .map(|(idx, column)| named_like(column.clone(), &unnest.schema, idx))
            .collect();
        let domain = plan.schema().columns().split_off(n_original);
        exprs.extend(as_exprs(&domain));
        Ok(Pushed { plan: project(exprs, plan)?, domain })
    }
}
