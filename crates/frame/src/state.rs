//! The DataFusion state of a session: its settings, functions, rules and runtime.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::OptimizerRule;
use datafusion::prelude::SessionConfig;

use crate::error::Result;
use crate::lower::LoweringOptions;
use crate::memory::limit_bytes;
use crate::sql::translate::of_execution;
use crate::{builtin, cancel, guard, meaning, plan, settings};

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
    rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(true)
        .with_default_catalog_and_schema("dolmen", crate::catalog::DEFAULT_SCHEMA)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.extensions.insert(LoweringOptions::default());
    options.sql_parser.collect_spans = true;
    options.sql_parser.recursion_limit = size(RECURSION_LIMIT)?;
    options.explain.format = datafusion::common::format::ExplainFormat::Tree;
    options.explain.logical_plan_only = false;
    options.execution.listing_table_ignore_subdirectory = false;
    // Where nobody has looked, a line break may stand in a value, and a CSV file must not be cut there.
    options.catalog.newlines_in_values = true;
    // Without a zone the engine drops the one that TIMESTAMPTZ asks for.
    options.execution.time_zone = Some("+00:00".to_owned());
    // An ORDER BY in a subquery stays until the optimizer has seen who needs it.
    options.sql_parser.enable_subquery_sort_elimination = false;
    let small = small_build_bytes(&runtime, threads);
    options.optimizer.hash_join_single_partition_threshold = small;
    options.optimizer.hash_join_single_partition_threshold_rows = small / BUILD_ROW_BYTES;
    options.execution.perfect_hash_join_small_build_threshold = small / BUILD_ROW_BYTES;
    options.execution.perfect_hash_join_min_key_density = PERFECT_HASH_DENSITY;
    let limit = limit_bytes(runtime.memory_pool.as_ref());
    // Each sort sets this aside for merging what it spills; all of a plan together must leave most of a small limit.
    let reservation = &mut options.execution.sort_spill_reservation_bytes;
    *reservation = (*reservation).min(limit / (4 * threads));
    // A writer holds the rows of a group until it is full.
    let group_rows = &mut options.execution.parquet.max_row_group_size;
    *group_rows = (*group_rows).min((limit / ROW_GROUP_SHARE).max(ROW_GROUP_MIN));
    if let Some(batch_size) = batch_size {
        options.execution.batch_size = size(batch_size.get())?;
    }
    for (name, value) in settings {
        settings::set(options, name, value)?;
    }
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
    // What decorrelation makes is guarded as well.
    let builder = builtin::install(guard::install(meaning::install(plan::decorrelate::install(builder))));
    let mut builder = cancel::install(builder);
    builder.expr_planners().get_or_insert_with(Vec::new).insert(0, Arc::new(plan::long_chain::LongChains));
    for rule in rules {
        builder = builder.with_optimizer_rule(rule);
    }
    Ok(builder.build())
}

/// Rows of a group in a Parquet file that is written: some hundred bytes each, in an eighth of a small limit, but not so few
/// that readers suffer.
const ROW_GROUP_SHARE: usize = 800;
const ROW_GROUP_MIN: usize = 64 << 10;

/// Bytes of a row on the build side of a join, with its entry in the hash table, where statistics know the rows only.
const BUILD_ROW_BYTES: usize = 16;

/// Share of the keys between the smallest and the largest that a build side must have for a table indexed by key. Such a
/// table costs four bytes a key, less than a hash table's entry as long as one key in ten is there; it is quicker far below.
const PERFECT_HASH_DENSITY: f64 = 0.01;

/// The largest build side, in bytes, that each join builds once for all its partitions.
///
/// That saves splitting both sides, a sixth of the CPU time of TPC-H on two cores. But one thread builds it while the others
/// wait, so that it is smaller on more threads, and it is held whole, so that it is a small part of the memory limit.
fn small_build_bytes(runtime: &RuntimeEnv, threads: usize) -> usize {
    let limit = limit_bytes(runtime.memory_pool.as_ref());
    ((128 << 20) / threads.max(1)).min(limit / 64).max(1 << 20)
}

fn size(value: usize) -> Result<ConfigNonZeroUsize> {
    ConfigNonZeroUsize::try_new(value).map_err(of_execution)
}
