//! The metadata of Zarr 2.
//!
//! Source: the specification (<https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html>).

use serde_json::{Map, Value, json};

use crate::array_files::element_type::{ElementProblem, ElementType, ElementTypeError};
use crate::array_files::error::LayoutProblem;
use crate::array_files::zarr::codecs::{BloscSettings, Codecs, Form, Packing};
use crate::array_files::zarr::fill_value;
use crate::array_files::zarr::metadata::{
    Keys, MetadataError, Storage, ZarrFormat, ZarrMetadata, level, object, required, sizes, unsupported,
};

/// The attribute in which xarray keeps the names of the axes.
const DIMENSIONS: &str = "_ARRAY_DIMENSIONS";

/// Reads `.zarray`, and `.zattrs` if it is there.
pub(crate) fn read(zarray: &Value, zattrs: Option<&Value>) -> Result<(ZarrMetadata, Storage), MetadataError> {
    let array = object(zarray, "it")?;
    if required(array, "zarr_format")? != 2 {
        return Err(MetadataError::Damaged("its `zarr_format` is not 2".to_owned()));
    }
    let shape = sizes(required(array, "shape")?, "shape")?;
    // A chunk of no extent is written for axes of no extent.
    let chunks: Vec<u64> = sizes(required(array, "chunks")?, "chunks")?.iter().map(|&n| n.max(1)).collect();
    let element = read_element(required(array, "dtype")?)?;
    let fill_value = match array.get("fill_value") {
        None | Some(Value::Null) => vec![0; element.size_bytes()],
        Some(value) => fill_value::from_json(value, element)
            .ok_or_else(|| MetadataError::Damaged(format!("the fill value {value} is no {element}")))?,
    };
    if let Some(filter) = array.get("filters").and_then(Value::as_array).and_then(|filters| filters.first()) {
        return Err(unsupported(format!("the filter {}", codec_name(filter))));
    }
    let packings = match array.get("compressor") {
        None | Some(Value::Null) => Vec::new(),
        Some(codec) => vec![read_compressor(codec, element)?],
    };
    let axes = match array.get("order").and_then(Value::as_str) {
        Some("F") if shape.len() > 1 => Some((0..shape.len()).rev().collect()),
        Some("C" | "F") | None => None,
        Some(other) => return Err(MetadataError::Damaged(format!("the order `{other}` is not known"))),
    };
    let separator = match array.get("dimension_separator").and_then(Value::as_str) {
        None | Some(".") => '.',
        Some("/") => '/',
        Some(other) => return Err(MetadataError::Damaged(format!("the separator `{other}` is not known"))),
    };
    let mut attributes = zattrs.map(|value| object(value, "`.zattrs`")).transpose()?.cloned().unwrap_or_default();
    let dimension_names = take_dimension_names(&mut attributes, shape.len());
    let format = ZarrFormat::V2;
    let metadata =
        ZarrMetadata { format, shape, chunks, inner_chunks: None, element, fill_value, dimension_names, attributes };
    metadata.check()?;
    let codecs = Codecs { axes, form: Form::Elements(element), packings };
    let fill_is_missing =
        metadata.has_dimension_names() && array.get("fill_value").is_some_and(|value| !value.is_null());
    Ok((metadata, Storage { keys: Keys { has_prefix: false, separator }, codecs, fill_is_missing }))
}

fn read_element(dtype: &Value) -> Result<ElementType, MetadataError> {
    match dtype.as_str() {
        Some(text) => Ok(ElementType::from_numpy(text)?),
        None => Err(ElementTypeError { found: dtype.to_string(), problem: ElementProblem::Record }.into()),
    }
}

fn codec_name(codec: &Value) -> String {
    codec.get("id").and_then(Value::as_str).map_or_else(|| codec.to_string(), |id| format!("`{id}`"))
}

fn read_compressor(codec: &Value, element: ElementType) -> Result<Packing, MetadataError> {
    let configuration = object(codec, "`compressor`")?;
    let deflate_level = u32::try_from(level(configuration, "level", 1)).unwrap_or(1).min(9);
    match configuration.get("id").and_then(Value::as_str) {
        Some("gzip") => Ok(Packing::Gzip { level: deflate_level }),
        Some("zlib") => Ok(Packing::Zlib { level: deflate_level }),
        Some("zstd") => Ok(Packing::Zstd { level: level(configuration, "level", 1), checksum: false }),
        Some("lz4") => Ok(Packing::Lz4),
        Some("blosc") => Ok(Packing::Blosc(BloscSettings {
            level: level(configuration, "clevel", 5),
            shuffle: configuration.get("shuffle").and_then(Value::as_i64) != Some(0),
            size_bytes: element.size_bytes(),
        })),
        _ => Err(unsupported(format!("the compressor {}", codec_name(codec)))),
    }
}

fn take_dimension_names(attributes: &mut Map<String, Value>, n_axes: usize) -> Vec<Option<String>> {
    let names = attributes.get(DIMENSIONS).and_then(Value::as_array).filter(|names| names.len() == n_axes);
    match names.and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>())
    {
        Some(names) => {
            attributes.remove(DIMENSIONS);
            names.into_iter().map(Some).collect()
        }
        None => vec![None; n_axes],
    }
}

/// The texts of `.zarray` and `.zattrs` for a description whose parts fit each other.
///
/// # Errors
/// [`LayoutProblem::NeedsZarr3`].
pub(crate) fn write(metadata: &ZarrMetadata, storage: &Storage) -> Result<(Value, Value), LayoutProblem> {
    let compressor = match storage.codecs.packings.as_slice() {
        [] => Value::Null,
        [Packing::Gzip { level }] => json!({"id": "gzip", "level": level}),
        [Packing::Zlib { level }] => json!({"id": "zlib", "level": level}),
        [Packing::Zstd { level, .. }] => json!({"id": "zstd", "level": level}),
        [Packing::Blosc(settings)] => json!({
            "id": "blosc", "cname": "zstd", "clevel": settings.level, "shuffle": i32::from(settings.shuffle), "blocksize": 0,
        }),
        _ => return Err(LayoutProblem::NeedsZarr3 { what: "checksums of chunks" }),
    };
    if metadata.inner_chunks.is_some() {
        return Err(LayoutProblem::NeedsZarr3 { what: "shards" });
    }
    let mut attributes = metadata.attributes.clone();
    if metadata.has_dimension_names() {
        // The attribute has no form for an axis without a name.
        let named = metadata.dimension_names.iter().enumerate();
        let names: Vec<_> = named.map(|(axis, name)| name.clone().unwrap_or_else(|| format!("dim_{axis}"))).collect();
        attributes.insert(DIMENSIONS.to_owned(), json!(names));
    }
    let zarray = json!({
        "zarr_format": 2,
        "shape": metadata.shape,
        "chunks": metadata.chunks,
        "dtype": metadata.element.to_numpy(),
        "compressor": compressor,
        "fill_value": fill_value::to_json(&metadata.fill_value, metadata.element),
        "order": "C",
        "filters": null,
        "dimension_separator": storage.keys.separator.to_string(),
    });
    Ok((zarray, Value::Object(attributes)))
}
