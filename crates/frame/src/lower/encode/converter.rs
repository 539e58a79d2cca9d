//! The way through a plan: what has an encoding of ours takes it, everything else DataFusion's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::from_proto::parse_physical_expr_with_converter;
use datafusion_proto::physical_plan::to_proto::serialize_physical_expr_with_converter;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalPlanNodeExt, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::physical_expr_node::ExprType;
use datafusion_proto::protobuf::physical_plan_node::PhysicalPlanType;
use datafusion_proto::protobuf::{
    PhysicalExprNode, PhysicalExtensionExprNode, PhysicalExtensionNode, PhysicalPlanNode,
};
use prost::Message;
use serde::{Deserialize, Serialize};

use super::functions::Functions;
use super::{NotPortable, Outside, Places, exprs, nodes, wire};
use crate::lower::read::ReadExec;

/// One plan on its way to bytes or back.
pub(super) struct Converter {
    pub(super) functions: Functions,
    pub(super) context: Arc<TaskContext>,
    /// The nodes that read other parts of the plan; on the way back `None` until they are met.
    reads: RefCell<Vec<Option<Arc<ReadExec>>>>,
    /// Where values of scalar subqueries are kept, those from outside first.
    values: RefCell<Vec<Places>>,
    /// What the recursive queries around a node give, the innermost last.
    pub(super) recursive: RefCell<Vec<(String, SchemaRef)>>,
    /// Decoded expressions that are one although they stand in several places.
    shared: RefCell<HashMap<u64, Arc<dyn PhysicalExpr>>>,
}

/// What stands before the bytes of a plan.
#[derive(Serialize, Deserialize)]
struct Header {
    /// How many of the reading nodes, and of the places of values, come from outside.
    n_reads: usize,
    n_values_outside: usize,
    /// The number of values in each place.
    n_values: Vec<usize>,
}

impl Converter {
    fn new(context: &Arc<TaskContext>) -> Self {
        Self {
            functions: Functions::new(context),
            context: Arc::clone(context),
            reads: RefCell::default(),
            values: RefCell::default(),
            recursive: RefCell::default(),
            shared: RefCell::default(),
        }
    }

    pub(super) fn of_plan(outside: &Outside, context: &Arc<TaskContext>) -> Self {
        let converter = Self::new(context);
        converter.reads.borrow_mut().extend(outside.reads.iter().cloned().map(Some));
        converter.values.borrow_mut().extend(outside.values.iter().cloned());
        converter
    }

    pub(super) fn encode(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<u8>> {
        let n_values_outside = self.values.borrow().len();
        let node = self.plan_to_proto(plan)?;
        let n_values = self.values.borrow().iter().map(|(_, n)| *n).collect();
        let header = Header { n_reads: self.reads.borrow().len(), n_values_outside, n_values };
        wire::framed(&header, &node.encode_to_vec())
    }

    pub(super) fn decode(bytes: &[u8], context: &Arc<TaskContext>) -> Result<(Arc<dyn ExecutionPlan>, Outside)> {
        let (header, node) = wire::unframed::<Header>(bytes)?;
        let converter = Self::new(context);
        let values = header.n_values.iter().map(|n| (ScalarSubqueryResults::new(*n), *n));
        converter.values.borrow_mut().extend(values);
        converter.reads.borrow_mut().resize(header.n_reads, None);
        let plan = converter.plan_from_proto(&wire::message(node)?)?;
        let reads: Option<Vec<_>> = std::mem::take(&mut *converter.reads.borrow_mut()).into_iter().collect();
        let reads = reads.ok_or_else(|| wire::missing("a part that is read"))?;
        let values = converter.values.borrow().iter().take(header.n_values_outside).cloned().collect();
        Ok((plan, Outside { reads, values }))
    }

    pub(super) fn plan_to_proto(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<PhysicalPlanNode> {
        self.execution_plan_to_proto(plan, &self.functions)
    }

    pub(super) fn plan_from_proto(&self, node: &PhysicalPlanNode) -> Result<Arc<dyn ExecutionPlan>> {
        self.proto_to_execution_plan(node, &PhysicalPlanDecodeContext::new(&self.context, &self.functions))
    }

    /// The node as DataFusion encodes it, with everything below it.
    pub(super) fn stock_plan_to_proto(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<PhysicalPlanNode> {
        PhysicalPlanNode::try_from_physical_plan_with_converter(Arc::clone(plan), &self.functions, self)
    }

    pub(super) fn expr_bytes(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Vec<u8>> {
        Ok(self.physical_expr_to_proto(expr, &self.functions)?.encode_to_vec())
    }

    pub(super) fn expr(&self, bytes: &[u8], schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
        let context = PhysicalPlanDecodeContext::new(&self.context, &self.functions);
        self.proto_to_physical_expr(&wire::message(bytes)?, schema, &context)
    }

    /// The position of a reading node.
    pub(super) fn read_idx(&self, read: &ReadExec) -> Result<usize> {
        let position = self
            .reads
            .borrow()
            .iter()
            .position(|known| known.as_ref().is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), read)));
        position.ok_or_else(|| NotPortable::NoEncoding { what: "a part of another plan".to_owned() }.into())
    }

    /// Keeps a reading node that was decoded, which is the one of position `idx`.
    pub(super) fn add_read(&self, idx: usize, read: &Arc<ReadExec>) -> Result<()> {
        let mut reads = self.reads.borrow_mut();
        let place = reads.get_mut(idx).ok_or_else(|| wire::missing("a part that is read"))?;
        *place = Some(Arc::clone(read));
        Ok(())
    }

    /// The position of the place of the values of subqueries, of which there are at least `n`.
    pub(super) fn values_idx(&self, values: &ScalarSubqueryResults, n: usize) -> usize {
        let mut known = self.values.borrow_mut();
        let position = known.iter().position(|(other, _)| ScalarSubqueryResults::ptr_eq(other, values));
        let idx = position.unwrap_or_else(|| {
            known.push((values.clone(), 0));
            known.len() - 1
        });
        known[idx].1 = known[idx].1.max(n);
        idx
    }

    pub(super) fn values(&self, idx: usize) -> Result<ScalarSubqueryResults> {
        let values = self.values.borrow().get(idx).map(|(values, _)| values.clone());
        values.ok_or_else(|| wire::missing("the values of a subquery"))
    }
}

/// An operator of ours: its bytes, over encoded inputs.
pub(super) fn extension(node: Vec<u8>, inputs: Vec<PhysicalPlanNode>) -> PhysicalPlanNode {
    PhysicalPlanNode { physical_plan_type: Some(PhysicalPlanType::Extension(PhysicalExtensionNode { node, inputs })) }
}

/// An expression of ours: its bytes, over encoded inputs.
pub(super) fn expr_extension(expr: Vec<u8>, inputs: Vec<PhysicalExprNode>) -> PhysicalExprNode {
    let extension = PhysicalExtensionExprNode { expr, inputs };
    PhysicalExprNode { expr_id: None, expr_type: Some(ExprType::Extension(extension)) }
}

impl PhysicalProtoConverterExtension for Converter {
    fn proto_to_execution_plan(
        &self,
        proto: &PhysicalPlanNode,
        context: &PhysicalPlanDecodeContext<'_>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match &proto.physical_plan_type {
            Some(PhysicalPlanType::Extension(node)) => nodes::decode(self, &node.node, &node.inputs),
            _ => proto.try_into_physical_plan_with_context(context, self),
        }
    }

    fn execution_plan_to_proto(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        _: &dyn PhysicalExtensionCodec,
    ) -> Result<PhysicalPlanNode> {
        if let Some(node) = nodes::encode(self, plan)? {
            return Ok(node);
        }
        self.stock_plan_to_proto(plan).map_err(|error| match error {
            // The text of a whole plan.
            DataFusionError::Internal(message) if message.starts_with("Unsupported plan") => {
                NotPortable::NoEncoding { what: plan.name().to_owned() }.into()
            }
            error => error,
        })
    }

    fn proto_to_physical_expr(
        &self,
        proto: &PhysicalExprNode,
        schema: &Schema,
        context: &PhysicalPlanDecodeContext<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        if let Some(ExprType::Extension(expr)) = &proto.expr_type {
            let inputs = expr.inputs.iter().map(|input| self.proto_to_physical_expr(input, schema, context));
            return exprs::decode(self, &expr.expr, inputs.collect::<Result<_>>()?);
        }
        let expr = parse_physical_expr_with_converter(proto, schema, context, self)?;
        let Some(id) = proto.expr_id else { return Ok(expr) };
        if let Some(shared) = self.shared.borrow().get(&id) {
            // Over the columns of this place.
            let children = expr.children().into_iter().cloned().collect();
            return Arc::clone(shared).with_new_children(children);
        }
        self.shared.borrow_mut().insert(id, Arc::clone(&expr));
        Ok(expr)
    }

    fn physical_expr_to_proto(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<PhysicalExprNode> {
        if let Some(node) = exprs::encode(self, expr)? {
            return Ok(node);
        }
        serialize_physical_expr_with_converter(expr, codec, self).map_err(|error| match error {
            DataFusionError::Internal(message) if message.starts_with("Unsupported physical expr") => {
                NotPortable::NoEncoding { what: super::shortened(&expr.to_string()) }.into()
            }
            error => error,
        })
    }
}
