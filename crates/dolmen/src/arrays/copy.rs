//! `COPY ARRAY expression TO 'file'`: the blocks of an array, written as they are computed.

use dolmen_array::{ArrayIoError, ArrayWriter, AxisChunks, AxisSpec, ChunkSpec, LabelledArray};
use dolmen_array_sql::{OptionValue, Span, StatementOption, chunks_option};
use dolmen_graph::TaskId;
use dolmen_storage::Location;
use futures::{TryStreamExt, stream};

use super::compute::ArrayRun;
use super::of_array;
use super::open::suffix;
use super::statement::{at, executor, located};
use crate::session::Core;
use crate::{Error, Result};

/// The file that an array is written to.
pub(super) struct Target {
    location: Location,
    format: Written,
    chunks: Option<ChunkSpec>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Npy,
    NpyStack,
    Zarr,
}

impl Target {
    pub(super) fn of(location: &str, span: Span, options: &[StatementOption], text: &str) -> Result<Self> {
        let parsed = Location::parse(location)?;
        let format = match suffix(location).as_deref() {
            Some("zarr") => Written::Zarr,
            _ if parsed.is_folder() => Written::NpyStack,
            Some("npy") => Written::Npy,
            _ => {
                let message = format!(
                    "{location} is no .npy or .zarr, nor a folder/ of npy files, which is what arrays are written to"
                );
                return Err(at(message, span, text));
            }
        };
        let mut chunks = None;
        for option in options {
            match (option.name.as_str(), &option.value) {
                ("chunks", OptionValue::Null) => {}
                ("chunks", _) => chunks = Some(chunks_option(option).map_err(|error| located(error, text))?),
                (name, _) => return Err(at(format!("no option {name}; COPY ARRAY has chunks"), option.span, text)),
            }
        }
        Ok(Self { location: parsed, format, chunks })
    }

    /// Writes the blocks as they are computed. An array whose axes have names is a variable of this `name`, if it goes to
    /// Zarr, beside its coordinates.
    pub(super) async fn write(&self, core: &Core, name: &str, labelled: LabelledArray) -> Result<()> {
        let LabelledArray { array, axes } = labelled;
        let written = |error: ArrayIoError| Error::invalid(error.to_string());
        let shape = array.shape().map_err(of_array)?;
        let mut array = match &self.chunks {
            Some(chunks) => array.rechunk(chunks.clone().with_block_bytes(core.block_bytes())).map_err(of_array)?,
            None => array,
        };
        // Zarr has chunks of one size.
        let sizes: Vec<usize> = array.chunks().axes().iter().map(|axis| axis.size_max().unwrap_or(1).max(1)).collect();
        let whole = shape.iter().skip(1).map(|_| AxisSpec::Full);
        let fitting = match self.format {
            Written::Npy => None,
            Written::NpyStack => Some(ChunkSpec::PerAxis(std::iter::once(AxisSpec::Keep).chain(whole).collect())),
            Written::Zarr => Some(ChunkSpec::from(sizes.as_slice())),
        };
        if let Some(chunks) = fitting.filter(|_| !shape.is_empty()) {
            array = array.rechunk(chunks).map_err(of_array)?;
        }
        let stores = core.context.stores();
        let writer = match self.format {
            Written::Npy => {
                ArrayWriter::npy(stores, &self.location, &core.temp, array.dtype(), &shape).map_err(written)?
            }
            Written::NpyStack => {
                let files = array.chunks().axes().first().and_then(AxisChunks::sizes).unwrap_or_default();
                let stack = ArrayWriter::npy_stack(stores, &self.location, array.dtype(), &shape, &files).await;
                stack.map_err(written)?
            }
            Written::Zarr if axes.is_empty() => {
                ArrayWriter::zarr(stores, &self.location, array.dtype(), &shape, &sizes).await.map_err(written)?
            }
            Written::Zarr => {
                // No axis is called so.
                let name = if axes.iter().any(|axis| axis.name == name) { "value" } else { name };
                let sizes = (shape.as_slice(), sizes.as_slice());
                let group = ArrayWriter::zarr_group(stores, &self.location, name, &axes, array.dtype(), sizes).await;
                group.map_err(written)?
            }
        };
        let block_bytes = usize::try_from(array.block_bytes_max().unwrap_or(0)).unwrap_or(usize::MAX);
        let run = ArrayRun::start(executor(core)?.as_ref(), "array", &[array])?;
        let output = &run.outputs[0];
        // What blocks are packed into counts as they do; one is written in any case.
        let mut packed = core.budget.consumer("COPY ARRAY").reserve();
        let mut n_at_once = core.threads.get();
        if self.format != Written::Npy {
            while n_at_once > 1 && packed.try_grow(block_bytes.saturating_mul(n_at_once)).is_err() {
                n_at_once -= 1;
            }
            if n_at_once == 1 {
                packed.grow(block_bytes);
            }
        }
        let partitions = stream::iter((0..output.chunks().n_blocks().map_err(of_array)?).map(Ok));
        let write = |partition| {
            let (writer, run) = (&writer, &run.run);
            async move {
                let task = TaskId::new(output.stage(), partition);
                let value = run.value(task).await.map_err(dolmen_graph::ComputeError::from)?;
                let place = || Error::internal("a block without a place");
                let offset = output.chunks().offset(partition).ok_or_else(place)?;
                let index = output.chunks().block_index(partition);
                let block = output.block_of(&value).map_err(of_array)?;
                writer.write(&offset, &index, block).await.map_err(written)?;
                drop(value);
                run.release(task);
                Ok::<_, Error>(())
            }
        };
        partitions.try_for_each_concurrent(n_at_once, write).await?;
        drop(packed);
        writer.finish().await.map_err(written)
    }
}
