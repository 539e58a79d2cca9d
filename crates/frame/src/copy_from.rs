//! `COPY table FROM 'location'`: the rows of files into a table, all or none, as INSERT adds rows.
//!
//! Columns of CSV, TSV and text have the place that they have in the table, as in PostgreSQL, and are read as the table's
//! types. Formats whose columns have names of their own are matched by name.

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, Spanned};
use datafusion::sql::sqlparser::tokenizer::Span;
use dolmen_storage::nearest;

use crate::catalog::Relation;
use crate::context::SqlContext;
use crate::error::{Error, Result};
use crate::files::{self, FileRequest, OptionValue};
use crate::sql::grammar::CopyFrom;
use crate::sql::parse::normalized;
use crate::sql::relations::{constant, position};
use crate::sql::scope::Scope;
use crate::sql_type::sql_type_name;
use crate::statement::{Outcome, Parameters};

impl SqlContext {
    pub(crate) async fn copy_from(
        &self,
        scope: &Scope,
        copy: CopyFrom,
        text: &str,
        parameters: &Parameters,
    ) -> Result<Outcome> {
        let place = Place { text, span: copy.location_span };
        let table = self.copied_table(&copy.table, scope, text)?;
        let wanted = wanted(&table, &copy.columns, text)?;
        let options = options(&copy.options).map_err(|message| place.invalid(message))?;
        let mut request = FileRequest::of_copy(&copy.location, options).map_err(|message| place.invalid(message))?;
        let found = files::open(&self.state(), &self.stores, &request).await?.schema();
        let (into, from) = match request.has_names() {
            true => by_name(&table, &wanted, &copy, &found).map_err(|message| place.invalid(message))?,
            false => {
                check_positions(&wanted, &found, &request).map_err(|message| place.invalid(message))?;
                let columns = wanted.iter().map(|field| (field.name().clone(), sql_type_name(field.data_type())));
                request.read_as(columns.collect());
                (wanted.iter().map(|field| field.name().clone()).collect(), None)
            }
        };
        let source = format!("COPY FROM '{}'", request.shown());
        scope.add_call(source.clone(), request);
        let insert = insert(&copy.table, &into, from.as_deref(), &source);
        let mut outcome = self.change_rows(scope, self.parse_insert(&insert)?, "", parameters).await?;
        outcome.tag = "COPY";
        Ok(outcome)
    }

    /// The columns of the table to fill.
    fn copied_table(&self, table: &ObjectName, scope: &Scope, text: &str) -> Result<SchemaRef> {
        let name = self.object_name(table)?;
        match self.catalog.get(&name) {
            Some(Relation::Stored(stored)) => Ok(stored.definition().schema.clone()),
            Some(Relation::Foreign(provider)) => Ok(provider.schema()),
            Some(Relation::View(_)) => {
                Err(Error::unsupported("COPY into a view", "copy into the tables that the view reads"))
            }
            None => Err(Error::UnknownTable {
                suggestion: nearest(&name.table, scope.names().iter().map(String::as_str)).map(str::to_owned),
                name: name.to_string(),
                position: position(text, table.span()),
                source: None,
            }),
        }
    }
}

/// Where the location stands in the statement.
struct Place<'a> {
    text: &'a str,
    span: Span,
}

impl Place<'_> {
    fn invalid(&self, message: String) -> Error {
        Error::Invalid { message, position: position(self.text, self.span), source: None }
    }
}

/// The columns to fill: those that are named, or all.
fn wanted<'a>(table: &'a Schema, named: &[Ident], text: &str) -> Result<Vec<&'a Field>> {
    if named.is_empty() {
        return Ok(table.fields().iter().map(AsRef::as_ref).collect());
    }
    let mut found: Vec<&Field> = Vec::new();
    for ident in named {
        let Some(field) = field(table, ident) else {
            let names: Vec<&str> = table.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(Error::UnknownColumn {
                name: ident.value.clone(),
                suggestion: nearest(&ident.value, names.iter().copied()).map(str::to_owned),
                in_scope: names.into_iter().map(str::to_owned).collect(),
                position: position(text, ident.span),
                source: None,
            });
        };
        if found.iter().any(|known| known.name() == field.name()) {
            let message = format!("column \"{}\" is there twice", field.name());
            return Err(Error::Invalid { message, position: position(text, ident.span), source: None });
        }
        found.push(field);
    }
    Ok(found)
}

/// The column of a name; one that differs in case only, if there is no other.
fn field<'a>(schema: &'a Schema, ident: &Ident) -> Option<&'a Field> {
    let name = normalized(ident);
    let exact = schema.fields().iter().find(|field| *field.name() == name);
    let alike = || schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(&name));
    exact.or_else(|| if ident.quote_style.is_none() { alike() } else { None }).map(AsRef::as_ref)
}

fn options(written: &[(String, Option<Expr>)]) -> Result<Vec<(String, OptionValue)>, String> {
    let value = |expr: &Option<Expr>| match expr {
        // `HEADER` alone.
        None => Ok(OptionValue::Bool(true)),
        // `FORMAT csv`, as PostgreSQL writes it.
        Some(Expr::Identifier(word)) => Ok(OptionValue::Text(word.value.to_lowercase())),
        Some(expr) => constant("COPY", expr),
    };
    written.iter().map(|(name, expr)| Ok((name.clone(), value(expr)?))).collect()
}

/// Refuses files of another number of columns, and a header that has the columns' names in another order.
fn check_positions(wanted: &[&Field], found: &Schema, request: &FileRequest) -> Result<(), String> {
    let names = |fields: &[&Field]| fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
    let found: Vec<&Field> = found.fields().iter().map(AsRef::as_ref).collect();
    if found.len() != wanted.len() {
        return Err(format!(
            "{} has {} columns ({}), but {} are filled ({}); name those that it has: COPY t (a, b) FROM ...",
            request.shown(),
            found.len(),
            names(&found),
            wanted.len(),
            names(wanted)
        ));
    }
    let place = |name: &str| found.iter().position(|field| field.name().eq_ignore_ascii_case(name));
    let places: Option<Vec<usize>> = wanted.iter().map(|field| place(field.name())).collect();
    match places {
        Some(places) if places.iter().enumerate().any(|(idx, place)| idx != *place) => Err(format!(
            "the header of {} has the columns in another order; name them in that one: COPY t ({}) FROM ...",
            request.shown(),
            names(&found)
        )),
        _ => Ok(()),
    }
}

/// The columns of the table to fill, and those of the files in the same order.
fn by_name(
    table: &Schema,
    wanted: &[&Field],
    copy: &CopyFrom,
    found: &Schema,
) -> Result<(Vec<String>, Option<Vec<String>>), String> {
    let known = found.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
    let column = |name: &str| {
        let exact = found.fields().iter().find(|field| field.name() == name);
        exact.or_else(|| found.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name)))
    };
    let mut pairs = Vec::new();
    if copy.columns.is_empty() {
        for field in found.fields() {
            let mut same = wanted.iter().filter(|wanted| wanted.name().eq_ignore_ascii_case(field.name()));
            let Some(target) = same.next() else {
                let table = table.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "the files have a column \"{}\", which the table has not ({table}); name the columns to copy",
                    field.name()
                ));
            };
            pairs.push((target.name().clone(), field.name().clone()));
        }
    } else {
        for field in wanted {
            let Some(source) = column(field.name()) else {
                return Err(format!("the files have no column \"{}\"; theirs are {known}", field.name()));
            };
            pairs.push((field.name().clone(), source.name().clone()));
        }
    }
    let (into, from) = pairs.into_iter().unzip();
    Ok((into, Some(from)))
}

/// The INSERT that does it.
fn insert(table: &ObjectName, into: &[String], from: Option<&[String]>, source: &str) -> String {
    let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    let list = |names: &[String]| names.iter().map(quoted).collect::<Vec<_>>().join(", ");
    let from = from.map_or_else(|| "*".to_owned(), list);
    format!("INSERT INTO {table} ({}) SELECT {from} FROM {}", list(into), quoted(&source.to_owned()))
}
