use std::fmt;
use std::iter;
use std::ops::Range;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use dolmen_graph::BoxFuture;
use dolmen_storage::BlockId;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::exchange::{Output, batches};
use super::shares::Shares;

/// Which rows of the outputs of a stage a partition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reads {
    /// Partition `p` has piece `p` of every output, unless the tasks share the pieces out in another way.
    Piece,
    /// Partition `p` has output `p`, in the order in which it was made.
    Output,
    /// The only partition has every output, one after the other, whatever its pieces.
    All,
}

/// Reads in one stage what the tasks of another have written.
#[derive(Debug)]
pub(super) struct ReadExec {
    /// The key of the stage.
    from: Arc<str>,
    reads: Reads,
    properties: Arc<PlanProperties>,
    /// How the tasks share out the pieces.
    shares: OnceLock<Arc<Shares>>,
    source: OnceLock<Source>,
}

/// Gives the rows that task `i` of a stage has written, as bytes.
pub(super) type Fetch = Arc<dyn Fn(usize) -> BoxFuture<Result<Bytes>> + Send + Sync>;

/// Rows that come as bytes.
struct Fetched {
    n: usize,
    fetch: Fetch,
    /// The bytes of each, if they are known beforehand.
    sizes: Option<Vec<usize>>,
}

/// A block of an output, with the bytes of its rows.
type Held = (Arc<Output>, (BlockId, usize));

/// Where the rows are.
enum Source {
    /// In this process, known when the first task of the reading stage runs. Tasks hold the outputs, and so do streams.
    Outputs(Vec<Weak<Output>>),
    /// With whoever keeps the values of so many tasks; of each only what the reading task reads.
    Fetched(Fetched),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outputs(outputs) => write!(f, "{} outputs", outputs.len()),
            Self::Fetched(fetched) => write!(f, "{} values", fetched.n),
        }
    }
}

impl ReadExec {
    /// In the place of a node with these properties.
    pub(super) fn new(from: Arc<str>, reads: Reads, properties: &PlanProperties) -> Self {
        let properties = match reads {
            Reads::All => PlanProperties::new(
                EquivalenceProperties::new(Arc::clone(properties.eq_properties.schema())),
                Partitioning::UnknownPartitioning(1),
                EmissionType::Incremental,
                Boundedness::Bounded,
            ),
            Reads::Piece | Reads::Output => properties.clone(),
        };
        let properties = Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative));
        Self { from, reads, properties, shares: OnceLock::new(), source: OnceLock::new() }
    }

    /// A partition for each of `n` outputs.
    pub(super) fn with_outputs(mut self, n: usize) -> Self {
        let properties = self.properties.as_ref().clone();
        self.properties = Arc::new(properties.with_partitioning(Partitioning::UnknownPartitioning(n)));
        self
    }

    /// The key of the stage that is read.
    pub(super) fn from(&self) -> &Arc<str> {
        &self.from
    }

    pub(super) fn reads(&self) -> Reads {
        self.reads
    }

    /// Has the tasks share out the pieces.
    pub(super) fn share_out(&self, shares: &Arc<Shares>) {
        let _ = self.shares.set(Arc::clone(shares));
    }

    /// Makes the outputs known.
    pub(super) fn provide(&self, outputs: impl FnOnce() -> Vec<Weak<Output>>) {
        self.source.get_or_init(|| Source::Outputs(outputs()));
    }

    /// Makes known how the rows of `n` tasks are found, and their bytes if they are known.
    pub(super) fn provide_fetched(&self, n: usize, fetch: Fetch, sizes: Option<Vec<usize>>) {
        self.source.get_or_init(|| Source::Fetched(Fetched { n, fetch, sizes }));
    }

    /// The values that a partition reads, of `n`.
    fn wanted(&self, partition: usize, n: usize) -> Range<usize> {
        if self.reads == Reads::Output { partition.min(n)..(partition + 1).min(n) } else { 0..n }
    }

    fn fetched(&self, partition: usize, fetched: &Fetched) -> SendableRecordBatchStream {
        let fetch = Arc::clone(&fetched.fetch);
        let rows = stream::iter(self.wanted(partition, fetched.n)).then(move |i| fetch(i));
        let batches = rows.flat_map(|bytes| match bytes {
            Ok(bytes) => stream::iter(batches(bytes)).left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches))
    }

    /// The bytes of the rows of a partition, if they are known and there.
    pub(super) fn bytes(&self, partition: usize) -> Option<usize> {
        if let Some(Source::Fetched(Fetched { n, sizes, .. })) = self.source.get() {
            return Some(sizes.as_ref()?.get(self.wanted(partition, *n))?.iter().sum());
        }
        Some(self.blocks(partition)?.iter().map(|(_, (_, bytes))| bytes).sum())
    }

    /// The bytes of the rows of a piece, if they are there.
    pub(super) fn piece_bytes(&self, piece: usize) -> Option<usize> {
        Some(self.blocks_of(0..usize::MAX, piece..piece + 1)?.iter().map(|(_, (_, bytes))| bytes).sum())
    }

    /// The blocks that a partition has, with the outputs that hold them; `None` if they are not there.
    fn blocks(&self, partition: usize) -> Option<Vec<Held>> {
        match self.reads {
            Reads::Output => self.blocks_of(partition..partition + 1, 0..usize::MAX),
            Reads::All => self.blocks_of(0..usize::MAX, 0..usize::MAX),
            Reads::Piece => {
                let Some(shares) = self.shares.get() else {
                    return self.blocks_of(0..usize::MAX, partition..partition + 1);
                };
                let Some(share) = shares.get(partition) else { return Some(Vec::new()) };
                let mut blocks = self.blocks_of(0..usize::MAX, share.pieces.clone())?;
                if let Some(part) = share.part_of(&self.from) {
                    let (start, end) = (part.start(blocks.len()), part.end(blocks.len()));
                    blocks.truncate(end);
                    blocks.drain(..start);
                }
                Some(blocks)
            }
        }
    }

    fn blocks_of(&self, outputs: Range<usize>, pieces: Range<usize>) -> Option<Vec<Held>> {
        let Source::Outputs(all) = self.source.get()? else { return None };
        let mut blocks = Vec::new();
        for output in all.get(outputs.start..outputs.end.min(all.len()))? {
            let output = output.upgrade()?;
            blocks.extend(output.blocks(pieces.clone()).map(|block| (Arc::clone(&output), block)));
        }
        Some(blocks)
    }
}

impl DisplayAs for ReadExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => writeln!(f, "from={}", self.from),
            _ => write!(f, "ReadExec: from={}", self.from),
        }
    }
}

impl ExecutionPlan for ReadExec {
    fn name(&self) -> &str {
        "ReadExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    /// The rows of one run are not those of another.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let (from, properties) = (Arc::clone(&self.from), Arc::clone(&self.properties));
        let shares = self.shares.clone();
        Ok(Arc::new(Self { from, reads: self.reads, properties, shares, source: OnceLock::new() }))
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let missing = || DataFusionError::Internal(format!("the output of {} is not there to be read", self.from));
        if let Some(Source::Fetched(fetched)) = self.source.get() {
            return Ok(self.fetched(partition, fetched));
        }
        let blocks = self.blocks(partition).ok_or_else(missing)?.into_iter();
        // A block is in memory for as long as one of its batches may be asked for.
        let batches = blocks.flat_map(|(output, (id, _))| -> Box<dyn Iterator<Item = Result<RecordBatch>> + Send> {
            match output.store().load(id) {
                Ok(block) => Box::new((0..block.batches.len()).map(move |i| Ok(block.batches[i].clone()))),
                Err(error) => Box::new(iter::once(Err(error))),
            }
        });
        // There is always a next batch: whoever wants all of them pauses now and then, so that he can be stopped.
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(self.schema(), stream::iter(batches)))))
    }
}
