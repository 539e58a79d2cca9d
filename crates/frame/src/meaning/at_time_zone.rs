//! `AT TIME ZONE`: an instant becomes a wall clock's time, a wall clock's time an instant.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::zone::Zone;
use crate::sql_type::sql_type_name;

/// The name of [`AtTimeZone`].
pub(crate) const AT_TIME_ZONE: &str = "__at_time_zone";

/// `__at_time_zone(time, zone)`: of a TIMESTAMP WITH TIME ZONE the time that a clock in `zone` shows; of a TIMESTAMP, shown
/// by such a clock, the instant. A DATE is its midnight in the session's zone.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct AtTimeZone {
    signature: Signature,
    /// The session's zone, which instants are shown in.
    session_zone: Arc<str>,
}

impl AtTimeZone {
    fn new(session_zone: &str) -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable), session_zone: Arc::from(session_zone) }
    }
}

impl Default for AtTimeZone {
    fn default() -> Self {
        Self::new("+00:00")
    }
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &str {
        AT_TIME_ZONE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        config.execution.time_zone.as_deref().map(|zone| ScalarUDF::new_from_impl(Self::new(zone)))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [time, zone] = arg_types else { return plan_err!("AT TIME ZONE has two sides") };
        if !matches!(zone, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) {
            return plan_err!("the zone of AT TIME ZONE is a text, not a value of type {}", sql_type_name(zone));
        }
        let time = match time {
            DataType::Timestamp(..) => time.clone(),
            // A text stands for an instant, as a literal does in PostgreSQL.
            DataType::Date32 | DataType::Date64 | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(&self.session_zone)))
            }
            DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => {
                return plan_err!(
                    "AT TIME ZONE needs a timestamp, not a value of type {}; CAST it to TIMESTAMP or TIMESTAMPTZ",
                    sql_type_name(other)
                );
            }
        };
        Ok(vec![time, DataType::Utf8])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{AT_TIME_ZONE} computes a field, not a type")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = match args.arg_fields[0].data_type() {
            DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
            DataType::Timestamp(unit, None) => DataType::Timestamp(*unit, Some(Arc::clone(&self.session_zone))),
            other => return internal_err!("{AT_TIME_ZONE} takes a timestamp, not {other}"),
        };
        Ok(Arc::new(Field::new(AT_TIME_ZONE, data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [times, zones] = arrays.as_slice() else {
            return internal_err!("{AT_TIME_ZONE} takes two arguments, not {}", arrays.len());
        };
        let DataType::Timestamp(unit, from_zone) = times.data_type() else {
            return internal_err!("{AT_TIME_ZONE} takes a timestamp, not {}", times.data_type());
        };
        let shifted = shifted(times, zones, *unit, from_zone.is_some())?;
        let array = cast(&shifted, args.return_type())?;
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        Ok(match is_scalar && array.len() == 1 {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}

/// The times moved from UTC to what the zone's clocks show, or back.
fn shifted(times: &ArrayRef, zones: &ArrayRef, unit: TimeUnit, is_instant: bool) -> Result<ArrayRef> {
    let per_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let numbers = cast(times, &DataType::Int64)?;
    let mut zone: Option<Zone> = None;
    let mut out = Vec::with_capacity(numbers.len());
    for (time, name) in numbers.as_primitive::<arrow::datatypes::Int64Type>().iter().zip(zones.as_string::<i32>()) {
        let (Some(time), Some(name)) = (time, name) else {
            out.push(None);
            continue;
        };
        let known = match zone.take() {
            Some(known) if known.is_called(name) => known,
            _ => Zone::parse(name)?,
        };
        let seconds = time.div_euclid(per_second);
        let offset = if is_instant { known.offset_at(seconds)? } else { -known.offset_of(seconds)? };
        match offset.checked_mul(per_second).and_then(|offset| time.checked_add(offset)) {
            Some(moved) => out.push(Some(moved)),
            None => return exec_err!("a timestamp is out of range in the time zone '{name}'"),
        }
        zone = Some(known);
    }
    Ok(Arc::new(Int64Array::from(out)))
}
