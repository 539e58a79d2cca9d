//! Files of DataFusion's operators, whose errors say where the files are.
//!
//! The files of a pool, through which repartitioning hands over what finds no memory, tell of a failed write when they are read:
//! DataFusion forgets a file of a pool that refuses a batch, and whoever reads it would wait for its end for ever.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, StreamExt, future, stream};

/// What DataFusion makes its temporary files with: in the folder `files`, on the disk of `base`, until that is full.
pub(crate) fn spill_files(files: PathBuf, base: &Path, merge_fan_in: usize) -> Result<DiskManagerBuilder> {
    let directories = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![files]))
        .with_max_temp_directory_size(u64::MAX);
    let factory = Files { manager: Arc::new(directories.build()?), base: base.into() };
    Ok(DiskManagerBuilder::default()
        .with_temp_file_factory(Arc::new(factory))
        .with_max_spill_merge_fan_in(merge_fan_in))
}

struct Files {
    manager: Arc<DiskManager>,
    /// The folder that was chosen for temporary files.
    base: Arc<Path>,
}

impl TempFileFactory for Files {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let file = self.manager.create_tmp_file(description).map_err(|error| of_engine(&self.base, error))?;
        let deferred = (description == POOL).then(Deferred::default);
        Ok(Arc::new(Named { inner: file, base: Arc::clone(&self.base), deferred }))
    }
}

/// What DataFusion says that the files of a pool are for.
const POOL: &str = "SpillPool";

/// The first write that failed, which whoever reads the file is told.
type Deferred = Arc<OnceLock<Arc<SpillError>>>;

/// A file or a writer, and the folder that its errors name.
struct Named<T> {
    inner: T,
    base: Arc<Path>,
    /// For the files of a pool: writes succeed, reading fails.
    deferred: Option<Deferred>,
}

impl<T> Named<T> {
    fn has_failed(&self) -> bool {
        self.deferred.as_ref().is_some_and(|failure| failure.get().is_some())
    }

    /// What a failed write gives: its error, or what it would have given if the error is for the reader.
    fn settled<R>(&self, error: io::Error, as_if: R) -> io::Result<R> {
        match &self.deferred {
            Some(failure) if error.kind() != io::ErrorKind::Interrupted => {
                // The first one counts.
                let _ = failure.set(Arc::new(SpillError { base: self.base.to_path_buf(), source: error }));
                Ok(as_if)
            }
            _ => Err(named(&self.base, error)),
        }
    }
}

impl SpillFile for Named<Arc<dyn SpillFile>> {
    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }

    fn size(&self) -> Option<u64> {
        self.inner.size()
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let base = Arc::clone(&self.base);
        let bytes = self.inner.read_stream()?.map(move |bytes| bytes.map_err(|error| of_engine(&base, error)));
        let Some(failure) = self.deferred.clone() else { return Ok(Box::pin(bytes)) };
        let at_end = stream::once(future::lazy(move |_| {
            let error = failure.get()?;
            Some(Err(DataFusionError::IoError(io::Error::new(kind(&error.source), Arc::clone(error)))))
        }));
        Ok(Box::pin(bytes.chain(at_end.filter_map(future::ready))))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        let inner = match self.inner.open_writer() {
            Ok(writer) => writer,
            Err(DataFusionError::IoError(error)) => self.settled(error, Box::new(Nowhere) as Box<dyn SpillWriter>)?,
            Err(error) => return Err(error),
        };
        Ok(Box::new(Named { inner, base: Arc::clone(&self.base), deferred: self.deferred.clone() }))
    }
}

impl io::Write for Named<Box<dyn SpillWriter>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed() {
            return Ok(bytes.len());
        }
        self.inner.write(bytes).or_else(|error| self.settled(error, bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.has_failed() {
            return Ok(());
        }
        self.inner.flush().or_else(|error| self.settled(error, ()))
    }
}

impl SpillWriter for Named<Box<dyn SpillWriter>> {
    fn finish(&mut self) -> Result<()> {
        if self.has_failed() {
            return Ok(());
        }
        match self.inner.finish() {
            Err(DataFusionError::IoError(error)) => Ok(self.settled(error, ())?),
            other => other,
        }
    }
}

/// The writer of a file that could not be opened.
struct Nowhere;

impl io::Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for Nowhere {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

fn of_engine(base: &Path, error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::IoError(error) => DataFusionError::IoError(named(base, error)),
        error => error,
    }
}

fn named(base: &Path, error: io::Error) -> io::Error {
    io::Error::new(kind(&error), SpillError { base: base.to_owned(), source: error })
}

/// The kind of the error that the operating system gave, however it was wrapped.
fn kind(error: &io::Error) -> io::ErrorKind {
    let chain = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source());
    let kinds = chain.filter_map(|error| match error.downcast_ref::<DataFusionError>() {
        Some(DataFusionError::IoError(error)) => Some(error.kind()),
        _ => error.downcast_ref::<io::Error>().map(io::Error::kind),
    });
    kinds.filter(|kind| *kind != io::ErrorKind::Other).last().unwrap_or(error.kind())
}

/// An operator's file could not be written or read.
#[derive(Debug)]
struct SpillError {
    base: PathBuf,
    source: io::Error,
}

impl fmt::Display for SpillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, source } = self;
        let folder = base.display();
        match kind(source) {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => write!(
                f,
                "cannot spill: no space is left in the folder for temporary files {folder}. Free some, or choose another \
                 folder: {source}"
            ),
            _ => write!(f, "a file in the folder for temporary files {folder} failed: {source}"),
        }
    }
}

impl std::error::Error for SpillError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use datafusion::arrow::array::{Int64Array, RecordBatch};
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::SpillManager;
    use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
    use datafusion::physical_plan::spill::spill_pool::mpsc_channel;

    use super::*;

    /// A file of so many bytes, on a disk that has no room for more.
    #[derive(Clone)]
    struct Small {
        bytes: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl SpillFile for Small {
        fn size(&self) -> Option<u64> {
            None
        }

        fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
            let bytes = self.bytes.lock().unwrap().clone();
            Ok(Box::pin(stream::iter([Ok(Bytes::from(bytes))])))
        }

        fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
            Ok(Box::new(self.clone()))
        }
    }

    impl io::Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.bytes.lock().unwrap();
            if written.len() + bytes.len() > self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            written.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl SpillWriter for Small {
        fn finish(&mut self) -> Result<()> {
            Ok(())
        }
    }

    struct SmallFiles;

    impl TempFileFactory for SmallFiles {
        fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
            let inner: Arc<dyn SpillFile> = Arc::new(Small { bytes: Arc::default(), room: 4096 });
            let deferred = (description == POOL).then(Deferred::default);
            Ok(Arc::new(Named { inner, base: Path::new("/small").into(), deferred }))
        }
    }

    #[tokio::test]
    async fn whoever_reads_a_pool_learns_that_its_disk_is_full() {
        let disk = DiskManagerBuilder::default().with_temp_file_factory(Arc::new(SmallFiles));
        let environment = Arc::new(RuntimeEnvBuilder::new().with_disk_manager_builder(disk).build().unwrap());
        let numbers = Arc::new(Int64Array::from_iter_values(0..200));
        let batch = RecordBatch::try_from_iter([("x", numbers as _)]).unwrap();
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        let manager = Arc::new(SpillManager::new(environment, metrics, batch.schema()));
        let (writer, mut reader) = mpsc_channel(1 << 20, manager);
        for _ in 0..4 {
            writer.push_batch(&batch).unwrap();
        }
        let read = async {
            let mut n_rows = 0;
            loop {
                match reader.next().await {
                    Some(Ok(batch)) => n_rows += batch.num_rows(),
                    other => break (n_rows, other),
                }
            }
        };
        let (n_rows, end) =
            tokio::time::timeout(Duration::from_secs(60), read).await.expect("it does not wait for ever");
        let error = end.expect("the stream has no end before the error").unwrap_err().to_string();
        assert!(n_rows < 800 && error.contains("no space is left") && error.contains("/small"), "{n_rows}: {error}");
    }

    #[test]
    fn any_other_file_tells_at_once() {
        let file = SmallFiles.create_temp_file("Sorting").unwrap();
        let mut writer = file.open_writer().unwrap();
        let error = writer.write_all(&[0; 5000]).unwrap_err();
        assert!(error.to_string().contains("no space is left"), "{error}");
    }
}
