//! Workers that are lost, and workers that are left.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dolmen_graph::{EventKind, Executor, RunError};
use dolmen_scheduler::process::{ProcessConfig, ProcessExecutor};

use crate::programs::{Act, everything, tasks};
use crate::{LONG, Processes, expected, until, values};

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn what_a_lost_worker_ran_runs_again() {
    let processes = Processes::new(2);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("die");
    std::fs::write(&file, "").unwrap();
    let mut events = processes.executor().events();
    let run = processes.submit(&everything(&Act::DieOnce(file.to_str().unwrap().to_owned())));
    assert_eq!(values(&run), expected(&everything(&Act::Mix)));
    assert!(!file.exists());
    until("the next worker", || processes.executor().worker_pids().len() == 2);
    let mut seen = Vec::new();
    events.read(&mut seen);
    assert_eq!(seen.iter().filter(|event| matches!(event.kind, EventKind::WorkerLost { .. })).count(), 1);
}

#[test]
fn killed_workers_cost_no_result() {
    let processes = Processes::new(2);
    let expected = expected(&everything(&Act::Mix));
    for _ in 0..10 {
        let run = processes.submit(&everything(&Act::Mix));
        processes.executor().worker_pids().into_iter().for_each(kill);
        assert_eq!(values(&run), expected);
        until("the next workers", || processes.executor().worker_pids().len() == 2);
    }
}

#[test]
fn a_task_that_ends_its_workers_is_given_up() {
    let processes = Processes::new(2);
    let error = processes.submit(&tasks(1, Act::Die)).wait_finished(Some(LONG)).unwrap().unwrap_err();
    let RunError::WorkerLost { key, n_losses } = error else { panic!("{error}") };
    assert_eq!((key.as_str(), n_losses), ("single[0]", 4));
    values(&processes.submit(&tasks(4, Act::Mix)));
}

#[test]
fn dropping_the_executor_ends_the_workers() {
    let processes = Processes::new(3);
    let pids = processes.executor().worker_pids();
    let run = processes.submit(&tasks(3, Act::Sleep));
    std::thread::sleep(Duration::from_millis(20));
    drop(processes);
    assert!(matches!(run.wait_finished(Some(LONG)).unwrap(), Err(RunError::Closed)));
    until("the end of the workers", || !pids.iter().any(|pid| is_alive(*pid)));
}

/// Starts workers, says who they are, and ends without a word to them.
#[test]
fn parent_that_dies() {
    let Ok(file) = std::env::var("TEST_PIDS_FILE") else { return };
    let processes = Processes::new(2);
    let pids = processes.executor().worker_pids();
    let _run = processes.submit(&tasks(2, Act::SleepDeaf));
    std::thread::sleep(Duration::from_millis(50));
    std::fs::write(file, pids.iter().map(|pid| format!("{pid} ")).collect::<String>()).unwrap();
    std::process::abort();
}

#[test]
fn workers_end_with_the_process_that_started_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["losses::parent_that_dies", "--exact"])
        .env("TEST_PIDS_FILE", &file)
        .status();
    assert!(!status.unwrap().success());
    let pids = std::fs::read_to_string(file).unwrap();
    let pids: Vec<u32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    until("the end of the workers", || !pids.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn a_process_that_a_task_started_is_no_obstacle() {
    let processes = Processes::new(1);
    let child = values(&processes.submit(&tasks(1, Act::Spawn)))[0];
    let pid = processes.executor().worker_pids()[0];
    kill(pid);
    values(&processes.submit(&tasks(1, Act::Mix)));
    kill(u32::try_from(child).unwrap());
}

#[test]
fn a_program_that_is_no_worker_is_an_error() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let garbage = "head -c 1000 /dev/zero | tr '\\0' '\\377' >&0";
    for (program, args) in [("true", vec![]), ("sh", vec!["-c", garbage]), ("no such program", vec![])] {
        let registry = std::sync::Arc::new(dolmen_graph::OpRegistry::new());
        let config = ProcessConfig::new(runtime.handle().clone(), 1, registry);
        let config = config.program(program.into(), args.into_iter().map(Into::into).collect());
        let error = runtime.block_on(ProcessExecutor::start(config)).unwrap_err();
        assert!(error.to_string().contains("serve_if_worker"), "{error}");
        assert!(error.source().is_some());
    }
}
