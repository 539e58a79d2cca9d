//! Arrays as text.

use dolmen_array_sql::{append_csv, append_json, corner, numpy_text, shown_positions};
use dolmen_graph::Executor;
use dolmen_kernels::{Block, KernelError, Pool};

use super::compute::compute_one;
use super::of_array;
use super::statement::Shown;
use crate::output::Format;
use crate::{Error, Result};

/// Whether arrays have a form of their own in this format, in which they are not shown by their rows.
pub(crate) fn has_form(format: Format) -> bool {
    matches!(format, Format::Table | Format::Csv | Format::Json)
}

/// What is shown in a format that it has of its own: an array as NumPy prints it, as CSV of at most two axes, as nested lists
/// of JSON; a histogram as a table with bars. `None` for formats that show rows. As NumPy prints a large array, only its
/// corners are computed.
pub(crate) async fn printed(executor: &dyn Executor, shown: &Shown, format: Format) -> Result<Option<Vec<u8>>> {
    let array = match (shown, format) {
        (Shown::Array(array), _) => array,
        (Shown::Histogram(histogram), Format::Table) => return histogram.drawn(executor).await.map(Some),
        (Shown::Histogram(_), _) => return Ok(None),
    };
    let mut text = Vec::new();
    match format {
        Format::Table => {
            let part = corner(array).map_err(of_array)?;
            let block = compute_one(executor, &part).await?;
            let (shape, block) = match array.shape() {
                Ok(shape) => (shape, block),
                // Only now its shape is known.
                Err(_) => (block.shape().to_vec(), corner_of(&block)?),
            };
            text.extend(numpy_text(&shape, &block).map_err(failed)?.bytes());
            text.push(b'\n');
        }
        Format::Csv => append_csv(&compute_one(executor, array).await?, &mut text).map_err(failed)?,
        Format::Json => {
            append_json(&compute_one(executor, array).await?, &mut text).map_err(failed)?;
            text.push(b'\n');
        }
        _ => return Ok(None),
    }
    Ok(Some(text))
}

/// What is shown of a block.
fn corner_of(block: &Block) -> Result<Block> {
    let Some(positions) = shown_positions(block.shape()) else { return Ok(block.clone()) };
    let mut corner = block.clone();
    for (axis, positions) in positions.iter().enumerate() {
        corner = dolmen_kernels::take(&corner, axis, positions, &Pool::new(0)).map_err(failed)?;
    }
    Ok(corner)
}

fn failed(error: KernelError) -> Error {
    of_array(error.into())
}
