use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{Constraint, Constraints};
use datafusion::logical_expr::Expr;

use super::TableError;

/// The usual number of rows in a chunk: DataFusion's default batch size, so that a scan hands chunks on as they are.
pub const CHUNK_ROWS_MAX: usize = 8192;

/// What a table is: its name, its columns and the rules its rows obey.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    /// The name that errors and memory reports show.
    pub name: String,
    /// The columns. A field that is not nullable is a NOT NULL column.
    pub schema: SchemaRef,
    /// PRIMARY KEY and UNIQUE constraints.
    pub keys: Vec<KeyConstraint>,
    /// DEFAULT expressions by column name; they refer to no column.
    pub defaults: HashMap<String, Expr>,
    /// The largest number of rows stored in one piece. An UPDATE or DELETE copies whole pieces.
    pub chunk_rows_max: usize,
}

impl TableDefinition {
    /// A table without constraints and defaults.
    pub fn new(name: impl Into<String>, schema: SchemaRef) -> Self {
        Self { name: name.into(), schema, keys: vec![], defaults: HashMap::new(), chunk_rows_max: CHUNK_ROWS_MAX }
    }

    /// The same table with these PRIMARY KEY and UNIQUE constraints.
    pub fn with_keys(self, keys: Vec<KeyConstraint>) -> Self {
        Self { keys, ..self }
    }

    /// The same table with these DEFAULT expressions by column name.
    pub fn with_defaults(self, defaults: HashMap<String, Expr>) -> Self {
        Self { defaults, ..self }
    }

    /// The same table stored in pieces of at most `rows` rows.
    pub fn with_chunk_rows_max(self, rows: usize) -> Self {
        Self { chunk_rows_max: rows.max(1), ..self }
    }

    /// The keys that the planner may build on.
    ///
    /// Not UNIQUE: several rows may have NULL there, and the planner would take DISTINCT away all the same.
    pub(super) fn planner_keys(&self) -> Constraints {
        let primary = self.keys.iter().filter(|key| key.kind == KeyKind::Primary);
        Constraints::new_unverified(primary.map(|key| Constraint::PrimaryKey(key.columns.clone())).collect())
    }

    /// Checks the definition and makes the columns of the primary key NOT NULL.
    pub(super) fn validated(mut self) -> Result<Self, TableError> {
        for key in &self.keys {
            let in_range = key.columns.iter().all(|&column| column < self.schema.fields().len());
            if key.columns.is_empty() || !in_range {
                let constraint = key.describe(&self.schema);
                return Err(TableError::ConstraintColumns { table: self.name, constraint });
            }
        }
        if self.keys.iter().filter(|key| key.kind == KeyKind::Primary).count() > 1 {
            return Err(TableError::SeveralPrimaryKeys { table: self.name });
        }
        if let Some(column) = self.defaults.keys().find(|name| self.schema.index_of(name).is_err()) {
            return Err(TableError::DefaultColumn { column: column.clone(), table: self.name });
        }
        let is_primary =
            |column: usize| self.keys.iter().any(|key| key.kind == KeyKind::Primary && key.columns.contains(&column));
        let fields: Vec<Field> = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .map(|(i, field)| field.as_ref().clone().with_nullable(field.is_nullable() && !is_primary(i)))
            .collect();
        self.schema = Arc::new(Schema::new_with_metadata(fields, self.schema.metadata().clone()));
        Ok(self)
    }
}

/// Whether NULL is allowed in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// PRIMARY KEY: no column is NULL.
    Primary,
    /// UNIQUE: rows with a NULL in the key never collide (NULLS DISTINCT).
    Unique,
}

/// A PRIMARY KEY or UNIQUE constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyConstraint {
    /// Primary or unique.
    pub kind: KeyKind,
    /// Positions of the columns in the table's schema.
    pub columns: Vec<usize>,
}

impl KeyConstraint {
    /// PRIMARY KEY over these column positions.
    pub fn primary(columns: Vec<usize>) -> Self {
        Self { kind: KeyKind::Primary, columns }
    }

    /// UNIQUE over these column positions.
    pub fn unique(columns: Vec<usize>) -> Self {
        Self { kind: KeyKind::Unique, columns }
    }

    /// The constraints of a `CREATE TABLE` as DataFusion's planner reports them.
    pub fn from_planner(constraints: &Constraints) -> Vec<Self> {
        constraints
            .iter()
            .map(|constraint| match constraint {
                Constraint::PrimaryKey(columns) => Self::primary(columns.clone()),
                Constraint::Unique(columns) => Self::unique(columns.clone()),
            })
            .collect()
    }

    /// The constraint as a person would declare it, such as `UNIQUE (a, b)`.
    pub(super) fn describe(&self, schema: &Schema) -> String {
        format!("{} ({})", self.kind, self.column_names(schema).join(", "))
    }

    pub(super) fn column_names(&self, schema: &Schema) -> Vec<String> {
        let name = |&i: &usize| schema.fields().get(i).map_or_else(|| format!("#{i}"), |field| field.name().clone());
        self.columns.iter().map(name).collect()
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "PRIMARY KEY",
            Self::Unique => "UNIQUE",
        })
    }
}
