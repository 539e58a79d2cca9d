//! The ready tasks of one run.
//!
//! Entries are hints: whether a task is ready, its tag says. An entry whose task is not is dropped when it is met, so a
//! task that is given up need not be looked for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use dolmen_graph::StageId;

/// Ready tasks by priority, the highest first. Levels without entries go.
#[derive(Debug, Default)]
pub(super) struct Queues {
    levels: Vec<Level>,
    /// Gangs that take no worker, and of which every task is ready.
    light: Vec<StageId>,
}

#[derive(Debug)]
struct Level {
    priority: i32,
    n_entries: usize,
    /// For each worker what became ready by its work, the newest last.
    local: Vec<VecDeque<Span>>,
    /// Gangs of which every task is ready.
    gangs: VecDeque<StageId>,
    /// Stages that wait for nothing, in the order of their next tasks.
    sources: BinaryHeap<Reverse<Source>>,
}

/// Neighbouring ready tasks.
#[derive(Debug, Clone, Copy)]
struct Span {
    stage: StageId,
    start: u32,
    end: u32,
}

/// A stage whose tasks wait for nothing, and how far it has been handed out.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// The order number of the next task.
    pub(super) rank: u64,
    pub(super) stage: StageId,
    /// The next partition or, with a list, the position of it.
    pub(super) next: u32,
    /// The partitions in order, where that is not ascending or not all.
    pub(super) list: Option<Box<[u32]>>,
}

/// What a worker may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    Task(StageId, u32),
    Gang(StageId),
    /// A source has the next task: [`Queues::advance`] says which.
    Source(StageId),
}

impl Queues {
    pub(super) fn top(&self) -> Option<i32> {
        self.levels.first().map(|level| level.priority)
    }

    pub(super) fn clear(&mut self) {
        self.levels.clear();
        self.light.clear();
    }

    fn level(&mut self, priority: i32) -> &mut Level {
        let idx = match self.levels.binary_search_by_key(&Reverse(priority), |level| Reverse(level.priority)) {
            Ok(idx) => idx,
            Err(idx) => {
                let level = Level {
                    priority,
                    n_entries: 0,
                    local: Vec::new(),
                    gangs: VecDeque::new(),
                    sources: BinaryHeap::new(),
                };
                self.levels.insert(idx, level);
                idx
            }
        };
        &mut self.levels[idx]
    }

    /// Adds a task as the newest of `worker`.
    pub(super) fn push(&mut self, priority: i32, worker: u32, stage: StageId, p: u32) {
        let level = self.level(priority);
        let local = level.local_of(worker);
        match local.back_mut() {
            Some(span) if span.stage == stage && span.end == p => span.end += 1,
            Some(span) if span.stage == stage && span.start == p + 1 => span.start = p,
            _ => {
                local.push_back(Span { stage, start: p, end: p + 1 });
                level.n_entries += 1;
            }
        }
    }

    /// Puts back a task that was taken: it is what `worker` takes next at its priority.
    pub(super) fn push_back(&mut self, priority: i32, worker: u32, stage: StageId, p: u32) {
        let level = self.level(priority);
        let local = level.local_of(worker);
        match local.back_mut() {
            Some(span) if span.stage == stage && span.start == p + 1 => span.start = p,
            _ => {
                local.push_back(Span { stage, start: p, end: p + 1 });
                level.n_entries += 1;
            }
        }
    }

    pub(super) fn push_gang(&mut self, priority: i32, stage: StageId, is_light: bool) {
        if is_light {
            self.light.push(stage);
            return;
        }
        let level = self.level(priority);
        level.gangs.push_back(stage);
        level.n_entries += 1;
    }

    /// Whether a gang that takes no worker is ready.
    pub(super) fn has_light(&self) -> bool {
        !self.light.is_empty()
    }

    /// Takes a gang that takes no worker.
    pub(super) fn pop_light(&mut self) -> Option<StageId> {
        self.light.pop()
    }

    pub(super) fn push_source(&mut self, priority: i32, source: Source) {
        let level = self.level(priority);
        level.sources.push(Reverse(source));
        level.n_entries += 1;
    }

    /// What `worker` does next: its own newest, else the oldest of another worker, else a gang, else a source.
    ///
    /// Consumers before sources: finishing what was begun frees memory. Sources are left where they are; see
    /// [`advance`](Self::advance).
    pub(super) fn pop(&mut self, worker: u32, takes_sources: bool) -> Option<Pick> {
        for idx in 0..self.levels.len() {
            let level = &mut self.levels[idx];
            let own = level.local.get_mut(worker as usize).is_some_and(|own| !own.is_empty());
            let pick = if own || level.steal(worker) {
                let (stage, p) = level.pop_local(worker);
                Some(Pick::Task(stage, p))
            } else if let Some(stage) = level.gangs.pop_front() {
                level.n_entries -= 1;
                Some(Pick::Gang(stage))
            } else if takes_sources {
                level.sources.peek().map(|Reverse(source)| Pick::Source(source.stage))
            } else {
                None
            };
            if pick.is_some() {
                if level.n_entries == 0 {
                    self.levels.remove(idx);
                }
                return pick;
            }
        }
        None
    }

    /// The next partition of the first source, which moves on. `following` says, for a partition, the next one at or
    /// after it that is active, and the order number of a task.
    pub(super) fn advance(
        &mut self,
        next_active: impl Fn(StageId, u32) -> Option<u32>,
        rank: impl Fn(StageId, u32) -> u64,
    ) -> Option<(StageId, u32)> {
        let (idx, level) = self.levels.iter_mut().enumerate().find(|(_, level)| !level.sources.is_empty())?;
        let is_only = level.sources.len() == 1;
        let mut top = level.sources.peek_mut()?;
        let source = &mut top.0;
        let found = match &source.list {
            Some(list) => list.get(source.next as usize).copied(),
            None => next_active(source.stage, source.next),
        };
        let Some(p) = found else {
            std::collections::binary_heap::PeekMut::pop(top);
            level.n_entries -= 1;
            if level.n_entries == 0 {
                self.levels.remove(idx);
            }
            return None;
        };
        let stage = source.stage;
        let following = match &source.list {
            Some(list) => {
                source.next += 1;
                list.get(source.next as usize).copied()
            }
            None => {
                source.next = p + 1;
                next_active(stage, p + 1)
            }
        };
        match following {
            Some(_) if is_only => {}
            Some(following) => source.rank = rank(stage, following),
            None => {
                std::collections::binary_heap::PeekMut::pop(top);
                level.n_entries -= 1;
                if level.n_entries == 0 {
                    self.levels.remove(idx);
                }
            }
        }
        Some((stage, p))
    }

    /// Takes task `p` if it is next for `worker` at its priority, from the queue of the worker or the first source.
    /// `advance` moves that source on.
    pub(super) fn take(
        &mut self,
        priority: i32,
        worker: u32,
        stage: StageId,
        p: u32,
        advance: impl FnOnce(&mut Self),
    ) -> bool {
        let Some(idx) = self.levels.iter().position(|level| level.priority == priority) else { return false };
        let level = &mut self.levels[idx];
        let local = level.local.get_mut(worker as usize).filter(|local| !local.is_empty());
        if let Some(local) = local {
            let Some(span) = local.back_mut().filter(|span| span.stage == stage && span.start == p) else {
                return false;
            };
            span.start += 1;
            if span.start == span.end {
                local.pop_back();
                level.n_entries -= 1;
                if level.n_entries == 0 {
                    self.levels.remove(idx);
                }
            }
            return true;
        }
        let is_first = self.levels.iter().position(|level| !level.sources.is_empty()) == Some(idx);
        let is_next = self.levels[idx]
            .sources
            .peek()
            .is_some_and(|Reverse(source)| source.stage == stage && source.list.is_none() && source.next == p);
        if is_first && is_next {
            advance(self);
        }
        is_first && is_next
    }

    /// Takes out an entry of a gang.
    pub(super) fn take_gang(&mut self, stage: StageId) -> bool {
        for (idx, level) in self.levels.iter_mut().enumerate() {
            let Some(position) = level.gangs.iter().position(|gang| *gang == stage) else { continue };
            level.gangs.remove(position);
            level.n_entries -= 1;
            if level.n_entries == 0 {
                self.levels.remove(idx);
            }
            return true;
        }
        false
    }

    /// Calls `f` with every task in an entry; for the invariants.
    pub(super) fn for_each(&self, mut next_active: impl FnMut(StageId, u32) -> Option<u32>, mut f: impl FnMut(Pick)) {
        self.light.iter().for_each(|stage| f(Pick::Gang(*stage)));
        for level in &self.levels {
            for span in level.local.iter().flatten() {
                (span.start..span.end).for_each(|p| f(Pick::Task(span.stage, p)));
            }
            level.gangs.iter().for_each(|stage| f(Pick::Gang(*stage)));
            for Reverse(source) in &level.sources {
                match &source.list {
                    Some(list) => list[source.next as usize..].iter().for_each(|p| f(Pick::Task(source.stage, *p))),
                    None => {
                        let mut next = next_active(source.stage, source.next);
                        while let Some(p) = next {
                            f(Pick::Task(source.stage, p));
                            next = next_active(source.stage, p + 1);
                        }
                    }
                }
            }
        }
    }

    /// Whether the numbers of entries are right; for the invariants.
    pub(super) fn is_consistent(&self) -> bool {
        let is_right = |level: &Level| {
            let n_local: usize = level.local.iter().map(VecDeque::len).sum();
            level.n_entries > 0 && level.n_entries == n_local + level.gangs.len() + level.sources.len()
        };
        self.levels.iter().all(is_right) && self.levels.is_sorted_by(|a, b| a.priority > b.priority)
    }
}

impl Level {
    fn local_of(&mut self, worker: u32) -> &mut VecDeque<Span> {
        let idx = worker as usize;
        if self.local.len() <= idx {
            self.local.resize_with(idx + 1, VecDeque::new);
        }
        &mut self.local[idx]
    }

    fn pop_local(&mut self, worker: u32) -> (StageId, u32) {
        let local = &mut self.local[worker as usize];
        let span = local.back_mut().expect("only called with an entry");
        let task = (span.stage, span.start);
        span.start += 1;
        if span.start == span.end {
            local.pop_back();
            self.n_entries -= 1;
        }
        task
    }

    /// Moves the oldest entry of the worker that has most to `thief`; of neighbouring tasks the later half.
    fn steal(&mut self, thief: u32) -> bool {
        let Some(victim) = (0..self.local.len()).max_by_key(|idx| self.local[*idx].len()) else { return false };
        let Some(span) = self.local[victim].front_mut() else { return false };
        let stolen = if span.end - span.start > 1 {
            let middle = span.start + (span.end - span.start) / 2;
            let stolen = Span { start: middle, ..*span };
            span.end = middle;
            self.n_entries += 1;
            stolen
        } else {
            let stolen = *span;
            self.local[victim].pop_front();
            stolen
        };
        self.local_of(thief).push_back(stolen);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: StageId = StageId(3);

    #[test]
    fn own_newest_then_the_oldest_of_others() {
        let mut queues = Queues::default();
        for p in [1, 5, 9] {
            queues.push(0, 0, S, p);
        }
        assert_eq!(queues.pop(0, true), Some(Pick::Task(S, 9)));
        assert_eq!(queues.pop(1, true), Some(Pick::Task(S, 1)));
        assert_eq!(queues.pop(0, true), Some(Pick::Task(S, 5)));
        assert_eq!(queues.pop(0, true), None);
        assert_eq!(queues.top(), None);
    }

    #[test]
    fn neighbours_are_one_entry_and_a_thief_takes_the_later_half() {
        let mut queues = Queues::default();
        (0..10).for_each(|p| queues.push(0, 0, S, p));
        assert_eq!(queues.pop(1, true), Some(Pick::Task(S, 5)));
        assert_eq!(queues.pop(0, true), Some(Pick::Task(S, 0)));
        let no_source = |_: &mut Queues| unreachable!("there are only spans");
        assert!((1..5).all(|p| queues.take(0, 0, S, p, no_source)));
        assert!(!queues.take(0, 0, S, 5, no_source) && !queues.take(0, 1, S, 7, no_source));
        assert!((6..10).all(|p| queues.take(0, 1, S, p, no_source)));
        assert!(queues.is_consistent() && queues.top().is_none());
    }

    #[test]
    fn higher_priority_first_and_sources_last() {
        let mut queues = Queues::default();
        queues.push_source(0, Source { rank: 0, stage: S, next: 0, list: None });
        queues.push(0, 0, S, 7);
        queues.push(5, 1, S, 8);
        assert_eq!(queues.pop(0, true), Some(Pick::Task(S, 8)));
        assert_eq!(queues.pop(0, true), Some(Pick::Task(S, 7)));
        assert_eq!(queues.pop(0, false), None);
        assert_eq!(queues.pop(0, true), Some(Pick::Source(S)));
        let two = |_, p| (p < 2).then_some(p);
        assert_eq!(queues.advance(two, |_, p| p.into()), Some((S, 0)));
        assert_eq!(queues.advance(two, |_, p| p.into()), Some((S, 1)));
        assert_eq!(queues.pop(0, true), None);
    }

    #[test]
    fn sources_take_turns_by_rank() {
        let mut queues = Queues::default();
        let list = |start: u32| Some((start..start + 2).collect::<Vec<_>>().into_boxed_slice());
        queues.push_source(0, Source { rank: 0, stage: StageId(0), next: 0, list: list(0) });
        queues.push_source(0, Source { rank: 1, stage: StageId(1), next: 0, list: list(0) });
        let rank = |stage: StageId, p: u32| u64::from(p * 2 + stage.0);
        let next = |queues: &mut Queues| queues.advance(|_, _| None, rank).unwrap();
        let order: Vec<_> = (0..4).map(|_| next(&mut queues)).map(|(stage, p)| (stage.0, p)).collect();
        assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1)]);
    }
}
