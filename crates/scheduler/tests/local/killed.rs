//! A process that is killed while its executor spills leaves nothing behind after the next start.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::{LONG, Living, World, n_files, until, wide};

/// Says where a process started by this test spills. The test is what runs in it, too.
const BASE: &str = "DOLMEN_TEST_EXECUTOR_BASE";

#[test]
fn a_killed_process_leaves_nothing_after_the_next_start() {
    if let Some(base) = std::env::var_os(BASE) {
        return spill_until_killed(&PathBuf::from(base));
    }
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().to_owned();
    for round in 0..4 {
        let mut process = Spiller::start(&base);
        until("the process to spill", || n_files(&base) > 3);
        std::thread::sleep(Duration::from_millis(3 * round));
        process.kill();
        assert!(n_files(&base) > 1, "the killed process has left files");
        spill_once(&base);
        assert_eq!(n_files(&base), 0, "what was left is gone");
    }
}

fn world_at(base: &Path) -> World {
    World::with(tempfile::tempdir().unwrap(), base, 2, 256 << 10, |config| config)
}

fn spill_once(base: &Path) {
    let world = world_at(base);
    let run = world.submit(&wide(50, 20 << 10, &Living::default(), || ()));
    run.wait_finished(LONG).unwrap().unwrap();
    assert!(world.executor.n_spilled() > 0);
    drop(run);
    world.end();
}

fn spill_until_killed(base: &Path) {
    let world = world_at(base);
    // Not for ever, in case that the process which should kill this one is killed itself.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        let run = world.submit(&wide(200, 20 << 10, &Living::default(), || ()));
        run.wait_finished(LONG).unwrap().unwrap();
    }
}

/// This test in a process of its own.
struct Spiller(Child);

impl Spiller {
    fn start(base: &Path) -> Self {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::a_killed_process_leaves_nothing_after_the_next_start"])
            .env(BASE, base)
            .stdout(Stdio::null())
            .spawn();
        Self(process.unwrap())
    }

    /// By SIGKILL: nothing in the process can clean up.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Spiller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
