//! Statements other than queries.

use std::collections::HashSet;

use datafusion::sql::parser::CopyToStatement;
use datafusion::sql::sqlparser::ast::{
    ArgMode, Assignment, AssignmentTarget, CreateFunction, CreateFunctionBody, CreateView, Delete, DescribeAlias,
    DropFunction, FromTable, FunctionCalledOnNull, FunctionReturnType, Ident, ObjectName, ObjectType,
    OperateFunctionArg, SchemaName, ShowStatementFilter, Spanned, Statement, TableFactor, Update, UpdateTableFromKind,
    ViewColumnDef,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{Checked, definition, query, refuse_if, relation, types};

/// The file formats that a session knows, and those that Dolmen adds.
const FILE_FORMATS: &[&str] = &["ARROW", "AVRO", "CSV", "JSON", "NDJSON", "PARQUET", "TEXT", "TSV"];

/// Checks the parts of a statement that are not queries, tables or expressions: those are visited on their own.
pub(super) fn check_statement(statement: &Statement) -> Checked {
    match statement {
        Statement::CreateTable(create) => {
            // The planner takes the structure apart field by field and rejects what it does not know.
            definition::check_columns(&create.columns)?;
            definition::check_constraints(&create.constraints)?;
            definition::check_one_primary_key(&create.columns, &create.constraints)
        }
        Statement::CreateView(create) => check_create_view(create),
        Statement::CreateSchema { .. } => check_create_schema(statement),
        Statement::CreateDatabase { .. } => check_create_database(statement),
        Statement::CreateFunction(create) => check_create_function(create),
        Statement::Drop { .. } => check_drop(statement),
        Statement::DropFunction(drop) => check_drop_function(drop),
        Statement::Update(update) => check_update(update),
        Statement::Delete(delete) => check_delete(delete),
        Statement::Prepare { name, data_types, statement } => {
            data_types.iter().try_for_each(|data_type| types::check_type(data_type, name.span))?;
            query::check_prepared(statement.as_ref())
        }
        Statement::Explain { .. } => check_explain(statement),
        Statement::ExplainTable { describe_alias: _, hive_format, has_table_keyword: _, table_name } => {
            refuse_if(hive_format.is_some(), "DESCRIBE EXTENDED or FORMATTED", "use DESCRIBE", table_name.span())
        }
        // These are planned by pasting the name into the text of another query.
        Statement::ShowFunctions { filter: Some(ShowStatementFilter::Like(pattern)) } => {
            refuse_if(pattern.contains('\''), "a quote in SHOW FUNCTIONS LIKE", "leave it out", Span::empty())
        }
        Statement::ShowVariable { variable } => variable.iter().try_for_each(check_pasted),
        Statement::ShowCreate { obj_type: _, obj_name } => check_pasted_name(obj_name),
        Statement::ShowColumns { extended: _, full: _, show_options } => {
            let parent = show_options.show_in.as_ref().and_then(|show_in| show_in.parent_name.as_ref());
            parent.map_or(Ok(()), check_pasted_name)
        }
        // INSERT, MERGE, TRUNCATE, SET, EXECUTE and transactions are taken apart by the planner or rejected when they run.
        _ => Ok(()),
    }
}

pub(super) fn check_copy(copy: &CopyToStatement) -> Checked {
    let CopyToStatement { source: _, target: _, partitioned_by: _, stored_as, options } = copy;
    if let Some(format) = stored_as {
        // An unknown format falls back to the extension of the file.
        let is_known = FILE_FORMATS.contains(&format.to_ascii_uppercase().as_str());
        let remedy = format!("use one of {}", FILE_FORMATS.join(", "));
        refuse_if(!is_known, format!("STORED AS {format}"), remedy, Span::empty())?;
    }
    let mut seen = HashSet::new();
    for (key, _) in options {
        let key = key.to_lowercase();
        let full = if key.contains('.') { key } else { format!("format.{key}") };
        let construct = format!("the option {full} given twice");
        refuse_if(!seen.insert(full), construct, "keep one", Span::empty())?;
    }
    Ok(())
}

fn check_create_view(create: &CreateView) -> Checked {
    let CreateView {
        or_alter,
        or_replace: _,
        secure,
        name,
        name_before_not_exists: _,
        columns,
        query: _,
        params,
        // The planner rejects these.
        materialized: _,
        options: _,
        cluster_by: _,
        comment: _,
        with_no_schema_binding: _,
        if_not_exists: _,
        temporary: _,
        copy_grants: _,
        to: _,
    } = create;
    let span = name.span();
    refuse_if(*or_alter, "CREATE OR ALTER VIEW", "use CREATE OR REPLACE VIEW", span)?;
    refuse_if(*secure, "CREATE SECURE VIEW", "use CREATE VIEW", span)?;
    refuse_if(params.is_some(), "ALGORITHM, DEFINER or SQL SECURITY of a view", "remove it", span)?;
    columns.iter().try_for_each(|ViewColumnDef { name, data_type, options: _ }| {
        refuse_if(data_type.is_some(), "a type in the column list of a view", "CAST the column in the query", name.span)
    })
}

fn check_create_schema(statement: &Statement) -> Checked {
    let Statement::CreateSchema { schema_name, if_not_exists: _, with, options, default_collate_spec, clone } =
        statement
    else {
        return Ok(());
    };
    let (span, has_owner) = match schema_name {
        SchemaName::Simple(name) => (name.span(), false),
        SchemaName::UnnamedAuthorization(owner) | SchemaName::NamedAuthorization(_, owner) => (owner.span, true),
    };
    refuse_if(has_owner, "AUTHORIZATION", "leave it out: there are no users", span)?;
    refuse_if(with.is_some() || options.is_some(), "options of a schema", "remove them", span)?;
    refuse_if(default_collate_spec.is_some(), "DEFAULT COLLATE", "remove it", span)?;
    refuse_if(clone.is_some(), "CLONE", "create the tables with CREATE TABLE ... AS", span)
}

fn check_create_database(statement: &Statement) -> Checked {
    let Statement::CreateDatabase {
        db_name,
        if_not_exists: _,
        location,
        managed_location,
        or_replace,
        transient,
        clone,
        data_retention_time_in_days,
        max_data_extension_time_in_days,
        external_volume,
        catalog,
        replace_invalid_characters,
        default_ddl_collation,
        storage_serialization_policy,
        comment,
        default_charset,
        default_collation,
        catalog_sync,
        catalog_sync_namespace_mode,
        catalog_sync_namespace_flatten_delimiter,
        with_tags,
        with_contacts,
    } = statement
    else {
        return Ok(());
    };
    let span = db_name.span();
    refuse_if(*or_replace, "CREATE OR REPLACE DATABASE", "use CREATE DATABASE", span)?;
    refuse_if(*transient, "CREATE TRANSIENT DATABASE", "use CREATE DATABASE", span)?;
    refuse_if(clone.is_some(), "CLONE", "create the tables with CREATE TABLE ... AS", span)?;
    let has_option = location.is_some()
        || managed_location.is_some()
        || data_retention_time_in_days.is_some()
        || max_data_extension_time_in_days.is_some()
        || external_volume.is_some()
        || catalog.is_some()
        || replace_invalid_characters.is_some()
        || default_ddl_collation.is_some()
        || storage_serialization_policy.is_some()
        || comment.is_some()
        || default_charset.is_some()
        || default_collation.is_some()
        || catalog_sync.is_some()
        || catalog_sync_namespace_mode.is_some()
        || catalog_sync_namespace_flatten_delimiter.is_some()
        || with_tags.is_some()
        || with_contacts.is_some();
    refuse_if(has_option, "options of a database", "remove them", span)
}

fn check_create_function(create: &CreateFunction) -> Checked {
    let CreateFunction {
        or_alter,
        or_replace: _,
        temporary: _,
        if_not_exists,
        name,
        args,
        return_type,
        function_body,
        behavior: _,
        called_on_null,
        // How a function may be run does not change what it returns.
        parallel: _,
        security,
        set_params,
        using,
        language: _,
        determinism_specifier,
        options,
        remote_connection,
    } = create;
    let span = name.span();
    refuse_if(*or_alter, "CREATE OR ALTER FUNCTION", "use CREATE OR REPLACE FUNCTION", span)?;
    refuse_if(*if_not_exists, "CREATE FUNCTION IF NOT EXISTS", "use CREATE OR REPLACE FUNCTION", span)?;
    let is_strict = match called_on_null {
        Some(FunctionCalledOnNull::ReturnsNullOnNullInput | FunctionCalledOnNull::Strict) => true,
        Some(FunctionCalledOnNull::CalledOnNullInput) | None => false,
    };
    refuse_if(is_strict, "STRICT", "write CASE WHEN x IS NOT NULL in the body", span)?;
    refuse_if(security.is_some(), "SECURITY", "leave it out: there are no users", span)?;
    refuse_if(!set_params.is_empty(), "SET in a function", "set the option before the call", span)?;
    refuse_if(using.is_some() || remote_connection.is_some(), "an external function", "write the body in SQL", span)?;
    refuse_if(determinism_specifier.is_some(), "DETERMINISTIC", "use IMMUTABLE, STABLE or VOLATILE", span)?;
    refuse_if(options.is_some(), "options of a function", "remove them", span)?;
    if let Some(CreateFunctionBody::AsBeforeOptions { body: _, link_symbol }) = function_body {
        refuse_if(link_symbol.is_some(), "an external function", "write the body in SQL", span)?;
    }
    for OperateFunctionArg { mode, name: _, data_type, default_expr: _ } in args.iter().flatten() {
        let is_output = !matches!(mode, None | Some(ArgMode::In));
        refuse_if(is_output, "an OUT, INOUT or VARIADIC argument", "return a struct, or take a list", span)?;
        types::check_type(data_type, span)?;
    }
    match return_type {
        Some(FunctionReturnType::DataType(data_type)) => types::check_type(data_type, span),
        Some(FunctionReturnType::SetOf(_)) | None => Ok(()),
    }
}

fn check_drop(statement: &Statement) -> Checked {
    // Nothing is kept of a dropped table, so PURGE holds anyhow.
    let Statement::Drop { object_type, if_exists: _, names, cascade, restrict, purge: _, temporary, table: _ } =
        statement
    else {
        return Ok(());
    };
    let span = names.first().map_or_else(Span::empty, Spanned::span);
    refuse_if(*temporary, "DROP TEMPORARY", "leave TEMPORARY out", span)?;
    // Only a schema knows what it contains; which views read a table is not recorded.
    let knows_dependents = *object_type == ObjectType::Schema;
    let construct = format!("CASCADE or RESTRICT for DROP {object_type}");
    refuse_if((*cascade || *restrict) && !knows_dependents, construct, "drop the dependent views by name", span)
}

fn check_drop_function(drop: &DropFunction) -> Checked {
    let DropFunction { if_exists: _, func_desc, drop_behavior } = drop;
    let span = func_desc.first().map_or_else(Span::empty, |function| function.name.span());
    refuse_if(func_desc.len() > 1, "DROP FUNCTION of several functions", "drop them one by one", span)?;
    refuse_if(drop_behavior.is_some(), "CASCADE or RESTRICT for DROP FUNCTION", "remove it", span)?;
    let has_args = func_desc.iter().any(|function| function.args.as_ref().is_some_and(|args| !args.is_empty()));
    refuse_if(has_args, "argument types in DROP FUNCTION", "give the name alone: it drops every variant", span)
}

fn check_update(update: &Update) -> Checked {
    // The planner rejects FROM, RETURNING, LIMIT and the others.
    let Update {
        update_token,
        optimizer_hints: _,
        table,
        assignments,
        from,
        selection: _,
        returning: _,
        output: _,
        or: _,
        order_by: _,
        limit: _,
    } = update;
    let span = update_token.0.span;
    let remedy = "use a subquery in SET and WHERE";
    refuse_if(!table.joins.is_empty(), "UPDATE of a join", remedy, span)?;
    if let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = from {
        from.iter().try_for_each(relation::check_joined)?;
    }
    let mut seen = HashSet::new();
    for Assignment { target, value: _ } in assignments {
        let AssignmentTarget::ColumnName(column) = target else { continue };
        let Some(name) = column.0.last().and_then(|part| part.as_ident()) else { continue };
        let construct = format!("setting {name} twice in one UPDATE");
        refuse_if(!seen.insert(normal(name)), construct, "keep one assignment", name.span)?;
        if let Some(qualifier) = column.0.len().checked_sub(2).and_then(|i| column.0[i].as_ident()) {
            // The planner looks at the last part of the name only.
            let is_target = target_name(&table.relation).is_some_and(|target| normal(target) == normal(qualifier));
            let construct = format!("setting a column of {qualifier}, which is not the updated table");
            refuse_if(!is_target, construct, "name columns of the updated table", qualifier.span)?;
        }
    }
    Ok(())
}

fn check_delete(delete: &Delete) -> Checked {
    // The planner rejects USING, RETURNING and ORDER BY, and hands LIMIT to tables that do not look at it.
    let Delete {
        delete_token,
        optimizer_hints: _,
        tables: _,
        from,
        using: _,
        selection: _,
        returning: _,
        output: _,
        order_by: _,
        limit,
    } = delete;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = from;
    from.iter().try_for_each(relation::check_joined)?;
    refuse_if(limit.is_some(), "DELETE ... LIMIT", "name the rows in WHERE", delete_token.0.span)
}

fn check_explain(statement: &Statement) -> Checked {
    let Statement::Explain { describe_alias, analyze, verbose, query_plan, estimate, statement: _, format, options } =
        statement
    else {
        return Ok(());
    };
    let is_describe = matches!(describe_alias, DescribeAlias::Describe | DescribeAlias::Desc);
    let is_modified = is_describe && (*analyze || *verbose || format.is_some());
    refuse_if(is_modified, "DESCRIBE with ANALYZE, VERBOSE or FORMAT", "use EXPLAIN", Span::empty())?;
    refuse_if(*query_plan || *estimate, "EXPLAIN QUERY PLAN or ESTIMATE", "use EXPLAIN", Span::empty())?;
    refuse_if(options.is_some(), "options of a nested EXPLAIN", "use EXPLAIN ANALYZE or VERBOSE", Span::empty())
}

fn check_pasted_name(name: &ObjectName) -> Checked {
    name.0.iter().filter_map(|part| part.as_ident()).try_for_each(check_pasted)
}

fn check_pasted(name: &Ident) -> Checked {
    refuse_if(name.value.contains('\''), "a name with a quote in SHOW", "query information_schema", name.span)
}

fn target_name(relation: &TableFactor) -> Option<&Ident> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. } => Some(&alias.name),
        TableFactor::Table { name, .. } => name.0.last()?.as_ident(),
        _ => None,
    }
}

fn normal(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}
