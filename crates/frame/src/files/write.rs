//! What the embedding program asks to write.

use datafusion::sql::parser::{CopyToSource, CopyToStatement};
use datafusion::sql::sqlparser::ast::{Query, Value};

use crate::files::request::OptionValue;

/// Files that the rows of a query are written to.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    location: String,
    format: Option<String>,
    partition_by: Vec<String>,
    options: Vec<(String, Value)>,
}

impl WriteRequest {
    /// A request with the options `format`, `partition_by`, and those of the format.
    ///
    /// # Errors
    /// A message that names the option whose value does not fit.
    pub fn new(location: &str, options: impl IntoIterator<Item = (String, OptionValue)>) -> Result<Self, String> {
        let mut request =
            Self { location: location.to_owned(), format: None, partition_by: Vec::new(), options: Vec::new() };
        for (name, value) in options {
            match (name.as_str(), value) {
                ("format", OptionValue::Text(format)) => request.format = Some(format),
                ("partition_by", OptionValue::Text(column)) => request.partition_by.push(column),
                ("partition_by", OptionValue::List(columns)) => {
                    for column in columns {
                        let OptionValue::Text(column) = column else {
                            return Err(format!("partition_by takes names of columns, not {column}"));
                        };
                        request.partition_by.push(column);
                    }
                }
                ("format" | "partition_by", value) => return Err(format!("{name} takes a name, not {value}")),
                (_, OptionValue::Text(text)) => request.options.push((name, Value::SingleQuotedString(text))),
                (_, OptionValue::Number(number)) => request.options.push((name, Value::Number(number, false))),
                (_, OptionValue::Bool(value)) => {
                    request.options.push((name, Value::SingleQuotedString(value.to_string())));
                }
                (_, value) => return Err(format!("{name} takes one value, not {value}")),
            }
        }
        Ok(request)
    }

    /// The request as the statement that says the same.
    pub(crate) fn statement(&self, query: Box<Query>) -> CopyToStatement {
        CopyToStatement {
            source: CopyToSource::Query(query),
            target: self.location.clone(),
            partitioned_by: self.partition_by.clone(),
            stored_as: self.format.clone(),
            options: self.options.clone(),
        }
    }
}
