//! `COPY ... TO`: where to, in which format, and all or nothing.

use std::sync::Arc;

use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, dml::CopyTo};
use datafusion::sql::parser::CopyToStatement;
use datafusion::sql::sqlparser::ast::Value;
use dolmen_storage::{AtomicOutput, HeldOutput, Location, Operation, StoreKind, Stores};
use futures::TryStreamExt;
use tokio::sync::mpsc;
use url::Url;

use crate::error::{Error, Result};
use crate::files::format::{FileKind, Suffix};
use crate::lower;
use crate::sql::translate::of_execution;
use crate::statement::changed_rows;

/// The output of a COPY. On a local disk it is written beside its place and renamed when it is complete; in an object store
/// its parts are put together then.
#[derive(Debug)]
pub(crate) struct CopyTarget {
    output: Output,
}

#[derive(Debug)]
enum Output {
    Local(AtomicOutput),
    Remote(HeldOutput),
    /// A web server, which takes what it is sent.
    Direct,
}

impl CopyTarget {
    /// Finds the format and the place of the output, and lets `copy` write there.
    ///
    /// # Errors
    /// A target that may not be written, that exists as a folder, or whose format is not told.
    pub(crate) fn prepare(stores: &Arc<Stores>, copy: &mut CopyToStatement) -> Result<Self> {
        let location = Location::parse(&copy.target)?;
        stores.check(&location, Operation::Write)?;
        let suffix = Suffix::of(&copy.target);
        let kind = match &copy.stored_as {
            Some(name) => FileKind::parse(name).map_err(Error::invalid)?,
            None => suffix.kind.ok_or_else(|| {
                Error::invalid("the target's name does not tell its format; add STORED AS CSV, PARQUET, JSON or ARROW")
            })?,
        };
        let format = match kind {
            FileKind::Csv => "CSV",
            FileKind::Parquet => "PARQUET",
            FileKind::Json => "JSON",
            FileKind::Arrow => "ARROW",
            FileKind::Avro | FileKind::Text => {
                return Err(Error::unsupported(
                    format!("COPY TO a file of {}", kind.name()),
                    "write CSV, Parquet, JSON or Arrow IPC",
                ));
            }
        };
        copy.stored_as = Some(format.to_owned());
        for (name, _) in &mut copy.options {
            // `OPTIONS (delimiter ';')` says what `OPTIONS ('format.delimiter' ';')` does.
            if !name.contains('.') && !name.contains("::") {
                *name = format!("format.{}", if name.as_str() == "header" { "has_header" } else { name.as_str() });
            }
        }
        let mut default = |name: &str, value: &str| {
            if !copy.options.iter().any(|(known, _)| known == name) {
                copy.options.push((name.to_owned(), Value::SingleQuotedString(value.to_owned())));
            }
        };
        if kind == FileKind::Csv && suffix.is_tab_separated {
            default("format.delimiter", "\t");
        }
        if matches!(kind, FileKind::Csv | FileKind::Json) && suffix.compression != CompressionTypeVariant::UNCOMPRESSED
        {
            default("format.compression", &suffix.compression.to_string().to_lowercase());
        }
        let is_folder = !copy.partitioned_by.is_empty() || location.is_folder() || suffix.kind.is_none();
        let output = match (location.local_path(), location.store().kind()) {
            (Some(_), _) if is_folder => Output::Local(stores.atomic_folder(&location)?),
            (Some(_), _) => Output::Local(stores.atomic_file(&location)?),
            (None, StoreKind::Http) => {
                copy.target = remote_target(&stores.resolve(&location)?.url, &location, is_folder)?;
                Output::Direct
            }
            (None, _) => {
                let output = stores.held_output(&location)?;
                copy.target = remote_target(output.url(), &location, is_folder)?;
                Output::Remote(output)
            }
        };
        if let Output::Local(output) = &output {
            // As a URL, so that a star or a blank in the name stands for itself.
            let url = match is_folder {
                true => Url::from_directory_path(output.path()),
                false => Url::from_file_path(output.path()),
            };
            copy.target = url.map_err(|()| Error::invalid(format!("{location} is no place for a file")))?.to_string();
        }
        Ok(Self { output })
    }

    /// Writes the rows, and shows the output when all are there; the number of rows.
    ///
    /// # Errors
    /// Whatever the query or the disk says; nothing is left then.
    pub(crate) async fn write(self, state: &SessionState, copy: CopyTo) -> Result<u64> {
        // The tasks that write hold it as well: it is not taken away while one of them has not stopped.
        let (alive, mut gone) = mpsc::channel::<()>(1);
        let held = Arc::new(Held { output: self.output, _alive: alive });
        let hold: lower::Hold = Arc::<Held>::clone(&held);
        let plan = LogicalPlan::Copy(copy);
        let written = async { lower::run_holding(state, &plan, Some(hold)).await?.try_collect::<Vec<_>>().await };
        let batches = match written.await {
            Ok(batches) => batches,
            Err(error) => {
                let error = match &held.output {
                    // DataFusion's own error does not say what the store said.
                    Output::Remote(output) => of_execution(output.refusal().map_or(error, Into::into)),
                    Output::Local(_) | Output::Direct => of_execution(error),
                };
                drop(held);
                gone.recv().await;
                return Err(error);
            }
        };
        let held = Arc::into_inner(held).ok_or_else(|| Error::internal("a task of COPY runs after its end"))?;
        match held.output {
            Output::Local(output) => output.commit()?,
            Output::Remote(output) => output.commit().await.map_err(|error| of_execution(error.into()))?,
            Output::Direct => {}
        }
        Ok(batches.iter().map(changed_rows).sum())
    }
}

/// An output while it is written.
struct Held {
    output: Output,
    /// Closes its channel when the last who holds this is gone.
    _alive: mpsc::Sender<()>,
}

/// The place of a remote output, with a slash at its end if it is a folder.
fn remote_target(store: &Url, location: &Location, is_folder: bool) -> Result<String> {
    let path = location.require_path()?;
    let slash = if is_folder { "/" } else { "" };
    Ok(format!("{}/{path}{slash}", store.as_str().trim_end_matches('/')))
}
