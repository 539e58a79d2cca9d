//! The state in words, for whoever asks why nothing happens.

use std::fmt::Write;

use super::Core;

/// How many runs and stages are told apart.
const N_SHOWN: usize = 8;

impl Core {
    /// What runs, what waits for what, and who holds memory; for people.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_explanation(&mut text);
        text
    }

    fn write_explanation(&self, text: &mut String) -> std::fmt::Result {
        let ledger = &self.ledger;
        writeln!(
            text,
            "memory: {} bytes in values, {} reserved by running tasks, {} held by others, limit {}; {} on disk",
            ledger.values_bytes, ledger.reserved_bytes, ledger.external_bytes, ledger.limit_bytes, ledger.disk_bytes
        )?;
        for (number, worker) in self.workers.iter().enumerate() {
            let Some(worker) = worker else { continue };
            write!(text, "worker {number}:")?;
            for frame in &worker.frames {
                let key = self.key_of(frame.run, dolmen_graph::TaskId::new(frame.stage, frame.start));
                write!(text, " {key}")?;
                if frame.end - frame.start > 1 {
                    write!(text, " and {} more", frame.end - frame.start - 1)?;
                }
                if frame.attempt > 0 {
                    write!(text, " (attempt {})", frame.attempt + 1)?;
                }
                if let Some(on) = frame.waits_for {
                    write!(text, " (waits for run {})", on.0)?;
                }
                if frame.is_abandoned {
                    text.push_str(" (given up, still running)");
                }
            }
            text.push_str(if worker.frames.is_empty() { " idle\n" } else { "\n" });
        }
        if !self.fetching.is_empty() || !self.fetched.is_empty() || !self.flights.is_empty() {
            writeln!(
                text,
                "{} values move to or from disk; {} tasks wait for them, {} have them",
                self.flights.len(),
                self.fetching.len(),
                self.fetched.len()
            )?;
        }
        if let Some(error) = &self.spill_error {
            writeln!(text, "spilling `{}` failed: {}", error.key, error.source)?;
        }
        for run in self.runs.iter().flatten().filter(|run| run.outcome.is_none()).take(N_SHOWN) {
            writeln!(text, "run {}: {} of {} tasks left", run.id.0, run.n_left, run.graph.n_tasks())?;
            let unfinished = run.graph.stages().filter(|(id, _)| !run.stage(*id).is_complete());
            for (id, stage) in unfinished.take(N_SHOWN) {
                let [waiting, ready, running, stored, on_disk] = run.counts(id);
                writeln!(
                    text,
                    "  {}: {waiting} waiting, {ready} ready, {running} running, {stored} in memory, {on_disk} on disk",
                    stage.key
                )?;
            }
        }
        Ok(())
    }
}
