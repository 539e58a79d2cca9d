//! The dialect of the parser: sqlparser's generic one, with two differences.
//!
//! | written | the generic dialect reads | ours reads |
//! |---|---|---|
//! | `j -> 'a' = 'b'` | `j -> ('a' = 'b')` | `(j -> 'a') = 'b'`, as PostgreSQL does |
//! | `ORDER BY ALL` | a column called all | all columns of the result |

use std::any::TypeId;

use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// How close `->` and `->>` bind: closer than comparisons (20), less close than `+` (30).
const JSON_PRECEDENCE: u8 = 25;

/// The generic dialect with our differences.
#[derive(Debug, Default)]
pub(super) struct DolmenDialect(GenericDialect);

/// Answers as the generic dialect does. What that leaves to the trait's defaults need not stand here.
macro_rules! as_generic {
    ($($method:ident),* $(,)?) => {
        $(fn $method(&self) -> bool {
            self.0.$method()
        })*
    };
}

impl Dialect for DolmenDialect {
    /// The parser asks which dialect this is at places that have no method.
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::Arrow | Token::LongArrow => Some(Ok(JSON_PRECEDENCE)),
            _ => self.0.get_next_precedence(parser),
        }
    }

    as_generic!(
        supports_unicode_string_literal,
        supports_partition_by_after_order_by,
        supports_array_join_syntax,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_left_associative_joins_without_parens,
        supports_connect_by,
        supports_match_recognize,
        supports_pipe_operator,
        supports_start_transaction_modifier,
        supports_window_function_null_treatment_arg,
        supports_dictionary_syntax,
        supports_window_clause_named_window_reference,
        supports_parenthesized_set_variables,
        supports_select_wildcard_except,
        support_map_literal_syntax,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_extract_comma_syntax,
        supports_create_view_comment_syntax,
        supports_parens_around_table_factor,
        supports_values_as_table_factor,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_limit_comma,
        supports_update_order_by,
        supports_from_first_select,
        supports_projection_trailing_commas,
        supports_asc_desc_in_column_definition,
        supports_try_convert,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_assignment_operator,
        supports_struct_literal,
        supports_empty_projections,
        supports_nested_comments,
        supports_multiline_comment_hints,
        supports_user_host_grantee,
        supports_string_escape_constant,
        supports_array_typedef_with_brackets,
        supports_match_against,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_filter_during_aggregation,
        supports_select_wildcard_exclude,
        supports_data_type_signed_suffix,
        supports_interval_options,
        supports_quote_delimited_string,
        supports_select_wildcard_replace,
        supports_select_wildcard_ilike,
        supports_select_wildcard_rename,
        supports_optimize_table,
        supports_install,
        supports_detach,
        supports_prewhere,
        supports_with_fill,
        supports_limit_by,
        supports_interpolate,
        supports_settings,
        supports_select_format,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_key_column_option,
        supports_comma_separated_trim,
        supports_cte_without_as,
        supports_select_item_multi_column_alias,
        supports_xml_expressions,
    );
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use datafusion::sql::sqlparser::ast::Expr;

    use super::*;

    /// An expression with brackets around every operator.
    fn bracketed(expr: &Expr) -> String {
        match expr {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", bracketed(left), bracketed(right)),
            Expr::IsNull(inner) => format!("({} IS NULL)", bracketed(inner)),
            Expr::Like { expr, pattern, .. } => format!("({} LIKE {})", bracketed(expr), bracketed(pattern)),
            other => other.to_string(),
        }
    }

    #[test]
    fn arrows_bind_closer_than_comparisons_and_less_close_than_arithmetic() {
        for (written, meant) in [
            ("j -> 'a' ->> 'b' = 'c'", "(((j -> 'a') ->> 'b') = 'c')"),
            ("'c' = j ->> 'b'", "('c' = (j ->> 'b'))"),
            ("j ->> 'a' IS NULL AND j", "(((j ->> 'a') IS NULL) AND j)"),
            ("j ->> 'a' LIKE 'x%'", "((j ->> 'a') LIKE 'x%')"),
            ("j -> 1 + 1", "(j -> (1 + 1))"),
        ] {
            let dialect = DolmenDialect::default();
            let parsed = Parser::new(&dialect).try_with_sql(written).unwrap().parse_expr().unwrap();
            assert_eq!(bracketed(&parsed), meant, "{written}");
        }
    }

    /// A new version of the parser may answer more questions; then the list above wants them too.
    #[test]
    fn every_answer_of_the_generic_dialect_is_ours() {
        let metadata = Command::new(env!("CARGO"))
            .args(["metadata", "--offline", "--format-version", "1"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let sqlparser = packages.iter().find(|package| package["name"] == "sqlparser").unwrap();
        let manifest = std::path::Path::new(sqlparser["manifest_path"].as_str().unwrap());
        let source = std::fs::read_to_string(manifest.with_file_name("src/dialect/generic.rs")).unwrap();
        let methods: Vec<&str> =
            source.split("    fn ").skip(1).filter_map(|method| method.split_once('(')).map(|(name, _)| name).collect();
        assert!(methods.len() > 50, "{methods:?}");
        let ours = include_str!("dialect.rs");
        for method in methods {
            let is_listed = ours.contains(&format!("        {method},\n")) || ours.contains(&format!("fn {method}("));
            assert!(is_listed, "{method} is not passed on");
        }
    }
}
