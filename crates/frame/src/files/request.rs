//! What a statement asks to read: locations, a format, options.

use std::fmt;

use dolmen_storage::{Location, nearest, redact_url};

use crate::files::format::{FileKind, Suffix};

/// The value of an option of a reading function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// A text.
    Text(String),
    /// A number, as it was written.
    Number(String),
    /// `true` or `false`.
    Bool(bool),
    /// `['a', 'b']`.
    List(Vec<OptionValue>),
    /// `{'a': 'BIGINT', 'b': 'VARCHAR'}`, in the order it was written.
    Map(Vec<(String, OptionValue)>),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Number(number) => f.write_str(number),
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a map"),
        }
    }
}

impl From<&str> for OptionValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for OptionValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<T: Into<OptionValue>> From<Vec<T>> for OptionValue {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl From<i64> for OptionValue {
    fn from(value: i64) -> Self {
        Self::Number(value.to_string())
    }
}

/// Files to read as one table.
#[derive(Debug, Clone)]
pub struct FileRequest {
    pub(crate) locations: Vec<String>,
    /// `None` if the file's name decides.
    pub(crate) kind: Option<FileKind>,
    pub(crate) options: ReadOptions,
}

/// Options of reading, checked and typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadOptions {
    /// The name of a column with the file's path, if one is asked for.
    pub(crate) filename: Option<String>,
    pub(crate) hive_partitioning: Option<bool>,
    pub(crate) compression: Option<String>,
    /// All columns with their SQL types; the schema is not looked for then.
    pub(crate) columns: Vec<(String, String)>,
    /// SQL types of some columns, instead of those found.
    pub(crate) types: Vec<(String, String)>,
    pub(crate) delimiter: Option<u8>,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    pub(crate) header: Option<bool>,
    /// Texts that mean NULL.
    pub(crate) null_texts: Vec<String>,
    /// Rows looked at to find the schema; `None` for the default.
    pub(crate) sample_rows: Option<usize>,
    pub(crate) all_varchar: bool,
    pub(crate) newlines_in_values: Option<bool>,
    pub(crate) truncated_rows: Option<bool>,
    /// Whether JSON is one array rather than a value per line; `None` to look.
    pub(crate) json_array: Option<bool>,
}

/// The reading functions and the format each reads.
const FUNCTIONS: [(&str, FileKind); 7] = [
    ("read_csv", FileKind::Csv),
    ("read_parquet", FileKind::Parquet),
    ("read_json", FileKind::Json),
    ("read_ndjson", FileKind::Json),
    ("read_text", FileKind::Text),
    ("read_avro", FileKind::Avro),
    ("read_arrow", FileKind::Arrow),
];

/// The names of the functions that read files.
pub(crate) fn reading_functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(function, _)| *function)
}

/// Whether `name` (in lower case) is a function that reads files.
pub(crate) fn is_reading_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|(function, _)| *function == name)
}

/// Whether the name of a relation that is no table is meant as a file: it has a folder, a scheme or a known suffix.
pub(crate) fn looks_like_location(name: &str) -> bool {
    name.contains('/') || name.contains("://") || name.starts_with('~') || Suffix::of(name).kind.is_some()
}

impl FileRequest {
    /// The file that `FROM 'location'` names.
    pub fn from_location(location: &str) -> Self {
        Self { locations: vec![location.to_owned()], kind: None, options: ReadOptions::default() }
    }

    /// Files with options; the option `format` may name their format.
    ///
    /// # Errors
    /// A message that names the option that is not known, or whose value does not fit.
    pub fn with_options(locations: Vec<String>, options: Vec<(String, OptionValue)>) -> Result<Self, String> {
        let (formats, options): (Vec<_>, Vec<_>) = options.into_iter().partition(|(name, _)| name == "format");
        let kind = match formats.last() {
            Some((_, OptionValue::Text(name))) => Some(FileKind::parse(name)?),
            Some((_, other)) => return Err(format!("option format takes a name such as 'csv', not {other}")),
            None => None,
        };
        Ok(Self { locations, kind, options: ReadOptions::parse("the location", kind, &options)? })
    }

    /// The files that COPY reads: the option `format`, or else the name of the location, tells their format.
    ///
    /// # Errors
    /// A message: as [`FileRequest::with_options`], or a name that tells no format.
    pub(crate) fn of_copy(location: &str, mut options: Vec<(String, OptionValue)>) -> Result<Self, String> {
        if !options.iter().any(|(name, _)| name == "format") {
            let kind = Suffix::of(location).kind.ok_or_else(|| {
                format!("the name of {} does not tell its format; add WITH (format csv)", redact_url(location))
            })?;
            options.push(("format".to_owned(), OptionValue::from(kind.option())));
        }
        Self::with_options(vec![location.to_owned()], options)
    }

    /// Whether the files name their columns themselves, rather than by a header that may be missing.
    pub(crate) fn has_names(&self) -> bool {
        !matches!(self.kind, Some(FileKind::Csv | FileKind::Text) | None)
    }

    /// Lets the columns have these names and SQL types, unless the options say what they are.
    pub(crate) fn read_as(&mut self, columns: Vec<(String, String)>) {
        let ReadOptions { columns: given, types, all_varchar, .. } = &self.options;
        if given.is_empty() && types.is_empty() && !all_varchar && self.kind == Some(FileKind::Csv) {
            self.options.columns = columns;
        }
    }

    /// The files that a call of a reading function names.
    pub(crate) fn from_call(
        function: &str,
        locations: Vec<String>,
        options: &[(String, OptionValue)],
    ) -> Result<Self, String> {
        let kind = FUNCTIONS.iter().find(|(name, _)| *name == function).map(|(_, kind)| *kind);
        let mut parsed = ReadOptions::parse(function, kind, options)?;
        if function == "read_ndjson" {
            parsed.json_array = Some(false);
        }
        Ok(Self { locations, kind, options: parsed })
    }

    pub(crate) fn parsed_locations(&self) -> Result<Vec<Location>, dolmen_storage::StorageError> {
        self.locations.iter().map(|location| Location::parse(location)).collect()
    }

    /// The locations without secrets, for messages.
    pub(crate) fn shown(&self) -> String {
        let shown: Vec<_> = self.locations.iter().map(|location| redact_url(location)).collect();
        shown.join(", ")
    }
}

const ANY: [&str; 4] = ["filename", "hive_partitioning", "union_by_name", "compression"];
const CSV: [&str; 17] = [
    "delim",
    "delimiter",
    "sep",
    "quote",
    "escape",
    "comment",
    "header",
    "nullstr",
    "null",
    "sample_size",
    "all_varchar",
    "columns",
    "types",
    "dtypes",
    "newlines_in_values",
    "null_padding",
    "truncated_rows",
];
const JSON: [&str; 4] = ["sample_size", "columns", "types", "format"];

impl ReadOptions {
    fn parse(function: &str, kind: Option<FileKind>, options: &[(String, OptionValue)]) -> Result<Self, String> {
        let mut parsed = Self::default();
        let known: Vec<&str> = match kind {
            Some(FileKind::Csv) => ANY.iter().chain(&CSV).copied().collect(),
            Some(FileKind::Json) => ANY.iter().chain(&JSON).copied().collect(),
            Some(_) => ANY.to_vec(),
            None => ANY.iter().chain(&CSV).copied().collect(),
        };
        for (name, value) in options {
            if !known.contains(&name.as_str()) {
                let hint = nearest(name, known.iter().copied())
                    .map_or_else(|| format!("known are {}", known.join(", ")), |name| format!("did you mean {name}?"));
                return Err(format!("{function} has no option {name}; {hint}"));
            }
            parsed.set(name, value).map_err(|expected| format!("{function}: {name} takes {expected}, not {value}"))?;
        }
        if !parsed.columns.is_empty() && !parsed.types.is_empty() {
            return Err(format!("{function}: columns gives every type; leave types out"));
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &str, value: &OptionValue) -> Result<(), &'static str> {
        match name {
            "filename" => {
                self.filename = match value {
                    OptionValue::Bool(asked) => asked.then(|| "filename".to_owned()),
                    OptionValue::Text(name) if !name.is_empty() => Some(name.clone()),
                    _ => return Err("true, false or a column's name"),
                }
            }
            "hive_partitioning" => self.hive_partitioning = Some(boolean(value)?),
            // Columns are always matched by name.
            "union_by_name" => match boolean(value)? {
                true => {}
                false => return Err("true: columns of several files are matched by name"),
            },
            "compression" => self.compression = Some(text(value)?.to_lowercase()),
            "delim" | "delimiter" | "sep" => self.delimiter = Some(byte(value)?),
            "quote" => self.quote = Some(byte(value)?),
            "escape" => self.escape = Some(byte(value)?),
            "comment" => self.comment = Some(byte(value)?),
            "header" => self.header = Some(boolean(value)?),
            "nullstr" | "null" => self.null_texts = texts(value)?,
            "sample_size" => {
                self.sample_rows = Some(match value {
                    OptionValue::Number(number) if number == "-1" => usize::MAX,
                    OptionValue::Number(number) => {
                        number.parse().ok().filter(|rows| *rows > 0).ok_or("a number of rows, or -1 for all of them")?
                    }
                    _ => return Err("a number of rows, or -1 for all of them"),
                });
            }
            "all_varchar" => self.all_varchar = boolean(value)?,
            "columns" => self.columns = pairs(value)?,
            "types" | "dtypes" => self.types = pairs(value)?,
            "newlines_in_values" => self.newlines_in_values = Some(boolean(value)?),
            "null_padding" | "truncated_rows" => self.truncated_rows = Some(boolean(value)?),
            "format" => {
                self.json_array = match text(value)? {
                    "auto" => None,
                    "array" => Some(true),
                    "newline_delimited" | "ndjson" => Some(false),
                    _ => return Err("'auto', 'array' or 'newline_delimited'"),
                }
            }
            _ => return Err("no value"),
        }
        Ok(())
    }
}

fn boolean(value: &OptionValue) -> Result<bool, &'static str> {
    match value {
        OptionValue::Bool(value) => Ok(*value),
        _ => Err("true or false"),
    }
}

fn text(value: &OptionValue) -> Result<&str, &'static str> {
    match value {
        OptionValue::Text(text) => Ok(text),
        _ => Err("a text in quotes"),
    }
}

fn texts(value: &OptionValue) -> Result<Vec<String>, &'static str> {
    match value {
        OptionValue::Text(text) => Ok(vec![text.clone()]),
        OptionValue::List(items) => items.iter().map(|item| text(item).map(str::to_owned)).collect(),
        _ => Err("a text or a list of texts"),
    }
}

fn byte(value: &OptionValue) -> Result<u8, &'static str> {
    match text(value)? {
        "\\t" => Ok(b'\t'),
        text if text.len() == 1 => Ok(text.as_bytes()[0]),
        _ => Err("one ASCII character"),
    }
}

fn pairs(value: &OptionValue) -> Result<Vec<(String, String)>, &'static str> {
    const EXPECTED: &str = "a map such as {'id': 'BIGINT', 'name': 'VARCHAR'}";
    match value {
        OptionValue::Map(fields) if !fields.is_empty() => fields
            .iter()
            .map(|(name, data_type)| text(data_type).map(|data_type| (name.clone(), data_type.to_owned())))
            .collect::<Result<_, _>>()
            .map_err(|_| EXPECTED),
        _ => Err(EXPECTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(options: &[(&str, OptionValue)]) -> Result<FileRequest, String> {
        let options: Vec<_> = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        FileRequest::from_call("read_csv", vec!["x.csv".into()], &options)
    }

    #[test]
    fn options_are_typed() {
        let request = call(&[("delim", ";".into()), ("header", false.into()), ("sample_size", (-1).into())]).unwrap();
        assert_eq!(request.options.delimiter, Some(b';'));
        assert_eq!(request.options.header, Some(false));
        assert_eq!(request.options.sample_rows, Some(usize::MAX));
    }

    #[test]
    fn unknown_options_and_bad_values_say_what_is_taken() {
        let unknown = call(&[("delmi", ";".into())]).unwrap_err();
        assert_eq!(unknown, "read_csv has no option delmi; did you mean delim?");
        let bad = call(&[("header", "yes".into())]).unwrap_err();
        assert_eq!(bad, "read_csv: header takes true or false, not 'yes'");
        assert!(call(&[("delim", "ab".into())]).unwrap_err().contains("one ASCII character"));
    }

    #[test]
    fn names_of_files_are_told_from_names_of_tables() {
        for file in ["a.csv", "data/a", "s3://b/c", "x.parquet", "x.json.gz", "*.tsv", "~/a"] {
            assert!(looks_like_location(file), "{file}");
        }
        for table in ["flights", "public.flights", "v1.0", "a b"] {
            assert!(!looks_like_location(table), "{table}");
        }
    }
}
