//! The arguments of a call, put to the parameters of its function and read as what these need.

use dolmen_array::{Arg, Array, AxisSpec, ChunkSpec, Parameter, RandomGenerator, Reduce};
use dolmen_kernels::{DType, Scalar, WeakScalar};

use super::functions::Function;
use super::value::Value;
use crate::error::nearest;
use crate::parse::ast::Ident;
use crate::{ArraySqlError, Result, Span};

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// The call of a function. Its parameters are asked for by name; the name must be one of them.
pub(super) struct Call<'a> {
    pub(super) function: &'static Function,
    pub(super) span: Span,
    given: Vec<(&'static str, Option<Given>)>,
    /// Where random numbers come from that have no seed of their own.
    random: &'a RandomGenerator,
    block_bytes: usize,
}

/// The parameters of a signature: the name and its other spelling, and whether the parameter may be left out.
fn parameters(signature: &'static str) -> impl Iterator<Item = (&'static str, Option<&'static str>, bool)> {
    signature.split(", ").filter(|parameter| !parameter.is_empty()).map(|parameter| {
        let (names, is_optional) = match parameter.split_once('=') {
            Some((names, _)) => (names, true),
            None => (parameter, false),
        };
        let (name, alias) = match names.split_once('|') {
            Some((name, alias)) => (name, Some(alias)),
            None => (names, None),
        };
        (name, alias, is_optional)
    })
}

impl<'a> Call<'a> {
    /// Puts arguments to parameters.
    ///
    /// # Errors
    /// [`ArraySqlError::Arguments`] if there are too many or too few, or one is given twice;
    /// [`ArraySqlError::UnknownKeyword`].
    pub(super) fn new(
        function: &'static Function,
        span: Span,
        positional: Vec<Given>,
        keywords: Vec<(Ident, Given)>,
        random: &'a RandomGenerator,
        block_bytes: usize,
    ) -> Result<Self> {
        let signature = function.signature;
        let wrong =
            |problem: String, span| Err(ArraySqlError::Arguments { function: function.name, problem, signature, span });
        let n_parameters = parameters(signature).count();
        let is_variadic = signature.starts_with('*');
        if let Some(extra) = positional.get(n_parameters).filter(|_| !is_variadic) {
            let n_given = positional.len();
            return wrong(format!("{n_given} arguments are given, it has {n_parameters} parameters"), extra.span);
        }
        let positional = if is_variadic { vec![listed(positional, span)] } else { positional };
        let mut positional = positional.into_iter();
        let mut given: Vec<(&'static str, Option<Given>)> =
            parameters(signature).map(|(name, ..)| (name, positional.next())).collect();
        for (keyword, value) in keywords {
            let at = parameters(signature)
                .position(|(name, alias, _)| keyword.value == name || alias == Some(keyword.value.as_str()));
            let Some(at) = at else {
                let names = parameters(signature).flat_map(|(name, alias, _)| [Some(name), alias]).flatten();
                return Err(ArraySqlError::UnknownKeyword {
                    function: function.name,
                    suggestion: nearest(&keyword.value, names),
                    keyword: keyword.value,
                    signature,
                    span: keyword.span,
                });
            };
            if given[at].1.replace(value).is_some() {
                return wrong(format!("{} is given twice", keyword.value), keyword.span);
            }
        }
        let missing =
            parameters(signature).zip(&given).find(|((_, _, is_optional), (_, value))| !is_optional && value.is_none());
        if let Some(((name, ..), _)) = missing {
            return wrong(format!("{name} is missing"), span);
        }
        Ok(Self { function, span, given, random, block_bytes })
    }

    /// What was given for a parameter; `None` if nothing was, or null.
    pub(super) fn given(&self, name: &str) -> Option<&Given> {
        let parameter = self.given.iter().find(|(parameter, _)| *parameter == name);
        let (_, given) = parameter.unwrap_or_else(|| panic!("{} has no parameter {name}", self.function.name));
        given.as_ref().filter(|given| !matches!(given.value, Value::Null))
    }

    /// Whether null was given for a parameter.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.given.iter().any(|(parameter, given)| {
            *parameter == name && given.as_ref().is_some_and(|given| matches!(given.value, Value::Null))
        })
    }

    /// What was given for a parameter that must not be null.
    pub(super) fn required(&self, name: &str) -> Result<&Given> {
        self.given(name).ok_or_else(|| self.kind(name, "a value", &Given { value: Value::Null, span: self.span }))
    }

    fn subject(&self, name: &str) -> String {
        format!("the argument {name} of {}", self.function.name)
    }

    fn kind(&self, name: &str, expected: &'static str, given: &Given) -> ArraySqlError {
        // What is of the right kind is told apart by what is wrong with it.
        let found = match &given.value {
            Value::Weak(WeakScalar::Int(value)) if expected.contains("integer") => {
                if *value < 0 {
                    "a negative one"
                } else {
                    "one that is so large"
                }
            }
            Value::List(_) if expected.contains("list") => "a list of other things",
            value => value.kind(),
        };
        ArraySqlError::Kind { subject: self.subject(name), expected, found, span: given.span }
    }

    /// The error that an argument has a value that makes no sense.
    pub(super) fn bad(&self, name: &str, problem: &str) -> ArraySqlError {
        let span = self.given(name).map_or(self.span, |given| given.span);
        ArraySqlError::value(format!("{} {problem}", self.subject(name)), span)
    }

    /// An argument that is an array, or can be made one.
    pub(super) fn array(&self, name: &str) -> Result<Array> {
        let given = self.required(name)?;
        given.value.clone().into_array(&self.subject(name), given.span)
    }

    pub(super) fn optional_array(&self, name: &str) -> Result<Option<Array>> {
        self.given(name).map(|_| self.array(name)).transpose()
    }

    /// An argument of an elementwise function.
    pub(super) fn arg(&self, name: &str) -> Result<Arg> {
        let given = self.required(name)?;
        given.value.clone().into_arg(&self.subject(name), given.span)
    }

    /// A list of arrays.
    pub(super) fn arrays(&self, name: &str) -> Result<Vec<Array>> {
        let given = self.required(name)?;
        let items = match &given.value {
            Value::List(items) => items.clone(),
            Value::Results { arrays, .. } => return Ok(arrays.clone()),
            _ => return Err(self.kind(name, "a list of arrays", given)),
        };
        items.into_iter().map(|item| item.into_array(&self.subject(name), given.span)).collect()
    }

    fn read<T>(&self, name: &str, expected: &'static str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
        let Some(given) = self.given(name) else { return Ok(None) };
        read(&given.value).map(Some).ok_or_else(|| self.kind(name, expected, given))
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>> {
        self.read(name, "an integer", |value| i64::try_from(value.as_int()?).ok())
    }

    /// A number of things.
    pub(super) fn count(&self, name: &str) -> Result<Option<usize>> {
        self.read(name, "an integer that is not negative", |value| usize::try_from(value.as_int()?).ok())
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f64>> {
        self.read(name, "a number", Value::as_float)
    }

    /// A parameter of a law of chance: a number, or an array of them.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<Parameter<f64>>> {
        self.number_or_array(name, "a number or an array", Value::as_float)
    }

    /// A parameter of a law of chance that is an integer, or an array of them.
    pub(super) fn integer_parameter<T: TryFrom<i128>>(
        &self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<Parameter<T>>> {
        self.number_or_array(name, expected, |value| T::try_from(value.as_int()?).ok())
    }

    fn number_or_array<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<Parameter<T>>> {
        match self.given(name).map(|given| &given.value) {
            Some(Value::Array(_) | Value::List(_)) => Ok(Some(Parameter::Array(self.array(name)?))),
            _ => Ok(self.read(name, expected, read)?.map(Parameter::Number)),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        let flag = self.read(name, "true or false", |value| match value {
            Value::Weak(WeakScalar::Bool(value)) => Some(*value),
            _ => None,
        })?;
        Ok(flag.unwrap_or(false))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        self.read(name, "a string", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A dtype by its name.
    pub(super) fn dtype(&self, name: &str) -> Result<Option<DType>> {
        let Some(given) = self.given(name) else { return Ok(None) };
        let Value::Text(text) = &given.value else {
            return Err(self.kind(name, "the name of a dtype in quotes, such as 'float32'", given));
        };
        text.parse().map(Some).map_err(|error: dolmen_kernels::KernelError| ArraySqlError::array(error, given.span))
    }

    /// One axis.
    pub(super) fn axis(&self, name: &str) -> Result<Option<isize>> {
        self.read(name, "an axis, which is an integer", |value| isize::try_from(value.as_int()?).ok())
    }

    /// One axis or a list of them.
    pub(super) fn axes(&self, name: &str) -> Result<Option<Vec<isize>>> {
        self.read(name, "an axis or a list of axes, which are integers", ints)
    }

    /// A shape: one length or a list of them.
    pub(super) fn shape(&self, name: &str) -> Result<Option<Vec<usize>>> {
        self.read(name, "a shape: a length or a list of lengths, none of them negative", ints)
    }

    /// A shape of which one length may be -1, to be found.
    pub(super) fn signed_shape(&self, name: &str) -> Result<Option<Vec<isize>>> {
        self.read(name, "a shape: a length or a list of lengths, one of which may be -1", ints)
    }

    /// One value or a list of them.
    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f64>>> {
        self.read(name, "a list of numbers", |value| match value {
            Value::List(items) => items.iter().map(Value::as_float).collect(),
            other => other.as_float().map(|value| vec![value]),
        })
    }

    /// A number, with or without a dtype of its own.
    pub(super) fn number(&self, name: &str) -> Result<Option<Arg>> {
        self.read(name, "a number", |value| match value {
            Value::Weak(weak) => Some(Arg::Weak(*weak)),
            Value::Strong(scalar) => Some(Arg::Strong(*scalar)),
            _ => None,
        })
    }

    /// A number as an element of `dtype`, or of the dtype that it has alone.
    pub(super) fn scalar(&self, name: &str, dtype: Option<DType>) -> Result<Scalar> {
        let given = self.required(name)?;
        let scalar = match &given.value {
            Value::Weak(weak) => match dtype.map(|dtype| weak.to_scalar(dtype)) {
                Some(Ok(scalar)) => Ok(scalar),
                // A float is cut where an integer is asked for, as astype does; an integer that does not fit is refused.
                Some(Err(error)) if matches!(weak, WeakScalar::Int(_)) => Err(error),
                _ => weak.to_scalar(weak.default_dtype()),
            },
            Value::Strong(scalar) => Ok(*scalar),
            _ => return Err(self.kind(name, "a number", given)),
        };
        let cast = scalar.and_then(|scalar| scalar.cast(dtype.unwrap_or(scalar.dtype())));
        cast.map_err(|error| ArraySqlError::array(error, given.span))
    }

    /// How to cut an array: a size, a size for each axis, a list of sizes for each axis; -1 is the whole axis, `'auto'` what
    /// is best, null what it is.
    pub(super) fn chunks(&self, name: &str) -> Result<ChunkSpec> {
        let chunks = self.read(name, CHUNKS_EXPECTED, chunk_spec)?.unwrap_or_default();
        Ok(chunks.with_block_bytes(self.block_bytes))
    }

    /// How an array is cut of which nothing is said.
    pub(super) fn auto(&self) -> ChunkSpec {
        ChunkSpec::AutoBytes(self.block_bytes)
    }

    /// The parameters of reductions, as far as the function has them.
    pub(super) fn reduce(&self) -> Result<Reduce> {
        let has = |name| self.given.iter().any(|(parameter, _)| *parameter == name);
        let mut options = Reduce { axes: self.axes("axis")?, keepdims: self.flag("keepdims")?, ..Reduce::all() };
        if has("dtype") {
            options.dtype = self.dtype("dtype")?;
        }
        if has("ddof") {
            options.ddof = self.float("ddof")?.unwrap_or(0.0);
        }
        if has("split_every") {
            let n = self.count("split_every")?;
            options.split_every = n.map(|n| u32::try_from(n).unwrap_or(u32::MAX).max(2));
        }
        Ok(options)
    }

    /// What makes random numbers: of the seed that was given, or of the session's.
    pub(super) fn with_random<T>(&self, make: impl FnOnce(&RandomGenerator) -> Result<T>) -> Result<T> {
        let expected = "an integer from 0 to 18446744073709551615";
        match self.read("seed", expected, |value| u64::try_from(value.as_int()?).ok())? {
            Some(seed) => make(&RandomGenerator::new(seed)),
            None => make(self.random),
        }
    }

    /// Marks an error of the array engine with the place of the call.
    pub(super) fn at<T>(&self, result: Result<T, impl Into<dolmen_array::ArrayError>>) -> Result<T> {
        result.map_err(|error| ArraySqlError::array(error, self.span))
    }
}

/// All arguments of a function that takes any number of them, as one list.
fn listed(positional: Vec<Given>, span: Span) -> Given {
    Given { value: Value::List(positional.into_iter().map(|given| given.value).collect()), span }
}

/// One integer or a list of them.
fn ints<T: TryFrom<i128>>(value: &Value) -> Option<Vec<T>> {
    let int = |value: &Value| T::try_from(value.as_int()?).ok();
    match value {
        Value::List(items) => items.iter().map(int).collect(),
        other => int(other).map(|value| vec![value]),
    }
}

/// What chunks may be, for errors.
pub(crate) const CHUNKS_EXPECTED: &str =
    "chunks: a size, a size for each axis, or a list of sizes for each axis (-1: the whole axis, 'auto': what is best)";

pub(super) fn chunk_spec(value: &Value) -> Option<ChunkSpec> {
    match value {
        Value::List(axes) => axes.iter().map(axis_spec).collect::<Option<Vec<_>>>().map(ChunkSpec::PerAxis),
        Value::Text(text) if text == "auto" => Some(ChunkSpec::Auto),
        other => match other.as_int()? {
            // As one block.
            -1 => Some(ChunkSpec::Size(usize::MAX)),
            size => usize::try_from(size).ok().map(ChunkSpec::Size),
        },
    }
}

fn axis_spec(value: &Value) -> Option<AxisSpec> {
    match value {
        Value::Null => Some(AxisSpec::Keep),
        Value::Text(text) if text == "auto" => Some(AxisSpec::Auto),
        Value::List(_) => ints(value).map(AxisSpec::Sizes),
        other => match other.as_int()? {
            -1 => Some(AxisSpec::Full),
            size => usize::try_from(size).ok().map(AxisSpec::Size),
        },
    }
}
