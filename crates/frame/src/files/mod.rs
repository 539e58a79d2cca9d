//! Files as tables: CSV, Parquet, JSON, Arrow IPC, Avro and plain text, local and remote, compressed, partitioned.
//!
//! ```text
//! FileRequest --> Stores::list (which files) --> format (suffix or option) --> schema (found or given) --> TableProvider
//! ```

mod conflict;
mod copy;
mod csv_parts;
mod csv_records;
mod decompress;
mod external;
mod format;
mod json_array;
mod open;
mod per_file;
mod request;
mod required;
mod text;
mod text_scan;
mod write;

pub use conflict::CsvConflict;
pub(crate) use conflict::diagnose;
pub(crate) use copy::CopyTarget;
pub(crate) use external::external_table;
pub(crate) use open::open;
pub(crate) use per_file::FileColumns;
pub use request::{FileRequest, OptionValue};
pub(crate) use request::{is_reading_function, looks_like_location, reading_functions};
pub(crate) use text::TextTable;
pub(crate) use text_scan::TextScan;
pub use write::WriteRequest;
