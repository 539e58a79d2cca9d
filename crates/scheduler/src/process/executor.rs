//! The executor whose workers are processes.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use dolmen_graph::{EventReader, Executor, GraphRun, SubmitError, SubmitOptions, TaskGraph, encode};
use dolmen_storage::Reservation;
use thiserror::Error;

use super::config::ProcessConfig;
use super::connection::Connection;
use super::protocol::VARIABLE;
use super::slot::{self, Pool};
use crate::engine::Engine;
use crate::shared::engine_methods;

/// Runs graphs in processes of this machine, see [the module](crate::process).
///
/// A graph with operations that exist in this process only, such as closures, is refused with their key. A worker that is
/// lost is replaced, and what it ran runs again, up to [`losses_max`](crate::CoreConfig::losses_max) times for each task.
///
/// Dropping it ends the workers.
pub struct ProcessExecutor {
    pool: Arc<Pool>,
    /// What graphs of tasks may hold in the workers.
    _nested: Reservation,
}

/// Why workers could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// This process is itself meant to be a worker: it did not call [`serve_if_worker`](super::serve_if_worker) first.
    #[error("this process is a worker: call `serve_if_worker` before anything else in `main`")]
    InWorker,
    /// A program did not start, or did not say that it is a worker.
    #[error("a worker process could not be started; does its program call `serve_if_worker` first?")]
    Start {
        /// What went wrong.
        source: io::Error,
    },
}

impl ProcessExecutor {
    /// Starts the workers and waits until all are there.
    ///
    /// # Errors
    /// [`StartError`] if one of them is not.
    pub async fn start(config: ProcessConfig) -> Result<Self, StartError> {
        if std::env::var_os(VARIABLE).is_some() {
            return Err(StartError::InWorker);
        }
        let nested = config.reserve_nested();
        let mut connections = Vec::new();
        for _ in 0..config.shared.n_workers {
            connections.push(Connection::start(&config).await.map_err(|source| StartError::Start { source })?);
        }
        let engine = config.shared.start("processes", false, Box::new(|context| context));
        let engine = engine.map_err(|source| StartError::Start { source })?;
        let runtime = config.shared.runtime.clone();
        let pids = Mutex::new(connections.iter().map(|connection| Some(connection.pid())).collect());
        let pool = Arc::new(Pool { engine, config, pids });
        // They end when the engine is closed, which whoever drops the executor does.
        for (worker, connection) in (0..).zip(connections) {
            runtime.spawn(slot::run(Arc::clone(&pool), worker, connection));
        }
        Ok(Self { pool, _nested: nested })
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.pool.engine
    }

    /// The process ids of the workers that are there.
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.pool.pids.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().copied().collect()
    }

    engine_methods!();
}

impl Executor for ProcessExecutor {
    fn name(&self) -> &str {
        "processes"
    }

    fn submit(&self, graph: Arc<TaskGraph>, options: SubmitOptions) -> Result<Arc<dyn GraphRun>, SubmitError> {
        // Each worker gets the bytes when it needs them; what cannot be sent is refused now.
        encode(&graph, &self.pool.config.shared.registry)?;
        Ok(self.engine().submit(graph, options)?)
    }

    fn events(&self) -> Box<dyn EventReader> {
        self.engine().hub().reader()
    }
}

impl fmt::Debug for ProcessExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessExecutor").field("pids", &self.worker_pids()).finish_non_exhaustive()
    }
}

impl Drop for ProcessExecutor {
    fn drop(&mut self) {
        self.engine().close();
    }
}
