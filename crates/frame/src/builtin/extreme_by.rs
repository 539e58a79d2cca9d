//! `max_by` and `min_by`.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};

use super::best_rows::{BestRow, BestRows};
use super::{documentation, has_order, plain_type};
use crate::sql_type::sql_type_name;

/// `max_by(x, y)`, `min_by(x, y)`: `x` of the row with the largest or smallest `y`.
///
/// Rows whose `y` is NULL do not count; without another row the answer is NULL. The `x` that is found may be NULL. Of rows
/// with the same `y` that with the smallest `x` counts, and one with a NULL last.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExtremeBy {
    name: &'static str,
    aliases: Vec<String>,
    largest: bool,
    signature: Signature,
}

impl ExtremeBy {
    pub(super) fn largest() -> Self {
        Self::new("max_by", "arg_max", true)
    }

    pub(super) fn smallest() -> Self {
        Self::new("min_by", "arg_min", false)
    }

    fn new(name: &'static str, alias: &str, largest: bool) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, aliases: vec![alias.to_owned()], largest, signature }
    }

    fn rows(&self, args: &AccumulatorArgs) -> Result<BestRows> {
        match args.expr_fields {
            [value, by] => BestRows::try_new(value.data_type(), by.data_type(), self.largest),
            other => internal_err!("{} takes two arguments, not {}", self.name, other.len()),
        }
    }
}

impl AggregateUDFImpl for ExtremeBy {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, by] = arg_types else {
            return plan_err!(
                "{}(x, y) takes a value and what it is chosen by, not {} arguments",
                self.name,
                arg_types.len()
            );
        };
        let types = vec![plain_type(value), plain_type(by)];
        match types.iter().find(|data_type| !has_order(data_type)) {
            Some(other) => plan_err!("{} cannot compare values of type {}", self.name, sql_type_name(other)),
            None => Ok(types),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [value, _] => Ok(value.clone()),
            other => internal_err!("{} takes two arguments, not {}", self.name, other.len()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let names = ["value", "by"].into_iter().map(|part| format_state_name(args.name, part));
        let types = args.input_fields.iter().map(|field| field.data_type().clone());
        Ok(names.zip(types).map(|(name, data_type)| Arc::new(Field::new(name, data_type, true))).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(BestRow::new(self.rows(&args)?)))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.rows(&args)?))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        static LARGEST: LazyLock<Documentation> =
            LazyLock::new(|| documentation("The value of x in the row with the largest y.", "max_by(x, y)"));
        static SMALLEST: LazyLock<Documentation> =
            LazyLock::new(|| documentation("The value of x in the row with the smallest y.", "min_by(x, y)"));
        Some(if self.largest { &LARGEST } else { &SMALLEST })
    }
}
