//! What a run has cost, and how far runs are.

use std::fmt;
use std::time::Duration;

use dolmen_graph::RunId;
use dolmen_storage::format_bytes;

use crate::core::StageStats;
use crate::engine::Engine;

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The run.
    pub run: RunId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Tasks that are done.
    pub n_done: u64,
    /// All its tasks.
    pub n_tasks: u64,
}

/// What the stages of a run have cost. Displays as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The stages in topological order.
    pub stages: Vec<StageProfile>,
}

/// What one stage has cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageProfile {
    /// Its key.
    pub key: String,
    /// Its tasks that run.
    pub n_tasks: u32,
    /// What is known about them.
    pub stats: StageStats,
}

impl Progress {
    pub(crate) fn of(engine: &Engine) -> Vec<Self> {
        let state = engine.lock();
        let of_run = |(run, name, (n_done, n_tasks)): (RunId, Option<&str>, (u64, u64))| Self {
            run,
            name: name.map(str::to_owned),
            n_done,
            n_tasks,
        };
        state.entries().map(of_run).collect()
    }
}

impl Profile {
    pub(crate) fn of(engine: &Engine, run: RunId) -> Option<Self> {
        let state = engine.lock();
        let (graph, stats) = state.core.stats(run)?;
        let of_stage = |((_, stage), stats): ((_, &dolmen_graph::Stage), StageStats)| StageProfile {
            key: stage.key.to_string(),
            n_tasks: stage.n_active(),
            stats,
        };
        Some(Self { stages: graph.stages().zip(stats).map(of_stage).collect() })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.stages.iter().map(|stage| stage.key.chars().count()).max().unwrap_or(0).max(5);
        writeln!(
            f,
            "{:<width$}  {:>9} {:>9} {:>12} {:>12} {:>12} {:>12}",
            "stage", "tasks", "done", "time", "bytes", "memory", "spilled"
        )?;
        for StageProfile { key, n_tasks, stats } in &self.stages {
            let time = format!("{:.1?}", Duration::from_nanos(stats.elapsed_ns));
            writeln!(
                f,
                "{key:<width$}  {n_tasks:>9} {:>9} {time:>12} {:>12} {:>12} {:>12}",
                stats.n_finished,
                format_bytes(stats.size_bytes),
                format_bytes(stats.memory_bytes_max),
                format_bytes(stats.spilled_bytes)
            )?;
            if stats.n_failed > 0 {
                writeln!(f, "{:width$}  {} attempts failed", "", stats.n_failed)?;
            }
        }
        Ok(())
    }
}
