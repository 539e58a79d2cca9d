//! Puts faults into a copy of the decision core, one at a time, and shows that the simulator notices each.
//!
//! `cargo run -p dolmen-scheduler --example mutation_check`, without arguments or with the folder for the copy, which is
//! removed at the end; takes some minutes and no network. It prints a line for each fault, with what the simulator said, and
//! fails if one goes unnoticed. The faults are in `mutations/faults.rs`; `tests/faults.rs` holds them to the source.

#![allow(clippy::print_stdout, reason = "the program reports to people")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{fs, io};

include!("../mutations/faults.rs");

/// The crates that the scheduler is built of.
const CRATES: [&str; 3] = ["graph", "storage", "scheduler"];

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A workspace of its own with only the crates that are needed.
fn make_copy(root: &Path, to: &Path) -> io::Result<()> {
    for name in CRATES {
        copy(&root.join("crates").join(name), &to.join("crates").join(name))?;
    }
    fs::copy(root.join("Cargo.lock"), to.join("Cargo.lock"))?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let line = |line: &str| match line.split(" =").next() {
        Some("members") => "members = [\"crates/*\"]".to_owned(),
        Some("default-members") => String::new(),
        _ => line.to_owned(),
    };
    let manifest: Vec<String> = manifest.lines().map(line).collect();
    fs::write(to.join("Cargo.toml"), manifest.join("\n"))
}

/// Runs the simulator; the last words of a failure, `None` if it finds nothing.
fn simulate(copy: &Path) -> io::Result<Result<(), String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["test", "--offline", "-q", "-p", "dolmen-scheduler", "--lib", "histories_"];
    let output = Command::new(cargo).args(arguments).current_dir(copy).env_remove("CARGO_TARGET_DIR").output()?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at"));
    let found = lines.nth(1).map(str::to_owned);
    Ok(Err(found.unwrap_or_else(|| format!("not a failure of the simulator: {text}"))))
}

fn check(fault: &Fault, copy: &Path) -> io::Result<bool> {
    let path = copy.join("crates/scheduler/src/core").join(fault.file);
    let source = fs::read_to_string(&path)?;
    fs::write(&path, source.replacen(fault.right, fault.wrong, 1))?;
    let begun = Instant::now();
    let result = simulate(copy);
    fs::write(&path, source)?;
    let (verdict, detail) = match result? {
        Ok(()) => ("NOT NOTICED", String::new()),
        Err(message) if message.starts_with("not a failure") => ("NOT RUN", message),
        Err(message) => ("noticed", message.chars().take(100).collect()),
    };
    println!("{verdict:<12} {:<70} {:>4} s  {detail}", fault.name, begun.elapsed().as_secs());
    Ok(verdict == "noticed")
}

fn run(copy: &Path) -> io::Result<bool> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    make_copy(&root, copy)?;
    if let Err(message) = simulate(copy)? {
        println!("the simulator fails without a fault: {message}");
        return Ok(false);
    }
    let mut n_noticed = 0;
    for fault in FAULTS {
        n_noticed += usize::from(check(fault, copy)?);
    }
    println!("{n_noticed} of {} faults noticed", FAULTS.len());
    Ok(n_noticed == FAULTS.len())
}

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join(format!("mutation-check-{}", std::process::id())));
    let result = run(&folder);
    let _ = fs::remove_dir_all(&folder);
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}
