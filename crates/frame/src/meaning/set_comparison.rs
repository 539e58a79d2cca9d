//! `x = ANY(list)`, `x LIKE ANY (...)` and their like, with SQL's three truth values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt32Array};
use arrow::compute::{and_kleene, or_kleene, take};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, in_list, lit,
};
use datafusion::physical_expr_common::datum::apply_cmp;

use crate::sql_type::sql_type_name;

/// Whether one element has to fulfil the comparison, or every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Quantifier {
    Any,
    All,
}

const OPERATORS: [(Operator, &str); 10] = [
    (Operator::Eq, "equal"),
    (Operator::NotEq, "not_equal"),
    (Operator::Lt, "less"),
    (Operator::LtEq, "less_equal"),
    (Operator::Gt, "greater"),
    (Operator::GtEq, "greater_equal"),
    (Operator::LikeMatch, "like"),
    (Operator::NotLikeMatch, "not_like"),
    (Operator::ILikeMatch, "ilike"),
    (Operator::NotILikeMatch, "not_ilike"),
];

/// The name of the function for a comparison; `None` for any other operator.
pub(crate) fn function_name(quantifier: Quantifier, op: Operator) -> Option<String> {
    let (_, word) = OPERATORS.iter().find(|(known, _)| *known == op)?;
    Some(match quantifier {
        Quantifier::Any => format!("__{word}_any"),
        Quantifier::All => format!("__{word}_all"),
    })
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let each = |quantifier| {
        OPERATORS.iter().filter_map(move |(op, _)| {
            let name = function_name(quantifier, *op)?;
            let signature = Signature::user_defined(Volatility::Immutable);
            Some(Arc::new(ScalarUDF::new_from_impl(SetComparison { quantifier, op: *op, name, signature })))
        })
    };
    each(Quantifier::Any).chain(each(Quantifier::All)).collect()
}

/// `function(x, list)`: NULL if the list is; else whether `x` compares so with any element, or with all.
///
/// A comparison with NULL is unknown, and decides nothing: `1 = ANY([1, NULL])` is true, `2 = ANY([1, NULL])` is NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SetComparison {
    quantifier: Quantifier,
    op: Operator,
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for SetComparison {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, list] = arg_types else { return plan_err!("a comparison with a list has two sides") };
        let element = match list {
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::FixedSizeList(field, _)
            | DataType::ListView(field)
            | DataType::LargeListView(field) => field.data_type().clone(),
            DataType::Null => value.clone(),
            other => {
                return plan_err!(
                    "ANY and ALL compare with a list or a subquery, not with a value of type {}",
                    sql_type_name(other)
                );
            }
        };
        if self.is_pattern() {
            let texts = [value, &element].into_iter().filter(|side| !side.is_null());
            if let Some(other) = texts.into_iter().find(|side| !is_text(side)) {
                return plan_err!(
                    "LIKE ANY and ALL compare texts, not values of type {}; CAST them",
                    sql_type_name(other)
                );
            }
        }
        let is_mixed = (is_text(value) && element.is_numeric()) || (value.is_numeric() && is_text(&element));
        match comparison_coercion(value, &element) {
            Some(common) if !is_mixed => {
                Ok(vec![common.clone(), DataType::List(Arc::new(Field::new_list_field(common, true)))])
            }
            _ => plan_err!(
                "a value of type {} cannot be compared with a list of {}; CAST one of them",
                sql_type_name(value),
                sql_type_name(&element)
            ),
        }
    }

    /// `= ANY` and `<> ALL` of a constant list are an IN list, which scans can prune by.
    fn simplify(&self, mut args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let negated = match (self.quantifier, self.op) {
            (Quantifier::Any, Operator::Eq) => false,
            (Quantifier::All, Operator::NotEq) => true,
            _ => return Ok(ExprSimplifyResult::Original(args)),
        };
        let [_, Expr::Literal(ScalarValue::List(list), _)] = args.as_slice() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        if list.is_null(0) || list.value_type().is_nested() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let elements = list.value(0);
        let items = (0..elements.len()).map(|i| ScalarValue::try_from_array(&elements, i).map(lit));
        let items = items.collect::<Result<Vec<_>>>()?;
        Ok(ExprSimplifyResult::Simplified(match items.is_empty() {
            true => lit(negated),
            false => in_list(args.swap_remove(0), items, negated),
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, list] = args.args.as_slice() else {
            return internal_err!("{} takes two arguments, not {}", self.name, args.args.len());
        };
        if let ColumnarValue::Scalar(ScalarValue::List(list)) = list
            && list.is_valid(0)
        {
            return self.compare_with_constants(value, &list.value(0), args.number_rows);
        }
        let value = value.to_array(args.number_rows)?;
        let list = list.to_array(args.number_rows)?;
        let Some(list) = list.as_list_opt::<i32>() else {
            return internal_err!("{} takes a list, not {}", self.name, list.data_type());
        };
        Ok(ColumnarValue::Array(Arc::new(self.compare(&value, list)?)))
    }
}

impl SetComparison {
    fn is_pattern(&self) -> bool {
        !matches!(
            self.op,
            Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
        )
    }

    /// Element by element over all rows: a pattern is read once then.
    fn compare_with_constants(
        &self,
        value: &ColumnarValue,
        elements: &ArrayRef,
        n_rows: usize,
    ) -> Result<ColumnarValue> {
        let mut answer = BooleanArray::from(vec![self.quantifier == Quantifier::All; n_rows]);
        for idx in 0..elements.len() {
            let element = ColumnarValue::Scalar(ScalarValue::try_from_array(elements, idx)?);
            let compared = apply_cmp(self.op, value, &element)?.into_array(n_rows)?;
            answer = match self.quantifier {
                Quantifier::Any => or_kleene(&answer, compared.as_boolean())?,
                Quantifier::All => and_kleene(&answer, compared.as_boolean())?,
            };
        }
        Ok(ColumnarValue::Array(Arc::new(answer)))
    }

    fn compare(&self, value: &ArrayRef, list: &ListArray) -> Result<BooleanArray> {
        let offsets = list.offsets();
        let first = offsets[0] as usize;
        let elements = list.values().slice(first, offsets[list.len()] as usize - first);
        let rows = offsets.lengths().enumerate().flat_map(|(row, n)| std::iter::repeat_n(row as u32, n));
        let values = take(value, &UInt32Array::from_iter_values(rows), None)?;
        let compared = apply_cmp(self.op, &ColumnarValue::Array(values), &ColumnarValue::Array(elements))?;
        let compared = compared.into_array(offsets[list.len()] as usize - first)?;
        let compared = compared.as_boolean();
        let decisive = self.quantifier == Quantifier::Any;
        let answer = |row: usize| {
            if list.is_null(row) {
                return None;
            }
            let mut answer = Some(!decisive);
            for i in offsets[row] as usize - first..offsets[row + 1] as usize - first {
                match compared.is_valid(i).then(|| compared.value(i)) {
                    Some(holds) if holds == decisive => return Some(decisive),
                    Some(_) => {}
                    None => answer = None,
                }
            }
            answer
        };
        Ok((0..list.len()).map(answer).collect())
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
