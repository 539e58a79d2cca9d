//! Graphs within the workers keep to their part of the memory.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::testing::Mix;
use dolmen_graph::{ByteEstimate, RunError, Stage, TaskGraph, TaskOptions};
use dolmen_storage::{MemoryBudget, TempFolder};

use super::Processes;
use crate::programs::{Act, graph, single, tasks, wide};
use crate::suite::{LONG, expected, until, values};

/// Two workers, and a folder.
fn limited(limit_bytes: usize, folder: &Path) -> Processes {
    let temp = Arc::new(TempFolder::new(Some(folder.to_owned())));
    Processes::with(2, |config| config.memory(MemoryBudget::new(limit_bytes), temp))
}

/// The folders below a folder whose names tell that they are of one of some processes.
fn n_folders_of(pids: &[u32], folder: &Path) -> usize {
    let is_of = |name: &str| pids.iter().any(|pid| name.starts_with(&format!("dolmen-{pid}-")));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    entries
        .map(|entry| usize::from(is_of(&entry.file_name().to_string_lossy())) + n_folders_of(pids, &entry.path()))
        .sum()
}

#[test]
fn a_graph_of_a_task_spills_in_its_worker() {
    let folder = tempfile::tempdir().unwrap();
    let processes = limited(8 << 20, folder.path());
    let pids = processes.executor().worker_pids();
    let sum = *expected(&wide(60, 200_000)).first().unwrap();
    assert_eq!(values(&processes.submit(&tasks(4, Act::Wide(200_000).op()))), [sum; 4]);
    assert!(n_folders_of(&pids, folder.path()) > 0);
    drop(processes);
    until("the end of all files", || fs::read_dir(folder.path()).unwrap().count() == 0);
}

/// The limit that a graph of a task meets in its worker.
fn limit_of_nested(processes: &Processes) -> String {
    let run = processes.submit(&single(Act::Wide(9 << 20).op()));
    let error = run.wait_finished(LONG).unwrap().unwrap_err().to_string();
    assert!(error.starts_with("`single[0]` failed: `source["), "{error}");
    let limit = error.split("the limit is ").nth(1).unwrap();
    limit.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn a_graph_of_a_task_has_the_part_of_its_worker() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(limit_of_nested(&limited(8 << 20, folder.path())), (1 << 20).to_string());
    let temp = Arc::new(TempFolder::new(Some(folder.path().to_owned())));
    let budget = MemoryBudget::new(8 << 20);
    let more = Processes::with(2, |config| config.memory(budget, temp).nested_memory(6 << 20));
    assert_eq!(limit_of_nested(&more), (3 << 20).to_string());
}

/// One task that makes so many bytes, and says so.
fn large(room: usize) -> Arc<TaskGraph> {
    graph(|b| {
        let op = Arc::new(Mix { room, ..Mix::default() });
        let id = b.add_stage(Stage::new("large", 1, op).bytes(ByteEstimate::Exact(32 + room as u64))).unwrap();
        b.add_output_all(id).unwrap();
    })
}

#[test]
fn the_parts_of_the_workers_are_not_there_for_others() {
    let budget = MemoryBudget::new(8 << 20);
    let processes = Processes::with(2, |config| config.memory(Arc::clone(&budget), Arc::new(TempFolder::new(None))));
    assert_eq!(budget.top_consumers(1), [("graphs of tasks in workers".to_owned(), 2 << 20)]);
    let error = processes.submit(&large(7 << 20)).wait_finished(LONG).unwrap().unwrap_err();
    assert!(matches!(error, RunError::MemoryLimit { .. }), "{error}");
    processes.submit(&large(5 << 20)).wait_finished(LONG).unwrap().unwrap();
    drop(processes);
    until("the end of what was set aside", || budget.used_bytes() == 0);
}

#[test]
fn a_graph_of_a_task_stops_with_it() {
    // Longer than the test may take: the task must stop by itself.
    let processes = Processes::with(1, |config| config.stop_grace(Duration::from_secs(600)));
    let pids = processes.executor().worker_pids();
    let graph = graph(|b| {
        let options = TaskOptions { timeout: Some(Duration::from_millis(30)), ..TaskOptions::default() };
        let id = b.add_stage(Stage::new("single", 1, Act::Nest(Box::new(Act::Listen)).op()).options(options)).unwrap();
        b.add_output_all(id).unwrap();
    });
    let error = processes.submit(&graph).wait_finished(LONG).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "`single[0]` took longer than 30 ms");
    assert_eq!(values(&processes.submit(&single(Act::Give(1).op()))), [1]);
    assert_eq!(processes.executor().worker_pids(), pids);
}

#[test]
fn graphs_of_a_task_do_not_take_each_other_for_parents() {
    let processes = Processes::new(1);
    for _ in 0..5 {
        assert_eq!(values(&processes.submit(&tasks(5, Act::Nest(Box::new(Act::Fib(6))).op()))), [8; 5]);
    }
}
