use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, Statement, TableFactor, TableWithJoins, UpdateTableFromKind,
};

/// Turns `UPDATE t SET ... FROM a, b WHERE ...` into `UPDATE t CROSS JOIN a CROSS JOIN b SET ... WHERE ...`.
///
/// The two mean the same. DataFusion's planner refuses the first, because its own tables cannot execute it, and plans the
/// second as [`update`](super::update()) needs it. Other statements stay as they are.
pub fn join_update_source(statement: &mut Statement) {
    let Statement::Update(update) = statement else { return };
    let Some(from) = update.from.take() else { return };
    let (UpdateTableFromKind::BeforeSet(sources) | UpdateTableFromKind::AfterSet(sources)) = from;
    update.table.joins.extend(sources.into_iter().map(|source| Join {
        relation: as_relation(source),
        global: false,
        join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
    }));
}

/// Joins within FROM come first, as if in parentheses: their ON does not see the target.
fn as_relation(source: TableWithJoins) -> TableFactor {
    if source.joins.is_empty() {
        return source.relation;
    }
    TableFactor::NestedJoin { table_with_joins: Box::new(source), alias: None }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn sources_become_cross_joins() {
        for (sql, joined) in [
            ("UPDATE t SET a = 1 WHERE b", "UPDATE t SET a = 1 WHERE b"),
            ("UPDATE t SET a = s.a FROM s WHERE b", "UPDATE t CROSS JOIN s SET a = s.a WHERE b"),
            (
                "UPDATE t AS x SET a = s.a FROM s AS y JOIN u ON u.i = y.i, v",
                "UPDATE t AS x CROSS JOIN (s AS y JOIN u ON u.i = y.i) CROSS JOIN v SET a = s.a",
            ),
            ("DELETE FROM t WHERE b", "DELETE FROM t WHERE b"),
        ] {
            let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
            join_update_source(&mut statements[0]);
            assert_eq!(statements[0].to_string(), joined);
        }
    }
}
