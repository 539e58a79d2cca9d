//! Measures kernels on one thread: nanoseconds per element, bytes per second, and the share of what memory gives.
//!
//! `cargo run --release -p dolmen-kernels --example measure [millions]`; examples/measure.py does the same with NumPy.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::hint::black_box;
use std::time::Instant;

use cpu_time::ThreadTime;
use dolmen_kernels::{
    Block, DType, Distribution, Function, Op, Operand, Pool, ProgramBuilder, Random, Region, WeakScalar, partial,
};

/// The best time of several runs in seconds: of the thread, so that others on the machine count little.
fn best(mut work: impl FnMut()) -> f64 {
    let times = (0..7).map(|_| {
        let start = ThreadTime::now();
        work();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn report(name: &str, n: usize, bytes: usize, seconds: f64, read: f64) {
    let rate = bytes as f64 / seconds / 1e9;
    println!(
        "{name:36} {seconds:8.4} s {:8.3} ns/element {rate:7.2} GB/s {:5.0} % of reading",
        seconds * 1e9 / n as f64,
        rate / read * 100.0
    );
}

fn main() -> Result<(), dolmen_kernels::KernelError> {
    let millions: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100);
    let n = millions * 1_000_000;
    let pool = Pool::new(4 << 30);
    let region = Region::whole(&[n]);
    let started = Instant::now();

    let operand = |stream, dtype| {
        let mut builder = ProgramBuilder::new();
        let uniform = builder.random(Random { distribution: Distribution::Uniform, seed: 1, stream })?;
        let value = builder.apply(Op::Cast(dtype), &[uniform])?;
        builder.finish(value)?.run(&[], &region, &pool)
    };
    let mut read = 1.0;
    for dtype in [DType::F64, DType::F32] {
        let blocks = [operand(0, dtype)?, operand(1, dtype)?, operand(2, dtype)?];
        let size = dtype.size_bytes();
        if dtype == DType::F64 {
            // What memory gives to one thread: the least work over three streams.
            let seconds = best(|| {
                for block in &blocks {
                    let words = block.as_slice::<f64>().ok().flatten().unwrap_or_default();
                    black_box(words.chunks(8).fold(0_u64, |sum, line| sum ^ line[0].to_bits()));
                }
            });
            read = 3.0 * (n * size) as f64 / seconds / 1e9;
            report("reading three streams", n, 3 * n * size, seconds, read);
        }
        let mut builder = ProgramBuilder::new();
        let [a, b, c] = [dtype; 3].map(|dtype| builder.input(dtype));
        let product = builder.apply(Op::Multiply, &[a, b])?;
        let sum = builder.apply(Op::Add, &[product, c])?;
        let root = builder.apply(Op::Sqrt, &[sum])?;
        let program = builder.finish(root)?;
        let mut failed = None;
        let seconds = best(|| match program.reduce(&blocks, &region, Function::Sum.plain(), &[0], &pool) {
            Ok(sum) => drop(black_box(sum)),
            Err(error) => failed = Some(error),
        });
        report(&format!("sqrt(a*b + c).sum() {dtype}"), n, 3 * n * size, seconds, read);
        let seconds = best(|| drop(black_box(program.run(&blocks, &region, &pool))));
        report(&format!("sqrt(a*b + c) {dtype}"), n, 4 * n * size, seconds, read);
        let seconds = best(|| drop(black_box(partial(&blocks[0], &region, Function::Sum.plain(), &[0], &pool))));
        report(&format!("sum {dtype}"), n, n * size, seconds, read);
        let seconds = best(|| drop(black_box(partial(&blocks[0], &region, Function::Var.plain(), &[0], &pool))));
        report(&format!("var {dtype}"), n, n * size, seconds, read);
        let square = blocks[0].region(&[0], &[n / 1000 * 1000])?.reshape(&[n / 1000, 1000], &pool)?;
        let whole = Region::whole(square.shape());
        for axis in [0, 1] {
            let seconds = best(|| drop(black_box(partial(&square, &whole, Function::Sum.plain(), &[axis], &pool))));
            report(&format!("sum(axis={axis}) of (n/1000, 1000) {dtype}"), n, n * size, seconds, read);
        }
        for op in [Op::Exp, Op::Log, Op::Sin, Op::Tanh] {
            let mut builder = ProgramBuilder::new();
            let x = builder.input(dtype);
            let value = builder.apply(op, &[x])?;
            let program = builder.finish(value)?;
            let part = blocks[0].region(&[0], &[n / 10])?;
            let region = Region::whole(&[n / 10]);
            let seconds = best(|| drop(black_box(program.run(std::slice::from_ref(&part), &region, &pool))));
            report(&format!("{} {dtype}", op.name()), n / 10, 2 * n / 10 * size, seconds, read);
        }
        if let Some(error) = failed {
            return Err(error);
        }
    }
    let mut builder = ProgramBuilder::new();
    let normal = builder.random(Random { distribution: Distribution::Normal, seed: 1, stream: 0 })?;
    let scaled = builder.apply(Op::Multiply, &[normal, Operand::Weak(WeakScalar::Float(0.1))])?;
    let shifted = builder.apply(Op::Add, &[scaled, Operand::Weak(WeakScalar::Float(10.0))])?;
    let program = builder.finish(shifted)?;
    let seconds = best(|| drop(black_box(program.reduce(&[], &region, Function::Mean.plain(), &[0], &pool))));
    report("random.normal(10, 0.1).mean()", n, 0, seconds, read);
    let mut builder = ProgramBuilder::new();
    let uniform = builder.random(Random { distribution: Distribution::Uniform, seed: 1, stream: 0 })?;
    let program = builder.finish(uniform)?;
    let seconds = best(|| drop(black_box(program.reduce(&[], &region, Function::Mean.plain(), &[0], &pool))));
    report("random.uniform().mean()", n, 0, seconds, read);

    let side = 6000;
    let square = Block::from_vec(&[side, side], vec![1.0_f64; side * side])?.transpose(&[1, 0])?;
    let seconds = best(|| drop(black_box(square.to_contiguous(&pool))));
    report("transpose copy 6000 x 6000 float64", side * side, 16 * side * side, seconds, read);
    eprintln!("{:.1} s in all", started.elapsed().as_secs_f64());
    Ok(())
}
