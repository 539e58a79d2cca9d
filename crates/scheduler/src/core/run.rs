//! One graph that is being run.

use std::cmp::Reverse;
use std::sync::Arc;

use dolmen_graph::{Order, Parent, RunId, StageId, TaskGraph, TaskId};

use super::message::{Outcome, Submission};
use super::queues::{Queues, Source};
use super::stage::{Phase, StageRun, Tables, Tag};

/// Where a run stands among the others: higher priority first, then the more deeply nested, because somebody waits for it
/// in a worker, then the earlier.
pub(super) type RunKey = (Reverse<i32>, Reverse<u32>, u64);

#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) graph: Arc<TaskGraph>,
    pub(super) order: Order,
    pub(super) parent: Option<Parent>,
    pub(super) children: Vec<RunId>,
    /// How many runs it is nested in.
    pub(super) depth: u32,
    pub(super) stages: Vec<StageRun>,
    pub(super) queues: Queues,
    /// Tasks that are not done.
    pub(super) n_left: u64,
    pub(super) n_cancelled: u64,
    /// Tasks were given up or made again, so that readers of a value are counted one by one.
    pub(super) is_irregular: bool,
    /// Under which key it stands among the runs with ready tasks.
    pub(super) listed: Option<RunKey>,
    /// `None` while it runs.
    pub(super) outcome: Option<Outcome>,
}

impl Run {
    pub(super) fn new(id: RunId, submission: Submission, depth: u32) -> Self {
        let Submission { graph, priority, parent } = submission;
        let stages: Vec<StageRun> = graph.stages().map(|(id, _)| StageRun::new(&graph, id, priority)).collect();
        let n_left = graph.n_tasks();
        let order = Order::new(&graph);
        let mut run = Self {
            id,
            graph,
            order,
            parent,
            children: Vec::new(),
            depth,
            stages,
            queues: Queues::default(),
            n_left,
            n_cancelled: 0,
            is_irregular: false,
            listed: None,
            outcome: None,
        };
        run.seed();
        run
    }

    /// Queues what waits for nothing.
    fn seed(&mut self) {
        let graph = Arc::clone(&self.graph);
        for (id, stage) in graph.stages() {
            if stage.n_active() == 0 || self.stages[id.index()].open_gates > 0 {
                continue;
            }
            let pointwise = || stage.inputs.iter().filter(|input| !input.wiring.is_all_to_all());
            if pointwise().next().is_none() {
                self.open_source(id);
                continue;
            }
            let has_inputs = |p| {
                pointwise().any(|input| input.wiring.n_inputs(graph.stage(input.stage).n_tasks, stage.n_tasks, p) > 0)
            };
            let sources: Vec<u32> = stage.active.iter().filter(|p| !has_inputs(*p)).collect();
            if !sources.is_empty() {
                self.stages[id.index()].touch(&graph, id);
                let tables = self.stages[id.index()].live();
                sources.iter().for_each(|p| tables.set(*p, Tag::Ready));
                let stage = self.stage(id);
                if !stage.is_gang {
                    self.queue_sources(id, sources);
                } else if sources.len() == stage.n_active as usize {
                    self.queues.push_gang(stage.priority, id, stage.is_light);
                }
            }
        }
    }

    /// Queues all tasks of a stage: none of them waits for anything any more.
    pub(super) fn open_source(&mut self, id: StageId) {
        let stage = &mut self.stages[id.index()];
        if let Phase::Live(tables) = &mut stage.phase {
            self.graph
                .stage(id)
                .active
                .iter()
                .filter(|p| tables.tag(*p) == Tag::Waiting)
                .collect::<Vec<_>>()
                .iter()
                .for_each(|p| tables.set(*p, Tag::Ready));
        }
        if stage.is_gang {
            return self.queues.push_gang(stage.priority, id, stage.is_light);
        }
        let active = &self.graph.stage(id).active;
        let rank = |p| self.order.of(TaskId::new(id, p));
        let is_uniform = self.graph.stage(id).exceptions.is_empty();
        if is_uniform && active.iter().map(rank).is_sorted() {
            let next = active.next_from(0).unwrap_or(0);
            let source = Source { rank: rank(next), stage: id, next, list: None };
            return self.queues.push_source(stage.priority, source);
        }
        let all = active.iter().collect();
        self.queue_sources(id, all);
    }

    /// Queues some tasks of a stage that wait for nothing.
    fn queue_sources(&mut self, id: StageId, mut sources: Vec<u32>) {
        let rank = |p: &u32| self.order.of(TaskId::new(id, *p));
        sources.sort_by_cached_key(rank);
        let graph = Arc::clone(&self.graph);
        let stage = graph.stage(id);
        if !stage.exceptions.is_empty() {
            // By priority; the sort keeps the order among equals.
            sources.sort_by_key(|p| Reverse(stage.options_of(*p).priority));
        }
        for group in sources.chunk_by(|a, b| stage.options_of(*a).priority == stage.options_of(*b).priority) {
            let source = Source { rank: rank(&group[0]), stage: id, next: 0, list: Some(group.into()) };
            self.queues.push_source(self.priority_of(id, group[0]), source);
        }
    }

    pub(super) fn stage(&self, id: StageId) -> &StageRun {
        &self.stages[id.index()]
    }

    pub(super) fn stage_mut(&mut self, id: StageId) -> &mut StageRun {
        &mut self.stages[id.index()]
    }

    pub(super) fn live(&mut self, id: StageId) -> &mut Tables {
        self.stages[id.index()].live()
    }

    /// Whether there is such a task.
    pub(super) fn has(&self, task: TaskId) -> bool {
        task.stage.0 < self.graph.n_stages() && task.partition < self.graph.stage(task.stage).n_tasks
    }

    pub(super) fn tag(&self, task: TaskId) -> Tag {
        self.stages[task.stage.index()].tag(&self.graph, task.stage, task.partition)
    }

    pub(super) fn is_kept(&self, task: TaskId) -> bool {
        self.stages[task.stage.index()].is_kept(&self.graph, task.stage, task.partition)
    }

    /// All tasks of a stage that run.
    pub(super) fn members(&self, id: StageId) -> Vec<TaskId> {
        self.graph.stage(id).active.iter().map(|p| TaskId::new(id, p)).collect()
    }

    pub(super) fn priority_of(&self, id: StageId, p: u32) -> i32 {
        let stage = self.graph.stage(id);
        let own = self.stages[id.index()].priority;
        if stage.exceptions.is_empty() {
            return own;
        }
        own.saturating_sub(stage.options.priority).saturating_add(stage.options_of(p).priority)
    }

    /// Makes a waiting task ready. Members of a gang are queued when the last of them is ready.
    pub(super) fn make_ready(&mut self, task: TaskId, worker: u32) {
        let priority = self.priority_of(task.stage, task.partition);
        let stage = &mut self.stages[task.stage.index()];
        let (is_gang, is_light, n_active) = (stage.is_gang, stage.is_light, stage.n_active);
        let tables = stage.live();
        tables.set(task.partition, Tag::Ready);
        if !is_gang {
            self.queues.push(priority, worker, task.stage, task.partition);
        } else if tables.count(Tag::Ready) == n_active {
            self.queues.push_gang(priority, task.stage, is_light);
        }
    }

    /// Whether all inputs of a task are available.
    pub(super) fn has_inputs(&self, task: TaskId) -> bool {
        let stage = &self.stages[task.stage.index()];
        let n_missing = stage.tables().map_or(0, |t| t.missing.get(task.partition as usize).copied().unwrap_or(0));
        stage.open_gates == 0 && n_missing == 0
    }

    /// The number of readers of a value, wired task by task, that are not done.
    pub(super) fn n_readers_left(&self, task: TaskId) -> u32 {
        let mut n = 0;
        for (reader_id, input_idx) in self.graph.consumers(task.stage) {
            let reader = self.graph.stage(*reader_id);
            let wiring = &reader.inputs[*input_idx as usize].wiring;
            let run = self.stage(*reader_id);
            if wiring.is_all_to_all() || run.is_complete() {
                continue;
            }
            let n_up = self.graph.stage(task.stage).n_tasks;
            if !self.is_irregular && run.n_active == run.n_tasks {
                n += wiring.n_consumers(n_up, run.n_tasks, task.partition);
                continue;
            }
            wiring.for_each_consumer(n_up, run.n_tasks, task.partition, |p| {
                n += u32::from(!run.tag(&self.graph, *reader_id, p).is_done());
            });
        }
        n
    }

    /// The key under which the run stands among those with ready tasks.
    pub(super) fn key(&self) -> Option<RunKey> {
        let priority = self.queues.top()?;
        Some((Reverse(priority), Reverse(self.depth), self.id.0))
    }
}
