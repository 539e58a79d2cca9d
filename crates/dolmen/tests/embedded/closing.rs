//! Ending a session, and the process, with work in flight.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use dolmen::graph::{TaskContext, TaskError, delayed_with_context};
use dolmen::prelude::*;

/// Where a process that was started by this test spills. The test is what runs in it, too.
const BASE: &str = "DOLMEN_TEST_SESSION_BASE";
/// What that process says when it has enough in flight.
const SIGN: &str = "ends now";
/// Longer than the test may take.
const FOR_EVER: Duration = Duration::from_secs(600);

#[test]
fn a_process_ends_at_once_and_quietly_with_work_in_flight() {
    if let Some(base) = std::env::var_os(BASE) {
        return end_with_work_in_flight(&PathBuf::from(base));
    }
    let base = tempfile::tempdir().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "closing::a_process_ends_at_once_and_quietly_with_work_in_flight", "--nocapture"])
        .env(BASE, base.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim_end() != SIGN {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the process has ended too early");
    }
    let begun = Instant::now();
    let status = process.wait().unwrap();
    let took = begun.elapsed();
    println!("the process ended after {took:?}");
    let (mut printed, mut errors) = (String::new(), String::new());
    output.read_to_string(&mut printed).unwrap();
    process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(status.success(), "{status}: {errors}");
    assert_eq!(errors, "");
    let of_harness = |line: &&str| line.is_empty() || *line == "ok" || line.starts_with("test ");
    assert_eq!(printed.lines().filter(|line| !of_harness(line)).collect::<Vec<_>>(), Vec::<&str>::new());
    // A second is promised; a machine with other things to do may take longer.
    assert!(took < Duration::from_secs(10), "{took:?}");
    // A thread that could not be stopped kept the folder; it goes with the next start.
    spill_once(base.path());
    let until = Instant::now() + Duration::from_secs(10);
    while std::fs::read_dir(base.path()).unwrap().count() > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0, "temporary files are left");
}

fn spilling(base: &Path) -> (Session, Vec<TaskFuture<Vec<u8>>>) {
    let session = Session::builder().threads(3).memory_limit(16 << 20).temp_dir(base).build().unwrap();
    let client = session.client().unwrap();
    let stored = (0..40).map(|n| client.scatter(vec![n as u8; 1 << 20])).collect();
    (session, stored)
}

fn until_spilled(session: &Session) {
    let executor = session.executor().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while executor.n_spilled() == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(executor.n_spilled() > 0, "nothing was spilled");
}

fn spill_once(base: &Path) {
    let (session, _stored) = spilling(base);
    until_spilled(&session);
    assert!(session.close(Duration::from_secs(10)).is_empty());
}

/// A query, values on disk, tasks that listen, one that does not, and calls that wait for all of them.
fn end_with_work_in_flight(base: &Path) {
    let (session, stored) = spilling(base);
    let rows = session.sql("SELECT sum(a.value * b.value) FROM range(1000000) a, range(1000000) b").stream_blocking();
    let client = session.client().unwrap();
    let (begin, begun) = mpsc::channel();
    let listening = client.compute(&delayed_with_context(listen).try_call(()));
    let deaf = client.submit(
        move || {
            begin.send(()).unwrap();
            std::thread::sleep(FOR_EVER);
        },
        (),
    );
    let waiting = client.submit(|(), ()| (), (&listening, &deaf));
    begun.recv_timeout(Duration::from_secs(60)).unwrap();
    until_spilled(&session);
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\n{SIGN}").unwrap();
    stdout.flush().unwrap();
    drop(session);
    drop((rows, stored, listening, deaf, waiting));
}

fn listen(context: &TaskContext) -> Result<(), TaskError> {
    while !context.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(TaskError::Cancelled)
}

#[test]
fn what_cannot_be_stopped_is_named() {
    let session = Session::builder().threads(2).build().unwrap();
    let client = session.client().unwrap();
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let deaf = client.clone().named("deaf").submit(
        move || {
            begin.send(()).unwrap();
            let _ = released.lock().unwrap().recv();
        },
        (),
    );
    let listening = client.named("listening").compute(&delayed_with_context(listen).try_call(()));
    begun.recv_timeout(Duration::from_secs(60)).unwrap();
    let still_running = session.close(Duration::from_secs(1));
    assert_eq!(still_running, [deaf.key()]);
    assert!(deaf.result().is_err() && listening.result().is_err());
    let error = session.sql("SELECT 1").rows_blocking::<i64>().unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert!(session.client().unwrap().submit(|| 1, ()).result().is_err());
    drop(release);
}
