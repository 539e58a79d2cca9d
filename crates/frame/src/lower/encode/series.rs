//! Series of numbers and times: DataFusion's encoding takes what is read of one for the whole.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion_proto::protobuf::generate_series_node::Args;
use datafusion_proto::protobuf::physical_plan_node::PhysicalPlanType;
use datafusion_proto::protobuf::{self, PhysicalPlanNode};
use serde::{Deserialize, Serialize};

use super::converter::Converter;
use super::nodes::{ByRef, Sort};
use super::wire;

/// What DataFusion's encoding of a series leaves out.
#[derive(Serialize, Deserialize)]
pub(super) struct Beside {
    /// Whether its column is read, or only the number of rows.
    has_column: bool,
    orders: Vec<Vec<Sort>>,
}

impl Beside {
    pub(super) fn of(converter: &Converter, series: &LazyMemoryExec) -> Result<Self> {
        let known = &series.properties().eq_properties;
        let orders = known.oeq_class().iter().map(|order| Sort::of(converter, order.iter().map(ByRef)));
        Ok(Self { has_column: !series.schema().fields().is_empty(), orders: orders.collect::<Result<_>>()? })
    }

    /// DataFusion's encoding with the column that the series makes, whether it is read or not.
    pub(super) fn whole(&self, mut node: PhysicalPlanNode) -> Result<PhysicalPlanNode> {
        if let Some(PhysicalPlanType::GenerateSeries(series)) = &mut node.physical_plan_type
            && !self.has_column
        {
            let data_type = match &series.args {
                Some(Args::TimestampArgs(args)) => {
                    DataType::Timestamp(TimeUnit::Nanosecond, args.tz.as_deref().map(Arc::from))
                }
                Some(Args::DateArgs(_)) => DataType::Timestamp(TimeUnit::Nanosecond, None),
                Some(Args::Int64Args(_) | Args::ContainsNull(_)) | None => DataType::Int64,
            };
            let schema = Schema::new(vec![Field::new("value", data_type, false)]);
            series.schema = Some(protobuf::Schema::try_from(&schema)?);
        }
        Ok(node)
    }

    /// The series of which `plan` is the whole.
    pub(super) fn put_to(
        &self,
        converter: &Converter,
        plan: &Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let whole = plan.downcast_ref::<LazyMemoryExec>().ok_or_else(|| wire::missing("a series"))?;
        let mut series = LazyMemoryExec::try_new(whole.schema(), whole.generators().clone())?;
        if !self.has_column {
            series = series.with_projection(Some(Vec::new()));
        }
        for order in &self.orders {
            series.add_ordering(Sort::to_exprs(converter, order, &plan.schema())?);
        }
        Ok(Arc::new(series))
    }
}
