//! TPC-H's tables as Parquet files, and its queries.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

use crate::AnyError;

/// The tables.
pub(crate) const TABLES: [&str; 8] =
    ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

/// The folder with the tables at `scale`, made if it is not there.
pub(crate) fn generate(base: &Path, scale: f64) -> Result<PathBuf, AnyError> {
    let folder = base.join(format!("sf{scale}"));
    fs::create_dir_all(&folder)?;
    for table in TABLES {
        let path = folder.join(format!("{table}.parquet"));
        if path.exists() {
            continue;
        }
        // Under another name until it is complete, so that an interrupted run is not taken for data.
        let unfinished = path.with_extension("unfinished");
        match table {
            "customer" => write(&unfinished, CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)))?,
            "lineitem" => write(&unfinished, LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)))?,
            "nation" => write(&unfinished, NationArrow::new(NationGenerator::new(scale, 1, 1)))?,
            "orders" => write(&unfinished, OrderArrow::new(OrderGenerator::new(scale, 1, 1)))?,
            "part" => write(&unfinished, PartArrow::new(PartGenerator::new(scale, 1, 1)))?,
            "partsupp" => write(&unfinished, PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)))?,
            "region" => write(&unfinished, RegionArrow::new(RegionGenerator::new(scale, 1, 1)))?,
            _ => write(&unfinished, SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)))?,
        }
        fs::rename(&unfinished, &path)?;
    }
    Ok(folder)
}

fn write(path: &Path, mut rows: impl Iterator<Item = Result<RecordBatch, ArrowError>>) -> Result<(), AnyError> {
    let first = rows.next().ok_or("a table of TPC-H is never empty")??;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, first.schema(), Some(properties))?;
    writer.write(&first)?;
    for batch in rows {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}

/// The text of a query, from the sqllogictest suite.
pub(crate) fn query(number: usize) -> Result<String, AnyError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../sql-tests/tpch/q{number:02}.sql"));
    Ok(fs::read_to_string(path)?)
}
