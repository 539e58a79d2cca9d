//! DataFusion's runtime environment over the session's storage: memory, temporary files, object stores.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use dolmen_storage::{AccessPolicy, Environment, ExternalAccess, MemoryBudget, Stores, StoresConfig, TempFolder};
use object_store::ObjectStore;
use tokio::runtime::Handle;
use url::Url;

use crate::error::Result;
use crate::lower::ExchangeStore;
use crate::memory::memory_pool;
use crate::spill::spill_files;
use crate::sql::translate::of_execution;

/// What [`build_runtime`] builds from.
#[derive(Debug)]
pub struct RuntimeOptions {
    /// The memory that operators, tables and blocks share.
    pub budget: Arc<MemoryBudget>,
    /// The session's folder of temporary files.
    pub temp: Arc<TempFolder>,
    /// Options of remote storage, such as `aws_region`.
    pub storage_options: Vec<(String, String)>,
    /// What statements may read and write.
    pub external_access: ExternalAccess,
    /// Whether nothing may be written.
    pub read_only: bool,
    /// Partitions of a plan, which share the memory.
    pub threads: NonZeroUsize,
    /// Where network I/O runs.
    pub io: Handle,
}

/// The environment in which a session's plans run, and the stores that it reads from.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) environment: Arc<RuntimeEnv>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) exchange: Arc<ExchangeStore>,
}

/// Builds the environment in which a session's plans run.
///
/// # Errors
/// An unknown storage option, or a temporary folder that cannot be made.
pub fn build_runtime(options: RuntimeOptions) -> Result<Runtime> {
    let stores = Arc::new(Stores::new(StoresConfig {
        policy: AccessPolicy::new(options.external_access, options.read_only),
        options: options.storage_options.into_iter().collect(),
        environment: Environment::of_process(),
        io_runtime: Some(options.io),
    })?);
    let temp = options.temp;
    let exchange = ExchangeStore::new(&options.budget, Arc::clone(&temp), options.threads.get());
    let fan_in = merge_fan_in(options.budget.limit_bytes(), options.threads);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(memory_pool(options.budget))
        .with_disk_manager_builder(spill_files(temp.path()?, temp.base(), fan_in).map_err(of_execution)?)
        // A statement sees the files of now, also in the folder of an external table.
        .with_object_list_cache_limit(0)
        .with_object_store_registry(Arc::new(Registry { stores: Arc::clone(&stores), _temp: temp }))
        .build_arc()
        .map_err(of_execution)?;
    Ok(Runtime { environment, stores, exchange: Arc::new(exchange) })
}

/// What merging one more spilled run takes: batches read ahead, and their keys as rows.
const MERGE_RUN_BYTES: usize = 4 << 20;

/// Spilled runs that a sort merges at a time.
///
/// DataFusion takes as many as the memory has batches for, and then has none for the keys of their rows: the merge fails.
/// Fewer at a time need more passes and always some room.
fn merge_fan_in(limit_bytes: usize, threads: NonZeroUsize) -> usize {
    (limit_bytes / threads / MERGE_RUN_BYTES).clamp(2, 64)
}

/// DataFusion's way to the session's stores.
#[derive(Debug)]
struct Registry {
    stores: Arc<Stores>,
    /// Lives as long as the environment whose disk manager writes into it.
    _temp: Arc<TempFolder>,
}

impl ObjectStoreRegistry for Registry {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        // DataFusion registers stores only on behalf of the embedding program; a URL that names none is used by nobody.
        let _ = self.stores.register(url, store);
        None
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        self.stores.get(url).map_err(|error| DataFusionError::External(Box::new(error)))
    }
}
