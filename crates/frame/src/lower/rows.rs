use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::RecordBatchStream;
use dolmen_graph::{BoxFuture, GraphRun, RunError, TaskError};
use futures::{FutureExt, Stream};
use tokio::sync::mpsc::Receiver;

use crate::error::Error;

/// What went wrong first in the tasks of a plan. It stays the plan's own error; the scheduler is only told that there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<DataFusionError>>>);

impl Failure {
    /// Keeps the error if it is the first; what the task then fails with.
    pub(super) fn keep(&self, error: DataFusionError) -> TaskError {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        TaskError::failed("the statement's error says why")
    }

    fn take(&self) -> Option<DataFusionError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Where the rows of a plan come from while it runs.
pub(super) struct Rows {
    pub(super) batches: Receiver<RecordBatch>,
    pub(super) failure: Failure,
}

/// The rows of a plan that runs as tasks. Dropping it cancels them.
pub(super) struct RowStream {
    schema: SchemaRef,
    rows: Rows,
    /// `None` once the run has ended well.
    end: Option<BoxFuture<Result<(), RunError>>>,
    _run: Arc<dyn GraphRun>,
}

impl RowStream {
    pub(super) fn new(schema: SchemaRef, rows: Rows, run: Arc<dyn GraphRun>) -> Self {
        Self { schema, rows, end: Some(run.finished()), _run: run }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<DataFusionError>> {
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        let ended = ready!(end.poll_unpin(context));
        self.end = None;
        Poll::Ready(ended.err().map(|error| self.rows.failure.take().unwrap_or_else(|| of_run(error))))
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = match self.rows.batches.poll_recv(context) {
            Poll::Ready(Some(batch)) => return Poll::Ready(Some(Ok(batch))),
            next => next.is_ready(),
        };
        // A run that fails may leave tasks, and with them ends of the channel, that never start.
        let failure = match self.poll_end(context) {
            Poll::Ready(failure) => failure,
            Poll::Pending => return Poll::Pending,
        };
        match failure {
            Some(error) => {
                self.rows.batches.close();
                Poll::Ready(Some(Err(error)))
            }
            None if next => Poll::Ready(None),
            // All tasks are done, and so are their ends of the channel.
            None => self.rows.batches.poll_recv(context).map(|batch| batch.map(Ok)),
        }
    }
}

impl RecordBatchStream for RowStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The failure of a run that is not the plan's own.
pub(super) fn of_run(error: RunError) -> DataFusionError {
    match error {
        RunError::Task { error: TaskError::Panicked { message }, .. } => {
            DataFusionError::External(Box::new(Error::internal(message)))
        }
        RunError::MemoryLimit { .. } => DataFusionError::ResourcesExhausted(error.to_string()),
        RunError::Cancelled | RunError::Closed => DataFusionError::Execution("the statement was cancelled".to_owned()),
        error => DataFusionError::External(Box::new(error)),
    }
}
