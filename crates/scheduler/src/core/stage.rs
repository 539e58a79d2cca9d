//! The tasks of one stage of a run, in arrays.

use std::collections::BTreeMap;

use dolmen_graph::{ByteEstimate, StageId, TaskGraph};

/// No worker.
pub(super) const NOBODY: u16 = u16::MAX;

/// The state of a task in one byte; [`TaskState`](crate::TaskState) is the same with the data that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    /// Not active.
    Unwanted,
    /// Inputs are missing.
    Waiting,
    /// In a queue.
    Ready,
    /// Waits for the time of another attempt.
    Backoff,
    /// Admitted; inputs are being read back.
    Fetching,
    /// In a frame of a worker.
    Running,
    /// A member of a gang that has its value while others run.
    Held,
    /// The value is in memory.
    Stored,
    /// The value is in memory and being written.
    Spilling,
    /// The value is on disk.
    OnDisk,
    /// The value is on disk and being read.
    Loading,
    /// Nobody needs the value any more.
    Released,
    /// Given up.
    Cancelled,
    /// The value was lost. Only while a loss is being repaired.
    Lost,
}

pub(super) const N_TAGS: usize = 14;

impl Tag {
    /// Whether readers can count on the value.
    pub(super) fn is_available(self) -> bool {
        matches!(self, Self::Stored | Self::Spilling | Self::OnDisk | Self::Loading)
    }

    /// Whether the value takes memory.
    pub(super) fn is_in_memory(self) -> bool {
        matches!(self, Self::Held | Self::Stored | Self::Spilling | Self::Loading)
    }

    /// Whether the task has run, or never will.
    pub(super) fn is_done(self) -> bool {
        self.is_available() || matches!(self, Self::Unwanted | Self::Released | Self::Cancelled)
    }

    /// Whether the task will read its inputs, or is reading them.
    pub(super) fn is_to_run(self) -> bool {
        matches!(self, Self::Waiting | Self::Ready | Self::Backoff | Self::Fetching | Self::Running | Self::Held)
    }
}

/// One stage of a run.
#[derive(Debug)]
pub(super) struct StageRun {
    pub(super) n_tasks: u32,
    pub(super) n_active: u32,
    /// Of the stage's options, with the run's added.
    pub(super) priority: i32,
    pub(super) is_gang: bool,
    /// A gang that takes no worker.
    pub(super) is_light: bool,
    pub(super) has_kept: bool,
    /// Some input, or some reader, is wired task by task.
    pub(super) reads_pointwise: bool,
    pub(super) read_pointwise: bool,
    /// Inputs that need all of a stage which is not complete.
    pub(super) open_gates: u32,
    /// Readers that need all of this stage and are not complete.
    pub(super) open_links: u32,
    /// Tasks that are done, in the sense of [`Tag::is_done`].
    pub(super) n_done: u32,
    /// The outside no longer asks for these.
    pub(super) given_up: Vec<u64>,
    /// Values of this stage have no encoding.
    pub(super) is_unspillable: bool,
    pub(super) is_announced: bool,
    pub(super) phase: Phase,
    pub(super) stats: StageStats,
}

/// What is known of the tasks of a stage.
#[derive(Debug)]
pub(super) enum Phase {
    /// None has been touched: all wait, or are ready if the stage has nothing to wait for.
    Dormant,
    /// Some are under way.
    Live(Box<Tables>),
    /// All are done and their values gone.
    Done,
}

/// What a run knows about a stage that has run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageStats {
    /// Values made, those made again included.
    pub n_finished: u64,
    /// The time that took.
    pub elapsed_ns: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// The bytes of the largest.
    pub size_bytes_max: u64,
    /// The bytes of values in memory, and the most there were.
    pub memory_bytes: u64,
    /// The most bytes of values that were in memory at one time.
    pub memory_bytes_max: u64,
    /// Attempts that failed.
    pub n_failed: u64,
    /// Bytes written to disk.
    pub spilled_bytes: u64,
    /// When the first task was handed out.
    pub started_ns: u64,
    /// When the last value was made.
    pub finished_ns: u64,
}

/// What only few tasks have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Special {
    pub(super) n_attempts: u32,
    pub(super) n_losses: u32,
    /// It was refused memory and is run by itself.
    pub(super) is_alone: bool,
}

/// The arrays, each with an entry for each task.
#[derive(Debug)]
pub(super) struct Tables {
    tags: Vec<Tag>,
    /// Inputs, wired task by task, that are not available. Empty if there are none.
    pub(super) missing: Vec<u32>,
    /// Of available values the readers, wired task by task, that are not done. Empty if there are none.
    pub(super) reads: Vec<u32>,
    /// The worker that made the value, or last ran the task.
    pub(super) holders: Vec<u16>,
    sizes: Sizes,
    counts: [u32; N_TAGS],
    pub(super) special: BTreeMap<u32, Special>,
}

#[derive(Debug)]
enum Sizes {
    Unset,
    Same(u64),
    Each(Vec<u64>),
}

impl Tables {
    pub(super) fn tag(&self, p: u32) -> Tag {
        self.tags[p as usize]
    }

    pub(super) fn tags(&self) -> impl DoubleEndedIterator<Item = (u32, Tag)> + '_ {
        (0..u32::try_from(self.tags.len()).expect("made for a u32 of tasks")).zip(self.tags.iter().copied())
    }

    pub(super) fn set(&mut self, p: u32, tag: Tag) {
        let old = std::mem::replace(&mut self.tags[p as usize], tag);
        self.counts[old as usize] -= 1;
        self.counts[tag as usize] += 1;
    }

    pub(super) fn count(&self, tag: Tag) -> u32 {
        self.counts[tag as usize]
    }

    pub(super) fn size(&self, p: u32) -> u64 {
        match &self.sizes {
            Sizes::Unset => 0,
            Sizes::Same(bytes) => *bytes,
            Sizes::Each(sizes) => sizes[p as usize],
        }
    }

    pub(super) fn set_size(&mut self, p: u32, bytes: u64) {
        match &mut self.sizes {
            Sizes::Same(same) if *same == bytes => {}
            Sizes::Unset => self.sizes = Sizes::Same(bytes),
            Sizes::Same(same) => {
                let mut sizes = vec![*same; self.tags.len()];
                sizes[p as usize] = bytes;
                self.sizes = Sizes::Each(sizes);
            }
            Sizes::Each(sizes) => sizes[p as usize] = bytes,
        }
    }

    pub(super) fn is_special(&self, p: u32) -> bool {
        !self.special.is_empty() && self.special.contains_key(&p)
    }

    pub(super) fn special(&self, p: u32) -> Special {
        if self.special.is_empty() { Special::default() } else { self.special.get(&p).copied().unwrap_or_default() }
    }
}

impl StageRun {
    pub(super) fn new(graph: &TaskGraph, id: StageId, run_priority: i32) -> Self {
        let stage = graph.stage(id);
        let n_active = stage.n_active();
        let is_open = |up: StageId| graph.stage(up).n_active() > 0;
        let gates = stage.inputs.iter().filter(|input| input.wiring.is_all_to_all() && is_open(input.stage));
        let readers = || graph.consumers(id).iter().filter(|(reader, _)| graph.stage(*reader).n_active() > 0);
        let is_link =
            |(reader, input): &&(StageId, u32)| graph.stage(*reader).inputs[*input as usize].wiring.is_all_to_all();
        let count = |n: usize| u32::try_from(n).expect("a graph numbers its inputs with u32");
        Self {
            n_tasks: stage.n_tasks,
            n_active,
            priority: stage.options.priority.saturating_add(run_priority),
            is_gang: stage.options.is_gang && n_active > 0,
            is_light: stage.options.is_light_gang() && n_active > 0,
            has_kept: !graph.kept(id).is_empty(),
            reads_pointwise: stage.inputs.iter().any(|input| !input.wiring.is_all_to_all()),
            read_pointwise: readers().any(|reader| !is_link(&reader)),
            open_gates: count(gates.count()),
            open_links: count(readers().filter(is_link).count()),
            n_done: 0,
            given_up: Vec::new(),
            is_unspillable: false,
            is_announced: false,
            phase: if n_active == 0 { Phase::Done } else { Phase::Dormant },
            stats: StageStats::default(),
        }
    }

    /// Whether all tasks have run.
    pub(super) fn is_complete(&self) -> bool {
        self.n_done >= self.n_active
    }

    /// The arrays of a stage that has been touched.
    pub(super) fn live(&mut self) -> &mut Tables {
        match &mut self.phase {
            Phase::Live(tables) => tables,
            phase => unreachable!("a stage with tasks under way is {phase:?}"),
        }
    }

    /// The arrays, if there are any.
    pub(super) fn tables(&self) -> Option<&Tables> {
        match &self.phase {
            Phase::Live(tables) => Some(tables),
            Phase::Dormant | Phase::Done => None,
        }
    }

    /// The state of a task, arrays or not.
    pub(super) fn tag(&self, graph: &TaskGraph, id: StageId, p: u32) -> Tag {
        match &self.phase {
            Phase::Live(tables) => tables.tag(p),
            _ if !graph.stage(id).active.contains(p) => Tag::Unwanted,
            Phase::Dormant => self.untouched_tag(),
            Phase::Done => Tag::Released,
        }
    }

    fn untouched_tag(&self) -> Tag {
        if !self.reads_pointwise && self.open_gates == 0 { Tag::Ready } else { Tag::Waiting }
    }

    /// Makes the arrays if there are none: as of a stage of which nothing has run.
    pub(super) fn touch(&mut self, graph: &TaskGraph, id: StageId) {
        if matches!(self.phase, Phase::Dormant) {
            self.phase = Phase::Live(Box::new(self.new_tables(graph, id, self.untouched_tag())));
        }
    }

    /// Makes the arrays of a stage that was done and is to run again.
    pub(super) fn reopen(&mut self, graph: &TaskGraph, id: StageId) {
        if matches!(self.phase, Phase::Done) && self.n_active > 0 {
            self.phase = Phase::Live(Box::new(self.new_tables(graph, id, Tag::Released)));
        }
    }

    fn new_tables(&self, graph: &TaskGraph, id: StageId, tag: Tag) -> Tables {
        let stage = graph.stage(id);
        let n = self.n_tasks as usize;
        let mut tags = vec![tag; n];
        if self.n_active < self.n_tasks {
            tags.fill(Tag::Unwanted);
            stage.active.iter().for_each(|p| tags[p as usize] = tag);
        }
        let mut counts = [0; N_TAGS];
        counts[Tag::Unwanted as usize] = self.n_tasks - self.n_active;
        counts[tag as usize] = self.n_active;
        let mut missing = Vec::new();
        if self.reads_pointwise {
            missing = vec![0; n];
            for input in stage.inputs.iter().filter(|input| !input.wiring.is_all_to_all()) {
                let n_up = graph.stage(input.stage).n_tasks;
                let n_inputs = |p| input.wiring.n_inputs(n_up, self.n_tasks, p);
                (0..self.n_tasks).zip(&mut missing).for_each(|(p, n)| *n += n_inputs(p));
            }
        }
        Tables {
            tags,
            missing,
            reads: vec![0; if self.read_pointwise { n } else { 0 }],
            holders: vec![NOBODY; n],
            sizes: Sizes::Unset,
            counts,
            special: BTreeMap::new(),
        }
    }

    /// Whether the outside asks for the value of task `p`.
    pub(super) fn is_kept(&self, graph: &TaskGraph, id: StageId, p: u32) -> bool {
        self.has_kept && graph.kept(id).contains(p) && !self.is_given_up(p)
    }

    pub(super) fn is_given_up(&self, p: u32) -> bool {
        self.given_up.get(p as usize / 64).is_some_and(|word| word >> (p % 64) & 1 == 1)
    }

    pub(super) fn give_up(&mut self, p: u32) {
        if self.given_up.is_empty() {
            self.given_up = vec![0; (self.n_tasks as usize).div_ceil(64)];
        }
        self.given_up[p as usize / 64] |= 1 << (p % 64);
    }

    /// The bytes that a task is expected to make.
    pub(super) fn expected_bytes(&self, estimate: ByteEstimate, unknown_bytes: u64) -> u64 {
        match estimate {
            // A bound is kept to even where it seems far off: the peak that was predicted from it must hold.
            ByteEstimate::Exact(bytes) | ByteEstimate::AtMost(bytes) => bytes,
            // A little more than the largest value so far.
            ByteEstimate::Unknown if self.stats.n_finished > 0 => {
                self.stats.size_bytes_max.saturating_add(self.stats.size_bytes_max / 4)
            }
            ByteEstimate::Unknown => unknown_bytes,
        }
    }

    pub(super) fn memory_grew(&mut self, bytes: u64) {
        self.stats.memory_bytes += bytes;
        self.stats.memory_bytes_max = self.stats.memory_bytes_max.max(self.stats.memory_bytes);
    }
}
