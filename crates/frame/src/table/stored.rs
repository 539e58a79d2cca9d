use std::sync::{Arc, PoisonError, RwLock};

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::StreamExt;
use tokio::sync::{Mutex, MutexGuard};

use super::chunk::{Chunk, ChunkBuilder, append};
use super::conform::conform;
use super::keys::KeyIndexes;
use super::version::Version;
use super::{TableDefinition, TableError, TableSnapshot};

/// A table in memory that many statements read while one writes.
///
/// Readers take a [`TableSnapshot`] and never wait. Writers take turns; each builds the next version beside the current
/// one and puts it in place at the end. A write that fails, or whose future is dropped, leaves no trace.
#[derive(Debug)]
pub struct StoredTable {
    definition: Arc<TableDefinition>,
    current: RwLock<Arc<Version>>,
    keys: Mutex<KeyIndexes>,
    account: MemoryReservation,
}

impl StoredTable {
    /// Creates a table that holds `batches`, whose memory is counted in `pool`.
    ///
    /// # Errors
    /// [`TableError`] if the definition contradicts itself, a row breaks it, or `pool` refuses the memory.
    pub fn try_new(
        definition: TableDefinition,
        pool: &Arc<dyn MemoryPool>,
        batches: &[RecordBatch],
    ) -> Result<Self, TableError> {
        let definition = Arc::new(definition.validated()?);
        let account = MemoryConsumer::new(format!("table {}", definition.name)).register(pool);
        let mut keys = KeyIndexes::try_new(&definition, &account)?;
        let mut builder = ChunkBuilder::new(definition.chunk_rows_max, &account);
        for batch in batches {
            let batch = conform(batch, &definition)?;
            keys.insert_rows(&definition, batch.columns())?;
            builder.push(&batch)?;
        }
        keys.commit();
        let version = Version::new(Arc::clone(&definition), builder.finish()?);
        Ok(Self { definition, current: RwLock::new(Arc::new(version)), keys: Mutex::new(keys), account })
    }

    /// What the table is: name, columns, constraints, defaults.
    pub fn definition(&self) -> &TableDefinition {
        &self.definition
    }

    /// The rows as the last finished write left them.
    pub fn snapshot(&self) -> Arc<TableSnapshot> {
        Arc::new(TableSnapshot::new(self.current()))
    }

    /// Waits for its turn to write. Until the result is dropped, nobody else writes to the table.
    pub async fn begin_write(&self) -> TableWrite<'_> {
        let keys = self.keys.lock().await;
        // Only a writer replaces the version, so the one read here stays current until this write ends.
        TableWrite { table: self, base: self.current(), keys, replaced_keys: None }
    }

    /// Appends the rows of `input` and returns their number.
    ///
    /// # Errors
    /// [`TableError`]; the table is unchanged then.
    pub async fn append(&self, input: SendableRecordBatchStream) -> Result<u64, TableError> {
        self.begin_write().await.append(input).await
    }

    /// Removes all rows and returns how many there were.
    ///
    /// # Errors
    /// [`TableError`]; the table is unchanged then.
    pub async fn truncate(&self) -> Result<u64, TableError> {
        self.begin_write().await.truncate()
    }

    // A lock poisoned by a panic elsewhere is as good as new: the value behind it is replaced in one step.
    fn current(&self) -> Arc<Version> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The right to write to a table. Dropping it without finishing a write leaves the table as it was.
#[derive(Debug)]
pub struct TableWrite<'a> {
    table: &'a StoredTable,
    base: Arc<Version>,
    keys: MutexGuard<'a, KeyIndexes>,
    /// The keys before this write, if it started anew instead of editing them.
    replaced_keys: Option<KeyIndexes>,
}

impl TableWrite<'_> {
    /// The rows that this write changes; plan the statement against them.
    pub fn snapshot(&self) -> TableSnapshot {
        TableSnapshot::new(Arc::clone(&self.base))
    }

    /// Appends the rows of `input` and returns their number.
    ///
    /// # Errors
    /// [`TableError`]; the table is unchanged then.
    pub async fn append(mut self, input: SendableRecordBatchStream) -> Result<u64, TableError> {
        let new_chunks = self.gather(input).await?;
        let n_rows: usize = new_chunks.iter().map(|chunk| chunk.n_rows).sum();
        let mut chunks = self.base.chunks.clone();
        for chunk in new_chunks {
            append(&mut chunks, chunk, self.table.definition.chunk_rows_max, &self.table.account);
        }
        self.finish(chunks);
        Ok(n_rows as u64)
    }

    /// Replaces all rows by those of `input` and returns the number of new rows.
    ///
    /// # Errors
    /// [`TableError`]; the table is unchanged then.
    pub async fn overwrite(mut self, input: SendableRecordBatchStream) -> Result<u64, TableError> {
        self.forget_keys()?;
        let chunks = self.gather(input).await?;
        let n_rows: usize = chunks.iter().map(|chunk| chunk.n_rows).sum();
        self.finish(chunks);
        Ok(n_rows as u64)
    }

    /// Removes all rows and returns how many there were.
    ///
    /// # Errors
    /// [`TableError`]; the table is unchanged then.
    pub fn truncate(mut self) -> Result<u64, TableError> {
        let n_rows = self.base.n_rows();
        self.forget_keys()?;
        self.finish(vec![]);
        Ok(n_rows as u64)
    }

    pub(super) fn definition(&self) -> &Arc<TableDefinition> {
        &self.table.definition
    }

    pub(super) fn base(&self) -> &Arc<Version> {
        &self.base
    }

    pub(super) fn keys(&mut self) -> &mut KeyIndexes {
        &mut self.keys
    }

    pub(super) fn account(&self) -> &MemoryReservation {
        &self.table.account
    }

    /// Makes `chunks` the rows of the table.
    pub(super) fn finish(mut self, chunks: Vec<Arc<Chunk>>) {
        let version = Arc::new(Version::new(Arc::clone(&self.table.definition), chunks));
        self.keys.commit();
        self.replaced_keys = None;
        *self.table.current.write().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// Checks the rows of `input` and stores them, outside of the table as yet.
    async fn gather(&mut self, mut input: SendableRecordBatchStream) -> Result<Vec<Arc<Chunk>>, TableError> {
        let definition = Arc::clone(&self.table.definition);
        let mut builder = ChunkBuilder::new(definition.chunk_rows_max, &self.table.account);
        while let Some(batch) = input.next().await {
            let batch = conform(&batch?, &definition)?;
            self.keys.insert_rows(&definition, batch.columns())?;
            builder.push(&batch)?;
            // A source that is always ready would otherwise keep the thread, and the write could not be cancelled.
            tokio::task::yield_now().await;
        }
        Ok(builder.finish()?)
    }

    fn forget_keys(&mut self) -> Result<(), TableError> {
        let fresh = KeyIndexes::try_new(&self.table.definition, &self.table.account)?;
        self.replaced_keys = Some(std::mem::replace(&mut *self.keys, fresh));
        Ok(())
    }
}

impl Drop for TableWrite<'_> {
    fn drop(&mut self) {
        match self.replaced_keys.take() {
            Some(keys) => *self.keys = keys,
            // After a finished write nothing is left to take back.
            None => self.keys.rollback(),
        }
    }
}
