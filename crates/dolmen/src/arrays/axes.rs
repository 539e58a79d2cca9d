//! The axes of an array as columns of a table.

use std::ops::Range;

use arrow::array::{Array as _, ArrayRef, BooleanArray, Datum, make_comparator};
use arrow::compute::kernels::cmp;
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use dolmen_array::AxisLabels;
use dolmen_kernels::Block;

use super::columns::values;
use crate::Result;

/// An axis: the positions along it, or what they stand for.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) name: String,
    /// What each position stands for, of the whole axis.
    pub(super) labels: Option<ArrayRef>,
    /// The labels as a file holds them.
    coordinates: Option<Block>,
    /// Whether all labels differ and ascend, or descend.
    is_ordered: bool,
}

impl Axis {
    /// The axes of an array of which nothing else is known: `dim_0`, `dim_1`, ...
    pub(super) fn numbered(n_axes: usize) -> Vec<Self> {
        let number = |axis| Self { name: format!("dim_{axis}"), labels: None, coordinates: None, is_ordered: true };
        (0..n_axes).map(number).collect()
    }

    /// The names and coordinates for a file; `None` if the axes have neither.
    pub(super) fn to_file(axes: &[Self]) -> Option<Vec<AxisLabels>> {
        let is_number = |(at, axis): (usize, &Self)| axis.labels.is_none() && axis.name == format!("dim_{at}");
        let labelled = |axis: &Self| AxisLabels { name: axis.name.clone(), labels: axis.coordinates.clone() };
        (!axes.iter().enumerate().all(is_number)).then(|| axes.iter().map(labelled).collect())
    }

    /// The axes as a file calls them. A name that another column has already gives way to a number.
    pub(super) fn of_file(axes: &[AxisLabels]) -> Result<Vec<Self>> {
        let mut columns: Vec<Self> = Vec::with_capacity(axes.len());
        for (at, axis) in axes.iter().enumerate() {
            let is_taken = axis.name == "value" || columns.iter().any(|other| other.name == axis.name);
            let name = if is_taken || axis.name.is_empty() { format!("dim_{at}") } else { axis.name.clone() };
            let labels = axis.labels.as_ref().map(values).transpose()?;
            let is_ordered = labels.as_ref().is_none_or(is_ordered);
            columns.push(Self { name, labels, coordinates: axis.labels.clone(), is_ordered });
        }
        Ok(columns)
    }

    pub(super) fn field(&self) -> Field {
        match &self.labels {
            Some(labels) => Field::new(&self.name, labels.data_type().clone(), labels.null_count() > 0),
            None => Field::new(&self.name, DataType::Int64, false),
        }
    }

    /// Whether positions that differ stand for different things.
    pub(super) fn is_unique(&self) -> bool {
        self.is_ordered
    }

    /// The positions at which the axis, cast to another type or not, compares so with a value, and whether it does at all of
    /// them.
    pub(super) fn limits(
        &self,
        op: Operator,
        value: &ScalarValue,
        to: Option<&DataType>,
    ) -> Option<(Range<i128>, bool)> {
        let Some(labels) = &self.labels else {
            return positions(op, value).filter(|_| to.is_none()).map(|kept| (kept, true));
        };
        let cast_labels = to.map(|to| cast(labels, to)).transpose().ok()?;
        let compared = cast_labels.as_ref().unwrap_or(labels);
        if value.data_type() != *compared.data_type() {
            return None;
        }
        let holds = compare(op, compared, &value.to_scalar().ok()?)?.ok()?;
        let hits: Vec<usize> = (0..holds.len()).filter(|at| holds.is_valid(*at) && holds.value(*at)).collect();
        let (Some(first), Some(last)) = (hits.first(), hits.last()) else { return Some((0..0, true)) };
        Some((*first as i128..*last as i128 + 1, last - first + 1 == hits.len()))
    }
}

fn compare(op: Operator, labels: &dyn Datum, value: &dyn Datum) -> Option<Result<BooleanArray, ArrowError>> {
    Some(match op {
        Operator::Eq => cmp::eq(labels, value),
        Operator::Lt => cmp::lt(labels, value),
        Operator::LtEq => cmp::lt_eq(labels, value),
        Operator::Gt => cmp::gt(labels, value),
        Operator::GtEq => cmp::gt_eq(labels, value),
        _ => return None,
    })
}

/// The positions that a comparison with a number leaves.
fn positions(op: Operator, value: &ScalarValue) -> Option<Range<i128>> {
    let ScalarValue::Int64(Some(value)) = value else { return None };
    let value = i128::from(*value);
    Some(match op {
        Operator::Eq => value..value + 1,
        Operator::Lt => 0..value,
        Operator::LtEq => 0..value + 1,
        Operator::Gt => value + 1..i128::MAX,
        Operator::GtEq => value..i128::MAX,
        _ => return None,
    })
}

/// Whether every label is more than the one before, or every one is less.
fn is_ordered(labels: &ArrayRef) -> bool {
    let Ok(compare) = make_comparator(labels, labels, SortOptions::default()) else { return false };
    let mut pairs = (1..labels.len()).map(|at| compare(at - 1, at));
    let Some(first) = pairs.next() else { return labels.null_count() == 0 };
    labels.null_count() == 0 && first.is_ne() && pairs.all(|pair| pair == first)
}
