//! A process that is killed while it spills leaves nothing behind after the next start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{BLOCK_BYTES, n_files, put, store};

/// Says where a process started by this test spills. The test is what runs in it, too.
const BASE: &str = "DOLMEN_TEST_SPILL_BASE";

const SPILLING_MAX: Duration = Duration::from_secs(60);

/// How many processes are killed, each at another moment.
const N_KILLED: u64 = 8;

#[test]
fn a_killed_process_leaves_nothing_after_the_next_start() {
    if let Some(base) = std::env::var_os(BASE) {
        spill_until_killed(&PathBuf::from(base));
        return;
    }
    let base = tempfile::tempdir().unwrap();
    // One that lives on must keep what it has.
    let (budget, living) = store(base.path());
    let kept = put(&budget, &living, 1);
    living.spill(kept).unwrap();
    let n_living = n_files(base.path());
    assert_eq!(n_living, 2, "the block and the lock");

    for round in 0..N_KILLED {
        let mut spiller = Spiller::start(base.path());
        spiller.wait_for_files(n_living + 2);
        std::thread::sleep(Duration::from_millis(3 * round));
        spiller.kill();
        let n_left = n_files(base.path());
        assert!(n_left > n_living, "the killed process has left files");

        // The next start, under the same base folder.
        let (budget, next) = store(base.path());
        let id = put(&budget, &next, 2);
        next.spill(id).unwrap();
        assert_eq!(n_files(base.path()), n_living + 2, "what was left ({n_left} files) is gone");
        drop(next);
        assert_eq!(n_files(base.path()), n_living);
    }
    assert_eq!(*living.load(kept).unwrap(), vec![1; BLOCK_BYTES]);
    drop(living);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

fn spill_until_killed(base: &Path) {
    let (budget, blocks) = store(base);
    let mut ids = std::collections::VecDeque::new();
    // Not for ever, in case that the process which should kill this one is killed itself.
    let start = Instant::now();
    while start.elapsed() < SPILLING_MAX {
        let id = put(&budget, &blocks, 3);
        blocks.spill(id).unwrap();
        ids.push_back(id);
        // Some blocks stay, so that there is always something to leave.
        if ids.len() > 20 {
            blocks.remove(ids.pop_front().unwrap());
        }
    }
}

/// This test in a process of its own.
struct Spiller {
    base: PathBuf,
    process: Child,
}

impl Spiller {
    fn start(base: &Path) -> Self {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::a_killed_process_leaves_nothing_after_the_next_start"])
            .env(BASE, base)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { base: base.to_owned(), process }
    }

    fn wait_for_files(&mut self, n_wanted: usize) {
        let start = Instant::now();
        while n_files(&self.base) < n_wanted {
            assert!(start.elapsed() < SPILLING_MAX, "the process has not spilled");
            assert!(self.process.try_wait().unwrap().is_none(), "the process has ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn kill(&mut self) {
        // SIGKILL: nothing in the process can clean up.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Spiller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
