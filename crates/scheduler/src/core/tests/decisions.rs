//! Single decisions of the core.

use std::sync::Arc;

use dolmen_graph::testing::Mix;
use dolmen_graph::{ByteEstimate, GraphBuilder, RunId, Stage, StageId, TaskGraph, TaskId};

use crate::core::{Core, CoreConfig, CoreEvent, Instruction, Submission};

fn one_task(size_bytes: u64) -> Arc<TaskGraph> {
    let mut builder = GraphBuilder::new();
    let stage = Stage::new("task", 1, Arc::new(Mix::default())).bytes(ByteEstimate::Exact(size_bytes));
    let stage = builder.add_stage(stage).unwrap();
    builder.add_output_all(stage).unwrap();
    Arc::new(builder.build().unwrap())
}

const TASK: TaskId = TaskId { stage: StageId(0), partition: 0 };

/// A core with one worker, and what it has said.
struct Told {
    core: Core,
    out: Vec<Instruction>,
}

impl Told {
    fn new(memory_limit_bytes: u64) -> Self {
        let mut told =
            Self { core: Core::new(CoreConfig { memory_limit_bytes, ..CoreConfig::default() }), out: Vec::new() };
        told.tell(CoreEvent::WorkerJoined { worker: 0 });
        told
    }

    fn tell(&mut self, event: CoreEvent) {
        self.core.handle(event, 0, &mut self.out);
        self.core.check_invariants().unwrap();
    }

    fn submit(&mut self, graph: Arc<TaskGraph>) -> RunId {
        self.core.submit(Submission { graph, priority: 0, parent: None }, 0, &mut self.out)
    }

    /// Finishes the task that is to be run.
    fn finish(&mut self, size_bytes: u64) {
        let run = self.out.drain(..).find_map(|instruction| match instruction {
            Instruction::Run { worker, ticket, .. } => Some((worker, ticket)),
            _ => None,
        });
        let (worker, ticket) = run.expect("a task is to be run");
        self.tell(CoreEvent::Finished { worker, ticket, partition: 0, size_bytes, elapsed_ns: 1 });
    }

    fn spills(&mut self) -> bool {
        self.out.drain(..).any(|instruction| matches!(instruction, Instruction::Spill { .. }))
    }
}

#[test]
fn a_value_that_was_counted_elsewhere_is_counted_and_may_be_spilled_once_it_is_not() {
    let mut told = Told::new(100);
    let run = told.submit(one_task(60));
    told.core.grew(run, TASK, 60);
    assert_eq!(told.core.memory().values_bytes, 0, "it is not there yet");
    told.finish(0);
    told.tell(CoreEvent::Shortage { missing_bytes: 50 });
    assert!(!told.spills(), "there is nothing to be gained");
    told.core.grew(run, TASK, 60);
    told.core.grew(RunId(77), TASK, 60);
    told.core.grew(run, TaskId { partition: 1, ..TASK }, 60);
    told.core.check_invariants().unwrap();
    assert_eq!(told.core.memory().values_bytes, 60);
    told.tell(CoreEvent::Shortage { missing_bytes: 50 });
    assert!(told.spills());
    told.tell(CoreEvent::Drop { run });
    assert_eq!(told.core.memory().values_bytes, 0);
}
