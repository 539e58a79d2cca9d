//! Values in the executor's process: within the budget, on disk, and freed.

use std::sync::Arc;

use dolmen_graph::Executor;
use dolmen_graph::{
    ByteEstimate, EventKind, PartitionSet, RunError, RunStatus, Stage, StageId, TaskGraph, TaskId, TaskStatus, Wiring,
};
use dolmen_storage::{MemoryBudget, TempFolder};

use crate::programs::{Act, Number, everything, graph, op};
use crate::{LONG, Processes, expected, until, values};

/// An executor with a memory limit; the folder lives as long as it.
fn limited(limit_bytes: usize) -> (Processes, Arc<MemoryBudget>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let budget = MemoryBudget::new(limit_bytes);
    let temp = Arc::new(TempFolder::new(Some(folder.path().to_owned())));
    let processes = Processes::with(2, |config| config.memory(Arc::clone(&budget), temp));
    (processes, budget, folder)
}

/// A stage of which all values are needed at once.
fn wide(n_tasks: u32, room: usize) -> Arc<TaskGraph> {
    graph(|b| {
        let bytes = ByteEstimate::Exact(32 + room as u64);
        let source = Stage::new("source", n_tasks, op(Act::MixRoom(room))).bytes(bytes);
        let source = b.add_stage(source).unwrap();
        let gate = b.add_stage(Stage::new("gate", 1, op(Act::Mix)).input(source, Wiring::Broadcast { partition: 0 }));
        let back = Stage::new("back", n_tasks, op(Act::Mix)).bytes(ByteEstimate::Exact(32));
        let back = back.input(source, Wiring::Same).input(gate.unwrap(), Wiring::Broadcast { partition: 0 });
        let back = b.add_stage(back).unwrap();
        let sum = b.add_stage(Stage::new("sum", 1, op(Act::Mix)).input(back, Wiring::All)).unwrap();
        b.add_output_all(sum).unwrap();
        b.add_output(source, PartitionSet::range(0..10)).unwrap();
    })
}

#[test]
fn values_go_to_disk_and_come_back() {
    let (processes, budget, _folder) = limited(3 << 20);
    let graph = wide(60, 200_000);
    let run = processes.submit(&graph);
    assert_eq!(values(&run), expected(&graph));
    assert!(budget.peak_bytes() < 6 << 20, "{} bytes were in use", budget.peak_bytes());
    drop(run);
    until("the end of the last write", || budget.used_bytes() == 0);
}

#[test]
fn what_cannot_fit_is_an_error_with_a_name() {
    let (processes, _budget, _folder) = limited(1 << 20);
    let graph = graph(|b| {
        let big = Stage::new("big", 1, op(Act::MixRoom(2 << 20))).bytes(ByteEstimate::Exact(2 << 20));
        let id = b.add_stage(big).unwrap();
        b.add_output_all(id).unwrap();
    });
    let error = processes.submit(&graph).wait_finished(Some(LONG)).unwrap().unwrap_err();
    let RunError::MemoryLimit { key, .. } = error else { panic!("{error}") };
    assert_eq!(key, "big[0]");
}

#[test]
fn dropping_the_handle_frees_everything() {
    let (processes, budget, _folder) = limited(64 << 20);
    let graph = wide(30, 10_000);
    for _ in 0..10 {
        drop(processes.submit(&graph));
    }
    let run = processes.submit(&graph);
    values(&run);
    drop(run);
    until("the last byte", || budget.used_bytes() == 0);
}

#[test]
fn released_results_are_gone_and_tasks_are_cancelled_alone() {
    let processes = Processes::new(2);
    let run = processes.submit(&everything(&Act::Mix));
    let last = TaskId::new(StageId(8), 0);
    run.wait_finished(Some(LONG)).unwrap().unwrap();
    run.release(last);
    assert_eq!(run.task_status(last), TaskStatus::Released);
    let error = run.wait_value(last, Some(LONG)).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no result is kept for `last[0]`");

    let graph = graph(|b| {
        let slow = b.add_stage(Stage::new("slow", 1, op(Act::Sleep))).unwrap();
        let next = b.add_stage(Stage::new("next", 1, op(Act::Mix)).input(slow, Wiring::Same)).unwrap();
        let other = b.add_stage(Stage::new("other", 3, op(Act::Mix))).unwrap();
        b.add_output_all(next).unwrap();
        b.add_output_all(other).unwrap();
    });
    let run = processes.submit(&graph);
    run.cancel_task(TaskId::new(StageId(0), 0));
    let next = run.wait_value(TaskId::new(StageId(1), 0), Some(LONG)).unwrap();
    assert!(matches!(next, Err(RunError::Cancelled)));
    Number::of(&run.wait_value(TaskId::new(StageId(2), 2), Some(LONG)).unwrap().unwrap());
}

#[test]
fn events_and_futures_tell_the_same_story() {
    let processes = Processes::new(2);
    let mut reader = processes.executor().events();
    let graph = everything(&Act::Mix);
    let run = processes.submit(&graph);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        run.value(TaskId::new(StageId(8), 0)).await.unwrap();
        run.finished().await.unwrap();
    });
    assert_eq!(run.status(), RunStatus::Finished);
    let mut events = Vec::new();
    reader.read(&mut events);
    let n_finished = events.iter().filter(|event| matches!(event.kind, EventKind::TaskFinished { .. })).count();
    assert_eq!(n_finished as u64, graph.n_tasks());
}
