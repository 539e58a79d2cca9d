//! DataFusion as it comes.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::{Answer, Engine, EngineError};

/// Partitions of a plan. DataFusion's own files print plans, and are written for this number.
pub(super) const N_PARTITIONS: usize = 4;

/// A session of DataFusion without anything of ours.
pub(super) struct Stock {
    context: SessionContext,
}

impl Stock {
    pub(super) fn new() -> Self {
        let config = SessionConfig::new().with_target_partitions(N_PARTITIONS);
        Self { context: SessionContext::new_with_config(config) }
    }
}

#[async_trait]
impl Engine for Stock {
    fn labels(&self) -> &'static [&'static str] {
        &["datafusion"]
    }

    async fn run(&self, sql: &str) -> Result<Answer, EngineError> {
        let frame = self.context.sql(sql).await?;
        let task_context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        let schema = plan.schema();
        let batches = collect(plan, task_context).await?;
        Ok(Answer { schema, batches })
    }
}
