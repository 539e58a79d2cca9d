//! `CREATE EXTERNAL TABLE`: DataFusion's own factory, behind the session's guards.

use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::CreateExternalTable;
use dolmen_storage::{Location, Operation, Stores};

use crate::error::{Error, Result};
use crate::files::required::RequiredColumns;
use crate::sql::translate::of_execution;

/// Makes the table that the statement describes. Its files are listed anew by every statement that reads it.
///
/// WITH ORDER is taken for a hint and not used: the planner would leave out a sort where the files need one. NOT NULL is
/// checked as rows are read.
///
/// # Errors
/// A constraint, which nobody would enforce; a location that may not be read; an unknown format or option.
pub(crate) async fn external_table(
    state: &SessionState,
    stores: &Stores,
    create: &CreateExternalTable,
) -> Result<Arc<dyn TableProvider>> {
    if create.constraints.iter().next().is_some() {
        return Err(Error::unsupported(
            "PRIMARY KEY or UNIQUE on an external table",
            "nothing would enforce it there; CREATE TABLE ... AS SELECT reads the files into a table that does",
        ));
    }
    if create.unbounded {
        return Err(Error::unsupported("an unbounded external table", "leave UNBOUNDED out"));
    }
    for location in &create.locations {
        stores.check(&Location::parse(location)?, Operation::Read)?;
    }
    let format = create.file_type.to_uppercase();
    let factory = state.table_factories().get(&format).ok_or_else(|| {
        let mut known: Vec<&str> = state.table_factories().keys().map(String::as_str).collect();
        known.sort_unstable();
        Error::invalid(format!("STORED AS {format} is not known; known are {}", known.join(", ")))
    })?;
    let required: Vec<String> =
        fields_of(create).filter(|field| !field.is_nullable()).map(|f| f.name().clone()).collect();
    let fields = create
        .schema
        .iter()
        .map(|(relation, field)| (relation.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
    let schema =
        DFSchema::new_with_metadata(fields.collect(), create.schema.metadata().clone()).map_err(of_execution)?;
    let create = CreateExternalTable { schema: Arc::new(schema), order_exprs: Vec::new(), ..create.clone() };
    let table = factory.create(state, &create).await.map_err(of_execution)?;
    Ok(match required.is_empty() {
        true => table,
        false => Arc::new(RequiredColumns::new(table, create.name.table().to_owned(), required)),
    })
}

fn fields_of(create: &CreateExternalTable) -> impl Iterator<Item = &FieldRef> {
    create.schema.fields().iter()
}
