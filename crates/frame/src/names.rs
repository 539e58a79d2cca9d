//! What a session knows by name, for completion and help: functions, settings, the columns of tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::logical_expr::Documentation;

use crate::catalog::Relation;
use crate::context::{SqlContext, table_name};
use crate::files::reading_functions;

/// A function of SQL by one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionInfo {
    /// The name, in lower case; an alias is a function of its own here.
    pub name: String,
    /// How a call is written, such as `date_trunc(precision, expression)`, if its documentation says so.
    pub syntax: Option<String>,
    /// Whether it gives rows, and so stands in FROM.
    pub gives_rows: bool,
}

impl SqlContext {
    /// Every function that statements may call, sorted by name. It takes no I/O.
    pub fn functions(&self) -> Vec<FunctionInfo> {
        let state = self.state();
        let syntax = |documentation: Option<&Documentation>| documentation.map(|text| text.syntax_example.clone());
        let mut found = BTreeMap::new();
        let mut add = |name: &str, syntax: Option<String>, gives_rows| {
            // These stand for operators; nobody calls them by name.
            if !name.starts_with("checked_") && !name.starts_with("__") {
                found.entry(name.to_owned()).or_insert(FunctionInfo { name: name.to_owned(), syntax, gives_rows });
            }
        };
        state.scalar_functions().iter().for_each(|(name, f)| add(name, syntax(f.documentation()), false));
        state.aggregate_functions().iter().for_each(|(name, f)| add(name, syntax(f.documentation()), false));
        state.window_functions().iter().for_each(|(name, f)| add(name, syntax(f.documentation()), false));
        state.table_functions().keys().for_each(|name| add(name, None, true));
        reading_functions().for_each(|name| add(name, Some(format!("{name}(location, option => value)")), true));
        for known in self.macros().iter() {
            add(known.name(), Some(known.syntax()), false);
        }
        found.into_values().collect()
    }

    /// The full names of all settings, sorted.
    pub fn setting_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.state().config_options().entries().into_iter().map(|entry| entry.key).collect();
        names.sort();
        names
    }

    /// The columns of a table, by `table` or `schema.table` without quotes. It takes no I/O.
    ///
    /// `None` if there is no such table, or if it is a view, whose columns are found by planning it.
    pub fn table_schema(&self, name: &str) -> Option<SchemaRef> {
        let name = table_name(name);
        match self.catalog.get(&name)? {
            Relation::Stored(table) => Some(Arc::clone(&table.definition().schema)),
            Relation::Foreign(provider) => Some(provider.schema()),
            Relation::View(_) => None,
        }
    }
}
