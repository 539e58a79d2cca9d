//! The names of the output formats.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// A box-drawn table for people, with the type under each column name.
    #[default]
    Table,
    /// Comma-separated values (RFC 4180, with `\n` as the line end). NULL is an empty field, an empty string is `""`.
    Csv,
    /// Tab-separated values with `\t`, `\n`, `\r` and `\\` escaped. NULL is `\N`, as in PostgreSQL's COPY.
    Tsv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    NdJson,
    /// A table of GitHub Flavored Markdown.
    Markdown,
    /// An HTML `<table>`.
    Html,
    /// One `name = value` a line, an empty line between rows.
    Line,
}

impl Format {
    /// Every format, in the order in which help texts list them.
    pub const ALL: [Format; 8] = [
        Format::Table,
        Format::Csv,
        Format::Tsv,
        Format::Json,
        Format::NdJson,
        Format::Markdown,
        Format::Html,
        Format::Line,
    ];

    /// The name that [`Format::from_str`] reads back.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Json => "json",
            Format::NdJson => "ndjson",
            Format::Markdown => "markdown",
            Format::Html => "html",
            Format::Line => "line",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is no output format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "unknown output format '{given}'{}; the formats are {}",
    .suggestion.map(|format| format!(", did you mean '{format}'?")).unwrap_or_default(),
    Format::ALL.map(Format::as_str).join(", ")
)]
pub struct UnknownFormat {
    /// What was given.
    pub given: String,
    /// The format whose name is nearest, if one is near.
    pub suggestion: Option<Format>,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Reads a name in any case; `jsonl` and `md` are other names of `ndjson` and `markdown`.
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let name = text.trim().to_lowercase();
        match name.as_str() {
            "jsonl" | "jsonlines" => return Ok(Format::NdJson),
            "md" => return Ok(Format::Markdown),
            _ => {}
        }
        let named = |name: &str| Format::ALL.into_iter().find(|format| format.as_str() == name);
        if let Some(format) = named(&name) {
            return Ok(format);
        }
        let suggestion = dolmen_storage::nearest(&name, Format::ALL.map(Format::as_str)).and_then(named);
        Err(UnknownFormat { given: text.to_owned(), suggestion })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(format.as_str().to_uppercase().parse(), Ok(format));
        }
        assert_eq!("jsonl".parse(), Ok(Format::NdJson));
        assert_eq!("md".parse(), Ok(Format::Markdown));
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let error = "tabel".parse::<Format>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown output format 'tabel', did you mean 'table'?; \
             the formats are table, csv, tsv, json, ndjson, markdown, html, line"
        );
        for (given, meant) in [
            ("jsno", Some(Format::Json)),
            ("csvv", Some(Format::Csv)),
            ("makrdwon", Some(Format::Markdown)),
            ("parquet", None),
            ("", None),
        ] {
            assert_eq!(given.parse::<Format>().unwrap_err().suggestion, meant, "{given}");
        }
    }
}
