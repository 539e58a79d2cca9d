//! What stands in FROM.

use datafusion::sql::sqlparser::ast::{
    FunctionArg, Ident, Join, ObjectName, Spanned, TableAlias, TableFactor, TableFunctionArgs, TableSampleKind,
    TableWithJoins,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{Checked, refuse_if};

/// Words that begin a kind of join elsewhere. Here they are read as an alias, and what follows as a plain join.
const JOIN_KINDS: &[&str] =
    &["all", "anti", "any", "asof", "global", "hash", "loop", "merge", "paste", "positional", "remote", "semi"];

pub(super) fn check_factor(factor: &TableFactor) -> Checked {
    match factor {
        TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            let span = name.span();
            check_sample(sample.as_ref(), span)?;
            check_ordinality(*with_ordinality, span)?;
            refuse_if(!with_hints.is_empty(), "a table hint WITH (...)", "remove it", span)?;
            refuse_if(
                version.is_some(),
                "reading a table as of a version or time",
                "filter by a column instead",
                span,
            )?;
            refuse_if(!partitions.is_empty(), "PARTITION (...) behind a table", "filter by a column instead", span)?;
            refuse_if(json_path.is_some(), "a path behind a table name", "select the field from the table", span)?;
            refuse_if(!index_hints.is_empty(), "an index hint", "remove it", span)?;
            check_table_function(name, args.as_ref())?;
            check_alias(alias.as_ref())
        }
        TableFactor::Derived { lateral: _, subquery: _, alias, sample } => {
            check_sample(sample.as_ref(), alias_span(alias.as_ref()))?;
            check_alias(alias.as_ref())
        }
        TableFactor::Function { lateral: _, name, args, with_ordinality, alias } => {
            check_ordinality(*with_ordinality, name.span())?;
            // The planner drops the names and takes the arguments in the order they are written.
            let is_named = args.iter().any(|arg| !matches!(arg, FunctionArg::Unnamed(_)));
            refuse_if(
                is_named,
                "a named argument in a LATERAL function",
                "pass the arguments by position",
                name.span(),
            )?;
            check_alias(alias.as_ref())
        }
        TableFactor::NestedJoin { table_with_joins, alias } => {
            check_joined(table_with_joins)?;
            check_alias(alias.as_ref())
        }
        TableFactor::UNNEST { alias, array_exprs: _, with_offset: _, with_offset_alias: _, with_ordinality: _ } => {
            check_alias(alias.as_ref())
        }
        // The planner rejects these itself. An extension that plans one of them takes over the duty to honour it.
        TableFactor::TableFunction { .. }
        | TableFactor::JsonTable { .. }
        | TableFactor::OpenJsonTable { .. }
        | TableFactor::Pivot { .. }
        | TableFactor::Unpivot { .. }
        | TableFactor::MatchRecognize { .. }
        | TableFactor::XmlTable { .. }
        | TableFactor::SemanticView { .. } => Ok(()),
    }
}

/// Checks the joins of one item of FROM; the tables themselves are visited on their own.
pub(super) fn check_joined(from: &TableWithJoins) -> Checked {
    let TableWithJoins { relation, joins } = from;
    let mut left = relation;
    for join in joins {
        check_join_kind(left)?;
        check_join(join)?;
        left = &join.relation;
    }
    Ok(())
}

pub(super) fn check_join(join: &Join) -> Checked {
    // The planner rejects the join operators and constraints that it does not know.
    let Join { relation, global, join_operator: _ } = join;
    refuse_if(*global, "GLOBAL JOIN", "remove GLOBAL", factor_span(relation))
}

fn check_join_kind(left: &TableFactor) -> Checked {
    let Some(TableAlias { explicit: false, name, columns: _, at: _ }) = factor_alias(left) else { return Ok(()) };
    let word = name.value.to_ascii_lowercase();
    let is_kind = name.quote_style.is_none() && JOIN_KINDS.contains(&word.as_str());
    let construct = format!("{} JOIN", word.to_ascii_uppercase());
    let remedy = match word.as_str() {
        "semi" | "anti" => format!("write LEFT {construct}"),
        "positional" | "paste" => "number the rows of both sides with row_number() and join on the number".to_owned(),
        "asof" => "write a join on the range, and keep one row of each group with row_number()".to_owned(),
        _ => format!("write JOIN alone, or AS {word} if it is meant as an alias"),
    };
    refuse_if(is_kind, construct, remedy, name.span)
}

/// The types in `x (a INT, b TEXT)` are not applied.
pub(super) fn check_alias(alias: Option<&TableAlias>) -> Checked {
    let Some(TableAlias { explicit: _, name: _, columns, at }) = alias else { return Ok(()) };
    for column in columns {
        let remedy = "leave the type out and CAST the column";
        refuse_if(column.data_type.is_some(), "a type in a table alias", remedy, column.name.span)?;
    }
    match at {
        Some(Ident { span, .. }) => refuse_if(true, "AT behind a table alias", "remove it", *span),
        None => Ok(()),
    }
}

fn check_table_function(name: &ObjectName, args: Option<&TableFunctionArgs>) -> Checked {
    let Some(TableFunctionArgs { args: _, settings }) = args else { return Ok(()) };
    let span = name.span();
    refuse_if(settings.is_some(), "SETTINGS in a table function", "remove it", span)?;
    // The planner takes the first part of the name and forgets the others.
    refuse_if(name.0.len() > 1, "a table function with a schema", "call it by its bare name", span)
}

fn check_sample(sample: Option<&TableSampleKind>, span: Span) -> Checked {
    refuse_if(sample.is_some(), "TABLESAMPLE", "use WHERE random() < 0.1, or LIMIT", span)
}

fn check_ordinality(with_ordinality: bool, span: Span) -> Checked {
    refuse_if(with_ordinality, "WITH ORDINALITY", "number the rows with row_number()", span)
}

fn factor_alias(factor: &TableFactor) -> Option<&TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::JsonTable { alias, .. }
        | TableFactor::OpenJsonTable { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::Pivot { alias, .. }
        | TableFactor::Unpivot { alias, .. }
        | TableFactor::MatchRecognize { alias, .. }
        | TableFactor::XmlTable { alias, .. }
        | TableFactor::SemanticView { alias, .. } => alias.as_ref(),
    }
}

fn factor_span(factor: &TableFactor) -> Span {
    match factor {
        TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => name.span(),
        other => alias_span(factor_alias(other)),
    }
}

fn alias_span(alias: Option<&TableAlias>) -> Span {
    alias.map_or_else(Span::empty, |alias| alias.name.span)
}
