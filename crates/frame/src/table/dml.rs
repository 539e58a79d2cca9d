use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{DmlStatement, Expr, LogicalPlan, LogicalPlanBuilder, WriteOp};
use futures::StreamExt;

use super::change::{RowSet, UpdatedRows, without_rows};
use super::rewrite::{assignments, read_latest, with_nullable_values, with_row_ids};
use super::{StoredTable, TableError};
use crate::lower;

/// Runs an INSERT, UPDATE, DELETE or TRUNCATE that was planned by SqlToRel, and returns the number of rows it affected.
///
/// The statement waits for its turn and then reads the latest version of the table, whichever it was planned with. An
/// UPDATE or DELETE must not have been optimised: the optimiser moves the rows to change to where they cannot be found.
///
/// # Errors
/// [`TableError`]; the table is unchanged then.
pub async fn execute(state: &SessionState, table: &StoredTable, dml: &DmlStatement) -> Result<u64, TableError> {
    match &dml.op {
        WriteOp::Insert(_) => insert(state, table, dml).await,
        WriteOp::Update => update(state, table, dml).await,
        WriteOp::Delete => delete(state, table, dml).await,
        WriteOp::Truncate => table.truncate().await,
        other => Err(unsupported(table, "a write", format!("{other:?}"))),
    }
}

/// Runs `INSERT INTO` and `INSERT OVERWRITE`; returns the number of rows inserted.
///
/// `INSERT INTO t SELECT ... FROM t` reads the rows from before the statement.
///
/// # Errors
/// [`TableError`]; the table is unchanged then.
pub async fn insert(state: &SessionState, table: &StoredTable, dml: &DmlStatement) -> Result<u64, TableError> {
    let write = table.begin_write().await;
    let plan = with_nullable_values(read_latest(dml.input.as_ref().clone(), &write.snapshot())?)?;
    match &dml.op {
        WriteOp::Insert(InsertOp::Append) => write.append(run(state, &plan).await?).await,
        WriteOp::Insert(InsertOp::Overwrite) => write.overwrite(run(state, &plan).await?).await,
        other => Err(unsupported(table, "INSERT", other.name().to_owned())),
    }
}

/// Runs `DELETE`; returns the number of rows deleted.
///
/// A row for which the predicate is NULL stays.
///
/// # Errors
/// [`TableError`]; the table is unchanged then.
pub async fn delete(state: &SessionState, table: &StoredTable, dml: &DmlStatement) -> Result<u64, TableError> {
    let mut write = table.begin_write().await;
    let plan = read_latest(dml.input.as_ref().clone(), &write.snapshot())?;
    let input = with_row_ids(&plan, write.base(), "DELETE")?;
    let row_id = Expr::Column(input.row_id);
    let plan = LogicalPlanBuilder::from(input.plan).project([row_id])?.build()?;

    let mut deleted = RowSet::try_new(write.base().n_rows(), write.account())?;
    let mut positions = run(state, &plan).await?;
    while let Some(batch) = positions.next().await {
        let batch = batch?;
        let row_ids = batch.column(0).as_primitive::<UInt64Type>();
        row_ids.iter().flatten().for_each(|row| deleted.insert(row as usize));
    }
    // The scan holds the old version, and with it the memory.
    drop(positions);
    let (chunks, n_rows) = without_rows(&mut write, deleted).await?;
    write.finish(chunks);
    Ok(n_rows as u64)
}

/// Runs `UPDATE ... SET ... [FROM ...] [WHERE ...]`; returns the number of rows updated.
///
/// All expressions see the rows from before the statement, so `SET a = b, b = a` swaps. A row that FROM matches several
/// times is updated once, with the values of one of the matches. Keys are checked when all rows have changed, so
/// `SET id = id + 1` succeeds.
///
/// # Errors
/// [`TableError`]; the table is unchanged then.
pub async fn update(state: &SessionState, table: &StoredTable, dml: &DmlStatement) -> Result<u64, TableError> {
    let mut write = table.begin_write().await;
    let plan = read_latest(dml.input.as_ref().clone(), &write.snapshot())?;
    let LogicalPlan::Projection(projection) = &plan else {
        return Err(unsupported(table, "UPDATE", plan.display().to_string()));
    };
    let input = with_row_ids(&projection.input, write.base(), "UPDATE")?;
    let assignments = assignments(&projection.expr, write.definition(), &input.row_id);

    // Positions come first; the values are named by number, because `SET` may give two columns one expression.
    let values = assignments.iter().enumerate().map(|(i, assignment)| assignment.value.clone().alias(format!("__{i}")));
    let exprs = std::iter::once(Expr::Column(input.row_id)).chain(values);
    let plan = LogicalPlanBuilder::from(input.plan).project(exprs)?.build()?;

    let columns = assignments.iter().map(|assignment| assignment.column).collect();
    let mut rows = UpdatedRows::new(columns, write.account());
    let mut input = run(state, &plan).await?;
    while let Some(batch) = input.next().await {
        rows.push(&batch?, write.definition())?;
    }
    drop(input);
    let (chunks, n_rows) = rows.apply(&mut write).await?;
    write.finish(chunks);
    Ok(n_rows as u64)
}

/// The rows of `plan`, as they come.
async fn run(state: &SessionState, plan: &LogicalPlan) -> Result<SendableRecordBatchStream, TableError> {
    Ok(lower::run(state, plan).await?)
}

fn unsupported(table: &StoredTable, operation: &'static str, node: String) -> TableError {
    TableError::Plan { table: table.definition().name.clone(), operation, node }
}
