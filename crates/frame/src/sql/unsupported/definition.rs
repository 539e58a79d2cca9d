//! Columns and constraints of a table that is created.

use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, ColumnOptionDef, ConstraintCharacteristics, DeferrableInitial, Ident, IndexColumn,
    NullsDistinctOption, PrimaryKeyConstraint, TableConstraint, UniqueConstraint,
};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::{Checked, refuse_if, types};

pub(super) fn check_columns(columns: &[ColumnDef]) -> Checked {
    for ColumnDef { name, data_type, options } in columns {
        types::check_type(data_type, name.span)?;
        let mut n_defaults = 0;
        for ColumnOptionDef { name: _, option } in options {
            n_defaults += usize::from(matches!(option, ColumnOption::Default(_)));
            check_option(option, name.span)?;
        }
        refuse_if(n_defaults > 1, format!("more than one DEFAULT for {name}"), "keep one", name.span)?;
        let says = |wanted: &ColumnOption| options.iter().any(|ColumnOptionDef { option, .. }| option == wanted);
        let is_torn = says(&ColumnOption::Null) && says(&ColumnOption::NotNull);
        refuse_if(is_torn, format!("both NULL and NOT NULL for {name}"), "keep one", name.span)?;
    }
    Ok(())
}

fn check_option(option: &ColumnOption, span: Span) -> Checked {
    let refuse = |construct: &'static str, remedy: &'static str| refuse_if(true, construct, remedy, span);
    let computed = "compute the column in a view";
    let numbered = "insert the numbers, for example from row_number()";
    match option {
        ColumnOption::Null | ColumnOption::NotNull | ColumnOption::Default(_) => Ok(()),
        ColumnOption::PrimaryKey(constraint) => check_primary_key(constraint, span),
        ColumnOption::Unique(constraint) => check_unique(constraint, span),
        // The planner rejects these two.
        ColumnOption::ForeignKey(_) | ColumnOption::Check(_) => Ok(()),
        ColumnOption::Generated { generation_expr: Some(_), .. } => refuse("GENERATED ALWAYS AS (...)", computed),
        ColumnOption::Generated { generation_expr: None, .. } => refuse("GENERATED AS IDENTITY", numbered),
        ColumnOption::Identity(_) => refuse("IDENTITY", numbered),
        ColumnOption::Materialized(_) => refuse("a MATERIALIZED column", computed),
        ColumnOption::Alias(_) => refuse("an ALIAS column", computed),
        ColumnOption::Ephemeral(_) => refuse("an EPHEMERAL column", "leave the column out"),
        ColumnOption::Collation(_) => refuse("COLLATE", "compare lower(x) to ignore case"),
        ColumnOption::CharacterSet(_) => refuse("CHARACTER SET", "remove it: text is UTF-8"),
        ColumnOption::Comment(_) => refuse("COMMENT on a column", "use a -- comment"),
        ColumnOption::OnUpdate(_) => refuse("ON UPDATE", "set the column in the UPDATE"),
        ColumnOption::OnConflict(_) => refuse("ON CONFLICT", "remove it: a violated constraint is an error"),
        ColumnOption::Options(_) => refuse("OPTIONS on a column", "remove them"),
        ColumnOption::Policy(_) => refuse("a column policy", "select what a user may see in a view"),
        ColumnOption::Tags(_) => refuse("a TAG on a column", "remove it"),
        ColumnOption::Srid(_) => refuse("SRID", "remove it"),
        ColumnOption::Invisible => refuse("an INVISIBLE column", "select the visible columns in a view"),
        ColumnOption::DialectSpecific(tokens) => {
            let words: Vec<String> = tokens.iter().map(ToString::to_string).collect();
            // The order of an index: it has no meaning for the values.
            let is_order = matches!(tokens.as_slice(), [Token::Word(word)]
                if word.value.eq_ignore_ascii_case("asc") || word.value.eq_ignore_ascii_case("desc"));
            let is_numbered = words.iter().any(|word| word.to_ascii_uppercase().starts_with("AUTO"));
            let remedy = if is_numbered { numbered } else { "remove it" };
            refuse_if(!is_order, words.join(" ").to_ascii_uppercase(), remedy, span)
        }
    }
}

pub(super) fn check_constraints(constraints: &[TableConstraint]) -> Checked {
    constraints.iter().try_for_each(|constraint| match constraint {
        TableConstraint::PrimaryKey(constraint) => check_primary_key(constraint, name_span(constraint.name.as_ref())),
        TableConstraint::Unique(constraint) => check_unique(constraint, name_span(constraint.name.as_ref())),
        // The planner rejects these.
        TableConstraint::ForeignKey(_)
        | TableConstraint::Check(_)
        | TableConstraint::Index(_)
        | TableConstraint::FulltextOrSpatial(_)
        | TableConstraint::PrimaryKeyUsingIndex(_)
        | TableConstraint::UniqueUsingIndex(_) => Ok(()),
    })
}

/// Two primary keys would be taken for two separate ones, each weaker than what was meant.
pub(super) fn check_one_primary_key(columns: &[ColumnDef], constraints: &[TableConstraint]) -> Checked {
    let in_columns = columns.iter().flat_map(|column| &column.options);
    let n_keys = in_columns.filter(|def| matches!(def.option, ColumnOption::PrimaryKey(_))).count()
        + constraints.iter().filter(|constraint| matches!(constraint, TableConstraint::PrimaryKey(_))).count();
    let span = columns.first().map_or_else(Span::empty, |column| column.name.span);
    refuse_if(n_keys > 1, "more than one PRIMARY KEY", "name all its columns in one PRIMARY KEY (...)", span)
}

fn check_primary_key(constraint: &PrimaryKeyConstraint, span: Span) -> Checked {
    // Names, index types and index options say how to store an index.
    let PrimaryKeyConstraint { name: _, index_name: _, index_type: _, columns, index_options: _, characteristics } =
        constraint;
    check_key_columns(columns, span)?;
    check_characteristics(characteristics.as_ref(), span)
}

fn check_unique(constraint: &UniqueConstraint, span: Span) -> Checked {
    let UniqueConstraint {
        name: _,
        index_name: _,
        index_type_display: _,
        index_type: _,
        columns,
        index_options: _,
        characteristics,
        nulls_distinct,
    } = constraint;
    let counts_nulls = match nulls_distinct {
        NullsDistinctOption::NotDistinct => true,
        NullsDistinctOption::Distinct | NullsDistinctOption::None => false,
    };
    refuse_if(counts_nulls, "UNIQUE NULLS NOT DISTINCT", "declare the columns NOT NULL", span)?;
    check_key_columns(columns, span)?;
    check_characteristics(characteristics.as_ref(), span)
}

fn check_key_columns(columns: &[IndexColumn], span: Span) -> Checked {
    columns.iter().try_for_each(|IndexColumn { column: _, operator_class }| {
        refuse_if(operator_class.is_some(), "an operator class in a constraint", "remove it", span)
    })
}

fn check_characteristics(characteristics: Option<&ConstraintCharacteristics>, span: Span) -> Checked {
    let Some(ConstraintCharacteristics { deferrable, initially, enforced }) = characteristics else { return Ok(()) };
    let is_late = *deferrable == Some(true) || *initially == Some(DeferrableInitial::Deferred);
    refuse_if(is_late, "a DEFERRABLE constraint", "remove it: constraints hold after every statement", span)?;
    refuse_if(*enforced == Some(false), "NOT ENFORCED", "leave the constraint out", span)
}

fn name_span(name: Option<&Ident>) -> Span {
    name.map_or_else(Span::empty, |name| name.span)
}
