//! The command line.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

use clap::Parser;
use thiserror::Error;

use crate::compare::compare;
use crate::deviations::{DeviationError, Deviations};
use crate::discover::{DiscoverError, discover};
use crate::engine::EngineKind;
use crate::outcome::{FileReport, Tally};
use crate::report::{self, ComparisonTally};
use crate::run::RunOptions;
use crate::supervise::{WorkerCommand, supervise};
use crate::worker;

/// The deviations of this project.
pub(crate) const DEVIATIONS: &str = include_str!("../deviations.toml");

/// Exit status when the command line or a file it names is wrong.
const EXIT_USAGE: u8 = 2;

/// Runs sqllogictest files, each in a fresh session, and ends with `N passed, N failed, N skipped`.
///
/// Records are skipped that are for other engines: `onlyif` any label but `dolmen` (for that engine) and `datafusion`,
/// and `skipif` one of these. PostgreSQL's labels are not among ours, although its meaning is: files use them for
/// statements that stand beside a form for everyone else.
#[derive(Debug, Parser)]
#[command(name = "dolmen-sql-tests", version)]
struct Options {
    /// Files, and folders that are searched for .slt and .test files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The engine to test.
    #[arg(long, value_enum, default_value = EngineKind::DEFAULT.name())]
    engine: EngineKind,

    /// Files that run at the same time [default: one for each core].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// The time one record may take.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_seconds: u64,

    /// Runs stock DataFusion too, and counts as failed only what it passes and the engine does not.
    #[arg(long)]
    compare_stock: bool,

    /// The failures shown of each cause and file.
    #[arg(long, value_name = "N", default_value_t = 3)]
    show: usize,

    /// The file of deviations [default: the one of this project].
    #[arg(long, value_name = "FILE")]
    deviations: Option<PathBuf>,

    /// The folder that relative paths in statements start from; files beneath a `test_files` folder start beside it.
    #[arg(long, value_name = "DIR", default_value = ".")]
    base: PathBuf,

    /// Runs the shell commands of `system` records, which are skipped otherwise.
    #[arg(long)]
    allow_system: bool,

    /// Runs one file in this process.
    #[arg(long, hide = true)]
    worker: bool,

    /// The folder that files call WORKSPACE_ROOT.
    #[arg(long, hide = true)]
    workspace_root: Option<PathBuf>,
}

/// Why nothing was run.
#[derive(Debug, Error)]
enum StartError {
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    #[error(transparent)]
    Deviations(#[from] DeviationError),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot find the program of the workers: {0}")]
    Program(io::Error),
    #[error("cannot write the report: {0}")]
    Write(#[from] io::Error),
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let options = Options::parse();
    if options.worker {
        return run_worker(&options);
    }
    match run(&options) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        // A pipe that was closed early, as by `head`, is no reason to complain.
        Err(StartError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn run_worker(options: &Options) -> ExitCode {
    let replace = options.workspace_root.iter().map(|root| {
        // Object stores name a path without the slash in front.
        let root = root.to_string_lossy();
        (root.trim_start_matches('/').to_owned(), "WORKSPACE_ROOT".to_owned())
    });
    let clock = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let (Some(file), Ok(clock)) = (options.paths.first(), clock) else { return ExitCode::from(EXIT_USAGE) };
    let run_options = RunOptions {
        record_limit: Duration::from_secs(options.timeout_seconds),
        clock: clock.handle().clone(),
        allow_system: options.allow_system,
        replace: replace.collect(),
    };
    worker::run(file, options.engine, &run_options)
}

/// Runs all files and returns the number of failures.
fn run(options: &Options) -> Result<u64, StartError> {
    let mut deviations = read_deviations(options)?;
    let files = discover(&options.paths)?;
    let program = std::env::current_exe().map_err(StartError::Program)?;
    let command = WorkerCommand {
        record_limit: Duration::from_secs(options.timeout_seconds),
        allow_system: options.allow_system,
        base: options.base.clone(),
        ..WorkerCommand::new(program, options.engine)
    };
    let n_jobs = options.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    if options.compare_stock {
        run_comparison(options, &command, &files, n_jobs, &mut deviations)
    } else {
        run_engine(options, &command, &files, n_jobs, &mut deviations)
    }
}

fn read_deviations(options: &Options) -> Result<Deviations, StartError> {
    let Some(path) = &options.deviations else { return Ok(Deviations::parse(DEVIATIONS)?) };
    let text = fs::read_to_string(path).map_err(|source| StartError::Read { path: path.clone(), source })?;
    Ok(Deviations::parse(&text)?)
}

fn run_engine(
    options: &Options,
    command: &WorkerCommand,
    files: &[PathBuf],
    n_jobs: usize,
    deviations: &mut Deviations,
) -> Result<u64, StartError> {
    let mut out = io::stdout().lock();
    let mut total = Tally::default();
    let mut n_failed_files = 0;
    in_order(
        files,
        n_jobs,
        |file| supervise(command, file),
        |mut report: FileReport| {
            if command.engine.is_ours() {
                deviations.apply(&mut report);
            }
            let tally = report.tally();
            n_failed_files += usize::from(tally.n_failed() > 0);
            total.merge(&tally);
            report::print_file(&mut out, &report, options.show)
        },
    )?;
    report::print_summary(&mut out, files.len(), n_failed_files, &total, deviations)?;
    Ok(total.n_failed())
}

fn run_comparison(
    options: &Options,
    command: &WorkerCommand,
    files: &[PathBuf],
    n_jobs: usize,
    deviations: &mut Deviations,
) -> Result<u64, StartError> {
    let mut out = io::stdout().lock();
    let stock_command = WorkerCommand { engine: EngineKind::Stock, ..command.clone() };
    let (mut stock_total, mut total, mut comparisons) = Default::default();
    let run_both = |file: &Path| (supervise(&stock_command, file), supervise(command, file));
    in_order(files, n_jobs, run_both, |(stock, mut ours): (FileReport, FileReport)| {
        if command.engine.is_ours() {
            deviations.apply(&mut ours);
        }
        Tally::merge(&mut stock_total, &stock.tally());
        Tally::merge(&mut total, &ours.tally());
        let comparison = compare(&stock, &ours);
        ComparisonTally::add(&mut comparisons, &comparison);
        report::print_comparison(&mut out, &ours.path, &comparison, options.show)
    })?;
    report::print_comparison_summary(&mut out, &stock_total, &total, &comparisons, deviations)?;
    Ok(comparisons.n_regressed)
}

/// Does `work` for every file on `n_jobs` threads, and hands what it returns to `sink` in the order of the files.
fn in_order<T: Send>(
    files: &[PathBuf],
    n_jobs: usize,
    work: impl Fn(&Path) -> T + Sync,
    mut sink: impl FnMut(T) -> io::Result<()>,
) -> io::Result<()> {
    let queue = Mutex::new(files.iter().enumerate());
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..n_jobs.min(files.len()) {
            let (sender, queue, work) = (sender.clone(), &queue, &work);
            scope.spawn(move || {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some((i, file)) = next else { return };
                    if sender.send((i, work(file))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut n_done = 0;
        for (i, result) in receiver {
            waiting.insert(i, result);
            while let Some(result) = waiting.remove(&n_done) {
                sink(result)?;
                n_done += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn results_come_in_the_order_of_the_files() {
        let files: Vec<PathBuf> = (0..20_u64).map(|i| PathBuf::from(i.to_string())).collect();
        let work = |file: &Path| {
            let i: u64 = file.to_string_lossy().parse().unwrap();
            thread::sleep(Duration::from_millis((20 - i) % 5));
            i
        };
        let mut seen = Vec::new();
        in_order(&files, 4, work, |i| {
            seen.push(i);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }
}
