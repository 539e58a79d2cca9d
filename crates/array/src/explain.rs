//! What computing arrays will do, told before it is done.

mod memory;

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use dolmen_graph::{GraphBuilder, TaskGraph, cull};
use dolmen_kernels::Pool;

use crate::array::bytes_text;
use crate::lower::add_stages;
use crate::node::{Expr, Node, Slices};
use crate::optimise::{inputs_first, optimise, simplify};
use crate::shape::shape_text;
use crate::{Array, ArrayError};

/// What [`explain`] tells. Its `Display` is the text that people read.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The expressions as they were written, one node a line, inputs indented below what reads them.
    pub before: String,
    /// The same as they will be computed.
    pub after: String,
    /// The stages of the graph in the order of their inputs.
    pub stages: Vec<ExplainedStage>,
    /// The tasks of all stages.
    pub n_tasks: u64,
    /// The bytes that are read from sources.
    pub read_bytes: u64,
    /// The most memory that values and tasks will take at one time on so many workers as were asked about, as executors
    /// count it; `None` if some size is unknown.
    pub peak_bytes: Option<u64>,
    /// What makes the computation slower or larger than need be, and what to do about it.
    pub warnings: Vec<String>,
}

/// A stage of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedStage {
    /// Its key.
    pub key: String,
    /// The tasks that run.
    pub n_tasks: u32,
    /// The most bytes of one result, if that is known.
    pub bytes: Option<u64>,
    /// What it reads: the key of each stage, and the wiring.
    pub inputs: Vec<(String, String)>,
}

/// Tells what computing `arrays` on `n_workers` workers will do. Nothing is computed.
///
/// # Errors
/// Those of [`lower`](crate::lower).
pub fn explain(arrays: &[Array], n_workers: u32) -> Result<Explanation, ArrayError> {
    for array in arrays {
        array.check()?;
    }
    let simplified = simplify(arrays)?;
    let mut builder = GraphBuilder::new();
    for output in add_stages(&optimise(arrays)?, &mut builder, &Pool::new(0))? {
        builder.add_output_all(output.stage())?;
    }
    let graph = Arc::new(cull(builder.build()?));
    Ok(Explanation {
        before: tree(arrays),
        after: tree(&simplified),
        stages: stages(&graph),
        n_tasks: graph.n_tasks(),
        read_bytes: read_bytes(&simplified),
        peak_bytes: memory::peak_bytes(&graph, n_workers),
        warnings: warnings(arrays),
    })
}

fn stages(graph: &TaskGraph) -> Vec<ExplainedStage> {
    let of = |(_, stage): (_, &dolmen_graph::Stage)| ExplainedStage {
        key: stage.key.to_string(),
        n_tasks: stage.n_active(),
        bytes: stage.bytes.bound(),
        inputs: stage
            .inputs
            .iter()
            .map(|input| (graph.stage(input.stage).key.to_string(), input.wiring.to_string()))
            .collect(),
    };
    graph.stages().filter(|(_, stage)| stage.n_active() > 0).map(of).collect()
}

/// The bytes of what is read from sources.
fn read_bytes(arrays: &[Array]) -> u64 {
    let of = |array: &Array| match &array.node.expr {
        Expr::Source { .. } => array.nbytes().unwrap_or(0) as u64,
        _ => 0,
    };
    inputs_first(arrays).iter().map(of).sum()
}

/// Steps that multiply the number of blocks.
fn warnings(arrays: &[Array]) -> Vec<String> {
    const FACTOR: u64 = 10;
    let mut found = Vec::new();
    for array in inputs_first(arrays) {
        let Ok(n_own) = array.chunks().n_blocks() else { continue };
        let most = array.node.expr.inputs().iter().filter_map(|input| input.chunks().n_blocks().ok()).max();
        let Some(most) = most.filter(|most| *most > 0) else { continue };
        if u64::from(n_own) >= FACTOR * u64::from(most) {
            found.push(format!(
                "`{}` makes {n_own} blocks of {most}, {} times as many; rechunk its inputs to fewer, larger blocks, for \
                 example with rechunk(auto), before it",
                array.node.expr.name(),
                n_own / most
            ));
        }
    }
    found
}

/// One line for each node; a node that several read is written once and named by its number after that.
fn tree(arrays: &[Array]) -> String {
    let mut n_readers: HashMap<*const Node, u32> = HashMap::new();
    for array in inputs_first(arrays) {
        for input in array.node.expr.inputs() {
            *n_readers.entry(Arc::as_ptr(&input.node)).or_default() += 1;
        }
    }
    let mut text = String::new();
    let mut numbers: HashMap<*const Node, usize> = HashMap::new();
    let mut stack: Vec<(&Array, usize)> = arrays.iter().rev().map(|array| (array, 0)).collect();
    while let Some((array, depth)) = stack.pop() {
        let node = &*array.node;
        let key = Arc::as_ptr(&array.node);
        let indent = "  ".repeat(depth);
        if let Some(number) = numbers.get(&key) {
            let _ = writeln!(text, "{indent}#{number}");
            continue;
        }
        let mark = match n_readers.get(&key) {
            Some(n) if *n > 1 => {
                let number = numbers.len() + 1;
                numbers.insert(key, number);
                format!("#{number} = ")
            }
            _ => String::new(),
        };
        let shape = shape_text(&array.dims());
        let _ = writeln!(
            text,
            "{indent}{mark}{}{} {shape} {} {}",
            node.expr.name(),
            detail(&node.expr),
            node.dtype,
            node.chunks
        );
        stack.extend(node.expr.inputs().into_iter().rev().map(|input| (input, depth + 1)));
    }
    text
}

/// What a node does beyond its name.
fn detail(expr: &Expr) -> String {
    match expr {
        Expr::Slice { slices, .. } | Expr::Place { slices, .. } => slices_text(slices),
        Expr::Source { slices, .. } => slices_text(slices),
        Expr::Reduce(reduced) if reduced.formula.n_operations() > 0 => {
            format!(
                "(axes {:?}) of {} (fused {})",
                reduced.axes(),
                reduced.formula.name(),
                reduced.formula.n_operations()
            )
        }
        Expr::Reduce(reduced) => format!("(axes {:?})", reduced.axes()),
        Expr::Concat { axis, .. } | Expr::Take { axis, .. } => format!("(axis {axis})"),
        _ => String::new(),
    }
}

fn slices_text(slices: &Slices) -> String {
    let text = |slice: &Option<crate::slice::AxisSlice>| match slice {
        None => ":".to_owned(),
        Some(slice) if slice.step == 1 => format!("{}:{}", slice.start, slice.start + slice.len),
        Some(slice) => format!("{}, {} by {}", slice.start, slice.len, slice.step),
    };
    format!("[{}]", slices.iter().map(text).collect::<Vec<_>>().join(", "))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "expression:\n{}optimised:\n{}stages:", self.before, self.after)?;
        for stage in &self.stages {
            let bytes = stage.bytes.map_or_else(|| "unknown size".to_owned(), bytes_text);
            let inputs: Vec<String> = stage.inputs.iter().map(|(key, wiring)| format!("{key} ({wiring})")).collect();
            let inputs = if inputs.is_empty() { String::new() } else { format!(" <- {}", inputs.join(", ")) };
            writeln!(f, "{}: {} x {bytes}{inputs}", stage.key, stage.n_tasks)?;
        }
        let peak = self.peak_bytes.map_or_else(|| "unknown".to_owned(), bytes_text);
        write!(f, "{} tasks, {} read, peak memory {peak}", self.n_tasks, bytes_text(self.read_bytes))?;
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}
