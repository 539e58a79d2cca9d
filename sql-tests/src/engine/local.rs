//! Dolmen in this process.

use std::error::Error;

use async_trait::async_trait;
use datafusion::error::DataFusionError;
use futures::TryStreamExt;

use super::stock::N_PARTITIONS;
use super::{Answer, Engine, EngineError, ErrorKind, datafusion_message, kind_of};

/// A session of Dolmen.
pub(super) struct Local {
    session: dolmen::Session,
}

impl Local {
    /// With settings and, if it is to have them, a memory limit in bytes, and other processes.
    pub(super) fn new(
        settings: &[(&str, &str)],
        memory_limit: Option<u64>,
        processes: Option<usize>,
    ) -> Result<Self, EngineError> {
        let mut builder = dolmen::Session::builder().threads(N_PARTITIONS);
        for (name, value) in settings {
            builder = builder.setting(*name, *value);
        }
        if let Some(bytes) = memory_limit {
            builder = builder.memory_limit(bytes);
        }
        if let Some(processes) = processes {
            builder = builder.processes(processes);
        }
        let session = builder
            // Files written for DataFusion expect its names and its way to print a plan.
            .setting("datafusion.catalog.default_catalog", "datafusion")
            .setting("datafusion.explain.format", "indent")
            .build()
            .map_err(|error| engine_error(&error))?;
        Ok(Self { session })
    }
}

#[async_trait]
impl Engine for Local {
    // What is written for DataFusion is meant for us too. PostgreSQL is not among the labels, although its meaning is
    // ours: files use `skipif postgresql` to leave out what DataFusion does well, and `onlyif postgresql` for DDL
    // that stands beside a form for everyone else.
    fn labels(&self) -> &'static [&'static str] {
        &["dolmen", "datafusion"]
    }

    async fn run(&self, sql: &str) -> Result<Answer, EngineError> {
        let stream = self.session.sql(sql).stream().await.map_err(|error| engine_error(&error))?;
        let schema = stream.schema();
        let batches = stream.try_collect().await.map_err(|error| engine_error(&error))?;
        Ok(Answer { schema, batches })
    }

    fn kept_plans(&self) -> Vec<(String, u64)> {
        self.session.kept_plans().into_iter().map(|(reason, n)| (reason.to_string(), n)).collect()
    }
}

/// Keeps the messages of the whole chain, and takes the kind from DataFusion's error where there is one beneath ours.
fn engine_error(error: &dolmen::Error) -> EngineError {
    let mut kind = ErrorKind::Planning;
    let mut causes = Vec::new();
    let mut source = Error::source(error);
    while let Some(cause) = source {
        match cause.downcast_ref::<DataFusionError>() {
            Some(datafusion) => {
                kind = kind_of(datafusion);
                causes.push(datafusion_message(datafusion));
            }
            None => causes.push(cause.to_string()),
        }
        source = cause.source();
    }
    EngineError { kind, message: error.to_string(), causes }
}
