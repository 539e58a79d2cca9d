//! The CPU time of this process.

use std::fs;
use std::io;

/// Kernel ticks per second, as Linux reports CPU time to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system seconds of all threads so far.
///
/// # Errors
/// On systems without `/proc`.
pub(crate) fn process_seconds() -> io::Result<f64> {
    let mut nanoseconds = 0_u64;
    for task in fs::read_dir("/proc/self/task")? {
        let path = task?.path().join("schedstat");
        // A thread may end while the folder is read.
        let Ok(text) = fs::read_to_string(path) else { continue };
        nanoseconds += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    if nanoseconds > 0 {
        return Ok(nanoseconds as f64 / 1e9);
    }
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |idx: usize| fields.get(idx).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}
