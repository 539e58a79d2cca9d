//! Files of DataFusion's operators, whose errors say where the files are.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, StreamExt};

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
        Ok(Arc::new(Named { inner: file, base: Arc::clone(&self.base) }))
    }
}

/// A file or a writer, and the folder that its errors name.
struct Named<T> {
    inner: T,
    base: Arc<Path>,
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
        let bytes = self.inner.read_stream()?;
        Ok(Box::pin(bytes.map(move |bytes| bytes.map_err(|error| of_engine(&base, error)))))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        let inner = self.inner.open_writer().map_err(|error| of_engine(&self.base, error))?;
        Ok(Box::new(Named { inner, base: Arc::clone(&self.base) }))
    }
}

impl io::Write for Named<Box<dyn SpillWriter>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).map_err(|error| named(&self.base, error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(|error| named(&self.base, error))
    }
}

impl SpillWriter for Named<Box<dyn SpillWriter>> {
    fn finish(&mut self) -> Result<()> {
        self.inner.finish().map_err(|error| of_engine(&self.base, error))
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
