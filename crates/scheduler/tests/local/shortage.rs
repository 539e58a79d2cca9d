//! Memory that others hold.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use dolmen_graph::testing::{Lambda, Number};
use dolmen_graph::{ByteEstimate, RunError, Shared, Stage, StageId, TaskError, TaskId, delayed};
use dolmen_scheduler::{Client, CoreConfig, LocalConfig, LocalExecutor, gather};
use dolmen_storage::{MemoryBudget, TempFolder};

use crate::programs::{graph, single};
use crate::world::{LONG, Living, World, until, wide};

#[test]
fn a_task_starts_when_others_give_memory_back_although_nothing_else_happens() {
    let world = World::new(2, 1 << 20);
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let holds = world.submit(&single(Lambda::op(move |_, _| {
        let _ = released.lock().unwrap().recv();
        Ok(Number::value(1))
    })));
    until("the first task to run", || world.executor.running().len() == 1);
    let others = world.budget.consumer("others");
    others.try_grow(900 << 10).unwrap();
    let large = graph(|b| {
        let stage =
            Stage::new("large", 1, Lambda::op(|_, _| Ok(Number::value(2)))).bytes(ByteEstimate::AtMost(500 << 10));
        let id = b.add_stage(stage).unwrap();
        b.add_output_all(id).unwrap();
    });
    let run = world.submit(&large);
    assert!(run.wait_finished(Some(Duration::from_millis(100))).is_none(), "there is no room");
    drop(others);
    run.wait_finished(LONG).unwrap().unwrap();
    assert_eq!(world.executor.running().len(), 1);
    drop(release);
    holds.wait_finished(LONG).unwrap().unwrap();
    drop((holds, run));
    world.until_idle();
    world.end();
}

#[test]
fn values_are_spilled_for_others_who_were_refused() {
    let world = World::new(1, 1 << 20);
    let run = world.submit(&wide(8, 100 << 10, &Living::default(), || ()));
    run.wait_finished(LONG).unwrap().unwrap();
    let others = world.budget.consumer("others");
    assert!(others.try_grow(600 << 10).is_err());
    until("room for others", || others.try_grow(600 << 10).is_ok());
    assert!(world.executor.n_spilled() > 0);
    drop((others, run));
    world.until_idle();
    world.end();
}

/// What is whole on disk is never taken for lost, however long others hold the memory.
#[test]
fn values_on_disk_outlast_a_shortage() {
    let world = World::new(2, 1 << 20);
    let living = Living::default();
    let n_runs = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&n_runs);
    let run = world.submit(&wide(8, 100 << 10, &living, move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }));
    run.wait_finished(LONG).unwrap().unwrap();
    let others = world.budget.consumer("others");
    until("room for others", || others.try_grow(1000 << 10).is_ok());
    // Longer than reading is tried again.
    std::thread::scope(|scope| {
        for partition in 0..8 {
            let run = &run;
            scope.spawn(move || assert!(run.wait_value(TaskId::new(StageId(0), partition), LONG).unwrap().is_ok()));
        }
    });
    assert_eq!(n_runs.load(std::sync::atomic::Ordering::SeqCst), 8, "tasks ran again");
    drop((others, run));
    world.until_idle();
    world.end();
}

#[test]
fn a_task_that_is_refused_memory_runs_again_by_itself_and_then_fails_with_the_reason() {
    let world = World::new(2, 1 << 20);
    let budget = Arc::clone(&world.budget);
    let n_attempts = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let n = Arc::clone(&n_attempts);
    let run = world.submit(&single(Lambda::op(move |_, _| {
        n.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let refusal = budget.consumer("sort").try_grow(2 << 20).unwrap_err();
        Err(TaskError::failed(refusal))
    })));
    let error = run.wait_finished(LONG).unwrap().unwrap_err();
    let RunError::MemoryLimit { key, needed_bytes, limit_bytes, .. } = &error else { panic!("{error}") };
    assert_eq!((key.as_str(), *needed_bytes, *limit_bytes), ("single[0]", 2 << 20, 1 << 20));
    assert_eq!(n_attempts.load(std::sync::atomic::Ordering::SeqCst), 2);
    drop(run);
    world.until_idle();
    world.end();
}

#[test]
fn what_is_expected_of_tasks_that_wait_takes_no_room_from_others() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let temp = Arc::new(TempFolder::new(Some(folder.path().to_owned())));
    // As much as one task whose result is not known is expected to make.
    let limit = CoreConfig::default().unknown_bytes as usize;
    let config = LocalConfig::new(runtime.handle().clone(), 2).memory(MemoryBudget::new(limit), temp);
    let client = Client::new(Arc::new(LocalExecutor::new(config)));
    // 100 KiB each.
    let make = delayed(|n: u64| vec![n as f64; 12_800]);
    let first = delayed(|values: Shared<Vec<f64>>| values[0]);
    for _ in 0..5 {
        let values: Vec<_> = (0..50).map(|n| client.persist(&make.call(n))).collect();
        let firsts: Vec<_> = values.iter().map(|value| client.compute(&first.call(value))).collect();
        let sum: f64 = gather(&firsts).unwrap().iter().map(|first| **first).sum();
        assert_eq!(sum, f64::from(49 * 50 / 2));
    }
}
