//! The values of one run, in memory or on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use dolmen_graph::{LocalDecoder, StageId, TaskError, TaskGraph, TaskId, TaskInputs, ValueRef, Wiring};
use dolmen_storage::BlockId;

/// Values by task: a pointer for each task of a stage that has one.
#[derive(Default)]
pub(crate) struct Values {
    stages: Vec<Of>,
    on_disk: BTreeMap<TaskId, DiskValue>,
}

#[derive(Default)]
struct Of {
    values: Vec<Option<ValueRef>>,
    n_values: u32,
    /// No more values come, so that the list goes with the last. Until then it stays: tasks that finish one by one, each
    /// value used up before the next, would make it again every time.
    is_finished: bool,
}

impl Of {
    fn free_if_empty(&mut self) {
        if self.is_finished && self.n_values == 0 {
            self.values = Vec::new();
        }
    }
}

/// A value that has been written.
#[derive(Clone)]
pub(crate) struct DiskValue {
    pub(crate) block: BlockId,
    /// The bytes of the value in memory.
    pub(crate) size_bytes: u64,
    pub(crate) decoder: Option<LocalDecoder>,
}

impl Values {
    pub(crate) fn new(graph: &TaskGraph) -> Self {
        Self { stages: graph.stages().map(|_| Of::default()).collect(), on_disk: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, graph: &TaskGraph, task: TaskId, value: ValueRef) {
        let of = &mut self.stages[task.stage.index()];
        if of.values.is_empty() {
            of.values = vec![None; graph.stage(task.stage).n_tasks as usize];
        }
        of.n_values += u32::from(of.values[task.partition as usize].replace(value).is_none());
    }

    pub(crate) fn get(&self, task: TaskId) -> Option<&ValueRef> {
        self.stages.get(task.stage.index())?.values.get(task.partition as usize)?.as_ref()
    }

    /// Takes a value out of memory.
    pub(crate) fn take(&mut self, task: TaskId) -> Option<ValueRef> {
        let of = self.stages.get_mut(task.stage.index())?;
        let value = of.values.get_mut(task.partition as usize)?.take()?;
        of.n_values -= 1;
        of.free_if_empty();
        Some(value)
    }

    /// All tasks of a stage have their values.
    pub(crate) fn finish(&mut self, stage: StageId) {
        let of = &mut self.stages[stage.index()];
        of.is_finished = true;
        of.free_if_empty();
    }

    pub(crate) fn disk(&self, task: TaskId) -> Option<&DiskValue> {
        if self.on_disk.is_empty() { None } else { self.on_disk.get(&task) }
    }

    pub(crate) fn set_disk(&mut self, task: TaskId, value: DiskValue) {
        self.on_disk.insert(task, value);
    }

    pub(crate) fn take_disk(&mut self, task: TaskId) -> Option<BlockId> {
        if self.on_disk.is_empty() { None } else { self.on_disk.remove(&task).map(|value| value.block) }
    }

    /// Takes out everything.
    pub(crate) fn clear(&mut self) -> (Vec<ValueRef>, Vec<BlockId>) {
        let values = self.stages.iter_mut().flat_map(|of| std::mem::take(&mut of.values)).flatten().collect();
        self.stages.iter_mut().for_each(|of| of.n_values = 0);
        (values, std::mem::take(&mut self.on_disk).into_values().map(|value| value.block).collect())
    }

    /// What a task reads. Behind an exchange each is the piece that is meant for it.
    pub(crate) fn inputs(&self, graph: &Arc<TaskGraph>, id: StageId, p: u32) -> Result<TaskInputs, TaskError> {
        let stage = graph.stage(id);
        let mut inputs = TaskInputs::new();
        for (input_idx, input) in stage.inputs.iter().enumerate() {
            let n_up = graph.stage(input.stage).n_tasks;
            let is_exchange = matches!(input.wiring, Wiring::Exchange(_));
            let mut position = 0;
            let mut missing = None;
            input.wiring.for_each_input(n_up, stage.n_tasks, p, |q| {
                let value = self.get(TaskId::new(input.stage, q)).cloned();
                let value = if is_exchange { value.and_then(|value| value.piece(p)) } else { value };
                match value {
                    Some(value) => inputs.push(value),
                    None => missing = Some(position),
                }
                position += 1;
            });
            if let Some(position) = missing {
                return Err(TaskError::InputMissing { input_idx, position });
            }
            inputs.end_input();
        }
        Ok(inputs)
    }
}
