//! The operation of stages that were joined.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    DecodeError, EncodeError, Op, OpRegistry, StreamBody, SyncBody, TaskBody, TaskContext, TaskError, TaskInputs,
    TaskResult, ValueRef,
};

/// Operations that one task runs after each other, each on inputs of the task and results of earlier ones.
#[derive(Debug)]
pub(crate) struct Fused {
    steps: Arc<[Step]>,
    /// For each step the last one that reads its result.
    last_uses: Arc<[usize]>,
}

/// One operation of several.
#[derive(Debug)]
pub(crate) struct Step {
    /// The operation.
    pub(crate) op: Arc<dyn Op>,
    /// What it reads.
    pub(crate) inputs: Vec<StepInput>,
}

/// Where an input of a step comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StepInput {
    /// An input of the joined stage.
    Stage(u32),
    /// The result of an earlier step.
    Step(u32),
}

/// For each step the last one that reads its result; the last step for itself.
pub(crate) fn last_uses(steps: &[Step]) -> Vec<usize> {
    let mut last_uses: Vec<usize> = (0..steps.len()).collect();
    for (position, step) in steps.iter().enumerate() {
        for input in &step.inputs {
            if let StepInput::Step(earlier) = input {
                last_uses[*earlier as usize] = position;
            }
        }
    }
    last_uses
}

impl Fused {
    pub(crate) const NAME: &'static str = "dolmen.fused";

    pub(crate) fn new(steps: Vec<Step>) -> Self {
        let last_uses = last_uses(&steps).into();
        Self { steps: steps.into(), last_uses }
    }

    pub(crate) fn decode(bytes: &[u8], registry: &OpRegistry) -> Result<Arc<dyn Op>, DecodeError> {
        let malformed = |source: Arc<dyn std::error::Error + Send + Sync>| DecodeError::Malformed {
            name: Self::NAME.to_owned(),
            source,
        };
        let encoded: Vec<(String, Vec<u8>, Vec<StepInput>)> =
            postcard::from_bytes(bytes).map_err(|error| malformed(Arc::new(error)))?;
        let mut steps = Vec::with_capacity(encoded.len());
        for (position, (name, bytes, inputs)) in encoded.into_iter().enumerate() {
            let looks_back = |input: &StepInput| match input {
                StepInput::Stage(_) => true,
                StepInput::Step(earlier) => (*earlier as usize) < position,
            };
            if !inputs.iter().all(looks_back) {
                return Err(malformed(Arc::new(StepOrder { position })));
            }
            steps.push(Step { op: registry.decode_op(&name, &bytes)?, inputs });
        }
        if steps.is_empty() {
            return Err(malformed(Arc::new(StepOrder { position: 0 })));
        }
        Ok(Arc::new(Self::new(steps)))
    }
}

/// The steps in some bytes cannot be run in order.
#[derive(Debug, thiserror::Error)]
#[error("step {position} is missing or reads a later step")]
struct StepOrder {
    position: usize,
}

impl Op for Fused {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn encode(&self, registry: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        let mut steps = Vec::with_capacity(self.steps.len());
        for step in self.steps.iter() {
            steps.push((step.op.name(), step.op.encode(registry)?, &step.inputs));
        }
        postcard::to_stdvec(&steps)
            .map_err(|error| EncodeError::Failed { name: Self::NAME.to_owned(), source: Arc::new(error) })
    }

    fn body(&self, partition: u32) -> TaskBody {
        let bodies: Bodies = self.steps.iter().map(|step| step.op.body(partition)).collect();
        let run = Run { steps: Arc::clone(&self.steps), last_uses: Arc::clone(&self.last_uses) };
        if bodies.iter().all(|body| matches!(body, TaskBody::Sync(_))) {
            TaskBody::sync(move |inputs, context| run.run_sync(bodies, &inputs, context))
        } else {
            TaskBody::stream(move |inputs, context| run.run_stream(bodies, inputs, context))
        }
    }

    /// `ones > add > sum`
    fn label(&self, partition: u32) -> String {
        let labels: Vec<String> = self.steps.iter().map(|step| step.op.label(partition)).collect();
        labels.join(" > ")
    }

    fn steps(&self) -> Vec<Arc<dyn Op>> {
        self.steps.iter().map(|step| Arc::clone(&step.op)).collect()
    }
}

type Bodies = SmallVec<[TaskBody; 4]>;
type Results = SmallVec<[Option<ValueRef>; 4]>;

/// One attempt to run all steps.
struct Run {
    steps: Arc<[Step]>,
    last_uses: Arc<[usize]>,
}

impl Run {
    fn run_sync(&self, bodies: Bodies, inputs: &TaskInputs, context: &TaskContext) -> TaskResult {
        let mut results = Results::new();
        for (position, body) in bodies.into_iter().enumerate() {
            let TaskBody::Sync(body) = body else { unreachable!("asked before the body was made") };
            let step_inputs = self.inputs_of(position, inputs, &mut results);
            results.push(Some(self.named(position, call_sync(body, step_inputs, context))?));
        }
        Ok(last(results))
    }

    async fn run_stream(self, bodies: Bodies, inputs: TaskInputs, context: TaskContext) -> TaskResult {
        let mut results = Results::new();
        for (position, body) in bodies.into_iter().enumerate() {
            let step_inputs = self.inputs_of(position, &inputs, &mut results);
            let result = match body {
                TaskBody::Sync(body) => call_sync(body, step_inputs, &context),
                TaskBody::Stream(body) => call_stream(body, step_inputs, &context).await,
            };
            results.push(Some(self.named(position, result)?));
        }
        Ok(last(results))
    }

    /// The inputs of one step. A result that nobody reads afterwards leaves `results`, so that its memory is free as soon
    /// as the step is done with it.
    fn inputs_of(&self, position: usize, inputs: &TaskInputs, results: &mut Results) -> TaskInputs {
        let mut step_inputs = TaskInputs::new();
        for input in &self.steps[position].inputs {
            match input {
                StepInput::Stage(input_idx) => {
                    inputs.input(*input_idx as usize).iter().for_each(|value| step_inputs.push(Arc::clone(value)));
                }
                StepInput::Step(earlier) => step_inputs.push(
                    results[*earlier as usize].clone().expect("a result stays until the last step that reads it"),
                ),
            }
            step_inputs.end_input();
        }
        for (result, last_use) in results.iter_mut().zip(self.last_uses.iter()) {
            if *last_use == position {
                *result = None;
            }
        }
        step_inputs
    }

    fn named(&self, position: usize, result: TaskResult) -> TaskResult {
        result.map_err(|error| match error {
            TaskError::Cancelled => TaskError::Cancelled,
            error => TaskError::Step { step: self.steps[position].op.name().to_owned(), error: Arc::new(error) },
        })
    }
}

fn call_sync(body: SyncBody, inputs: TaskInputs, context: &TaskContext) -> TaskResult {
    if context.is_cancelled() {
        return Err(TaskError::Cancelled);
    }
    body(inputs, context)
}

async fn call_stream(body: StreamBody, inputs: TaskInputs, context: &TaskContext) -> TaskResult {
    if context.is_cancelled() {
        return Err(TaskError::Cancelled);
    }
    body(inputs, context.clone()).await
}

fn last(mut results: Results) -> ValueRef {
    results.pop().flatten().expect("there is a last step, and nobody took its result")
}
