//! Graphs as bytes: what a client sends to where a graph runs.

mod wire;

use std::error::Error;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ByteEstimate, DecodeError, EncodeError, GraphBuilder, GraphError, Input, OpRegistry, PartitionSet, Stage, StageId,
    TaskGraph, TaskOptions, WiringError,
};
use wire::WireWiring;

/// Raised when the bytes change their meaning.
const VERSION: u16 = 1;

/// Writes `graph` as bytes, from which [`decode`] makes the same graph. `registry` is that of the reader, or has the same
/// names.
///
/// # Errors
/// [`EncodeGraphError::Op`] with the key of the first stage whose operation cannot leave this process.
pub fn encode(graph: &TaskGraph, registry: &OpRegistry) -> Result<Vec<u8>, EncodeGraphError> {
    let stages = graph.stages().map(|(_, stage)| WireStage::new(stage, registry)).collect::<Result<_, _>>()?;
    let outputs = graph.outputs().iter().map(|output| (output.stage.0, runs(&output.partitions))).collect();
    postcard::to_stdvec(&(VERSION, WireGraph { stages, outputs }))
        .map_err(|error| EncodeGraphError::Failed { source: Arc::new(error) })
}

/// Reads a graph that [`encode`] wrote; operations are made by `registry`.
///
/// The graph is checked as any other, so that bytes that were damaged or made up give an error.
///
/// # Errors
/// [`DecodeGraphError`] with what cannot be read, is not registered or does not fit.
pub fn decode(bytes: &[u8], registry: &OpRegistry) -> Result<TaskGraph, DecodeGraphError> {
    let malformed = |error: postcard::Error| DecodeGraphError::Malformed { source: Arc::new(error) };
    let (version, rest) = postcard::take_from_bytes::<u16>(bytes).map_err(malformed)?;
    if version != VERSION {
        return Err(DecodeGraphError::Version { found: version, expected: VERSION });
    }
    let graph: WireGraph = postcard::from_bytes(rest).map_err(malformed)?;
    let mut builder = GraphBuilder::new();
    for stage in graph.stages {
        let stage = stage.into_stage(registry, &builder)?;
        builder.add_stage(stage)?;
    }
    for (stage, runs) in graph.outputs {
        builder.add_output(StageId(stage), partitions(runs))?;
    }
    Ok(builder.build()?)
}

#[derive(Serialize, Deserialize)]
struct WireGraph {
    stages: Vec<WireStage>,
    outputs: Vec<(u32, Vec<(u32, u32)>)>,
}

#[derive(Serialize, Deserialize)]
struct WireStage {
    key: String,
    n_tasks: u32,
    op_name: String,
    op: Vec<u8>,
    inputs: Vec<(u32, WireWiring)>,
    bytes: ByteEstimate,
    scratch: ByteEstimate,
    options: TaskOptions,
    exceptions: Vec<(u32, TaskOptions)>,
    active: Vec<(u32, u32)>,
}

impl WireStage {
    fn new(stage: &Stage, registry: &OpRegistry) -> Result<Self, EncodeGraphError> {
        let op = stage.op.encode(registry);
        Ok(Self {
            key: stage.key.to_string(),
            n_tasks: stage.n_tasks,
            op_name: stage.op.name().to_owned(),
            op: op.map_err(|source| EncodeGraphError::Op { key: Arc::clone(&stage.key), source })?,
            inputs: stage.inputs.iter().map(|input| (input.stage.0, WireWiring::new(&input.wiring))).collect(),
            bytes: stage.bytes,
            scratch: stage.scratch,
            options: stage.options.clone(),
            exceptions: stage.exceptions.to_vec(),
            active: runs(&stage.active),
        })
    }

    fn into_stage(self, registry: &OpRegistry, builder: &GraphBuilder) -> Result<Stage, DecodeGraphError> {
        let key: Arc<str> = self.key.into();
        let op = registry.decode_op(&self.op_name, &self.op);
        let op = op.map_err(|source| DecodeGraphError::Op { key: Arc::clone(&key), source })?;
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for (input_idx, (stage, wiring)) in self.inputs.into_iter().enumerate() {
            // A stage that does not exist yet is the stage itself, or the builder refuses it.
            let n_up = builder.stage(StageId(stage)).map_or(self.n_tasks, |upstream| upstream.n_tasks);
            let wiring = wiring.into_wiring(n_up);
            let wiring =
                wiring.map_err(|source| DecodeGraphError::Wiring { key: Arc::clone(&key), input_idx, source })?;
            inputs.push(Input { stage: StageId(stage), wiring });
        }
        Ok(Stage {
            inputs,
            bytes: self.bytes,
            scratch: self.scratch,
            options: self.options,
            exceptions: self.exceptions.into(),
            active: partitions(self.active),
            ..Stage::new(key, self.n_tasks, op)
        })
    }
}

fn runs(set: &PartitionSet) -> Vec<(u32, u32)> {
    set.runs().map(|run| (run.start, run.end)).collect()
}

fn partitions(runs: Vec<(u32, u32)>) -> PartitionSet {
    PartitionSet::ranges(runs.into_iter().map(|(start, end)| start..end).collect())
}

/// Why a graph could not be written as bytes.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum EncodeGraphError {
    /// The operation of a stage cannot leave this process.
    #[error("stage `{key}` cannot be sent to another process: {source}")]
    Op {
        /// The key of the stage.
        key: Arc<str>,
        /// Why.
        source: EncodeError,
    },
    /// The encoding itself failed.
    #[error("the graph could not be encoded: {source}")]
    Failed {
        /// What the encoding said.
        source: Arc<dyn Error + Send + Sync>,
    },
}

/// Why a graph could not be read from bytes.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum DecodeGraphError {
    /// The bytes are no graph.
    #[error("the bytes are no graph: {source}")]
    Malformed {
        /// What the decoder said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The bytes were written by another version of this crate.
    #[error("the graph was written in format {found}, this process reads {expected}")]
    Version {
        /// The format of the bytes.
        found: u16,
        /// The format that is read here.
        expected: u16,
    },
    /// An operation cannot be made here.
    #[error("stage `{key}`: {source}")]
    Op {
        /// The key of the stage.
        key: Arc<str>,
        /// Why.
        source: DecodeError,
    },
    /// A wiring is impossible.
    #[error("input {input_idx} of `{key}`: {source}")]
    Wiring {
        /// The key of the stage.
        key: Arc<str>,
        /// The input.
        input_idx: usize,
        /// What is wrong.
        source: WiringError,
    },
    /// The stages do not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::wire::{WireAxis, WireMap};
    use super::*;
    use crate::testing::{Lambda, any_graph, register, values};
    use crate::{FuseOptions, cull, fuse};

    fn registry() -> OpRegistry {
        let mut registry = OpRegistry::new();
        register(&mut registry).unwrap();
        registry
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn a_graph_survives_its_bytes(graph in any_graph(), is_fused in any::<bool>()) {
            let graph = if is_fused { fuse(cull(graph), FuseOptions { wide_tasks_min: 4 }) } else { graph };
            let bytes = encode(&graph, &registry()).unwrap();
            let decoded = decode(&bytes, &registry()).unwrap();
            prop_assert_eq!(format!("{graph:?}"), format!("{decoded:?}"));
            prop_assert_eq!(values(&graph), values(&decoded));
        }

        #[test]
        fn damaged_bytes_are_an_error_or_a_sound_graph(graph in any_graph(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = encode(&graph, &registry()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            // Task counts are arbitrary then, so only that it returns is asked.
            let _ = decode(&bytes[..at.max(1)], &registry());
            let _ = decode(&bytes, &registry());
        }
    }

    #[test]
    fn a_closure_is_refused_by_the_key_of_its_stage() {
        let mut builder = GraphBuilder::new();
        builder.add_stage(Stage::new("local", 3, Lambda::sum())).unwrap();
        let error = encode(&builder.build().unwrap(), &registry()).unwrap_err();
        assert!(error.to_string().starts_with("stage `local` cannot be sent to another process"), "{error}");
    }

    /// A stage of tasks that are never run, of which those from `first` to `end` are switched on.
    fn wire_stage(key: &str, n_tasks: u32, inputs: Vec<(u32, WireWiring)>, (first, end): (u32, u32)) -> WireStage {
        WireStage {
            key: key.to_owned(),
            n_tasks,
            op_name: crate::cull::NeverRun::NAME.to_owned(),
            op: Vec::new(),
            inputs,
            bytes: ByteEstimate::Exact(0),
            scratch: ByteEstimate::Exact(0),
            options: TaskOptions::default(),
            exceptions: Vec::new(),
            active: vec![(first, end)],
        }
    }

    #[test]
    fn a_huge_number_of_tasks_costs_nothing() {
        let stage = |key, inputs| wire_stage(key, u32::MAX, inputs, (1, u32::MAX));
        let stages = vec![stage("a", Vec::new()), stage("b", vec![(0, WireWiring::Same)])];
        let graph = WireGraph { stages, outputs: vec![(1, vec![(1, u32::MAX)])] };
        let bytes = postcard::to_stdvec(&(VERSION, graph)).unwrap();
        let begun = std::time::Instant::now();
        let decoded = decode(&bytes, &registry()).unwrap();
        assert_eq!(decoded.n_tasks(), 2 * u64::from(u32::MAX - 1));
        // Counting one by one would take minutes.
        assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    }

    #[test]
    fn damaged_wiring_between_huge_partial_stages_is_refused_cheaply() {
        let from = |axis, map| WireAxis::From(axis, map);
        let step = |step| WireMap::Affine(0, step);
        let (row, square) = (vec![u32::MAX], vec![u32::from(u16::MAX); 2]);
        let ranges = WireMap::Ranges(vec![(0, square[0]); square[0] as usize]);
        let wirings = [
            // One to one, every other block, all blocks, a diagonal, a checkerboard, long ranges.
            (&row, vec![from(0, step(1))]),
            (&row, vec![from(0, step(2))]),
            (&row, vec![WireAxis::All]),
            (&square, vec![from(1, step(1)), from(1, step(1))]),
            (&square, vec![from(0, step(2)), from(1, step(2))]),
            (&square, vec![from(0, ranges), WireAxis::All]),
        ];
        let begun = std::time::Instant::now();
        for (dims, axes) in wirings {
            let n_tasks: u32 = dims.iter().product();
            // Also where all tasks of the reader are switched on.
            let first = u32::from(dims.len() == 1);
            let wiring = WireWiring::Blocks { up: dims.clone(), down: dims.clone(), axes };
            let reader = wire_stage("b", n_tasks, vec![(0, wiring)], (first, n_tasks));
            let stages = vec![wire_stage("a", n_tasks, Vec::new(), (0, n_tasks - 1)), reader];
            let graph = WireGraph { stages, outputs: vec![(1, vec![(first, n_tasks)])] };
            let bytes = postcard::to_stdvec(&(VERSION, graph)).unwrap();
            let Err(DecodeGraphError::Graph(error)) = decode(&bytes, &registry()) else { panic!("it is refused") };
            assert!(matches!(error, GraphError::TooIrregular { .. } | GraphError::InactiveInput { .. }), "{error}");
        }
        // One by one it would be hours.
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    }

    #[test]
    fn another_version_is_refused() {
        let bytes = postcard::to_stdvec(&9_u16).unwrap();
        let error = decode(&bytes, &registry()).unwrap_err();
        assert_eq!(error.to_string(), "the graph was written in format 9, this process reads 1");
    }
}
