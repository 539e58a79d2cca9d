//! Handing tasks to one worker process, and replacing it when it is lost.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::config::ProcessConfig;
use super::connection::Connection;
use crate::engine::{CloseIfLost, Engine, RemoteJob};

/// How often a worker is started in vain before it is given up, and how long is waited before the second time; each
/// further wait is twice as long.
const N_STARTS: u32 = 6;
const START_PAUSE: Duration = Duration::from_millis(50);

/// What all slots share.
pub(super) struct Pool {
    pub(super) engine: Arc<Engine>,
    pub(super) config: ProcessConfig,
    /// The processes by worker; `None` for those that are not there.
    pub(super) pids: Mutex<Vec<Option<u32>>>,
}

impl Pool {
    fn set_pid(&self, worker: u32, pid: Option<u32>) -> bool {
        let mut pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        pids[worker as usize] = pid;
        pids.iter().any(Option::is_some)
    }

    /// Starts a worker, several times if need be.
    async fn start(&self) -> io::Result<Connection> {
        let mut pause = START_PAUSE;
        for _ in 1..N_STARTS {
            match Connection::start(&self.config).await {
                Ok(connection) => return Ok(connection),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        Connection::start(&self.config).await
    }
}

/// Hands out what the worker is given until the engine is closed.
pub(super) async fn run(pool: Arc<Pool>, worker: u32, connection: Connection) {
    // The guard stays unless others go on: without any worker nobody would run anything.
    let guard = CloseIfLost::new(Arc::clone(&pool.engine));
    let engine = guard.engine();
    let mut connection = connection;
    loop {
        let (assignment, is_closed) = {
            let mut state = engine.lock();
            (engine.take_mail(&mut state, worker), state.is_closed())
        };
        if is_closed {
            break;
        }
        let lost = match assignment {
            Some(assignment) => {
                let mut job = RemoteJob::new(assignment);
                if run_job(&pool, &mut connection, &mut job).await.is_ok() {
                    engine.report_remote(job);
                    continue;
                }
                // What has a result keeps none: the whole group runs again.
                Some(job)
            }
            // One that ends without work is replaced before it gets some: a task that came to several such workers, one
            // after the other, would be given up.
            None => tokio::select! {
                () = engine.bell(worker).heard() => continue,
                () = connection.lost() => None,
            },
        };
        drop(connection);
        let is_any_left = pool.set_pid(worker, None);
        engine.lose_worker(worker, lost);
        if engine.lock().is_closed() {
            break;
        }
        match pool.start().await {
            Ok(again) => {
                connection = again;
                pool.set_pid(worker, Some(connection.pid()));
                engine.join_worker(worker);
            }
            Err(_) if is_any_left => break,
            Err(_) => return,
        }
    }
    guard.done();
}

/// Runs the tasks of an assignment. An error means that the worker is lost.
async fn run_job(pool: &Pool, connection: &mut Connection, job: &mut RemoteJob) -> io::Result<()> {
    let (context, stop) = (Arc::clone(job.context()), job.stop().clone());
    while let Some(task) = job.next() {
        let config = &pool.config;
        let result = connection.run(&context, task, &stop, config.stop_grace, &config.shared.registry).await?;
        job.push(result);
    }
    Ok(())
}
