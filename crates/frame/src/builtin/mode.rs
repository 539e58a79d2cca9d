//! `mode`: the most frequent value.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, new_empty_array};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::utils::{SingleRowListArrayBuilder, normalize_float_zero};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Documentation, Signature, Volatility};

use super::{documentation, has_order, plain_type};
use crate::sql_type::sql_type_name;

/// `mode(x)`: the value that most rows have.
///
/// NULL does not count; without another value the answer is NULL. Of values that are as frequent the smallest is the answer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Mode {
    signature: Signature,
}

impl Default for Mode {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Mode {
    fn name(&self) -> &str {
        "mode"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [value] = arg_types else { return plan_err!("mode(x) takes one argument, not {}", arg_types.len()) };
        let value = plain_type(value);
        match has_order(&value) {
            true => Ok(vec![value]),
            false => plan_err!("mode cannot compare values of type {}", sql_type_name(&value)),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [value] => Ok(value.clone()),
            other => internal_err!("mode takes one argument, not {}", other.len()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |part, data_type| {
            Arc::new(Field::new_list(format_state_name(args.name, part), Field::new_list_field(data_type, true), true))
        };
        Ok(vec![list("values", args.return_type().clone()), list("counts", DataType::Int64)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Counts::try_new(args.return_type())?))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TEXT: LazyLock<Documentation> =
            LazyLock::new(|| documentation("The most frequent value that is not NULL.", "mode(x)"));
        Some(&TEXT)
    }
}

/// How often each value is there.
#[derive(Debug)]
struct Counts {
    value_type: DataType,
    converter: RowConverter,
    /// By the value, encoded so that the order of bytes is that of values.
    counts: HashMap<Box<[u8]>, i64>,
    /// Bytes of the keys of `counts`.
    keys_bytes: usize,
}

impl Counts {
    fn try_new(value_type: &DataType) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(value_type.clone())])?;
        Ok(Self { value_type: value_type.clone(), converter, counts: HashMap::new(), keys_bytes: 0 })
    }

    /// Counts each value `times(row)` times more.
    fn add(&mut self, values: &ArrayRef, times: impl Fn(usize) -> i64) -> Result<()> {
        let nulls = values.logical_nulls();
        let rows = self.converter.convert_columns(&[normalize_float_zero(values)])?;
        for (idx, row) in rows.iter().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(idx)) {
                continue;
            }
            match self.counts.get_mut(row.as_ref()) {
                Some(count) => *count += times(idx),
                None => {
                    self.keys_bytes += row.as_ref().len();
                    self.counts.insert(row.as_ref().into(), times(idx));
                }
            }
        }
        Ok(())
    }

    fn decode<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef> {
        let parser = self.converter.parser();
        let mut columns = self.converter.convert_rows(keys.map(|key| parser.parse(key)))?;
        Ok(columns.pop().unwrap_or_else(|| new_empty_array(&self.value_type)))
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            [values] => self.add(values, |_| 1),
            other => internal_err!("mode takes one argument, not {}", other.len()),
        }
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            // Values that have left stay with a count of zero: looking for them would cost as much as a row of the window.
            [values] => self.add(values, |_| -1),
            other => internal_err!("mode takes one argument, not {}", other.len()),
        }
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, counts] = states else { return internal_err!("mode has two states, not {}", states.len()) };
        let (values, counts) = (values.as_list::<i32>(), counts.as_list::<i32>());
        for row in 0..values.len() {
            let counts = counts.value(row);
            let counts = counts.as_primitive::<Int64Type>();
            self.add(&values.value(row), |idx| counts.value(idx))?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let present = self.counts.iter().filter(|(_, count)| **count > 0);
        let most_frequent = present.max_by_key(|(key, count)| (**count, Reverse(*key)));
        match most_frequent {
            Some((key, _)) => ScalarValue::try_from_array(&self.decode(std::iter::once(key.as_ref()))?, 0),
            None => ScalarValue::try_from(&self.value_type),
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.decode(self.counts.keys().map(AsRef::as_ref))?;
        let counts = Arc::new(Int64Array::from_iter_values(self.counts.values().copied()));
        let list = |array| SingleRowListArrayBuilder::new(array).build_list_scalar();
        Ok(vec![list(values), list(counts)])
    }

    fn size(&self) -> usize {
        // A hash table has a byte of its own beside every slot.
        let slot_bytes = size_of::<(Box<[u8]>, i64)>() + 1;
        size_of_val(self) + self.counts.capacity() * slot_bytes + self.keys_bytes + self.converter.size()
    }
}
