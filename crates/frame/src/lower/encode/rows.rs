//! The nodes that read what other stages have written.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::physical_expr::equivalence::{AcrossPartitions, ConstExpr};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::{ExecutionPlan, PlanProperties};
use datafusion_proto::physical_plan::PhysicalPlanDecodeContext;
use datafusion_proto::physical_plan::from_proto::parse_protobuf_partitioning;
use datafusion_proto::physical_plan::to_proto::serialize_partitioning;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::converter::Converter;
use super::nodes::{ByRef, Sort};
use super::wire;
use crate::lower::read::{ReadExec, Reads};

/// A reading node: which one it is, and what the plan knows of its rows.
#[derive(Serialize, Deserialize)]
pub(super) struct Read {
    idx: usize,
    from: String,
    reads: Reads,
    schema: Vec<u8>,
    partitioning: Vec<u8>,
    orders: Vec<Vec<Sort>>,
    /// Expressions that are equal in every row, class by class.
    equal: Vec<Vec<Vec<u8>>>,
    /// Those that are the same in all rows of a partition.
    constant: Vec<Vec<u8>>,
}

impl Read {
    pub(super) fn of(converter: &Converter, read: &ReadExec) -> Result<Self> {
        let properties = read.properties();
        let known = &properties.eq_properties;
        let partitioning = serialize_partitioning(&properties.partitioning, &converter.functions, converter)?;
        let orders = known.oeq_class().iter().map(|order| Sort::of(converter, order.iter().map(ByRef)));
        let equal = known.eq_group().iter().map(|class| class.iter().map(|expr| converter.expr_bytes(expr)).collect());
        let constant = known.constants();
        Ok(Self {
            idx: converter.read_idx(read)?,
            from: read.from().to_string(),
            reads: read.reads(),
            schema: wire::schema_bytes(known.schema())?,
            partitioning: partitioning.encode_to_vec(),
            orders: orders.collect::<Result<_>>()?,
            equal: equal.collect::<Result<_>>()?,
            constant: constant.iter().map(|constant| converter.expr_bytes(&constant.expr)).collect::<Result<_>>()?,
        })
    }

    pub(super) fn to_node(&self, converter: &Converter) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = wire::schema(&self.schema)?;
        let context = PhysicalPlanDecodeContext::new(&converter.context, &converter.functions);
        let partitioning = wire::message(&self.partitioning)?;
        let partitioning = parse_protobuf_partitioning(Some(&partitioning), &context, &schema, converter)?;
        let partitioning: Partitioning = partitioning.ok_or_else(|| wire::missing("a partitioning"))?;
        let mut known = EquivalenceProperties::new(Arc::clone(&schema));
        for exprs in &self.equal {
            let exprs = exprs.iter().map(|expr| converter.expr(expr, &schema)).collect::<Result<Vec<_>>>()?;
            for pair in exprs.windows(2) {
                known.add_equal_conditions(Arc::clone(&pair[0]), Arc::clone(&pair[1]))?;
            }
        }
        for expr in &self.constant {
            known.add_constants([ConstExpr::new(converter.expr(expr, &schema)?, AcrossPartitions::Heterogeneous)])?;
        }
        for order in &self.orders {
            known.add_ordering(Sort::to_exprs(converter, order, &schema)?);
        }
        let properties = PlanProperties::new(known, partitioning, EmissionType::Incremental, Boundedness::Bounded);
        let read = Arc::new(ReadExec::new(self.from.as_str().into(), self.reads, &properties));
        converter.add_read(self.idx, &read)?;
        Ok(read)
    }
}
