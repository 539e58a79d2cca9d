//! The catalog of a session: schemas of tables and views, held in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::TableType;

use crate::error::{Error, Result};
use crate::table::StoredTable;

/// The schema of names without one, as in PostgreSQL.
pub(crate) const DEFAULT_SCHEMA: &str = "public";

/// A relation of the catalog.
#[derive(Debug, Clone)]
pub(crate) enum Relation {
    /// A table whose rows the session holds.
    Stored(Arc<StoredTable>),
    /// A query that is planned anew by every statement that names it.
    View(Arc<View>),
    /// Files, or whatever else the embedding program registered.
    Foreign(Arc<dyn TableProvider>),
}

/// A view: its text, so that a statement sees the tables as they are then.
#[derive(Debug)]
pub(crate) struct View {
    /// The query, without `CREATE VIEW`.
    pub(crate) query: String,
    /// The whole statement, for the information schema.
    pub(crate) definition: String,
}

impl Relation {
    pub(crate) fn table_type(&self) -> TableType {
        match self {
            Self::Stored(_) => TableType::Base,
            Self::View(_) => TableType::View,
            Self::Foreign(provider) => provider.table_type(),
        }
    }

    /// `"table"` or `"view"`, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::View(_) => "view",
            Self::Stored(_) | Self::Foreign(_) => "table",
        }
    }
}

/// A relation's name with its schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) schema: String,
    pub(crate) table: String,
}

impl From<&TableReference> for Name {
    fn from(reference: &TableReference) -> Self {
        Self { schema: reference.schema().unwrap_or(DEFAULT_SCHEMA).to_owned(), table: reference.table().to_owned() }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.schema.as_str() {
            DEFAULT_SCHEMA => write!(f, "{}", self.table),
            schema => write!(f, "{schema}.{}", self.table),
        }
    }
}

/// What `CREATE` does when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfTaken {
    Fail,
    Keep,
    Replace,
}

impl IfTaken {
    /// From the clauses of a `CREATE` statement.
    pub(crate) fn from_clauses(if_not_exists: bool, or_replace: bool) -> Result<Self> {
        match (if_not_exists, or_replace) {
            (true, true) => Err(Error::invalid("IF NOT EXISTS and OR REPLACE exclude each other")),
            (true, false) => Ok(Self::Keep),
            (false, true) => Ok(Self::Replace),
            (false, false) => Ok(Self::Fail),
        }
    }
}

type Schemas = BTreeMap<String, BTreeMap<String, Relation>>;

/// Schemas and their relations. Every method is atomic; none waits for I/O.
#[derive(Debug)]
pub(crate) struct Catalog {
    schemas: RwLock<Schemas>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { schemas: RwLock::new(BTreeMap::from([(DEFAULT_SCHEMA.to_owned(), BTreeMap::new())])) }
    }
}

impl Catalog {
    // A panic while the lock is held leaves a map that is whole: every change below is one insertion or removal.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Schemas> {
        self.schemas.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Schemas> {
        self.schemas.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The relation called `name`.
    ///
    /// A name in lower case, as an unquoted one always is, also finds the one relation that differs from it in case only.
    pub(crate) fn get(&self, name: &Name) -> Option<Relation> {
        let schemas = self.read();
        let relations = schemas.get(&name.schema)?;
        if let Some(relation) = relations.get(&name.table) {
            return Some(relation.clone());
        }
        if name.table.chars().any(char::is_uppercase) {
            return None;
        }
        let mut same = relations.iter().filter(|(candidate, _)| candidate.to_lowercase() == name.table);
        match (same.next(), same.next()) {
            (Some((_, relation)), None) => Some(relation.clone()),
            _ => None,
        }
    }

    pub(crate) fn has_schema(&self, schema: &str) -> bool {
        self.read().contains_key(schema)
    }

    pub(crate) fn schema_names(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    pub(crate) fn relation_names(&self, schema: &str) -> Vec<String> {
        self.read().get(schema).map(|relations| relations.keys().cloned().collect()).unwrap_or_default()
    }

    /// Every relation's name, in all schemas, without the schema.
    pub(crate) fn all_names(&self) -> Vec<String> {
        self.read().values().flat_map(|relations| relations.keys().cloned()).collect()
    }

    /// Adds a relation; `false` if the name is taken and [`IfTaken::Keep`] says to leave it.
    pub(crate) fn create(&self, name: &Name, relation: Relation, if_taken: IfTaken) -> Result<bool> {
        let mut schemas = self.write();
        let relations = schemas.get_mut(&name.schema).ok_or_else(|| unknown_schema(&name.schema))?;
        match (relations.get(&name.table), if_taken) {
            (Some(_), IfTaken::Keep) => Ok(false),
            (Some(taken), IfTaken::Fail) => Err(Error::invalid(format!(
                "{} \"{name}\" already exists; use CREATE OR REPLACE or DROP {} first",
                taken.noun(),
                taken.noun().to_uppercase()
            ))),
            (Some(taken), IfTaken::Replace) if taken.noun() != relation.noun() => Err(Error::invalid(format!(
                "\"{name}\" is a {}, not a {}; drop it first",
                taken.noun(),
                relation.noun()
            ))),
            _ => {
                relations.insert(name.table.clone(), relation);
                Ok(true)
            }
        }
    }

    /// Removes the relation; `noun` is what the statement believes it to be (`"table"` or `"view"`).
    pub(crate) fn remove(&self, name: &Name, noun: &str, if_exists: bool) -> Result<()> {
        let mut schemas = self.write();
        let relations = schemas.get_mut(&name.schema);
        match relations.as_ref().and_then(|relations| relations.get(&name.table)) {
            None if if_exists => Ok(()),
            None => Err(Error::invalid(format!("{noun} \"{name}\" does not exist"))),
            Some(relation) if relation.noun() != noun => Err(Error::invalid(format!(
                "\"{name}\" is a {found}, not a {noun}; use DROP {}",
                relation.noun().to_uppercase(),
                found = relation.noun(),
            ))),
            Some(_) => {
                if let Some(relations) = relations {
                    relations.remove(&name.table);
                }
                Ok(())
            }
        }
    }

    pub(crate) fn create_schema(&self, schema: &str, if_not_exists: bool) -> Result<()> {
        let mut schemas = self.write();
        if schemas.contains_key(schema) || schema == "information_schema" {
            return match if_not_exists {
                true => Ok(()),
                false => Err(Error::invalid(format!("schema \"{schema}\" already exists"))),
            };
        }
        schemas.insert(schema.to_owned(), BTreeMap::new());
        Ok(())
    }

    pub(crate) fn drop_schema(&self, schema: &str, if_exists: bool, cascade: bool) -> Result<()> {
        let mut schemas = self.write();
        match schemas.get(schema) {
            None if if_exists => Ok(()),
            None => Err(unknown_schema(schema)),
            Some(_) if schema == DEFAULT_SCHEMA => {
                Err(Error::invalid(format!("schema \"{schema}\" holds names without a schema; it cannot be dropped")))
            }
            Some(relations) if !relations.is_empty() && !cascade => Err(Error::invalid(format!(
                "schema \"{schema}\" still holds {} relations; drop them first or use CASCADE",
                relations.len()
            ))),
            Some(_) => {
                schemas.remove(schema);
                Ok(())
            }
        }
    }
}

fn unknown_schema(schema: &str) -> Error {
    Error::invalid(format!("schema \"{schema}\" does not exist; CREATE SCHEMA {schema} makes it"))
}
