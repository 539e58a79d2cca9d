//! Scans that read some of their columns.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::projection::{all_alias_free_columns, new_projections_for_columns};

/// Those of `columns`, which have the fields of `schema`, that a projection keeps, with their schema; `None` if it does more
/// than choose columns.
pub(crate) fn kept(
    projection: &ProjectionExprs,
    columns: &[usize],
    schema: &Schema,
) -> Result<Option<(Vec<usize>, SchemaRef)>> {
    let exprs: Vec<_> = projection.iter().cloned().collect();
    if !all_alias_free_columns(&exprs) {
        return Ok(None);
    }
    let positions: Vec<usize> = (0..columns.len()).collect();
    let kept = new_projections_for_columns(&exprs, &positions);
    let schema = Arc::new(schema.project(&kept)?);
    Ok(Some((kept.iter().map(|&i| columns[i]).collect(), schema)))
}
