//! Expressions of which DataFusion's encoding says too little.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::compute::CastOptions;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::format::DEFAULT_CAST_OPTIONS;
use datafusion::common::metadata::FieldMetadata;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::physical_planning_context::SubqueryIndex;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal, lit};
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use datafusion_proto::protobuf::PhysicalExprNode;
use serde::{Deserialize, Serialize};

use super::converter::{Converter, expr_extension};
use super::{NotPortable, wire};
use crate::cancel;

/// An expression without its inputs.
#[derive(Serialize, Deserialize)]
enum Wire {
    /// An operator that fails on overflow, or stands over one that does.
    Binary { operator: String, fails_on_overflow: bool },
    /// A cast with a field of its own or one that gives NULL for what does not fit.
    Cast { field: Vec<u8>, has_field: bool, is_safe: bool },
    /// A constant with metadata.
    Literal { value: Vec<u8>, metadata: BTreeMap<String, String> },
    /// A call.
    Call { shown: String, function: String, origin: Vec<u8>, field: Vec<u8> },
    /// The value of a scalar subquery: the place, and the position in it.
    Subquery { values_idx: usize, idx: usize, field: Vec<u8> },
}

/// The expression in an encoding of ours; `None` if DataFusion's says all of it.
pub(super) fn encode(converter: &Converter, expr: &Arc<dyn PhysicalExpr>) -> Result<Option<PhysicalExprNode>> {
    // The other side puts checkpoints where it needs them.
    if let Some(inner) = cancel::without_checkpoint(expr) {
        return converter.physical_expr_to_proto(inner, &converter.functions).map(Some);
    }
    let wire = if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        if !has_checked(binary) {
            return Ok(None);
        }
        Wire::Binary { operator: format!("{:?}", binary.op()), fails_on_overflow: fails_on_overflow(binary) }
    } else if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        match cast_wire(cast)? {
            Some(wire) => wire,
            None => return Ok(None),
        }
    } else if let Some(literal) = expr.downcast_ref::<Literal>() {
        let field = literal.return_field(&Schema::empty())?;
        if field.metadata().is_empty() {
            return Ok(None);
        }
        let metadata = field.metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Wire::Literal { value: wire::value_bytes(literal.value())?, metadata }
    } else if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
        let mut origin = Vec::new();
        converter.functions.try_encode_udf(call.fun(), &mut origin)?;
        // The schema matters to functions that compute their field; this one has it.
        let field = wire::field_bytes(call.return_field(&Schema::empty())?.as_ref())?;
        Wire::Call { shown: call.name().to_owned(), function: call.fun().name().to_owned(), origin, field }
    } else if let Some(subquery) = expr.downcast_ref::<ScalarSubqueryExpr>() {
        #[expect(deprecated, reason = "our encoding tells the places of values apart, DataFusion's does not")]
        let idx = subquery.index().as_usize();
        let field = wire::field_bytes(subquery.return_field(&Schema::empty())?.as_ref())?;
        let values_idx = converter.values_idx(subquery.results(), idx + 1);
        Wire::Subquery { values_idx, idx, field }
    } else {
        return Ok(None);
    };
    let inputs = expr.children().into_iter().map(|input| converter.physical_expr_to_proto(input, &converter.functions));
    let inputs = inputs.collect::<Result<_>>()?;
    Ok(Some(expr_extension(wire::to_bytes(&wire)?, inputs)))
}

pub(super) fn decode(
    converter: &Converter,
    bytes: &[u8],
    inputs: Vec<Arc<dyn PhysicalExpr>>,
) -> Result<Arc<dyn PhysicalExpr>> {
    let first = || inputs.first().cloned().ok_or_else(|| wire::missing("an operand"));
    Ok(match wire::from_bytes(bytes)? {
        Wire::Binary { operator, fails_on_overflow } => {
            let operator = Operator::from_proto_name(&operator).ok_or_else(|| wire::missing("an operator"))?;
            let [left, right] = inputs.as_slice() else { return Err(wire::missing("an operand")) };
            let binary = BinaryExpr::new(Arc::clone(left), operator, Arc::clone(right));
            Arc::new(binary.with_fail_on_overflow(fails_on_overflow))
        }
        Wire::Cast { field, has_field, is_safe } => {
            let field = wire::field(&field)?;
            let options = Some(CastOptions { safe: is_safe, ..DEFAULT_CAST_OPTIONS });
            match has_field {
                true => Arc::new(CastExpr::new_with_target_field(first()?, field, options)),
                false => Arc::new(CastExpr::new(first()?, field.data_type().clone(), options)),
            }
        }
        Wire::Literal { value, metadata } => {
            let metadata = FieldMetadata::new(metadata);
            Arc::new(Literal::new_with_metadata(wire::value(&value)?, Some(metadata)))
        }
        Wire::Call { shown, function, origin, field } => {
            let function = converter.functions.try_decode_udf(&function, &origin)?;
            let options = Arc::clone(converter.context.session_config().options());
            Arc::new(ScalarFunctionExpr::new(&shown, function, inputs, wire::field(&field)?, options))
        }
        Wire::Subquery { values_idx, idx, field } => {
            let (field, values) = (wire::field(&field)?, converter.values(values_idx)?);
            let (data_type, idx) = (field.data_type().clone(), SubqueryIndex::new(idx));
            Arc::new(ScalarSubqueryExpr::new(data_type, field.is_nullable(), idx, values))
        }
    })
}

/// Whether the operator itself fails on overflow. There is no other way to ask.
pub(super) fn fails_on_overflow(binary: &BinaryExpr) -> bool {
    let operands = || vec![lit(0), lit(0)];
    let over_constants = Arc::new(binary.clone()).with_new_children(operands());
    let [left, right]: [Arc<dyn PhysicalExpr>; 2] = [lit(0), lit(0)];
    let wrapping = BinaryExpr::new(left, *binary.op(), right);
    over_constants.is_ok_and(|expr| expr.downcast_ref::<BinaryExpr>() != Some(&wrapping))
}

/// Whether it fails on overflow, or one that DataFusion would write as one with it: equal operators on the left.
fn has_checked(binary: &BinaryExpr) -> bool {
    if !matches!(
        binary.op(),
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo
    ) {
        return false;
    }
    let mut next = Some(binary);
    while let Some(current) = next {
        if fails_on_overflow(current) {
            return true;
        }
        next = current.left().downcast_ref::<BinaryExpr>().filter(|left| left.op() == binary.op());
    }
    false
}

fn cast_wire(cast: &CastExpr) -> Result<Option<Wire>> {
    let options = cast.cast_options();
    let has_field = cast.has_explicit_metadata();
    if !has_field && *options == DEFAULT_CAST_OPTIONS {
        return Ok(None);
    }
    if options.format_options != DEFAULT_CAST_OPTIONS.format_options {
        return Err(NotPortable::NoEncoding { what: format!("the format of {cast}") }.into());
    }
    let field = wire::field_bytes(cast.target_field())?;
    Ok(Some(Wire::Cast { field, has_field, is_safe: options.safe }))
}
