//! What array programs cost, for `benches/peers/arrays.py`, which puts NumPy and Dask beside them.
//!
//! `cargo run --release -p dolmen-array --example array_speed -- [--works NAME] [--threads N] [--rounds N] [--scale X]`
//! prints one line of JSON: the seconds of each round, the sum of the answer's elements, and in megabytes the peak of resident
//! memory, how much of it came after the inputs were there, the peak that is predicted for one computation, and what part the
//! work has of the memory bandwidth or of the arithmetic that the same threads were measured to have.

#![allow(clippy::print_stdout, reason = "the program reports to people and scripts")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_array::{Array, BlockFn, Boundary, ChunkSpec, Depth, FftNorm, RandomGenerator, Reduce, explain, lower};
use dolmen_graph::{Executor, GraphBuilder, SubmitOptions, TaskId, cull};
use dolmen_kernels::{Block, DType, Pool, QuantileMethod, Scalar};
use dolmen_scheduler::{LocalConfig, LocalExecutor};
use dolmen_storage::{MemoryBudget, TempFolder};
use multiversion::multiversion;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The largest a graph of a work takes.
const LONG: Duration = Duration::from_secs(3600);

struct Machine {
    executor: LocalExecutor,
    pool: Arc<Pool>,
    _runtime: tokio::runtime::Runtime,
}

impl Machine {
    fn new(threads: u32, limit_bytes: usize) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads as usize).enable_all().build()?;
        let config = LocalConfig::new(runtime.handle().clone(), threads);
        let config = config.memory(MemoryBudget::new(limit_bytes), Arc::new(TempFolder::new(None)));
        // As sessions have it.
        let pool = Arc::new(Pool::new(512 << 20));
        let of_runs = Arc::clone(&pool);
        let config = config.context(move |run| run.with_service(Arc::clone(&of_runs)));
        Ok(Self { executor: LocalExecutor::new(config), pool, _runtime: runtime })
    }

    /// The array as one block.
    fn compute(&self, array: &Array) -> Result<Block> {
        let mut builder = GraphBuilder::new();
        let output = lower(std::slice::from_ref(array), &mut builder)?.remove(0);
        let run = self.executor.submit(Arc::new(cull(builder.build()?)), SubmitOptions::default())?;
        let n_blocks = output.chunks().n_blocks()?;
        let mut values = Vec::new();
        for partition in 0..n_blocks {
            let value = run.wait_value(TaskId::new(output.stage(), partition), Some(LONG));
            values.push(value.ok_or("a block takes an hour")??);
        }
        Ok(output.assemble(&values, &self.pool)?)
    }

    /// The array with its blocks computed and in memory, for its inputs not to be measured.
    fn keep(&self, array: &Array, chunks: impl Into<ChunkSpec>) -> Result<Array> {
        Ok(Array::from_block(self.compute(array)?, chunks)?)
    }

    /// Computes all blocks, which stay where they are until the end.
    fn run_blocks(&self, array: &Array) -> Result<()> {
        let mut builder = GraphBuilder::new();
        lower(std::slice::from_ref(array), &mut builder)?;
        let run = self.executor.submit(Arc::new(cull(builder.build()?)), SubmitOptions::default())?;
        run.wait_finished(Some(LONG)).ok_or("a graph takes an hour")??;
        Ok(())
    }
}

/// A length for arrays of one axis.
fn n(scale: f64, elements: f64) -> usize {
    ((elements * scale) as usize).max(1000)
}

/// A length for arrays of two axes.
fn side(scale: f64, length: f64) -> usize {
    (((length * scale.sqrt()) as usize) / 100 * 100).max(200)
}

/// `(i * factor) % 1000 / 1000` for each position.
fn pattern(length: usize, factor: i64, dtype: DType, chunks: usize) -> Result<Array> {
    let positions = Array::arange(0_i64, length as i64, 1_i64, Some(DType::I64), chunks)?;
    Ok(positions.multiply(factor)?.remainder(1000)?.astype(dtype)?.true_divide(1000)?)
}

/// The same, as a square matrix.
fn square(machine: &Machine, length: usize, dtype: DType) -> Result<Array> {
    let length = isize::try_from(length)?;
    let rows = pattern((length * length) as usize, 7, dtype, (length * 1000) as usize)?;
    machine.keep(&rows.reshape(&[length, length])?, 1000)
}

/// A matrix with many more rows than columns.
fn tall(machine: &Machine, scale: f64) -> Result<Array> {
    let rows = n(scale, 1e6);
    let i = Array::arange(0_i64, (rows * 100) as i64, 1_i64, Some(DType::I64), rows * 10)?;
    let x = i.multiply(&i)?.remainder(100_003)?.astype(DType::F64)?.sin()?;
    machine.keep(&x.reshape(&[isize::try_from(rows)?, 100])?, [rows.div_ceil(10), 100])
}

/// One work: what is run again and again.
enum Work {
    /// The answer, whose elements are summed afterwards.
    Small(Array),
    /// An answer that stays where it is made; its sum is computed afterwards.
    Large(Array),
}

fn work(name: &str, scale: f64, machine: &Machine) -> Result<Work> {
    let dtype = if name.ends_with("f32") { DType::F32 } else { DType::F64 };
    Ok(match name {
        "fused f64" | "fused f32" => {
            let length = n(scale, 1e8);
            let input = |factor| machine.keep(&pattern(length, factor, dtype, 1_000_000)?, 1_000_000);
            let (a, b, c) = (input(7)?, input(11)?, input(13)?);
            Work::Small((&a * &b + &c).sqrt()?.sum(&Reduce::all())?)
        }
        "normal mean" => {
            let x = RandomGenerator::new(1).normal(10.0, 0.1, &[n(scale, 2e8)], 1_000_000)?;
            Work::Small(x.mean(&Reduce::all())?)
        }
        "matmul 4000 f64" | "matmul 4000 f32" | "matmul 8000 f64" => {
            let length = if name.contains("8000") { 8000.0 } else { 4000.0 };
            let x = square(machine, side(scale, length), dtype)?;
            Work::Large(x.matmul(&x)?)
        }
        "x.dot(x.T + 1)" => {
            let x = square(machine, side(scale, 10_000.0), dtype)?;
            Work::Small(x.dot(&(x.t() + 1.0))?.sum(&Reduce::axis(0))?)
        }
        "sum(axis=0)" => Work::Small(square(machine, side(scale, 10_000.0), dtype)?.sum(&Reduce::axis(0))?),
        "transpose + 1" => Work::Large(square(machine, side(scale, 10_000.0), dtype)?.t() + 1.0),
        "qr 1e6 x 100" => Work::Large(tall(machine, scale)?.qr()?.1.absolute()?),
        "svd 1e6 x 100" => Work::Large(tall(machine, scale)?.svd()?.1),
        "stencil 8000 x 10" => {
            let mut x = square(machine, side(scale, 8000.0), dtype)?;
            for _ in 0..10 {
                let depths = [Depth::both(1, Boundary::Nearest); 2];
                x =
                    x.map_overlap_trimmed(BlockFn::local("stencil", |blocks, _| stencil(&blocks[0])), &depths, dtype)?;
            }
            Work::Small(x.sum(&Reduce::all())?)
        }
        "fft 4096 x 4096" => {
            let length = side(scale, 4096.0);
            let x = machine.keep(&square(machine, length, dtype)?, [512, length])?;
            Work::Large(x.fft(None, 1, FftNorm::Backward)?.absolute()?)
        }
        "cholesky solve 4000" | "lu solve 4000" => {
            let length = side(scale, 4000.0);
            let x = square(machine, length, dtype)?.add(Array::eye(length, length, 0, dtype, 1000)? * length as f64)?;
            let x = machine.keep(&x.add(x.t())?, 1000)?;
            let right = Array::ones(&[length, 1], dtype, [1000, 1])?;
            Work::Small(x.solve(&right, name.starts_with("cholesky"))?)
        }
        "median 1e8" => Work::Small(scattered(machine, &[n(scale, 1e8)])?.median(&Reduce::all())?),
        "percentiles 1e8" => {
            let x = scattered(machine, &[n(scale, 1e8)])?;
            Work::Small(x.quantile(&[0.05, 0.5, 0.95], QuantileMethod::Linear, false, &Reduce::all())?)
        }
        "sort 1e4 x 1e4" => {
            let rows = ((1e4 * scale) as usize).max(10);
            Work::Large(scattered(machine, &[rows, 10_000])?.sort(Some(1))?)
        }
        "unique 1e8" | "bincount 1e8" => {
            let i = Array::arange(0_i64, n(scale, 1e8) as i64, 1_i64, Some(DType::I64), 1_000_000)?;
            let x = machine.keep(&i.multiply(&i)?.remainder(1009)?, 1_000_000)?;
            let found = if name.starts_with("unique") { x.unique()?.values } else { x.bincount(None, 0)? };
            Work::Small(found.astype(DType::F64)?)
        }
        _ => return Err(format!("no work has the name {name:?}").into()),
    })
}

/// Numbers in no order, all of which differ, in blocks of a million.
fn scattered(machine: &Machine, shape: &[usize]) -> Result<Array> {
    let i = Array::arange(0_i64, shape.iter().product::<usize>() as i64, 1_i64, Some(DType::I64), 1_000_000)?;
    let row = i.multiply(&i)?.remainder(100_003_171)?.astype(DType::F64)?.sin()?;
    let whole = row.reshape(&shape.iter().map(|length| *length as isize).collect::<Vec<_>>())?;
    let chunks = whole.chunks().clone();
    let sizes: Vec<Vec<usize>> = chunks.axes().iter().map(|axis| axis.sizes().unwrap_or_default()).collect();
    machine.keep(&whole, sizes)
}

/// The mean of each element and its four neighbours, without the outermost.
fn stencil(block: &Block) -> Result<Block> {
    let x = block.view::<f64>()?.into_dimensionality::<ndarray::Ix2>()?;
    let (rows, columns) = x.dim();
    let mut out = Vec::with_capacity((rows - 2) * (columns - 2));
    for row in 1..rows - 1 {
        let [above, here, below] = [row - 1, row, row + 1].map(|row| x.row(row));
        let [above, here, below] = [&above, &here, &below].map(|row| row.as_slice().ok_or("rows are contiguous"));
        let (above, here, below) = (above?, here?, below?);
        let width = columns - 2;
        let parts = (&here[..width], &here[2..], &above[1..], &below[1..], &here[1..]);
        out.extend((0..width).map(|i| (parts.0[i] + parts.1[i] + parts.2[i] + parts.3[i] + parts.4[i]) / 5.0));
    }
    Ok(Block::from_vec(&[rows - 2, columns - 2], out)?)
}

/// What a computation cannot do without: reading its inputs and writing its answer once, or multiplications and additions.
enum Least {
    Bytes(f64),
    Flops(f64, DType),
    Unknown,
}

fn least(name: &str, scale: f64) -> Least {
    let f64s = |n: f64| Least::Bytes(8.0 * n);
    let length = |length: f64| side(scale, length) as f64;
    let gemm = |n: f64, dtype| Least::Flops(2.0 * n.powi(3), dtype);
    match name {
        "fused f64" => f64s(3.0 * n(scale, 1e8) as f64),
        "fused f32" => f64s(1.5 * n(scale, 1e8) as f64),
        "sum(axis=0)" => f64s(length(1e4).powi(2)),
        "transpose + 1" => f64s(2.0 * length(1e4).powi(2)),
        "stencil 8000 x 10" => f64s(20.0 * length(8000.0).powi(2)),
        "fft 4096 x 4096" => f64s(2.0 * length(4096.0).powi(2)),
        "median 1e8" | "percentiles 1e8" | "unique 1e8" | "bincount 1e8" => f64s(n(scale, 1e8) as f64),
        "sort 1e4 x 1e4" => f64s(2.0 * n(scale, 1e8) as f64),
        "matmul 4000 f64" => gemm(length(4000.0), DType::F64),
        "matmul 4000 f32" => gemm(length(4000.0), DType::F32),
        "matmul 8000 f64" => gemm(length(8000.0), DType::F64),
        "x.dot(x.T + 1)" => gemm(length(1e4), DType::F64),
        "qr 1e6 x 100" | "svd 1e6 x 100" => Least::Flops(2.0 * n(scale, 1e6) as f64 * 1e4, DType::F64),
        "cholesky solve 4000" => Least::Flops(length(4000.0).powi(3) / 3.0, DType::F64),
        "lu solve 4000" => Least::Flops(2.0 * length(4000.0).powi(3) / 3.0, DType::F64),
        _ => Least::Unknown,
    }
}

/// What all threads together do in a second at best: each repeats `part`, which does `amount`.
fn rate(threads: u32, amount: f64, part: impl Fn() -> f64 + Sync) -> f64 {
    let once = || {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| std::hint::black_box(part()))).collect();
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
        f64::from(threads) * amount / begun.elapsed().as_secs_f64()
    };
    (0..5).map(|_| once()).fold(0.0, f64::max)
}

#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn summed(numbers: &[f64]) -> f64 {
    let mut sums = [0.0; 64];
    for part in numbers.as_chunks::<64>().0 {
        sums.iter_mut().zip(part).for_each(|(sum, number)| *sum += number);
    }
    sums.iter().sum()
}

/// Multiplies and adds `n` times to each of as many sums as hide the latency of doing so.
macro_rules! multiplied {
    ($name:ident, $real:ident, $n_sums:literal) => {
        #[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
        fn $name(n: usize) -> f64 {
            let mut sums: [$real; $n_sums] = std::array::from_fn(|i| i as $real);
            let (factor, term) = (std::hint::black_box(0.999), std::hint::black_box(0.5));
            for _ in 0..n {
                sums.iter_mut().for_each(|sum| *sum = sum.mul_add(factor, term));
            }
            sums.iter().map(|sum| f64::from(*sum)).sum()
        }
    };
}
multiplied!(multiplied_f64, f64, 96);
multiplied!(multiplied_f32, f32, 192);

/// The part of what the machine can do that `seconds` for `least` come to.
fn share(least: &Least, seconds: f64, threads: u32) -> Option<(f64, &'static str)> {
    const ROUNDS: usize = 2_000_000;
    let (amount, rate, of) = match *least {
        Least::Unknown => return None,
        Least::Bytes(bytes) => {
            let numbers = vec![1.0_f64; 32 << 20];
            (bytes, rate(threads, 8.0 * numbers.len() as f64, || summed(&numbers)), "bandwidth")
        }
        Least::Flops(flops, DType::F32) => {
            (flops, rate(threads, 2.0 * (192 * ROUNDS) as f64, || multiplied_f32(ROUNDS)), "FLOP/s")
        }
        Least::Flops(flops, _) => {
            (flops, rate(threads, 2.0 * (96 * ROUNDS) as f64, || multiplied_f64(ROUNDS)), "FLOP/s")
        }
    };
    Some((amount / seconds / rate, of))
}

fn total(machine: &Machine, array: &Array) -> Result<f64> {
    let sum = machine.compute(&array.sum(&Reduce::all())?)?;
    let sum = sum
        .to_vec::<f64>()
        .or_else(|_| Ok::<_, Box<dyn Error + Send + Sync>>(vec![f64::from(sum.to_vec::<f32>()?[0])]))?;
    Ok(sum[0])
}

/// A size of this process, in megabytes.
fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<f64>().ok());
    line.unwrap_or(0.0) / 1024.0
}

fn main() -> Result<()> {
    let (mut works, mut threads, mut rounds, mut scale) = (String::from("fused f64"), 2, 3, 1.0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--works" => works = value,
            "--threads" => threads = value.parse()?,
            "--rounds" => rounds = value.parse()?,
            "--scale" => scale = value.parse()?,
            _ => return Err(format!("no option has the name {argument:?}").into()),
        }
    }
    let machine = Machine::new(threads, 16 << 30)?;
    let work = work(&works, scale, &machine)?;
    let (Work::Small(array) | Work::Large(array)) = &work;
    let predicted_bytes = explain(std::slice::from_ref(array), threads)?.peak_bytes.unwrap_or(0);
    // From here on the peak is that of the work, not of what made its inputs.
    std::fs::write("/proc/self/clear_refs", "5").ok();
    let resident_mb = status_mb("VmRSS:");
    let mut seconds = Vec::new();
    let mut answer = Scalar::F64(0.0);
    for _ in 0..=rounds {
        let begun = Instant::now();
        match &work {
            Work::Small(array) => {
                let small = machine.compute(array)?;
                seconds.push(begun.elapsed().as_secs_f64());
                answer = Scalar::F64(total(&machine, &Array::from_block(small, ChunkSpec::Auto)?)?);
            }
            Work::Large(array) => {
                machine.run_blocks(array)?;
                seconds.push(begun.elapsed().as_secs_f64());
            }
        }
    }
    let peak_mb = status_mb("VmHWM:");
    if let Work::Large(array) = &work {
        answer = Scalar::F64(total(&machine, array)?);
    }
    let answer = answer.as_f64().unwrap_or(f64::NAN);
    let mut sorted = seconds[1..].to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(seconds[0]);
    let (share, of) = share(&least(&works, scale), median, threads).unwrap_or((0.0, ""));
    let (work_mb, predicted_mb) = (peak_mb - resident_mb, predicted_bytes as f64 / f64::from(1 << 20));
    println!(
        "{{\"seconds\": {:?}, \"answer\": {answer}, \"peak_mb\": {peak_mb}, \"work_mb\": {work_mb}, \"predicted_mb\": {predicted_mb}, \
         \"share\": {share}, \"of\": \"{of}\"}}",
        &seconds[1..]
    );
    Ok(())
}
