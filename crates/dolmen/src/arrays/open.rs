//! `CREATE ARRAY name FROM 'file'`: which file it is, and which array in it.

use std::fmt::Display;

use dolmen_array::{Array, ChunkSpec, LabelledArray};
use dolmen_array_sql::{OptionValue, Span, StatementOption, chunks_option};
use dolmen_storage::{
    ArrayFileError, Location, NetcdfFile, NpzFile, Stores, ZarrArray, ZarrFound, ZarrGroup, ZarrVariable,
};

use super::statement::{at, located};
use crate::session::Core;
use crate::{Error, Result};

/// The array in a file.
pub(super) async fn opened(
    core: &Core,
    location: &str,
    span: Span,
    options: &[StatementOption],
    text: &str,
) -> Result<LabelledArray> {
    let asked = Asked::of(options, text)?;
    let place = Place { shown: location, location: Location::parse(location)?, span, text };
    let stores = core.context.stores();
    let chunks = asked.chunks.unwrap_or(ChunkSpec::Keep(core.block_bytes())).with_block_bytes(core.block_bytes());
    let chunks = Some(&chunks);
    let suffix = suffix(location);
    if asked.axis.is_some() && !place.is_npy_stack() {
        return Err(place.error(format!("{location} is one file: the option axis is for several npy files")));
    }
    match (suffix.as_deref(), asked.dataset) {
        (_, None) if place.is_npy_stack() => {
            let array = Array::from_npy_stack(stores, &place.location, asked.axis, chunks).await;
            array.map(unlabelled).map_err(|error| place.failed(&error))
        }
        (Some("nc" | "nc4" | "cdf" | "netcdf" | "h5" | "hdf5" | "hdf" | "he5"), dataset) => {
            let opened = NetcdfFile::open(stores, &place.location).await.map_err(|error| place.failed(&error))?;
            let name = match dataset {
                Some(name) => name,
                None => opened
                    .only_name()
                    .map_err(|error| place.failed(&error))?
                    .ok_or_else(|| place.several(&opened.names().unwrap_or_default()))?,
            };
            let array = LabelledArray::from_netcdf(&place.location, &opened, &name, chunks).await;
            array.map_err(|error| place.failed(&error))
        }
        (Some("npy"), None) => {
            let array = Array::from_npy(stores, &place.location, chunks).await;
            array.map(unlabelled).map_err(|error| place.failed(&error))
        }
        (Some("npy" | "png" | "tif" | "tiff"), Some(_)) => {
            Err(place.error(format!("{location} holds one array, which has no name")))
        }
        (Some("npz"), dataset) => {
            let archive = NpzFile::open(stores, &place.location).await.map_err(|error| place.failed(&error))?;
            let names: Vec<String> = archive.names().map(str::to_owned).collect();
            let name = match (&dataset, names.as_slice()) {
                (Some(name), _) => name,
                (None, [one]) => one,
                (None, names) => return Err(place.several(names)),
            };
            let member = archive.open_array(name, &core.temp).await.map_err(|error| place.failed(&error))?;
            let array = Array::from_npy_file(&place.location, member, chunks);
            array.map(unlabelled).map_err(|error| place.failed(&error))
        }
        (Some("png" | "tif" | "tiff"), None) => {
            let array = Array::from_images(stores, &place.location, chunks).await;
            array.map(unlabelled).map_err(|error| place.failed(&error))
        }
        (Some("zarr"), dataset) => zarr(stores, &place, dataset, chunks).await,
        _ => Err(place.error(format!("{location} is no .npy, .npz, .zarr, .nc, .h5, .png or .tif"))),
    }
}

/// A Zarr array, or one in a group.
async fn zarr(
    stores: &Stores,
    place: &Place<'_>,
    dataset: Option<String>,
    chunks: Option<&ChunkSpec>,
) -> Result<LabelledArray> {
    let location = &place.location;
    if dataset.is_none() {
        match ZarrArray::open(stores, location).await {
            Ok(array) => {
                let array = LabelledArray::from_zarr_variable(location, ZarrVariable::alone(array), chunks);
                return array.map_err(|error| place.failed(&error));
            }
            Err(ArrayFileError::NotZarr { found: ZarrFound::Group, .. }) => {}
            Err(error) => return Err(place.failed(&error)),
        }
    }
    let group = ZarrGroup::open(stores, location).await.map_err(|error| place.failed(&error))?;
    let name = match dataset {
        Some(name) => name,
        None => {
            let only = group.only_name().await.map_err(|error| place.failed(&error))?;
            only.ok_or_else(|| place.several(group.arrays()))?
        }
    };
    LabelledArray::from_zarr_group(location, &group, &name, chunks).await.map_err(|error| place.failed(&error))
}

/// What stands behind the last dot of the last name, in lower case; in `*.{png,tif}` that is the last alternative.
pub(super) fn suffix(location: &str) -> Option<String> {
    let name = location.trim_end_matches('/').rsplit('/').next()?;
    let (_, suffix) = name.rsplit_once('.')?;
    let last = suffix.rsplit(['{', ',']).next().unwrap_or(suffix);
    Some(last.trim_end_matches('}').to_lowercase())
}

/// An array whose axes have no names.
pub(super) fn unlabelled(array: Array) -> LabelledArray {
    LabelledArray { array, axes: Vec::new() }
}

/// Whether a folder of npy files is meant: one that has no suffix, or of which it is said that it is a folder.
fn is_npy_folder(location: &Location, text: &str) -> bool {
    match suffix(text).as_deref() {
        None => location.path().is_some(),
        Some(suffix) => location.is_folder() && suffix != "zarr",
    }
}

/// The options of `FROM 'file' WITH (...)`.
struct Asked {
    chunks: Option<ChunkSpec>,
    dataset: Option<String>,
    axis: Option<usize>,
}

impl Asked {
    fn of(options: &[StatementOption], text: &str) -> Result<Self> {
        let mut asked = Self { chunks: None, dataset: None, axis: None };
        for option in options {
            match (option.name.as_str(), &option.value) {
                ("chunks", OptionValue::Null) => {}
                ("chunks", _) => asked.chunks = Some(chunks_option(option).map_err(|error| located(error, text))?),
                ("dataset", OptionValue::Text(name)) => asked.dataset = Some(name.trim_start_matches('/').to_owned()),
                ("axis", OptionValue::Int(axis)) if usize::try_from(*axis).is_ok() => {
                    asked.axis = usize::try_from(*axis).ok();
                }
                (name, _) => {
                    let message =
                        format!("no option {name} with such a value; a file is read with chunks, dataset and axis");
                    return Err(at(message, option.span, text));
                }
            }
        }
        Ok(asked)
    }
}

/// A file, and where in the statement it stands.
struct Place<'a> {
    shown: &'a str,
    location: Location,
    span: Span,
    text: &'a str,
}

impl Place<'_> {
    /// Whether it is npy files that are one array together: those of a pattern, or of a folder.
    fn is_npy_stack(&self) -> bool {
        let is_pattern = self.location.path().is_none() && suffix(self.shown).as_deref() == Some("npy");
        is_pattern || is_npy_folder(&self.location, self.shown)
    }

    fn error(&self, message: String) -> Error {
        at(message, self.span, self.text)
    }

    fn failed(&self, error: &dyn Display) -> Error {
        self.error(error.to_string())
    }

    fn several(&self, names: &[String]) -> Error {
        let (shown, names) = (self.shown, names.join(", "));
        self.error(format!("{shown} has several arrays: choose one of {names} WITH (dataset => ...)"))
    }
}
