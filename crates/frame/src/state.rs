//! The DataFusion state of a session: its settings, functions, rules and runtime.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;

use crate::error::Result;
use crate::sql::translate::of_execution;
use crate::{cancel, guard, plan, settings};

/// Nesting of a statement that the parser accepts. Planning runs on threads whose stacks are made for it.
const RECURSION_LIMIT: usize = 2_000;

/// Builds the state. `settings` are full or short names with values; `datafusion.runtime.*` is not among them.
///
/// # Errors
/// An unknown setting or a value that does not fit.
pub(crate) fn build_state(
    runtime: Arc<RuntimeEnv>,
    threads: usize,
    batch_size: Option<NonZeroUsize>,
    settings: &[(String, String)],
) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(true)
        .with_default_catalog_and_schema("dolmen", crate::catalog::DEFAULT_SCHEMA)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.sql_parser.recursion_limit = size(RECURSION_LIMIT)?;
    options.explain.format = datafusion::common::format::ExplainFormat::Tree;
    options.explain.logical_plan_only = false;
    options.execution.listing_table_ignore_subdirectory = false;
    // Where nobody has looked, a line break may stand in a value, and a CSV file must not be cut there.
    options.catalog.newlines_in_values = true;
    // Without a zone the engine drops the one that TIMESTAMPTZ asks for.
    options.execution.time_zone = Some("+00:00".to_owned());
    // An ORDER BY below array_agg decides the order of its elements, as in PostgreSQL.
    options.sql_parser.enable_subquery_sort_elimination = false;
    if let MemoryLimit::Finite(limit_bytes) = runtime.memory_pool.memory_limit() {
        // Each sort sets this aside for merging what it spills; all of a plan together must leave most of a small limit.
        let reservation = &mut options.execution.sort_spill_reservation_bytes;
        *reservation = (*reservation).min(limit_bytes / (4 * threads));
    }
    if let Some(batch_size) = batch_size {
        options.execution.batch_size = size(batch_size.get())?;
    }
    for (name, value) in settings {
        settings::set(options, name, value)?;
    }
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
    // What decorrelation makes is guarded as well.
    let builder = cancel::install(guard::install(plan::decorrelate::install(builder)));
    Ok(builder.build())
}

fn size(value: usize) -> Result<ConfigNonZeroUsize> {
    ConfigNonZeroUsize::try_new(value).map_err(of_execution)
}
