//! What can be set about a core.

/// How a [`Core`](crate::Core) decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreConfig {
    /// The bytes that values, running tasks and others may take together; `u64::MAX` for no limit.
    pub memory_limit_bytes: u64,
    /// Where values live.
    pub places: ValuePlaces,
    /// Whether neighbouring tiny tasks are handed out together.
    pub grouping: Grouping,
    /// The wait before the second attempt; each further one waits twice as long.
    pub backoff_ns: u64,
    /// The longest wait before another attempt.
    pub backoff_max_ns: u64,
    /// The bytes that a task is taken to make while nothing is known about its stage.
    pub unknown_bytes: u64,
    /// How often a task may be lost with its worker before its run fails.
    pub losses_max: u32,
    /// How long nothing is spilled after the disk refused.
    pub spill_pause_ns: u64,
    /// How long a task that fits nowhere waits for others to give memory back, when nothing else runs, before its run fails.
    pub patience_ns: u64,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            memory_limit_bytes: u64::MAX,
            places: ValuePlaces::Shared,
            grouping: Grouping::Upto { run_ns: 100_000, n_tasks: 256 },
            backoff_ns: 20_000_000,
            backoff_max_ns: 10_000_000_000,
            unknown_bytes: 1 << 20,
            losses_max: 3,
            spill_pause_ns: 1_000_000_000,
            patience_ns: 200_000_000,
        }
    }
}

/// Where values live, and so what is lost with a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValuePlaces {
    /// In memory that all workers share: a lost worker takes along only what it was running.
    Shared,
    /// With the worker that made them: a lost worker takes along its values, except those on disk.
    AtWorkers,
}

/// Whether neighbouring tasks of a stage are handed out together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Every task by itself.
    Off,
    /// As many as together take about `run_ns`, going by the tasks of the stage that have finished, and at most `n_tasks`.
    Upto {
        /// How long a group should run.
        run_ns: u64,
        /// The largest group.
        n_tasks: u32,
    },
}
