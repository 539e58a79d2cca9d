//! Arrays in files, from the outside: what NumPy, zarr-python, netCDF4-python and h5py wrote is read, in every mode; what is written is read again,
//! and by them; and what is wrong is told. The files in golden/ come from make_golden.py, make_netcdf.py and
//! make_stacks.py, those in sql-tests/slt/data from make_netcdf.py, make_xarray.py and make_stacks.py.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod counting;
mod damage;
mod images;
mod netcdf;
mod npy;
mod npy_stack;
mod npz;
mod python;
mod values;
mod written;
mod zarr;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dolmen_storage::{AccessPolicy, Environment, ExternalAccess, Location, PathBase, Stores, StoresConfig};

/// Stores that may do everything, and nothing from the environment.
fn stores() -> Arc<Stores> {
    stores_with(AccessPolicy::default())
}

fn stores_with(policy: AccessPolicy) -> Arc<Stores> {
    let environment = Environment::empty();
    Arc::new(Stores::new(StoresConfig { policy, environment, ..StoresConfig::default() }).unwrap())
}

fn read_only() -> Arc<Stores> {
    stores_with(AccessPolicy::new(ExternalAccess::All, true))
}

fn location(place: impl AsRef<Path>) -> Location {
    Location::parse_exact(place.as_ref().to_str().unwrap(), &PathBase::default()).unwrap()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arrays/golden").join(name)
}

/// The names in a folder, sorted.
fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
