//! The metadata of Zarr 3.
//!
//! Source: the specification (<https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html>).

use serde_json::{Map, Value, json};

use crate::array_files::element_type::{
    ByteOrder, ElementKind, ElementProblem, ElementType, ElementTypeError, TimeUnit,
};
use crate::array_files::zarr::codecs::{BloscSettings, Codecs, Form, IndexAt, Packing, Sharding};
use crate::array_files::zarr::fill_value;
use crate::array_files::zarr::metadata::{
    Keys, MetadataError, Storage, ZarrFormat, ZarrMetadata, level, object, required, sizes, unsupported,
};

/// The members that are understood; others may be ignored only if they say so.
const KNOWN: [&str; 12] = [
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "storage_transformers",
    "dimension_names",
    "consolidated_metadata",
];

/// A name and its configuration, which may be written as the name alone.
struct Named<'a> {
    name: &'a str,
    configuration: std::borrow::Cow<'a, Map<String, Value>>,
}

fn named<'a>(value: &'a Value, what: &str) -> Result<Named<'a>, MetadataError> {
    let name = value.as_str().or_else(|| value.get("name")?.as_str());
    let name = name.ok_or_else(|| MetadataError::Damaged(format!("{what} has no name")))?;
    let configuration = match value.get("configuration") {
        Some(configuration) => {
            std::borrow::Cow::Borrowed(object(configuration, &format!("the configuration of {what}"))?)
        }
        None => std::borrow::Cow::Owned(Map::new()),
    };
    Ok(Named { name, configuration })
}

/// Reads the `zarr.json` of an array.
pub(crate) fn read(document: &Value) -> Result<(ZarrMetadata, Storage), MetadataError> {
    let array = object(document, "it")?;
    if required(array, "zarr_format")? != 3 {
        return Err(MetadataError::Damaged("its `zarr_format` is not 3".to_owned()));
    }
    let may_ignore = |value: &Value| value.get("must_understand") == Some(&Value::Bool(false));
    if let Some((key, _)) = array.iter().find(|(key, value)| !KNOWN.contains(&key.as_str()) && !may_ignore(value)) {
        return Err(unsupported(format!("the extension `{key}`")));
    }
    if array.get("storage_transformers").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err(unsupported("a storage transformer"));
    }
    let shape = sizes(required(array, "shape")?, "shape")?;
    let element = read_element(required(array, "data_type")?)?;
    let grid = named(required(array, "chunk_grid")?, "the chunk grid")?;
    if grid.name != "regular" {
        return Err(unsupported(format!("the chunk grid `{}`", grid.name)));
    }
    let chunks = sizes(required(&grid.configuration, "chunk_shape")?, "chunk_shape")?;
    let value = required(array, "fill_value")?;
    let fill_value = fill_value::from_json(value, element)
        .ok_or_else(|| MetadataError::Damaged(format!("the fill value {value} is no {element}")))?;
    let codecs = read_codecs(required(array, "codecs")?, element, chunks.len())?;
    let keys = read_keys(required(array, "chunk_key_encoding")?)?;
    let element = byte_order(&codecs);
    let inner_chunks = match &codecs.form {
        Form::Shard(sharding) => Some(sharding.inner_shape.clone()),
        Form::Elements(_) => None,
    };
    let dimension_names = match array.get("dimension_names") {
        None | Some(Value::Null) => vec![None; shape.len()],
        Some(names) => {
            let names =
                names.as_array().ok_or_else(|| MetadataError::Damaged("`dimension_names` is no list".to_owned()))?;
            names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        }
    };
    let attributes =
        array.get("attributes").map(|value| object(value, "`attributes`")).transpose()?.cloned().unwrap_or_default();
    let format = ZarrFormat::V3;
    let metadata =
        ZarrMetadata { format, shape, chunks, inner_chunks, element, fill_value, dimension_names, attributes };
    metadata.check()?;
    if let Some(sharding) = codecs.sharding()
        && sharding.index_bytes(&metadata.chunks).is_none()
    {
        return Err(unsupported("a shard whose index has no fixed length"));
    }
    Ok((metadata, Storage { keys, codecs, fill_is_missing: false }))
}

fn read_element(data_type: &Value) -> Result<ElementType, MetadataError> {
    let Named { name, configuration } = named(data_type, "the data type")?;
    if !matches!(name, "numpy.datetime64" | "numpy.timedelta64") {
        return Ok(ElementType::from_name(name)?);
    }
    let multiple = u32::try_from(level(&configuration, "scale_factor", 1)).ok();
    let sign = configuration.get("unit").and_then(Value::as_str);
    let unit = multiple.zip(sign).and_then(|(multiple, sign)| TimeUnit::from_sign(sign, multiple));
    let unit = unit.ok_or(ElementTypeError { found: data_type.to_string(), problem: ElementProblem::Unknown })?;
    let is_point = name == "numpy.datetime64";
    let kind = if is_point { ElementKind::DateTime(unit) } else { ElementKind::TimeDelta(unit) };
    Ok(ElementType::new(kind, 8)?)
}

fn read_keys(encoding: &Value) -> Result<Keys, MetadataError> {
    let Named { name, configuration } = named(encoding, "the chunk key encoding")?;
    let (has_prefix, default) = match name {
        "default" => (true, '/'),
        "v2" => (false, '.'),
        other => return Err(unsupported(format!("the chunk key encoding `{other}`"))),
    };
    let separator = match configuration.get("separator").and_then(Value::as_str) {
        None => default,
        Some("/") => '/',
        Some(".") => '.',
        Some(other) => return Err(MetadataError::Damaged(format!("the separator `{other}` is not known"))),
    };
    Ok(Keys { has_prefix, separator })
}

/// How often shards may lie in shards.
const N_NESTED_MAX: usize = 4;

fn read_codecs(list: &Value, element: ElementType, n_axes: usize) -> Result<Codecs, MetadataError> {
    read_codecs_nested(list, element, n_axes, 0)
}

fn read_codecs_nested(
    list: &Value,
    element: ElementType,
    n_axes: usize,
    depth: usize,
) -> Result<Codecs, MetadataError> {
    let list = list.as_array().ok_or_else(|| MetadataError::Damaged("`codecs` is no list".to_owned()))?;
    let damaged = |problem: &str| MetadataError::Damaged(problem.to_owned());
    let mut axes: Option<Vec<usize>> = None;
    let mut form = None;
    let mut packings = Vec::new();
    for codec in list {
        let Named { name, configuration } = named(codec, "a codec")?;
        match name {
            "transpose" if form.is_none() => {
                let order = read_order(&configuration, n_axes)?;
                // What is axis i now was another one before the transposition before this.
                let before = axes.take();
                axes = Some(order.iter().map(|&axis| before.as_ref().map_or(axis, |before| before[axis])).collect());
            }
            "bytes" if form.is_none() => {
                let order = match configuration.get("endian").and_then(Value::as_str) {
                    Some("little") => ByteOrder::Little,
                    Some("big") => ByteOrder::Big,
                    None if element.size_bytes() == 1 => ByteOrder::NATIVE,
                    _ => return Err(damaged("the codec `bytes` names no byte order")),
                };
                form = Some(Form::Elements(element.with_order(order)));
            }
            "sharding_indexed" if form.is_none() => {
                if axes.is_some() {
                    return Err(unsupported("a transposition of shards"));
                }
                if depth >= N_NESTED_MAX {
                    return Err(unsupported("a shard in a shard in a shard in a shard in a shard"));
                }
                form = Some(Form::Shard(Box::new(read_sharding(&configuration, element, n_axes, depth)?)));
            }
            "transpose" | "bytes" | "sharding_indexed" => {
                return Err(damaged("its codecs are not in a possible order"));
            }
            _ if form.is_none() => return Err(unsupported(format!("the codec `{name}`"))),
            _ => packings.push(read_packing(name, &configuration, element)?),
        }
    }
    axes = axes.filter(|axes| axes.iter().enumerate().any(|(i, &axis)| i != axis));
    let form = form.ok_or_else(|| damaged("no codec turns its elements into bytes"))?;
    Ok(Codecs { axes, form, packings })
}

fn read_order(configuration: &Map<String, Value>, n_axes: usize) -> Result<Vec<usize>, MetadataError> {
    let order: Vec<usize> = match required(configuration, "order")? {
        Value::String(text) if text == "C" => (0..n_axes).collect(),
        Value::String(text) if text == "F" => (0..n_axes).rev().collect(),
        list => sizes(list, "order")?.into_iter().map(|n| usize::try_from(n).unwrap_or(usize::MAX)).collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..n_axes) {
        Ok(order)
    } else {
        Err(MetadataError::Damaged("the order of a transposition does not name every axis once".to_owned()))
    }
}

fn read_sharding(
    configuration: &Map<String, Value>,
    element: ElementType,
    n_axes: usize,
    depth: usize,
) -> Result<Sharding, MetadataError> {
    let inner_shape = sizes(required(configuration, "chunk_shape")?, "chunk_shape")?;
    let inner = read_codecs_nested(required(configuration, "codecs")?, element, n_axes, depth + 1)?;
    let number = ElementType::new(ElementKind::UInt, 8)?;
    let index = read_codecs_nested(required(configuration, "index_codecs")?, number, n_axes + 1, N_NESTED_MAX)?;
    let index_at = match configuration.get("index_location").and_then(Value::as_str) {
        None | Some("end") => IndexAt::End,
        Some("start") => IndexAt::Start,
        Some(other) => return Err(MetadataError::Damaged(format!("the index location `{other}` is not known"))),
    };
    if inner_shape.len() != n_axes || inner_shape.contains(&0) {
        return Err(MetadataError::Damaged("the inner chunks do not fit their shard".to_owned()));
    }
    if let Form::Shard(deeper) = &inner.form
        && inner_shape.iter().zip(&deeper.inner_shape).any(|(shard, chunk)| !shard.is_multiple_of(*chunk))
    {
        return Err(MetadataError::Damaged("the inner chunks do not fit their shard".to_owned()));
    }
    Ok(Sharding { inner_shape, inner, index, index_at })
}

fn read_packing(
    name: &str,
    configuration: &Map<String, Value>,
    element: ElementType,
) -> Result<Packing, MetadataError> {
    let deflate_level = u32::try_from(level(configuration, "level", 5)).unwrap_or(5).min(9);
    match name {
        "gzip" => Ok(Packing::Gzip { level: deflate_level }),
        "zlib" | "numcodecs.zlib" => Ok(Packing::Zlib { level: deflate_level }),
        "zstd" | "numcodecs.zstd" => {
            let checksum = configuration.get("checksum").and_then(Value::as_bool).unwrap_or(false);
            Ok(Packing::Zstd { level: level(configuration, "level", 0), checksum })
        }
        "blosc" | "numcodecs.blosc" => {
            // What is read says by itself how it was written.
            let shuffle = configuration.get("shuffle").and_then(Value::as_str) == Some("shuffle");
            let level = level(configuration, "clevel", 5);
            Ok(Packing::Blosc(BloscSettings { level, shuffle, size_bytes: element.size_bytes() }))
        }
        "numcodecs.lz4" => Ok(Packing::Lz4),
        "crc32c" => Ok(Packing::Crc32c),
        other => Err(unsupported(format!("the codec `{other}`"))),
    }
}

/// The type of the elements as they lie in the innermost chunks.
fn byte_order(codecs: &Codecs) -> ElementType {
    match &codecs.form {
        Form::Elements(stored) => *stored,
        Form::Shard(sharding) => byte_order(&sharding.inner),
    }
}

/// The `zarr.json` of an array whose parts fit each other.
pub(crate) fn write(metadata: &ZarrMetadata, storage: &Storage) -> Value {
    let Keys { has_prefix, separator } = storage.keys;
    let encoding = if has_prefix { "default" } else { "v2" };
    let mut document = json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": metadata.shape,
        "data_type": write_element(metadata.element),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": metadata.chunks}},
        "chunk_key_encoding": {"name": encoding, "configuration": {"separator": separator.to_string()}},
        "fill_value": fill_value::to_json(&metadata.fill_value, metadata.element),
        "codecs": write_codecs(&storage.codecs),
        "attributes": metadata.attributes,
    });
    if metadata.has_dimension_names() {
        document["dimension_names"] = json!(metadata.dimension_names);
    }
    document
}

fn write_element(element: ElementType) -> Value {
    let of_time = |name: &str, unit: TimeUnit| json!({"name": name, "configuration": {"unit": unit.sign(), "scale_factor": unit.multiple}});
    match element.kind() {
        ElementKind::DateTime(unit) => of_time("numpy.datetime64", unit),
        ElementKind::TimeDelta(unit) => of_time("numpy.timedelta64", unit),
        _ => json!(element.name()),
    }
}

fn write_codecs(codecs: &Codecs) -> Value {
    let mut list = Vec::new();
    if let Some(axes) = &codecs.axes {
        list.push(json!({"name": "transpose", "configuration": {"order": axes}}));
    }
    list.push(match &codecs.form {
        Form::Elements(element) if element.size_bytes() == 1 => json!({"name": "bytes"}),
        Form::Elements(element) => {
            let endian = if element.order() == ByteOrder::Little { "little" } else { "big" };
            json!({"name": "bytes", "configuration": {"endian": endian}})
        }
        Form::Shard(sharding) => json!({"name": "sharding_indexed", "configuration": {
            "chunk_shape": sharding.inner_shape,
            "codecs": write_codecs(&sharding.inner),
            "index_codecs": write_codecs(&sharding.index),
            "index_location": if sharding.index_at == IndexAt::Start { "start" } else { "end" },
        }}),
    });
    list.extend(codecs.packings.iter().map(|packing| match packing {
        Packing::Gzip { level } => json!({"name": "gzip", "configuration": {"level": level}}),
        Packing::Zlib { level } => json!({"name": "numcodecs.zlib", "configuration": {"level": level}}),
        Packing::Zstd { level, checksum } => {
            json!({"name": "zstd", "configuration": {"level": level, "checksum": checksum}})
        }
        Packing::Blosc(settings) => json!({"name": "blosc", "configuration": {
            "cname": "zstd",
            "clevel": settings.level,
            "shuffle": if settings.shuffle { "shuffle" } else { "noshuffle" },
            "typesize": settings.size_bytes,
            "blocksize": 0,
        }}),
        Packing::Lz4 => json!({"name": "numcodecs.lz4"}),
        Packing::Crc32c => json!({"name": "crc32c"}),
    }));
    Value::Array(list)
}
