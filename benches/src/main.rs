//! TPC-H: Dolmen against stock DataFusion, in one process, with the same allocator, options and number of partitions.
//!
//! ```text
//! cargo run --release -p dolmen-benches --bin tpch -- --scale 1 --pairs 15
//! ```
//!
//! Pairs of runs are interleaved, and which engine begins alternates. For each query the median ratio (ours / stock) of wall
//! and CPU time is printed with its 95 % bootstrap interval. A query is slower when the lower bound is above 1.05; the whole
//! is when that of the total is above 1.00.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod cpu;
mod data;
mod statistics;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;

use crate::statistics::Ratio;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// TPC-H against stock DataFusion.
#[derive(Debug, Parser)]
struct Options {
    /// The scale factor
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Pairs of runs of each query
    #[arg(long, default_value_t = 15)]
    pairs: usize,
    /// Threads and partitions of both engines
    #[arg(long, default_value_t = 2)]
    threads: usize,
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .thread_stack_size(64 << 20)
        .enable_all()
        .build()?;
    let stock = runtime.block_on(stock(&folder, options.threads))?;
    let ours = dolmen::Session::builder().threads(options.threads).memory_limit(16 << 30).build()?;
    for table in data::TABLES {
        ours.register_files_blocking(table, &folder.join(format!("{table}.parquet")).display().to_string(), [])?;
    }
    let queries: Vec<usize> = match options.queries.is_empty() {
        true => (1..=22).collect(),
        false => options.queries.clone(),
    };
    println!("query   wall ours/stock        95 % interval    CPU ours/stock         95 % interval    stock ms");
    let mut wall_total = Vec::new();
    let mut cpu_total = Vec::new();
    let mut slower = Vec::new();
    for query in queries {
        let sql = data::query(query)?;
        let mut pairs = Vec::new();
        for pair in 0..=options.pairs {
            let mut times = [(0.0, 0.0); 2];
            for engine in if pair % 2 == 0 { [0, 1] } else { [1, 0] } {
                let (wall, cpu) = (Instant::now(), cpu::process_seconds()?);
                match engine {
                    0 => {
                        for statement in ours.script(&sql)? {
                            runtime
                                .block_on(async { statement.stream().await?.try_for_each(async |_| Ok(())).await })?;
                        }
                    }
                    _ => runtime.block_on(run_stock(&stock, &sql))?,
                }
                times[engine] = (wall.elapsed().as_secs_f64(), cpu::process_seconds()? - cpu);
            }
            // The first pair warms the caches of both.
            if pair > 0 {
                pairs.push(times);
            }
        }
        let wall = Ratio::of(&pairs.iter().map(|[ours, stock]| (ours.0, stock.0)).collect::<Vec<_>>());
        let cpu = Ratio::of(&pairs.iter().map(|[ours, stock]| (ours.1, stock.1)).collect::<Vec<_>>());
        let stock_ms = statistics::median(pairs.iter().map(|[_, stock]| stock.0 * 1e3));
        println!("Q{query:<5}  {wall}    {cpu}    {stock_ms:8.1}");
        if wall.low > 1.05 || cpu.low > 1.05 {
            slower.push(query);
        }
        wall_total.push(pairs.iter().map(|[ours, stock]| (ours.0, stock.0)).collect::<Vec<_>>());
        cpu_total.push(pairs.iter().map(|[ours, stock]| (ours.1, stock.1)).collect::<Vec<_>>());
    }
    let (wall, cpu) = (statistics::total(&wall_total), statistics::total(&cpu_total));
    println!("total   {wall}    {cpu}");
    println!("slower queries: {slower:?}; slower in total: {}", wall.low > 1.0 || cpu.low > 1.0);
    Ok(())
}

/// Stock DataFusion with its own defaults.
async fn stock(folder: &std::path::Path, threads: usize) -> Result<SessionContext, AnyError> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(threads));
    for table in data::TABLES {
        let path = folder.join(format!("{table}.parquet")).display().to_string();
        context.register_parquet(table, path, ParquetReadOptions::default()).await?;
    }
    Ok(context)
}

async fn run_stock(context: &SessionContext, sql: &str) -> Result<(), AnyError> {
    for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
        // On the runtime's threads, as our session runs on its own.
        let frame = context.sql(statement).await?;
        let stream = frame.execute_stream().await?;
        tokio::spawn(stream.try_for_each(async |_| Ok(()))).await??;
    }
    Ok(())
}
