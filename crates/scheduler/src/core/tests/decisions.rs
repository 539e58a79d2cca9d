//! Single decisions of the core.

use std::sync::Arc;

use dolmen_graph::testing::Mix;
use dolmen_graph::{
    ByteEstimate, GraphBuilder, RunId, Stage, StageId, TaskError, TaskGraph, TaskId, TaskOptions, Wiring,
};

use crate::core::{Core, CoreConfig, CoreEvent, Failure, Grouping, Instruction, Outcome, Submission, Ticket};

fn stage(key: &str, n_tasks: u32) -> Stage {
    Stage::new(key, n_tasks, Arc::new(Mix::default()))
}

/// A graph of some stages, the last of which is asked for.
fn graph(stages: impl IntoIterator<Item = Stage>) -> Arc<TaskGraph> {
    let mut builder = GraphBuilder::new();
    let ids: Vec<StageId> = stages.into_iter().map(|stage| builder.add_stage(stage).unwrap()).collect();
    builder.add_output_all(*ids.last().unwrap()).unwrap();
    Arc::new(builder.build().unwrap())
}

fn one_task(size_bytes: u64) -> Arc<TaskGraph> {
    graph([stage("task", 1).bytes(ByteEstimate::Exact(size_bytes))])
}

const TASK: TaskId = TaskId { stage: StageId(0), partition: 0 };

/// A core, the time, and what it has said.
struct Told {
    core: Core,
    now_ns: u64,
    out: Vec<Instruction>,
}

/// What a worker was told to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    worker: u32,
    ticket: Ticket,
    task: TaskId,
}

impl Told {
    /// With one worker.
    fn new(memory_limit_bytes: u64) -> Self {
        Self::with(1, CoreConfig { memory_limit_bytes, ..CoreConfig::default() })
    }

    fn with(n_workers: u32, config: CoreConfig) -> Self {
        let mut told = Self { core: Core::new(config), now_ns: 0, out: Vec::new() };
        (0..n_workers).for_each(|worker| told.tell(CoreEvent::WorkerJoined { worker }));
        told
    }

    fn tell(&mut self, event: CoreEvent) {
        self.core.handle(event, self.now_ns, &mut self.out);
        self.core.check_invariants().unwrap();
    }

    fn submit(&mut self, graph: Arc<TaskGraph>) -> RunId {
        self.core.submit(Submission { graph, priority: 0, parent: None }, self.now_ns, &mut self.out)
    }

    /// What is to be run since this was asked last.
    fn orders(&mut self) -> Vec<Order> {
        let order = |instruction| match instruction {
            Instruction::Run { worker, ticket, stage, partitions, .. } => {
                Some(Order { worker, ticket, task: TaskId::new(stage, partitions.start) })
            }
            _ => None,
        };
        self.out.drain(..).filter_map(order).collect()
    }

    fn finish_order(&mut self, Order { worker, ticket, task }: Order, size_bytes: u64) {
        self.tell(CoreEvent::Finished { worker, ticket, partition: task.partition, size_bytes, elapsed_ns: 1 });
    }

    fn fail_order(&mut self, Order { worker, ticket, task }: Order) {
        let failure = Failure::Error(TaskError::transient("reset by peer"));
        self.tell(CoreEvent::Failed { worker, ticket, partition: task.partition, failure });
    }

    /// Lets time pass until something is awaited; says when that is.
    fn tick(&mut self) -> u64 {
        self.now_ns = self.core.next_deadline().expect("something is awaited");
        self.tell(CoreEvent::Tick);
        self.now_ns
    }

    /// Finishes the task that is to be run.
    fn finish(&mut self, size_bytes: u64) {
        let order = *self.orders().first().expect("a task is to be run");
        self.finish_order(order, size_bytes);
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

fn ungrouped() -> CoreConfig {
    CoreConfig { grouping: Grouping::Off, ..CoreConfig::default() }
}

#[test]
fn a_task_starts_when_its_own_inputs_are_there() {
    let mut told = Told::with(2, ungrouped());
    told.submit(graph([stage("make", 2), stage("use", 2).input(StageId(0), Wiring::Same)]));
    let made = told.orders();
    assert_eq!(made.len(), 2);
    told.finish_order(made[0], 8);
    let used = told.orders();
    // The other task of the stage above is still running.
    assert_eq!(
        used.iter().map(|order| order.task).collect::<Vec<_>>(),
        [TaskId::new(StageId(1), made[0].task.partition)]
    );
    assert_eq!(used[0].worker, made[0].worker);
}

#[test]
fn a_task_goes_to_the_worker_with_its_largest_input() {
    let own = || stage("own", 2).input(StageId(0), Wiring::Same);
    let join = || stage("join", 1).input(StageId(0), Wiring::Tree { fan_in: 2 });
    for (join_id, stages) in [(StageId(2), [own(), join()]), (StageId(1), [join(), own()])] {
        let mut told = Told::with(2, ungrouped());
        told.submit(graph([stage("make", 2)].into_iter().chain(stages)));
        let made = told.orders();
        assert_ne!(made[0].worker, made[1].worker);
        told.finish_order(made[0], 1000);
        let busy = told.orders()[0];
        // Whoever has made the last input has it at hand, but the other one is larger.
        told.finish_order(made[1], 10);
        assert_eq!(told.orders().iter().map(|order| order.worker).collect::<Vec<_>>(), [made[1].worker]);
        told.finish_order(busy, 8);
        let joins = told.orders();
        assert_eq!(
            joins.iter().map(|order| (order.worker, order.task.stage)).collect::<Vec<_>>(),
            [(made[0].worker, join_id)]
        );
    }
}

#[test]
fn each_further_attempt_waits_twice_as_long_up_to_a_limit() {
    let config = CoreConfig { backoff_ns: 100, backoff_max_ns: 350, ..CoreConfig::default() };
    let mut told = Told::with(1, config);
    let options = TaskOptions { retries: 4, ..TaskOptions::default() };
    told.submit(graph([stage("load", 1).options(options)]));
    let mut waits = Vec::new();
    for _ in 0..4 {
        let order = told.orders()[0];
        let failed_ns = told.now_ns;
        told.fail_order(order);
        assert_eq!(told.orders(), [], "not before the time has come");
        waits.push(told.tick() - failed_ns);
    }
    assert_eq!(waits, [100, 200, 350, 350]);
    let order = told.orders()[0];
    told.fail_order(order);
    let ended =
        |instruction: &Instruction| matches!(instruction, Instruction::RunEnded { outcome: Outcome::Failed(_), .. });
    assert!(told.out.iter().any(ended), "{:?}", told.out);
}
