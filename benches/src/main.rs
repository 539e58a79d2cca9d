//! TPC-H: Dolmen against stock DataFusion, in one process, with the same allocator, options and number of partitions.
//!
//! ```text
//! cargo run --release -p dolmen-benches --bin tpch -- --scale 1 --pairs 15
//! ```
//!
//! Runs are interleaved in rounds, and which engine begins rotates. For each query the median ratio (ours / stock) of wall
//! and CPU time is printed with its 95 % bootstrap interval. A query is slower when the lower bound is above 1.05; the whole
//! is when that of the total is above 1.00.
//!
//! Ours has its own defaults, among them settings of joins; `--same-options` gives it stock's.
//!
//! `--setting execution_form=staged` and the like change a setting of ours. `--limited 500MB` measures nothing: it asks each
//! query of a session with that memory limit and of one without, and fails unless the answers are equal.
//!
//! A third engine runs in each round: stock DataFusion with nothing of ours but the guards (integer overflow,
//! decorrelation). Its CPU time over stock's is what the guards cost, printed apart.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod data;
mod statistics;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use cpu_time::ProcessTime;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;
use tokio::runtime::Runtime;

use crate::statistics::Ratio;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// TPC-H against stock DataFusion.
#[derive(Debug, Parser)]
struct Options {
    /// The scale factor
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Rounds of each query, a run of each engine in each; one more goes before to warm up
    #[arg(long, default_value_t = 15)]
    pairs: usize,
    /// Give ours the join settings of stock, instead of its own defaults
    #[arg(long)]
    same_options: bool,
    /// Threads and partitions of both engines
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// A setting of ours, such as execution_form=staged; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Compare the answers under this memory limit with those without one, instead of measuring
    #[arg(long, value_name = "BYTES", value_parser = dolmen::parse_bytes)]
    limited: Option<u64>,
    /// Only these queries, such as 1,6,18
    #[arg(long, value_delimiter = ',')]
    queries: Vec<usize>,
    /// Where the Parquet files are kept between runs
    #[arg(long, default_value = "target/tpch")]
    data: PathBuf,
}

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let options = Options::parse();
    let folder = data::generate(&options.data, options.scale)?;
    let queries: Vec<usize> = match options.queries.is_empty() {
        true => (1..=22).collect(),
        false => options.queries.clone(),
    };
    let builder = || {
        let ours = dolmen::Session::builder().threads(options.threads).memory_limit(16 << 30);
        options.settings.iter().fold(ours, |ours, (name, value)| ours.setting(name, value))
    };
    if let Some(limit) = options.limited {
        return compare(&open(builder().memory_limit(limit), &folder)?, &open(builder(), &folder)?, &queries);
    }
    let mut ours = builder();
    if options.same_options {
        let stock = SessionConfig::new();
        let (optimizer, execution) = (&stock.options().optimizer, &stock.options().execution);
        ours = ours
            .setting("hash_join_single_partition_threshold", optimizer.hash_join_single_partition_threshold.to_string())
            .setting(
                "hash_join_single_partition_threshold_rows",
                optimizer.hash_join_single_partition_threshold_rows.to_string(),
            )
            .setting(
                "perfect_hash_join_small_build_threshold",
                execution.perfect_hash_join_small_build_threshold.to_string(),
            )
            .setting("perfect_hash_join_min_key_density", execution.perfect_hash_join_min_key_density.to_string());
    }
    let ours = open(ours, &folder)?;
    let config = || SessionConfig::new().with_target_partitions(options.threads);
    let stock = SessionStateBuilder::new().with_config(config()).with_default_features();
    let guarded = SessionStateBuilder::new().with_config(config()).with_default_features();
    let guarded = dolmen_frame::guard::install(dolmen_frame::plan::decorrelate::install(guarded));
    // Each engine has threads of its own, as ours has: memory that a thread has freed is at hand for whoever runs on it next.
    let datafusion = |builder| -> Result<Engine, AnyError> {
        let runtime = runtime(options.threads)?;
        let context = runtime.block_on(context(builder, &folder))?;
        Ok(Engine::DataFusion(context, runtime))
    };
    let engines = [Engine::Ours(ours, runtime(1)?), datafusion(stock)?, datafusion(guarded)?];
    println!("         --------- wall, ours/stock ---------   --------- CPU, ours/stock ----------");
    println!("query            median   95 % interval              median   95 % interval    guards, CPU    stock ms");
    let (mut walls, mut cpus, mut guards, mut slower) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for query in queries {
        let rounds = measure(&engines, &data::query(query)?, options.pairs)?;
        let pairs = |pair: fn(&[Time; 3]) -> (f64, f64)| rounds.iter().map(pair).collect::<Vec<_>>();
        let of_wall = pairs(|[ours, stock, _]| (ours.wall, stock.wall));
        let of_cpu = pairs(|[ours, stock, _]| (ours.cpu, stock.cpu));
        let of_guards = pairs(|[_, stock, guarded]| (guarded.cpu, stock.cpu));
        let (wall, cpu, guard) = (Ratio::of(&of_wall), Ratio::of(&of_cpu), Ratio::of(&of_guards));
        let stock_ms = statistics::median(rounds.iter().map(|[_, stock, _]| stock.wall * 1e3));
        println!("Q{query:<5}  {wall}    {cpu}    {:11.3}    {stock_ms:8.1}", guard.median);
        if wall.low > 1.05 || cpu.low > 1.05 {
            slower.push(query);
        }
        walls.push(of_wall);
        cpus.push(of_cpu);
        guards.push(of_guards);
    }
    let (wall, cpu, guard) = (statistics::total(&walls), statistics::total(&cpus), statistics::total(&guards));
    println!("total   {wall}    {cpu}    {:11.3}", guard.median);
    println!("slower queries: {slower:?}; slower in total: {}", wall.low > 1.0 || cpu.low > 1.0);
    Ok(())
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting has the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A session with the tables of `folder`.
fn open(builder: dolmen::SessionBuilder, folder: &Path) -> Result<dolmen::Session, AnyError> {
    let session = builder.build()?;
    for table in data::TABLES {
        session.register_files_blocking(table, &folder.join(format!("{table}.parquet")).display().to_string(), [])?;
    }
    Ok(session)
}

/// The rows of the statements of `sql` as text, in no order: the queries leave it open where keys are equal.
fn rows(session: &dolmen::Session, sql: &str) -> Result<Vec<String>, AnyError> {
    let mut rows = Vec::new();
    for statement in session.script(sql)? {
        let table = pretty_format_batches(&statement.collect_blocking()?)?.to_string();
        rows.extend(table.lines().map(str::to_owned));
    }
    rows.sort_unstable();
    Ok(rows)
}

/// Asks the queries of both sessions; an error unless all answers are equal.
fn compare(limited: &dolmen::Session, whole: &dolmen::Session, queries: &[usize]) -> Result<(), AnyError> {
    println!("query    seconds, limited    without    answers");
    let mut unequal = Vec::new();
    for &query in queries {
        let sql = data::query(query)?;
        let answer = |session: &dolmen::Session| {
            let start = Instant::now();
            let answer = rows(session, &sql);
            (answer, start.elapsed().as_secs_f64())
        };
        let ((limited, limited_s), (whole, whole_s)) = (answer(limited), answer(whole));
        let verdict = match (limited, whole) {
            (Ok(limited), Ok(whole)) if limited == whole => "equal".to_owned(),
            (Ok(_), Ok(_)) => "DIFFERENT".to_owned(),
            (Err(error), _) | (_, Err(error)) => format!("FAILED: {error}"),
        };
        println!("Q{query:<5} {limited_s:18.1} {whole_s:10.1}    {verdict}");
        if verdict != "equal" {
            unequal.push(query);
        }
    }
    if unequal.is_empty() { Ok(()) } else { Err(format!("not equal: {unequal:?}").into()) }
}

/// Something that runs TPC-H, and where its results are waited for.
enum Engine {
    Ours(dolmen::Session, Runtime),
    DataFusion(SessionContext, Runtime),
}

fn runtime(threads: usize) -> Result<Runtime, AnyError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(threads).thread_stack_size(64 << 20).enable_all().build()?)
}

/// Seconds of one run.
#[derive(Debug, Clone, Copy, Default)]
struct Time {
    wall: f64,
    cpu: f64,
}

/// Runs `sql` once on each engine in each of `n_rounds` rounds.
fn measure<const N: usize>(engines: &[Engine; N], sql: &str, n_rounds: usize) -> Result<Vec<[Time; N]>, AnyError> {
    let mut rounds = Vec::new();
    for round in 0..=n_rounds {
        let mut times = [Time::default(); N];
        for turn in 0..N {
            let engine = (round + turn) % N;
            let (wall, cpu) = (Instant::now(), ProcessTime::now());
            match &engines[engine] {
                Engine::Ours(session, runtime) => {
                    for statement in session.script(sql)? {
                        runtime.block_on(async { statement.stream().await?.try_for_each(async |_| Ok(())).await })?;
                    }
                }
                Engine::DataFusion(context, runtime) => runtime.block_on(run_datafusion(context, sql))?,
            }
            times[engine] = Time { wall: wall.elapsed().as_secs_f64(), cpu: cpu.elapsed().as_secs_f64() };
        }
        // The first round warms the caches of all.
        if round > 0 {
            rounds.push(times);
        }
    }
    Ok(rounds)
}

/// DataFusion with the tables of `folder`.
async fn context(builder: SessionStateBuilder, folder: &Path) -> Result<SessionContext, AnyError> {
    let context = SessionContext::new_with_state(builder.build());
    for table in data::TABLES {
        let path = folder.join(format!("{table}.parquet")).display().to_string();
        context.register_parquet(table, path, ParquetReadOptions::default()).await?;
    }
    Ok(context)
}

async fn run_datafusion(context: &SessionContext, sql: &str) -> Result<(), AnyError> {
    for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
        // On the runtime's threads, as our session runs on its own.
        let frame = context.sql(statement).await?;
        let stream = frame.execute_stream().await?;
        tokio::spawn(stream.try_for_each(async |_| Ok(()))).await??;
    }
    Ok(())
}
