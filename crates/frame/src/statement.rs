//! Running a statement: what each kind does, and the result every kind has.

use std::sync::{Arc, PoisonError};

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ParamValues;
use datafusion::common::config::ConfigField;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::{
    CreateExternalTable, CreateMemoryTable, DdlStatement, DmlStatement, LogicalPlan, Statement as PlanStatement,
    WriteOp,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::{CopyToStatement, Statement};
use datafusion::sql::sqlparser::ast;
use futures::{StreamExt, TryStreamExt};

use crate::cancel::Cancellation;
use crate::catalog::{IfTaken, Name, Relation, View};
use crate::context::{PreparedText, SqlContext, refresh_functions};
use crate::error::{Error, Result};
use crate::files::WriteRequest;
use crate::progress::Watch;
use crate::sql::defaults::fill_defaults;
use crate::sql::parse::{Parsed, normalized, parse};
use crate::sql::plan::{Planned, guarded, named_plan, plan_statement, translation};
use crate::sql::scope::Scope;
use crate::sql::translate::of_execution;
use crate::table::{KeyConstraint, StoredTable, TableDefinition};
use crate::{files, guard, lower, settings, summarize, table};

/// Values of a statement's parameters.
#[derive(Debug, Clone, Default)]
pub enum Parameters {
    /// None are given.
    #[default]
    None,
    /// For `$1`, `$2`, ... in this order.
    Positional(Vec<ScalarValue>),
    /// For `$name`, by name without the sign.
    Named(Vec<(String, ScalarValue)>),
}

/// Who runs a statement.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Stops it.
    pub cancellation: Cancellation,
    /// Is told how far it is.
    pub watch: Watch,
    /// Whether the caller is a task that holds a worker of the session while it waits. Its statements must do without one.
    pub holds_worker: bool,
}

/// What a statement gave.
pub struct Outcome {
    /// The kind of statement, as PostgreSQL's command tag spells it: `SELECT`, `INSERT`, `CREATE TABLE`.
    pub tag: &'static str,
    /// The result's columns; names may repeat. Empty for statements without a result.
    pub schema: SchemaRef,
    /// The result's rows. A change has already happened; its result is the number of rows it touched.
    pub stream: SendableRecordBatchStream,
    /// Explains an error that the stream gives.
    pub diagnosis: Diagnosis,
}

/// What is known of a running statement, to explain its failure.
#[derive(Debug, Default)]
pub struct Diagnosis {
    scope: Option<Scope>,
}

impl Diagnosis {
    /// What went wrong when the stream gave `error`: a CSV value that does not fit its column is looked for in the files.
    pub async fn explain(&self, error: DataFusionError) -> Error {
        match &self.scope {
            Some(scope) => diagnosed(scope, of_execution(error)).await,
            None => of_execution(error),
        }
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outcome").field("tag", &self.tag).field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl SqlContext {
    /// Runs one statement, until its caller stops it.
    ///
    /// Changes are complete when this returns; rows of a query come as the stream is polled.
    ///
    /// # Errors
    /// Every variant of [`Error`]; the session is as before, and goes on.
    pub async fn run(&self, text: &str, parameters: &Parameters, caller: Caller) -> Result<Outcome> {
        let scope = self.scope(caller);
        match Box::pin(self.run_in(&scope, text, parameters)).await {
            Err(error @ Error::Execution { .. }) => Err(diagnosed(&scope, error).await),
            result => result,
        }
    }

    /// Runs a query and writes its rows to files, until its caller stops it.
    ///
    /// # Errors
    /// Every variant of [`Error`]; nothing is left of the files then.
    pub async fn write(
        &self,
        text: &str,
        parameters: &Parameters,
        target: &WriteRequest,
        caller: Caller,
    ) -> Result<Outcome> {
        let Parsed::Sql(Statement::Statement(statement)) = self.parse(text)? else {
            return Err(Error::invalid("only the rows of a query can be written"));
        };
        let ast::Statement::Query(query) = *statement else {
            return Err(Error::invalid("only the rows of a query can be written"));
        };
        let scope = self.scope(caller);
        match Box::pin(self.copy(&scope, target.statement(query), text, parameters)).await {
            Err(error @ Error::Execution { .. }) => Err(diagnosed(&scope, error).await),
            result => result,
        }
    }

    async fn copy(
        &self,
        scope: &Scope,
        mut copy: CopyToStatement,
        text: &str,
        parameters: &Parameters,
    ) -> Result<Outcome> {
        self.check_writable("COPY")?;
        let target = files::CopyTarget::prepare(&self.stores, &mut copy)?;
        let planned = self.bound(scope, Statement::CopyTo(copy), text, parameters).await?;
        let LogicalPlan::Copy(mut copy) = planned.plan else {
            return Err(Error::internal("COPY was planned as something else"));
        };
        copy.input = Arc::new(named_plan(Arc::unwrap_or_clone(copy.input), &planned.names)?);
        let n_rows = target.write(&planned.state, copy).await?;
        Ok(Outcome::count("COPY", n_rows))
    }

    /// Whether `text` can be parsed.
    ///
    /// # Errors
    /// [`Error::Syntax`].
    pub fn check_syntax(&self, text: &str) -> Result<()> {
        self.parse(text).map(drop)
    }

    async fn run_in(&self, scope: &Scope, text: &str, parameters: &Parameters) -> Result<Outcome> {
        match self.parse(text)? {
            Parsed::Sql(Statement::Statement(statement)) => match *statement {
                ast::Statement::Prepare { .. } => self.prepare(scope, *statement, text).await,
                ast::Statement::Execute { name: Some(name), parameters: values, .. } => {
                    Box::pin(self.execute_prepared(&name.to_string(), &values, scope.caller())).await
                }
                ast::Statement::Deallocate { name, .. } => self.deallocate(&normalized(&name)),
                ast::Statement::CreateView(view) => self.create_view(scope, view, text).await,
                ast::Statement::Insert(_)
                | ast::Statement::Update(_)
                | ast::Statement::Delete(_)
                | ast::Statement::Truncate(_) => {
                    self.check_writable(statement_tag(&statement))?;
                    self.change_rows(scope, *statement, text, parameters).await
                }
                ast::Statement::ShowVariable { variable } => {
                    let statement = ast::Statement::ShowVariable { variable: self.full_variable(variable)? };
                    self.run_planned(scope, Statement::Statement(Box::new(statement)), text, parameters).await
                }
                statement => {
                    let statement = Statement::Statement(Box::new(without_temporary(statement)));
                    self.run_planned(scope, statement, text, parameters).await
                }
            },
            Parsed::Sql(Statement::CopyTo(copy)) => self.copy(scope, copy, text, parameters).await,
            Parsed::Sql(statement) => self.run_planned(scope, statement, text, parameters).await,
            Parsed::CopyFrom(copy) => {
                self.check_writable("COPY")?;
                self.copy_from(scope, copy, text, parameters).await
            }
            Parsed::CreateMacro(create) => {
                let tag = create.tag;
                self.check_writable(tag)?;
                self.create_macro(create, text)?;
                Ok(Outcome::done(tag))
            }
            Parsed::DropMacro(drop) => {
                self.check_writable(drop.tag)?;
                self.drop_macro(&drop, text)?;
                Ok(Outcome::done(drop.tag))
            }
            Parsed::CreateSecret(create) => {
                self.create_secret(create)?;
                Ok(Outcome::done("CREATE SECRET"))
            }
            Parsed::DropSecret(drop) => {
                self.drop_secret(&drop, text)?;
                Ok(Outcome::done("DROP SECRET"))
            }
            Parsed::ShowSecrets => Ok(Outcome::batch("SHOW", self.secret_rows()?)),
            Parsed::Show(statement) => {
                let planned = plan_statement(scope, statement, text).await?;
                query("SHOW", planned, text, scope).await
            }
            Parsed::ExplainTasks(statement) => {
                let planned = self.bound(scope, statement, text, parameters).await?;
                let explained = guarded(lower::explain_tasks(&planned.state, &planned.plan)).await?;
                let explained =
                    explained.map_err(|error| translation(scope, &planned.state, text).of_planning(error))?;
                Ok(Outcome::batch("EXPLAIN", explain_rows("tasks", &explained)?))
            }
            Parsed::Describe(statement) => {
                let planned = plan_statement(scope, statement, text).await?;
                let rows = summarize::describe_rows(planned.plan.schema().as_arrow(), &planned.names);
                Ok(Outcome::batch("DESCRIBE", rows.map_err(of_execution)?))
            }
            Parsed::Summarize(statement) => {
                let planned = self.bound(scope, statement, text, parameters).await?;
                let input = planned.plan.schema().as_arrow().clone();
                let plan = summarize::summary_plan(planned.plan).map_err(of_execution)?;
                let rows = lower::run(&planned.state, &plan).await.map_err(of_execution)?;
                let batches: Vec<RecordBatch> = rows.try_collect().await.map_err(of_execution)?;
                let row = arrow::compute::concat_batches(&batches[0].schema(), &batches)
                    .map_err(|error| of_execution(error.into()))?;
                let rows = summarize::summary_rows(&row, &input, &planned.names).map_err(of_execution)?;
                Ok(Outcome::batch("SUMMARIZE", rows))
            }
        }
    }

    /// The columns that a query would have, without running it. Empty for statements without a result.
    ///
    /// # Errors
    /// As planning the statement.
    pub async fn schema_of(&self, text: &str, parameters: &Parameters) -> Result<SchemaRef> {
        let scope = self.scope(Caller::default());
        match self.parse(text)? {
            Parsed::Describe(_) => Ok(summarize::describe_schema()),
            Parsed::ExplainTasks(_) => Ok(explain_schema()),
            Parsed::Summarize(_) => Ok(summarize::summary_schema()),
            Parsed::CopyFrom(_) => Ok(count_schema()),
            Parsed::CreateMacro(_) | Parsed::DropMacro(_) | Parsed::CreateSecret(_) | Parsed::DropSecret(_) => {
                Ok(Arc::new(Schema::empty()))
            }
            Parsed::ShowSecrets => Ok(self.secret_rows()?.schema()),
            Parsed::Sql(statement) | Parsed::Show(statement) => {
                let planned = self.bound(&scope, statement, text, parameters).await?;
                match &planned.plan {
                    LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => Ok(Arc::new(Schema::empty())),
                    LogicalPlan::Dml(_) | LogicalPlan::Copy(_) => Ok(count_schema()),
                    plan => Ok(renamed(&Arc::new(plan.schema().as_arrow().clone()), &planned.names)),
                }
            }
        }
    }

    fn parse(&self, text: &str) -> Result<Parsed> {
        let state = self.state();
        let options = &state.config_options().sql_parser;
        parse(text, options.dialect, options.recursion_limit.get(), &self.macros())
    }

    /// The INSERT that another statement stands for.
    pub(crate) fn parse_insert(&self, text: &str) -> Result<ast::Statement> {
        match self.parse(text)? {
            Parsed::Sql(Statement::Statement(statement)) => Ok(*statement),
            _ => Err(Error::internal("INSERT was parsed as something else")),
        }
    }

    /// The name after SHOW, with the parts that a short name leaves out.
    fn full_variable(&self, variable: Vec<ast::Ident>) -> Result<Vec<ast::Ident>> {
        let name: Vec<String> = variable.iter().map(|part| part.value.to_lowercase()).collect();
        let name = name.join(".");
        // What DataFusion answers itself: everything, or a name with `verbose` behind it.
        if name == "all" || name.ends_with(".verbose") || name.starts_with("datafusion.runtime.") {
            return Ok(variable);
        }
        let full = settings::full_name(self.state().config_options(), &name)?;
        Ok(full.split('.').map(ast::Ident::new).collect())
    }

    fn check_writable(&self, statement: &'static str) -> Result<()> {
        match self.read_only {
            true => Err(Error::ReadOnly { statement }),
            false => Ok(()),
        }
    }

    /// Plans `statement` and puts the values of its parameters in.
    async fn bound(&self, scope: &Scope, statement: Statement, text: &str, parameters: &Parameters) -> Result<Planned> {
        let mut planned = plan_statement(scope, statement, text).await?;
        planned.plan = bind(planned.plan, parameters)?;
        Ok(planned)
    }

    async fn run_planned(
        &self,
        scope: &Scope,
        statement: Statement,
        text: &str,
        parameters: &Parameters,
    ) -> Result<Outcome> {
        let required = not_null_columns(&statement);
        let Planned { plan, names, state } = self.bound(scope, statement, text, parameters).await?;
        match plan {
            LogicalPlan::Ddl(ddl) => {
                self.check_writable(ddl_tag(&ddl))?;
                self.define(ddl, &names, &required, state).await
            }
            LogicalPlan::Statement(PlanStatement::SetVariable(set)) => {
                settings::check_changeable(&set.variable)?;
                self.set(&set.variable, &set.value)?;
                Ok(Outcome::done("SET"))
            }
            LogicalPlan::Statement(PlanStatement::ResetVariable(reset)) => {
                settings::check_changeable(&reset.variable)?;
                self.change_state(|state| {
                    let options = state.config_mut().options_mut();
                    let name = settings::full_name(options, &reset.variable)?;
                    options.reset(&name).map_err(of_execution)?;
                    refresh_functions(state)
                })?;
                Ok(Outcome::done("RESET"))
            }
            LogicalPlan::Statement(other) => {
                Err(Error::unsupported(format!("{} as a statement", other.name()), "each statement stands for itself"))
            }
            LogicalPlan::Explain(mut explain) => {
                explain.plan = Arc::new(rows_read(explain.plan.as_ref().clone()));
                query("EXPLAIN", Planned { plan: LogicalPlan::Explain(explain), names, state }, text, scope).await
            }
            LogicalPlan::Analyze(analyze) if matches!(*analyze.input, LogicalPlan::Dml(_) | LogicalPlan::Ddl(_)) => {
                self.check_writable("EXPLAIN ANALYZE of a change")?;
                Err(Error::unsupported("EXPLAIN ANALYZE of a change", "EXPLAIN shows how it finds its rows"))
            }
            plan => {
                if let LogicalPlan::Analyze(analyze) = &plan
                    && matches!(*analyze.input, LogicalPlan::Copy(_))
                {
                    self.check_writable("EXPLAIN ANALYZE of COPY")?;
                }
                let tag = if matches!(plan, LogicalPlan::Analyze(_)) { "EXPLAIN" } else { "SELECT" };
                query(tag, Planned { plan, names, state }, text, scope).await
            }
        }
    }

    async fn define(
        &self,
        ddl: DdlStatement,
        names: &[String],
        required: &[String],
        state: SessionState,
    ) -> Result<Outcome> {
        match ddl {
            DdlStatement::CreateMemoryTable(create) => self.create_table(create, names, required, state).await,
            DdlStatement::CreateExternalTable(create) => self.create_external_table(&create, &state).await,
            DdlStatement::DropTable(drop) => {
                self.catalog.remove(&Name::from(&drop.name), "table", drop.if_exists)?;
                Ok(Outcome::done("DROP TABLE"))
            }
            DdlStatement::DropView(drop) => {
                self.catalog.remove(&Name::from(&drop.name), "view", drop.if_exists)?;
                Ok(Outcome::done("DROP VIEW"))
            }
            DdlStatement::CreateCatalogSchema(create) => {
                let schema = create.schema_name.rsplit('.').next().unwrap_or(&create.schema_name);
                self.catalog.create_schema(schema, create.if_not_exists)?;
                Ok(Outcome::done("CREATE SCHEMA"))
            }
            DdlStatement::DropCatalogSchema(drop) => {
                let name = match &drop.name {
                    datafusion::common::SchemaReference::Bare { schema }
                    | datafusion::common::SchemaReference::Full { schema, .. } => schema,
                };
                self.catalog.drop_schema(name, drop.if_exists, drop.cascade)?;
                Ok(Outcome::done("DROP SCHEMA"))
            }
            DdlStatement::CreateCatalog(_) => {
                Err(Error::unsupported("CREATE DATABASE", "a session has one catalog; CREATE SCHEMA divides it"))
            }
            DdlStatement::CreateIndex(_) => Err(Error::unsupported(
                "CREATE INDEX",
                "tables are scanned; PRIMARY KEY and UNIQUE are enforced without one",
            )),
            DdlStatement::CreateFunction(_) | DdlStatement::DropFunction(_) => Err(Error::unsupported(
                "a function whose body is no expression",
                "write CREATE FUNCTION f(a INT) RETURN a + 1, or register it by the embedding program",
            )),
            DdlStatement::CreateView(_) => Err(Error::internal("a view reached the planner")),
        }
    }

    async fn create_table(
        &self,
        create: CreateMemoryTable,
        names: &[String],
        required: &[String],
        state: SessionState,
    ) -> Result<Outcome> {
        let name = Name::from(&create.name);
        let if_taken = IfTaken::from_clauses(create.if_not_exists, create.or_replace)?;
        if if_taken == IfTaken::Keep && self.catalog.get(&name).is_some() {
            return Ok(Outcome::done("CREATE TABLE"));
        }
        let input = named_plan(Arc::unwrap_or_clone(create.input), names)?;
        let schema = input.schema().as_arrow().clone();
        // A query's column is often known not to be NULL; that is no wish of whoever makes a table of it.
        let schema: SchemaRef = match &input {
            LogicalPlan::EmptyRelation(_) => Arc::new(schema),
            _ => nullable_but(&schema, required),
        };
        let definition = TableDefinition::new(name.to_string(), schema)
            .with_keys(KeyConstraint::from_planner(&create.constraints))
            .with_defaults(create.column_defaults.into_iter().collect());
        let pool = Arc::clone(&state.runtime_env().memory_pool);
        let table = StoredTable::try_new(definition, &pool, &[])?;
        let rows = lower::run(&state, &input).await.map_err(of_execution)?;
        table.append(rows).await?;
        self.catalog.create(&name, Relation::Stored(Arc::new(table)), if_taken)?;
        Ok(Outcome::done("CREATE TABLE"))
    }

    async fn create_external_table(&self, create: &CreateExternalTable, state: &SessionState) -> Result<Outcome> {
        let name = Name::from(&create.name);
        let if_taken = IfTaken::from_clauses(create.if_not_exists, create.or_replace)?;
        if if_taken == IfTaken::Keep && self.catalog.get(&name).is_some() {
            return Ok(Outcome::done("CREATE EXTERNAL TABLE"));
        }
        let provider = files::external_table(state, &self.stores, create).await?;
        self.catalog.create(&name, Relation::Foreign(provider), if_taken)?;
        Ok(Outcome::done("CREATE EXTERNAL TABLE"))
    }

    async fn create_view(&self, scope: &Scope, view: ast::CreateView, text: &str) -> Result<Outcome> {
        self.check_writable("CREATE VIEW")?;
        if view.materialized {
            return Err(Error::unsupported("CREATE MATERIALIZED VIEW", "CREATE TABLE ... AS keeps the rows"));
        }
        let if_taken = IfTaken::from_clauses(view.if_not_exists, view.or_replace || view.or_alter)?;
        let name = self.object_name(&view.name)?;
        if if_taken == IfTaken::Keep && self.catalog.get(&name).is_some() {
            return Ok(Outcome::done("CREATE VIEW"));
        }
        let query = match view.columns.is_empty() {
            true => view.query.to_string(),
            false => {
                let columns: Vec<String> = view.columns.iter().map(|column| column.name.to_string()).collect();
                format!("SELECT * FROM ({}) AS \"{}\"({})", view.query, name.table, columns.join(", "))
            }
        };
        // Planned once now, so that a view that cannot be read is refused where it is written.
        let statement = Statement::Statement(Box::new(ast::Statement::CreateView(view)));
        let planned = plan_statement(scope, statement, text).await?;
        if !planned.plan.get_parameter_names().map_err(of_execution)?.is_empty() {
            return Err(Error::Parameter { message: "a view cannot have parameters".into() });
        }
        crate::sql::plan::plan_query(scope, &query).await?;
        let view = View { query, definition: text.trim().trim_end_matches(';').to_owned() };
        self.catalog.create(&name, Relation::View(Arc::new(view)), if_taken)?;
        Ok(Outcome::done("CREATE VIEW"))
    }

    pub(crate) fn object_name(&self, name: &ast::ObjectName) -> Result<Name> {
        let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(normalized)).collect();
        match parts.as_deref() {
            Some([table]) => Ok(Name { schema: crate::catalog::DEFAULT_SCHEMA.to_owned(), table: table.clone() }),
            Some([.., schema, table]) => Ok(Name { schema: schema.clone(), table: table.clone() }),
            _ => Err(Error::invalid(format!("{name} is not the name of a table"))),
        }
    }

    /// INSERT, UPDATE, DELETE and TRUNCATE.
    pub(crate) async fn change_rows(
        &self,
        scope: &Scope,
        mut statement: ast::Statement,
        text: &str,
        parameters: &Parameters,
    ) -> Result<Outcome> {
        let tag = statement_tag(&statement);
        if let Some(name) = changed_table(&statement)
            && let Some(Relation::Stored(table)) = self.catalog.get(&self.object_name(name)?)
        {
            fill_defaults(&mut statement, table.definition())?;
        }
        let statement = Statement::Statement(Box::new(statement));
        let Planned { plan, state, .. } = self.bound(scope, statement, text, parameters).await?;
        let LogicalPlan::Dml(dml) = plan else {
            return Err(Error::unsupported(format!("this form of {tag}"), ""));
        };
        let n_rows = match (self.catalog.get(&Name::from(&dml.table_name)), &dml.op) {
            (Some(Relation::Stored(table)), _) => table::execute(&state, &table, &dml).await?,
            (Some(Relation::View(_)), _) => {
                return Err(Error::unsupported(format!("{tag} on a view"), "change the tables that the view reads"));
            }
            (_, WriteOp::Insert(_)) => insert_foreign(dml, state).await?,
            _ => {
                return Err(Error::unsupported(
                    format!("{tag} on files"),
                    "only tables made by CREATE TABLE can be changed; read the files into one first",
                ));
            }
        };
        Ok(Outcome::count(tag, n_rows))
    }

    /// Keeps a statement. A query is planned once, so that one that cannot be run is refused here, as in PostgreSQL.
    async fn prepare(&self, scope: &Scope, prepare: ast::Statement, text: &str) -> Result<Outcome> {
        if let ast::Statement::Prepare { statement, data_types, .. } = &prepare
            && matches!(statement.as_ref(), ast::Statement::Query(_))
        {
            let planned = plan_statement(scope, Statement::Statement(Box::new(prepare.clone())), text).await?;
            check_declared(&planned.plan, data_types.len())?;
        }
        let ast::Statement::Prepare { name, data_types, statement } = prepare else {
            return Err(Error::internal("PREPARE was parsed as something else"));
        };
        let name = normalized(&name);
        let prepared =
            PreparedText { text: statement.to_string(), types: data_types.iter().map(ToString::to_string).collect() };
        let mut known = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&name) {
            return Err(Error::invalid(format!("prepared statement \"{name}\" already exists; DEALLOCATE it first")));
        }
        known.insert(name, prepared);
        Ok(Outcome::done("PREPARE"))
    }

    async fn execute_prepared(&self, name: &str, values: &[ast::Expr], caller: &Caller) -> Result<Outcome> {
        let known = self.prepared.read().unwrap_or_else(PoisonError::into_inner).get(&name.to_lowercase()).cloned();
        let Some(prepared) = known else { return Err(self.unknown_prepared(name)) };
        if !prepared.types.is_empty() && prepared.types.len() != values.len() {
            return Err(Error::Parameter {
                message: format!(
                    "prepared statement \"{name}\" has {} parameters, but {} values are given",
                    prepared.types.len(),
                    values.len()
                ),
            });
        }
        let parameters = match values.is_empty() {
            true => Parameters::None,
            false => Parameters::Positional(self.constants(values, &prepared.types, caller).await?),
        };
        self.run(&prepared.text, &parameters, caller.clone()).await
    }

    /// The values of constant expressions, cast to `types` where those are declared.
    async fn constants(&self, values: &[ast::Expr], types: &[String], caller: &Caller) -> Result<Vec<ScalarValue>> {
        let items: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(idx, value)| match types.get(idx) {
                Some(data_type) => format!("CAST({value} AS {data_type})"),
                None => value.to_string(),
            })
            .collect();
        let select = format!("SELECT {}", items.join(", "));
        let outcome = self.run(&select, &Parameters::None, caller.clone()).await?;
        let batches: Vec<RecordBatch> = outcome.stream.try_collect().await.map_err(of_execution)?;
        match batches.iter().find(|batch| batch.num_rows() == 1) {
            Some(row) => row
                .columns()
                .iter()
                .map(|column| ScalarValue::try_from_array(column, 0).map_err(of_execution))
                .collect(),
            None => Err(Error::Parameter { message: "a parameter's value must be one constant".into() }),
        }
    }

    fn deallocate(&self, name: &str) -> Result<Outcome> {
        let removed = self.prepared.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        removed.map(|_| Outcome::done("DEALLOCATE")).ok_or_else(|| self.unknown_prepared(name))
    }

    fn unknown_prepared(&self, name: &str) -> Error {
        let known = self.prepared.read().unwrap_or_else(PoisonError::into_inner);
        let hint = dolmen_storage::nearest(name, known.keys().map(String::as_str))
            .map(|close| format!("; did you mean \"{close}\"?"))
            .unwrap_or_default();
        Error::invalid(format!("prepared statement \"{name}\" does not exist{hint}"))
    }
}

/// The part of a change that the engine plans: finding the rows to write, or to change.
fn rows_read(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Dml(dml) => Arc::unwrap_or_clone(dml.input),
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) => Arc::unwrap_or_clone(create.input),
        plan => plan,
    }
}

/// Starts a query; its rows come as the stream is polled.
async fn query(tag: &'static str, planned: Planned, text: &str, scope: &Scope) -> Result<Outcome> {
    let Planned { plan, names, state } = planned;
    let explains = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    let state = if explains { guard::explaining(state) } else { state };
    let started = guarded(lower::run(&state, &plan)).await?;
    let stream = started.map_err(|error| translation(scope, &state, text).of_planning(error))?;
    let schema = renamed(&stream.schema(), &names);
    let columns = Arc::clone(&schema);
    let stream = stream.map(move |batch| {
        let batch = if explains { guard::show_operators(&batch?)? } else { batch? };
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&columns), batch.columns().to_vec(), &options)?)
    });
    let stream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), stream));
    Ok(Outcome { tag, schema, stream, diagnosis: Diagnosis { scope: Some(scope.clone()) } })
}

/// As EXPLAIN shows plans.
fn explain_schema() -> SchemaRef {
    let column = |name| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![column("plan_type"), column("plan")]))
}

fn explain_rows(kind: &str, plan: &str) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec![kind])), Arc::new(StringArray::from(vec![guard::with_operators(plan)]))];
    RecordBatch::try_new(explain_schema(), columns).map_err(|error| of_execution(error.into()))
}

/// INSERT into files, which their provider does.
async fn insert_foreign(dml: DmlStatement, state: SessionState) -> Result<u64> {
    let rows = lower::run(&state, &LogicalPlan::Dml(dml)).await.map_err(of_execution)?;
    let batches: Vec<RecordBatch> = rows.try_collect().await.map_err(of_execution)?;
    Ok(batches.iter().map(changed_rows).sum())
}

/// The number of rows in the one-column result of a change, such as INSERT; 0 for any other batch.
pub fn changed_rows(batch: &RecordBatch) -> u64 {
    let counts = batch.columns().first().and_then(|column| column.as_any().downcast_ref::<UInt64Array>());
    counts.map_or(0, |counts| counts.iter().flatten().sum())
}

async fn diagnosed(scope: &Scope, error: Error) -> Error {
    match files::diagnose(&scope.resolved(), &error.to_string()).await {
        Some(conflict) => Error::CsvConflict(Box::new(conflict)),
        None => error,
    }
}

/// The names of a plan's parameters, sorted, without the sign.
fn parameter_names(plan: &LogicalPlan) -> Result<Vec<String>> {
    let names = plan.get_parameter_names().map_err(of_execution)?;
    let mut names: Vec<String> = names.iter().map(|name| name.trim_start_matches('$').to_owned()).collect();
    names.sort_unstable();
    Ok(names)
}

/// Refuses parameters that a PREPARE with `n_types` types does not declare. Without types, it declares none.
fn check_declared(plan: &LogicalPlan, n_types: usize) -> Result<()> {
    let is_declared = |name: &String| name.parse::<usize>().is_ok_and(|number| (1..=n_types).contains(&number));
    match parameter_names(plan)?.into_iter().find(|name| n_types > 0 && !is_declared(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Parameter {
            message: format!(
                "${name} has no type: PREPARE declares {n_types} types, which are those of $1 to ${n_types}"
            ),
        }),
    }
}

fn bind(plan: LogicalPlan, parameters: &Parameters) -> Result<LogicalPlan> {
    let asked = parameter_names(&plan)?;
    let given: Vec<String> = match parameters {
        Parameters::None => Vec::new(),
        Parameters::Positional(values) => (1..=values.len()).map(|n| n.to_string()).collect(),
        Parameters::Named(values) => values.iter().map(|(name, _)| name.clone()).collect(),
    };
    if let Some(missing) = asked.iter().find(|name| !given.iter().any(|known| known == *name)) {
        return Err(Error::Parameter {
            message: format!("parameter ${missing} has no value; bind one before running"),
        });
    }
    if let Some(extra) = given.iter().find(|name| !asked.contains(name)) {
        return Err(Error::Parameter {
            message: format!("a value is given for ${extra}, which the statement does not use"),
        });
    }
    let plain = |value: &ScalarValue| ScalarAndMetadata::from(value.clone());
    let values = match parameters {
        Parameters::None => return Ok(plan),
        Parameters::Positional(values) => ParamValues::List(values.iter().map(plain).collect()),
        Parameters::Named(values) => {
            ParamValues::Map(values.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
    };
    plan.with_param_values(values).map_err(of_execution)
}

/// Tables live as long as their session, so that a temporary one is like any other.
fn without_temporary(statement: ast::Statement) -> ast::Statement {
    match statement {
        ast::Statement::CreateTable(mut create) => {
            create.temporary = false;
            ast::Statement::CreateTable(create)
        }
        other => other,
    }
}

/// The table that an INSERT or UPDATE changes, by its name.
fn changed_table(statement: &ast::Statement) -> Option<&ast::ObjectName> {
    match statement {
        ast::Statement::Insert(insert) => match &insert.table {
            ast::TableObject::TableName(name) => Some(name),
            _ => None,
        },
        ast::Statement::Update(update) => match &update.table.relation {
            ast::TableFactor::Table { name, .. } => Some(name),
            _ => None,
        },
        _ => None,
    }
}

fn statement_tag(statement: &ast::Statement) -> &'static str {
    match statement {
        ast::Statement::Insert(_) => "INSERT",
        ast::Statement::Update(_) => "UPDATE",
        ast::Statement::Delete(_) => "DELETE",
        ast::Statement::Truncate(_) => "TRUNCATE TABLE",
        _ => "SELECT",
    }
}

fn ddl_tag(ddl: &DdlStatement) -> &'static str {
    match ddl {
        DdlStatement::CreateExternalTable(_) => "CREATE EXTERNAL TABLE",
        DdlStatement::CreateMemoryTable(_) => "CREATE TABLE",
        DdlStatement::CreateView(_) => "CREATE VIEW",
        DdlStatement::CreateCatalogSchema(_) => "CREATE SCHEMA",
        DdlStatement::CreateCatalog(_) => "CREATE DATABASE",
        DdlStatement::CreateIndex(_) => "CREATE INDEX",
        DdlStatement::DropTable(_) => "DROP TABLE",
        DdlStatement::DropView(_) => "DROP VIEW",
        DdlStatement::DropCatalogSchema(_) => "DROP SCHEMA",
        DdlStatement::CreateFunction(_) => "CREATE FUNCTION",
        DdlStatement::DropFunction(_) => "DROP FUNCTION",
    }
}

/// The schema with every column nullable but `required`.
fn nullable_but(schema: &Schema, required: &[String]) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(!required.contains(field.name())))
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The columns that `CREATE TABLE t (a INT NOT NULL, ...) AS query` declares; the planner forgets them.
fn not_null_columns(statement: &Statement) -> Vec<String> {
    let Statement::Statement(statement) = statement else { return Vec::new() };
    let ast::Statement::CreateTable(create) = statement.as_ref() else { return Vec::new() };
    let is_required = |column: &&ast::ColumnDef| {
        column.options.iter().any(|option| matches!(option.option, ast::ColumnOption::NotNull))
    };
    create.columns.iter().filter(is_required).map(|column| normalized(&column.name)).collect()
}

fn renamed(schema: &SchemaRef, names: &[String]) -> SchemaRef {
    let fields: Vec<Field> =
        schema.fields().iter().zip(names).map(|(field, name)| field.as_ref().clone().with_name(name)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn count_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]))
}

impl Outcome {
    fn done(tag: &'static str) -> Self {
        Self::batch(tag, RecordBatch::new_empty(Arc::new(Schema::empty())))
    }

    fn count(tag: &'static str, n_rows: u64) -> Self {
        let count = Arc::new(UInt64Array::from(vec![n_rows]));
        match RecordBatch::try_new(count_schema(), vec![count]) {
            Ok(batch) => Self::batch(tag, batch),
            Err(_) => Self::done(tag),
        }
    }

    fn batch(tag: &'static str, batch: RecordBatch) -> Self {
        let schema = batch.schema();
        let batches = (batch.num_columns() > 0).then_some(Ok(batch));
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::iter(batches));
        Self { tag, schema, stream: Box::pin(stream), diagnosis: Diagnosis { scope: None } }
    }
}
