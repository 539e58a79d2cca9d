//! Arrays of a Zarr group that describe each other, as xarray writes them: variables over named dimensions, and the
//! coordinates of these.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use crate::array_files::cf::{Attributes, CfDecoding};
use crate::array_files::element_type::{ElementKind, ElementType};
use crate::array_files::error::{ArrayFileError, ArrayFileResult};
use crate::array_files::region::Region;
use crate::array_files::zarr::fill_value;
use crate::array_files::zarr::group::ZarrGroup;
use crate::array_files::zarr::metadata::ZarrMetadata;
use crate::array_files::zarr::read::ZarrArray;

/// How many arrays of a group are opened at once.
const N_ARRAYS_AT_ONCE: usize = 8;

/// A Zarr array as CF conventions say it is meant: packed numbers unpacked, what is missing NaN, and numbers since some day
/// times in microseconds. Its axes have names: `dimension_names` of Zarr 3, or xarray's `_ARRAY_DIMENSIONS` of Zarr 2.
#[derive(Debug, Clone)]
pub struct ZarrVariable {
    array: ZarrArray,
    /// Its name in the group; empty for an array that is in none.
    name: String,
    decoding: CfDecoding,
}

impl ZarrVariable {
    /// An array that stands alone.
    pub fn alone(array: ZarrArray) -> Self {
        Self::named(array, String::new())
    }

    fn named(array: ZarrArray, name: String) -> Self {
        let said = Said { metadata: array.metadata(), fill_is_missing: array.fill_is_missing() };
        let decoding = CfDecoding::of(&said, array.metadata().element);
        Self { array, name, decoding }
    }

    /// The extent of each axis.
    pub fn shape(&self) -> &[u64] {
        &self.array.metadata().shape
    }

    /// The name of each axis, if it has one.
    pub fn dimensions(&self) -> &[Option<String>] {
        &self.array.metadata().dimension_names
    }

    /// The type of the elements, as they are meant.
    pub fn element(&self) -> ElementType {
        self.decoding.element()
    }

    /// The extents of the chunks that it is stored in.
    pub fn chunks(&self) -> &[u64] {
        &self.array.metadata().chunks
    }

    /// The bytes of `region` in C order, each element in the byte order of this machine.
    ///
    /// # Errors
    /// As [`ZarrArray::read_region`].
    pub async fn read_region(&self, region: &Region) -> ArrayFileResult<Vec<u8>> {
        let stored = self.array.read_region(region).await?;
        self.decoding.decode(self.array.shown(), region, stored)
    }

    /// Whether it says what the positions along its own dimension are.
    fn is_coordinate(&self) -> bool {
        let own = self.name.rsplit('/').next();
        matches!(self.dimensions(), [Some(dimension)] if Some(dimension.as_str()) == own)
    }
}

impl ZarrGroup {
    /// An array of the group as conventions say it is meant.
    ///
    /// # Errors
    /// As [`open_array`](Self::open_array).
    pub async fn variable(&self, name: &str) -> ArrayFileResult<ZarrVariable> {
        Ok(ZarrVariable::named(self.open_array(name).await?, name.to_owned()))
    }

    /// The one variable that a group is about: the only one that is no coordinate, or the only one that there is. What is of
    /// a form that is not read, such as text, is none.
    ///
    /// # Errors
    /// As [`variable`](Self::variable), but for [`ArrayFileError::ElementType`] and [`ArrayFileError::Unsupported`].
    pub async fn only_name(&self) -> ArrayFileResult<Option<String>> {
        let variables = futures::stream::iter(self.arrays().iter().cloned())
            .map(|name| async move { readable(self.variable(&name).await) })
            .buffered(N_ARRAYS_AT_ONCE);
        let variables: Vec<ZarrVariable> =
            variables.try_filter_map(|variable| std::future::ready(Ok(variable))).try_collect().await?;
        let others: Vec<&ZarrVariable> = variables.iter().filter(|variable| !variable.is_coordinate()).collect();
        Ok(match (&others[..], &variables[..]) {
            ([only], _) => Some(only.name.clone()),
            ([], [only]) => Some(only.name.clone()),
            _ => None,
        })
    }

    /// The variable that says what the positions along an axis of a variable are, if there is one: an array of one axis that
    /// is as long, and named as the dimension, in the variable's own group or in one around it. Text is none.
    ///
    /// # Errors
    /// As [`only_name`](Self::only_name).
    pub async fn coordinate(&self, of: &ZarrVariable, axis: usize) -> ArrayFileResult<Option<ZarrVariable>> {
        let (Some(Some(dimension)), Some(len)) = (of.dimensions().get(axis), of.shape().get(axis)) else {
            return Ok(None);
        };
        let mut group = of.name.rsplit_once('/').map_or("", |(group, _)| group);
        loop {
            let name = if group.is_empty() { dimension.clone() } else { format!("{group}/{dimension}") };
            if name != of.name
                && self.arrays().contains(&name)
                && let Some(variable) = readable(self.variable(&name).await)?
                && variable.shape() == [*len]
            {
                return Ok(Some(variable));
            }
            if group.is_empty() {
                return Ok(None);
            }
            group = group.rsplit_once('/').map_or("", |(outer, _)| outer);
        }
    }
}

/// Nothing for an array of a form that is not read.
fn readable(opened: ArrayFileResult<ZarrVariable>) -> ArrayFileResult<Option<ZarrVariable>> {
    match opened {
        Ok(variable) => Ok(Some(variable)),
        Err(ArrayFileError::ElementType { .. } | ArrayFileError::Unsupported { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the metadata of an array say.
struct Said<'a> {
    metadata: &'a ZarrMetadata,
    fill_is_missing: bool,
}

impl Said<'_> {
    fn number(&self, value: &Value) -> Option<f64> {
        let element = self.metadata.element;
        match value {
            Value::Number(number) => number.as_f64(),
            // Of floats xarray writes the bytes of a `float64`.
            Value::String(text) if element.kind() == ElementKind::Float => {
                let bytes = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
                bytes.map(f64::from_le_bytes).or_else(|| number_of(&fill_value::from_json(value, element)?, element))
            }
            _ => None,
        }
    }
}

impl Attributes for Said<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.metadata.attributes.get(name)?.as_str().map(str::to_owned)
    }

    fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        match self.metadata.attributes.get(name) {
            Some(Value::Array(list)) => list.iter().map(|value| self.number(value)).collect(),
            Some(value) => self.number(value).map(|number| vec![number]),
            None if name == "_FillValue" && self.fill_is_missing => {
                number_of(&self.metadata.fill_value, self.metadata.element).map(|number| vec![number])
            }
            None => None,
        }
    }
}

/// The number that the bytes of an element are.
fn number_of(bytes: &[u8], element: ElementType) -> Option<f64> {
    match fill_value::to_json(bytes, element.native()) {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text == "Infinity" => Some(f64::INFINITY),
        Value::String(text) if text == "-Infinity" => Some(f64::NEG_INFINITY),
        // NaN, whatever its bits are.
        Value::String(_) => Some(f64::NAN),
        _ => None,
    }
}
