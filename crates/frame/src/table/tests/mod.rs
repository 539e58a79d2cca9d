//! End-to-end tests: SQL through DataFusion's planner, with a front-end just large enough to reach the tables.

mod concurrency;
mod constraints;
mod dml;
mod memory;
mod planner;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::util::display::array_value_to_string;
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{DdlStatement, Expr, LogicalPlan};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;

use super::{KeyConstraint, StoredTable, TableDefinition, execute, join_update_source};

#[derive(Debug, Default)]
struct Tables(Mutex<HashMap<String, Arc<StoredTable>>>);

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let table = self.0.lock().unwrap().get(name).cloned();
        Ok(table.map(|table| table.snapshot() as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.lock().unwrap().contains_key(name)
    }
}

/// What a statement gave.
#[derive(Debug)]
enum Answer {
    Affected(u64),
    Rows(Vec<RecordBatch>),
}

struct Database {
    context: SessionContext,
    tables: Arc<Tables>,
    pool: Arc<dyn MemoryPool>,
    chunk_rows_max: usize,
}

impl Database {
    fn new() -> Self {
        Self::with(1 << 30, 2, 4)
    }

    fn with(memory_bytes_max: usize, n_partitions: usize, chunk_rows_max: usize) -> Self {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory_bytes_max));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool)).build_arc().unwrap();
        let config = SessionConfig::new().with_target_partitions(n_partitions);
        let context = SessionContext::new_with_config_rt(config, runtime);
        let tables = Arc::new(Tables::default());
        let catalog = context.catalog("datafusion").unwrap();
        catalog.register_schema("public", Arc::clone(&tables) as Arc<dyn SchemaProvider>).unwrap();
        Self { context, tables, pool, chunk_rows_max }
    }

    fn table(&self, name: &str) -> Arc<StoredTable> {
        Arc::clone(&self.tables.0.lock().unwrap()[name])
    }

    async fn plan(&self, sql: &str) -> Result<LogicalPlan, DataFusionError> {
        let state = self.context.state();
        let mut statement = state.sql_to_statement(sql, &Dialect::Generic)?;
        if let Statement::Statement(statement) = &mut statement {
            join_update_source(statement);
        }
        crate::table::forget_keys(state.statement_to_plan(statement).await?)
    }

    async fn try_run(&self, sql: &str) -> Result<Answer, DataFusionError> {
        match self.plan(sql).await? {
            LogicalPlan::Dml(dml) => {
                let table = self.table(dml.table_name.table());
                Ok(Answer::Affected(execute(&self.context.state(), &table, &dml).await?))
            }
            LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) => {
                let name = create.name.table().to_owned();
                let batches = self.context.execute_logical_plan(create.input.as_ref().clone()).await?.collect().await?;
                let declared = create.input.schema().inner();
                let schema = match create.input.as_ref() {
                    LogicalPlan::EmptyRelation(_) => Arc::clone(declared),
                    // What a query happens to be unable to return is not forbidden to its table.
                    _ => nullable(declared),
                };
                let defaults: HashMap<String, Expr> = create.column_defaults.iter().cloned().collect();
                let definition = TableDefinition::new(&name, schema)
                    .with_keys(KeyConstraint::from_planner(&create.constraints))
                    .with_defaults(defaults)
                    .with_chunk_rows_max(self.chunk_rows_max);
                let table = StoredTable::try_new(definition, &self.pool, &batches)?;
                self.tables.0.lock().unwrap().insert(name, Arc::new(table));
                Ok(Answer::Affected(0))
            }
            plan => Ok(Answer::Rows(self.context.execute_logical_plan(plan).await?.collect().await?)),
        }
    }

    /// Runs a statement that changes rows and returns how many.
    async fn write(&self, sql: &str) -> u64 {
        match self.try_run(sql).await {
            Ok(Answer::Affected(n_rows)) => n_rows,
            other => panic!("{sql}: {other:?}"),
        }
    }

    /// Runs a statement that fails and returns why.
    async fn error(&self, sql: &str) -> String {
        match self.try_run(sql).await {
            Ok(answer) => panic!("{sql} succeeded: {answer:?}"),
            Err(error) => error.to_string(),
        }
    }

    /// Runs a query and returns its rows as text: `1,x;2,NULL`.
    async fn rows(&self, sql: &str) -> String {
        match self.try_run(sql).await {
            Ok(Answer::Rows(batches)) => text_of(&batches),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

fn text_of(batches: &[RecordBatch]) -> String {
    let value = |batch: &RecordBatch, row: usize, column: usize| {
        let array = batch.column(column);
        if array.is_null(row) { "NULL".to_owned() } else { array_value_to_string(array, row).unwrap() }
    };
    let row = |batch: &RecordBatch, row: usize| {
        (0..batch.num_columns()).map(|column| value(batch, row, column)).collect::<Vec<_>>().join(",")
    };
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |i| row(batch, i)));
    rows.collect::<Vec<_>>().join(";")
}

fn nullable(schema: &Schema) -> Arc<Schema> {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
