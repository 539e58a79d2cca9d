//! Statement to logical plan: guards, relations, names, and DataFusion's planner.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;

use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::Statement;
use futures::FutureExt;

use crate::error::{Error, Position, Result};
use crate::guard::refuse_unfit_operands;
use crate::plan::{count_repeated_rows, sort_by_all_columns};
use crate::sql::aliases::{Replaced, put_aliases_into_where};
use crate::sql::depth::check_depth;
use crate::sql::desugar::{desugar, name_casts};
use crate::sql::macros::expand_macros;
use crate::sql::names::{self, Alike};
use crate::sql::parse::{Parsed, parse};
use crate::sql::relations::rewrite_relations;
use crate::sql::scope::Scope;
use crate::sql::translate::{Translation, panic_message};
use crate::sql::unsupported::reject_unsupported;

/// A planned statement: DataFusion's plan, not yet optimised, and the names its columns are shown with.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    /// One name per output column of the plan; they may repeat.
    pub(crate) names: Vec<String>,
    /// The state to optimise and run the plan with; its catalog is the statement's scope.
    pub(crate) state: SessionState,
}

/// Columns a statement may spell in another case or by an alias, and so plans that may be tried.
const ATTEMPTS_MAX: usize = 1000;

/// Plans one parsed statement.
pub(crate) async fn plan_statement(scope: &Scope, mut statement: Statement, text: &str) -> Result<Planned> {
    check_depth(&mut statement)?;
    rewrite_relations(&mut statement, scope, text)?;
    // Columns are called by what the user wrote.
    let written = statement.clone();
    let state = scope.state();
    if expand_macros(&mut statement, scope.macros(), &state, text)? {
        check_depth(&mut statement)?;
        rewrite_relations(&mut statement, scope, text)?;
    }
    desugar(&mut statement, text)?;
    reject_unsupported(&statement, &state).map_err(|unsupported| Error::Unsupported {
        construct: unsupported.construct.to_string(),
        remedy: unsupported.remedy.to_string(),
        position: unsupported.span.and_then(|span| crate::sql::relations::position(text, span)),
        source: None,
    })?;
    if let Statement::Statement(statement) = &mut statement {
        crate::table::join_update_source(statement);
    }
    let mut made = HashSet::new();
    let mut alike = Some(Alike::Text);
    let mut casts_are_named = false;
    let mut replaced = Replaced::new();
    for _ in 0..ATTEMPTS_MAX {
        let planning = async {
            let plan = crate::table::forget_keys(state.statement_to_plan(statement.clone()).await?)?;
            refuse_unfit_operands(&plan)?;
            sort_by_all_columns(count_repeated_rows(plan)?)
        };
        let error = match guarded(planning).await {
            Ok(Ok(plan)) => {
                let names = output_names(&written, &plan, &made);
                return Ok(Planned { plan, names, state });
            }
            Ok(Err(error)) => error,
            Err(panic) => return Err(panic),
        };
        if names::fit_case(&mut statement, &error)
            || put_aliases_into_where(&mut statement, &error, &state, text, &mut replaced)?
        {
            continue;
        }
        if names::is_duplicate_name(&error) {
            if let Some(now) = alike {
                made.extend(names::separate_duplicates(&mut statement, now));
                alike = (now == Alike::Text).then_some(Alike::ColumnName);
                continue;
            }
            if !std::mem::replace(&mut casts_are_named, true) && name_casts(&mut statement) {
                continue;
            }
        }
        return Err(translation(scope, &state, text).of_planning(error));
    }
    Err(Error::invalid("too many columns are spelt in another case than in their tables, or by an alias; quote them"))
}

/// Plans the text of a query, as a view holds it.
pub(crate) async fn plan_query(scope: &Scope, text: &str) -> Result<LogicalPlan> {
    let options = scope.state().config_options().sql_parser.clone();
    match parse(text, options.dialect, options.recursion_limit.get(), scope.macros())? {
        Parsed::Sql(statement) => {
            let planned = plan_statement(scope, statement, text).await?;
            named_plan(planned.plan, &planned.names)
        }
        Parsed::Describe(_)
        | Parsed::Summarize(_)
        | Parsed::Show(_)
        | Parsed::ExplainTasks(_)
        | Parsed::CopyFrom(_)
        | Parsed::CreateMacro(_)
        | Parsed::DropMacro(_)
        | Parsed::CreateSecret(_)
        | Parsed::DropSecret(_)
        | Parsed::ShowSecrets => {
            Err(Error::invalid("a view is a SELECT; DESCRIBE, SUMMARIZE, SHOW and EXPLAIN cannot be one"))
        }
    }
}

/// `plan` with its columns renamed to `names`, where they are all different.
///
/// # Errors
/// [`Error::Invalid`] if a name repeats: a table, a view or a file needs different names.
pub(crate) fn named_plan(plan: LogicalPlan, names: &[String]) -> Result<LogicalPlan> {
    let mut seen = HashSet::new();
    if let Some(repeated) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(Error::invalid(format!(
            "column \"{repeated}\" is there twice; give one of them another name with AS"
        )));
    }
    let columns = plan.schema().columns();
    if columns.iter().map(|column| &column.name).eq(names) {
        return Ok(plan);
    }
    let exprs: Vec<_> = columns
        .into_iter()
        .zip(names)
        .map(|(column, name)| match column.name == *name {
            true => datafusion::logical_expr::Expr::Column(column),
            false => datafusion::logical_expr::Expr::Column(column).alias(name),
        })
        .collect();
    datafusion::logical_expr::LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(|builder| builder.build())
        .map_err(crate::sql::translate::of_execution)
}

/// What a misspelt name may have meant.
pub(crate) fn translation<'a>(scope: &Scope, state: &SessionState, text: &'a str) -> Translation<'a> {
    let functions = state
        .scalar_functions()
        .keys()
        .chain(state.aggregate_functions().keys())
        .chain(state.window_functions().keys())
        .chain(state.table_functions().keys())
        .cloned()
        .chain(scope.macros().iter().map(|known| known.name().to_owned()))
        .collect();
    Translation { text, tables: scope.names(), functions }
}

/// A panic of the planner becomes an error, so that the session goes on.
pub(crate) async fn guarded<T>(
    planning: impl Future<Output = Result<T, DataFusionError>>,
) -> Result<Result<T, DataFusionError>> {
    AssertUnwindSafe(planning).catch_unwind().await.map_err(|payload| Error::internal(panic_message(payload.as_ref())))
}

fn output_names(statement: &Statement, plan: &LogicalPlan, made: &HashSet<String>) -> Vec<String> {
    let schema = match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) => create.input.schema(),
        LogicalPlan::Copy(copy) => copy.input.schema(),
        plan => plan.schema(),
    };
    let fields = schema.fields();
    let expressions = names::expression_names(statement, fields.len());
    fields
        .iter()
        .zip(expressions)
        .map(|(field, expression)| match expression {
            Some(name) => name,
            None => names::original_name(field.name(), made).to_owned(),
        })
        .collect()
}

/// Moves the place of an error of a statement that stands further down in a script.
pub fn shift_position(mut error: Error, line: u64, column: u64) -> Error {
    if let Some(Position { line: at_line, column: at_column, text, .. }) = error.position_mut() {
        if *at_line == 1 {
            // The line's text starts where the statement does; blanks keep the caret below its place.
            *text = format!("{}{text}", " ".repeat(usize::try_from(column.saturating_sub(1)).unwrap_or(0)));
            *at_column += column.saturating_sub(1);
        }
        *at_line += line.saturating_sub(1);
    }
    error
}
