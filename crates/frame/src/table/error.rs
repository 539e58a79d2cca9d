use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::TableDefinition;

/// Why a table could not be created or written. The table is unchanged whenever a write returns one of these.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Two rows would have the same PRIMARY KEY or UNIQUE key.
    #[error("duplicate key in table \"{table}\": {constraint} = ({key}) already exists")]
    DuplicateKey {
        /// The table written to.
        table: String,
        /// The constraint as a person would declare it: `PRIMARY KEY (id)`.
        constraint: String,
        /// The columns of the constraint, in its order.
        columns: Vec<String>,
        /// The offending values in the order of `columns`, as text, separated by `, `.
        key: String,
    },
    /// A NOT NULL column (declared so, or part of the primary key) would hold a NULL.
    #[error("null value in column \"{column}\" of table \"{table}\", which is NOT NULL")]
    NullValue {
        /// The table written to.
        table: String,
        /// The column that must not hold NULL.
        column: String,
    },
    /// A value does not fit the type of its column.
    #[error("a value does not fit column \"{column}\" of table \"{table}\": {source}")]
    Value {
        /// The table written to.
        table: String,
        /// The column whose type does not hold the value.
        column: String,
        /// The failed cast.
        source: ArrowError,
    },
    /// The rows to insert have another number of columns than the table.
    #[error("table \"{table}\" has {expected} columns, but the rows written to it have {found}")]
    ColumnCount {
        /// The table written to.
        table: String,
        /// The number of columns of the table.
        expected: usize,
        /// The number of columns of the rows.
        found: usize,
    },
    /// A constraint names no column, or a column position the table does not have.
    #[error("constraint {constraint} of table \"{table}\" needs columns of the table")]
    ConstraintColumns {
        /// The table being created.
        table: String,
        /// The constraint as a person would declare it.
        constraint: String,
    },
    /// A table was declared with more than one primary key.
    #[error("table \"{table}\" has more than one PRIMARY KEY")]
    SeveralPrimaryKeys {
        /// The table being created.
        table: String,
    },
    /// A DEFAULT names a column that the table does not have.
    #[error("a DEFAULT is given for column \"{column}\", which table \"{table}\" does not have")]
    DefaultColumn {
        /// The table being created.
        table: String,
        /// The unknown column.
        column: String,
    },
    /// The statement has a form whose target rows cannot be told apart.
    #[error("{operation} on table \"{table}\" is not supported for a plan with {node}")]
    Plan {
        /// The table written to.
        table: String,
        /// `INSERT`, `UPDATE`, ...
        operation: &'static str,
        /// What stands in the way.
        node: String,
    },
    /// An array operation failed.
    #[error("table \"{table}\": {source}")]
    Arrow {
        /// The table written to.
        table: String,
        /// The failure of the operation.
        source: ArrowError,
    },
    /// Planning or running the statement failed, or memory was refused.
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
}

impl TableError {
    /// Makes a failed array operation an error of writing to `table`.
    pub(super) fn arrow(table: &TableDefinition) -> impl Fn(ArrowError) -> Self {
        |source| Self::Arrow { table: table.name.clone(), source }
    }
}

impl From<TableError> for DataFusionError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::DataFusion(error) => error,
            error => Self::External(Box::new(error)),
        }
    }
}
