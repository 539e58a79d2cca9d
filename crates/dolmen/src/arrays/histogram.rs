//! A histogram as a table, with bars where a person reads it.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use dolmen_array::Array;
use dolmen_graph::Executor;

use super::columns::values;
use super::compute::compute;
use crate::output::{Format, OutputOptions, ResultWriter, terminal_width};
use crate::{Error, Result};

/// The longest bar, in characters.
const BAR_WIDTH: f64 = 40.0;

/// What `histogram(...)` gives: the count of each bin, and the edges of the bins, one more.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    pub(super) counts: Array,
    pub(super) edges: Array,
}

impl Histogram {
    /// A row for each bin: where it begins and ends, and its count.
    pub(super) async fn rows(&self, executor: &dyn Executor) -> Result<RecordBatch> {
        let blocks = compute(executor, &[self.counts.clone(), self.edges.clone()]).await?;
        let [counts, edges] = blocks.as_slice() else { return Err(Error::internal("a histogram without edges")) };
        let (counts, edges) = (values(counts)?, values(edges)?);
        let n_bins = counts.len();
        table([("low", edges.slice(0, n_bins)), ("high", edges.slice(1, n_bins)), ("count", counts)])
    }

    /// The rows and a bar for each, as wide as its count.
    pub(super) async fn drawn(&self, executor: &dyn Executor) -> Result<Vec<u8>> {
        let rows = self.rows(executor).await?;
        let columns = ["low", "high", "count"].into_iter().zip(rows.columns().iter().cloned());
        let rows = table(columns.chain([("bar", bars(rows.column(2))?)]))?;
        let drawn = |error: std::io::Error| Error::invalid(format!("the histogram cannot be drawn: {error}"));
        let options = OutputOptions::for_terminal(Format::Table, terminal_width());
        let mut text = Vec::new();
        let mut writer = ResultWriter::new(&mut text, &rows.schema(), options);
        writer.write(&rows).map_err(drawn)?;
        writer.finish().map_err(drawn)?;
        Ok(text)
    }
}

fn table(columns: impl IntoIterator<Item = (&'static str, ArrayRef)>) -> Result<RecordBatch> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, column)| (Field::new(name, column.data_type().clone(), column.is_nullable()), column))
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| Error::internal(error.to_string()))
}

/// The largest count is the longest bar; a count that is not above zero has none.
fn bars(counts: &ArrayRef) -> Result<ArrayRef> {
    let counts = cast(counts, &DataType::Float64);
    let counts = counts.map_err(|error| Error::invalid(format!("the counts cannot be drawn: {error}")))?;
    let counts = counts.as_primitive::<Float64Type>().values();
    let largest = counts.iter().copied().filter(|count| count.is_finite()).fold(0.0, f64::max);
    Ok(Arc::new(StringArray::from_iter_values(counts.iter().map(|count| bar(count / largest)))))
}

/// A bar of a part, between 0 and 1, of the longest, to an eighth of a character.
fn bar(part: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // Not a number becomes no bar.
    let eighths = (part.clamp(0.0, 1.0) * BAR_WIDTH * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_counts() {
        assert_eq!(bar(1.0).chars().count(), 40);
        assert_eq!(bar(0.5), "█".repeat(20));
        assert_eq!(bar(1.0 / 320.0), "▏");
        assert_eq!([bar(0.0), bar(-1.0), bar(f64::NAN)], [""; 3]);
        let counts: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![0, 0]));
        assert!(bars(&counts).unwrap().as_string::<i32>().iter().all(|bar| bar == Some("")));
    }
}
