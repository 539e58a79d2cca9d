//! What a run has cost, and how far runs are.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{RunId, Stage};
use dolmen_storage::format_bytes;

use crate::core::StageStats;
use crate::engine::{Engine, State};

/// How far a run is. Displays as a bar.
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
    /// The run.
    pub run: RunId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// The stages in topological order.
    pub stages: Vec<StageProfile>,
}

/// What one stage has cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageProfile {
    /// Its key.
    pub key: Arc<str>,
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

/// The characters of a bar.
const BAR_WIDTH: u8 = 30;

/// `load [#########.....................] 30 of 100`
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, name, n_done, n_tasks } = self;
        match name {
            Some(name) => f.write_str(name)?,
            None => write!(f, "run {}", run.0)?,
        }
        let part = u128::from(BAR_WIDTH) * u128::from(*n_done) / u128::from((*n_tasks).max(1));
        let full = usize::try_from(part).unwrap_or(0);
        let rest = usize::from(BAR_WIDTH).saturating_sub(full);
        write!(f, " [{}{}] {n_done} of {n_tasks}", "#".repeat(full), ".".repeat(rest))
    }
}

impl Profile {
    /// Of a run that is there, or was dropped not long ago.
    pub(crate) fn of(engine: &Engine, run: RunId) -> Option<Self> {
        let state = engine.lock();
        Self::of_living(&state, run).or_else(|| state.profiles.list.iter().find(|profile| profile.run == run).cloned())
    }

    pub(crate) fn of_living(state: &State, run: RunId) -> Option<Self> {
        let (graph, stats) = state.core.stats(run)?;
        let of_stage = |((_, stage), stats): ((_, &Stage), StageStats)| StageProfile {
            key: Arc::clone(&stage.key),
            n_tasks: stage.n_active(),
            stats,
        };
        let stages = graph.stages().zip(stats).map(of_stage).collect();
        Some(Self { run, name: state.name_of(run).map(str::to_owned), stages })
    }
}

/// Runs and stages whose profiles are kept when the runs are dropped.
const N_KEPT_MAX: usize = 32;
const N_STAGES_KEPT_MAX: usize = 4096;

/// The profiles of the runs that were dropped last.
#[derive(Default)]
pub(crate) struct Profiles {
    list: VecDeque<Profile>,
    n_stages: usize,
}

impl Profiles {
    /// Adds one; of those before it as many stay as there is room for.
    pub(crate) fn add(&mut self, profile: Profile) {
        self.n_stages += profile.stages.len();
        self.list.push_back(profile);
        while self.list.len() > N_KEPT_MAX || (self.list.len() > 1 && self.n_stages > N_STAGES_KEPT_MAX) {
            self.n_stages -= self.list.pop_front().map_or(0, |profile| profile.stages.len());
        }
    }

    /// The oldest first.
    pub(crate) fn to_vec(&self) -> Vec<Profile> {
        self.list.iter().cloned().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_bar() {
        let progress = |n_done, n_tasks| Progress { run: RunId(3), name: None, n_done, n_tasks }.to_string();
        assert_eq!(progress(0, 0), format!("run 3 [{}] 0 of 0", ".".repeat(30)));
        assert_eq!(progress(30, 100), format!("run 3 [{}{}] 30 of 100", "#".repeat(9), ".".repeat(21)));
        assert_eq!(progress(u64::MAX, u64::MAX), format!("run 3 [{}] {1} of {1}", "#".repeat(30), u64::MAX));
        let named = Progress { run: RunId(3), name: Some("load".into()), n_done: 1, n_tasks: 1 };
        assert!(named.to_string().starts_with("load ["));
    }
}
