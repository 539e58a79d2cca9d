//! Workers that are lost, and workers that are left.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dolmen_graph::RunError;
use dolmen_scheduler::process::{ProcessConfig, ProcessExecutor};

use super::{Processes, kill};
use crate::programs::{Act, single, tasks};
use crate::suite::{LONG, until, values};

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn workers_that_end_without_work_are_replaced() {
    // More of them than a task may lose.
    let processes = Processes::new(5);
    let pids = processes.executor().worker_pids();
    pids.iter().for_each(|pid| kill(*pid));
    until("the next workers", || {
        let now = processes.executor().worker_pids();
        now.len() == 5 && now.iter().all(|pid| !pids.contains(pid))
    });
    assert_eq!(values(&processes.submit(&tasks(20, Act::Give(1).op()))), [1; 20]);
}

#[test]
fn dropping_the_executor_ends_the_workers() {
    let processes = Processes::new(3);
    let pids = processes.executor().worker_pids();
    let run = processes.submit(&tasks(3, Act::Listen.op()));
    std::thread::sleep(Duration::from_millis(20));
    drop(processes);
    assert!(matches!(run.wait_finished(LONG).unwrap(), Err(RunError::Closed)));
    until("the end of the workers", || !pids.iter().any(|pid| is_alive(*pid)));
}

/// Starts workers, says who they are, and ends without a word to them.
#[test]
fn parent_that_dies() {
    let Ok(file) = std::env::var("TEST_PIDS_FILE") else { return };
    let processes = Processes::new(2);
    let pids = processes.executor().worker_pids();
    let _run = processes.submit(&tasks(2, Act::Deaf.op()));
    std::thread::sleep(Duration::from_millis(50));
    std::fs::write(file, pids.iter().map(|pid| format!("{pid} ")).collect::<String>()).unwrap();
    std::process::abort();
}

#[test]
fn workers_end_with_the_process_that_started_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["processes::losses::parent_that_dies", "--exact"])
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
    let child = values(&processes.submit(&single(Act::Spawn.op())))[0];
    let pid = processes.executor().worker_pids()[0];
    kill(pid);
    values(&processes.submit(&single(Act::Give(1).op())));
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
