//! The keywords that completion knows, by the place where they belong.

/// Words that begin a statement.
pub(crate) const STATEMENT: &[&str] = &[
    "COPY", "CREATE EXTERNAL TABLE", "CREATE OR REPLACE", "CREATE SCHEMA", "CREATE TABLE", "CREATE VIEW", "DEALLOCATE",
    "DELETE FROM", "DESCRIBE", "DROP SCHEMA", "DROP TABLE", "DROP VIEW", "EXECUTE", "EXPLAIN", "EXPLAIN ANALYZE",
    "EXPLAIN TASKS", "FROM", "INSERT INTO", "PREPARE", "RESET", "SELECT", "SET", "SHOW FUNCTIONS", "SHOW SETTINGS",
    "SHOW TABLES", "SUMMARIZE", "TRUNCATE TABLE", "UPDATE", "VALUES", "WITH",
];

/// Words that follow a table.
pub(crate) const BEHIND_RELATION: &[&str] = &[
    "AS", "CROSS JOIN", "EXCEPT", "FULL JOIN", "GROUP BY", "GROUP BY ALL", "HAVING", "INNER JOIN", "INTERSECT", "JOIN",
    "LEFT JOIN", "LIMIT", "NATURAL JOIN", "OFFSET", "ON", "ORDER BY", "QUALIFY", "RIGHT JOIN", "SELECT", "SET",
    "UNION ALL", "UNION", "UNION BY NAME", "USING", "VALUES", "WHERE",
];

/// Words that begin an expression, or stand in one.
pub(crate) const EXPRESSION: &[&str] = &[
    "ALL", "ARRAY", "CASE", "CAST", "CURRENT_DATE", "CURRENT_TIMESTAMP", "DATE", "DISTINCT", "EXISTS", "EXTRACT", "FALSE",
    "INTERVAL", "NOT", "NULL", "TIMESTAMP", "TRUE", "TRY_CAST",
];

/// Words that follow an expression.
pub(crate) const BEHIND_EXPRESSION: &[&str] = &[
    "AND", "AS", "ASC", "AT TIME ZONE", "BETWEEN", "CROSS JOIN", "DESC", "ELSE", "END", "EXCEPT", "EXCLUDE", "FILTER",
    "FROM", "FULL JOIN", "GROUP BY", "HAVING", "ILIKE", "IN", "INNER JOIN", "INTERSECT", "IS NOT NULL", "IS NULL", "JOIN",
    "LEFT JOIN", "LIKE", "LIMIT", "NOT IN", "NULLS FIRST", "NULLS LAST", "OFFSET", "OR", "ORDER BY", "OVER",
    "PARTITION BY", "QUALIFY", "REPLACE", "RIGHT JOIN", "SIMILAR TO", "THEN", "UNION ALL", "UNION", "WHEN", "WHERE",
];

/// Other words that are coloured as keywords.
const OTHER: &[&str] = &[
    "BIGINT", "BOOLEAN", "DECIMAL", "DOUBLE", "INTEGER", "INT", "KEY", "LATERAL", "PRIMARY", "RECURSIVE", "ROWS", "TEXT",
    "TO", "UNIQUE", "VARCHAR", "VIEW", "WINDOW", "STORED", "LOCATION", "OPTIONS", "PARTITIONED", "IF", "TEMPORARY", "ANY",
    "DEFAULT", "FETCH", "FIRST", "NEXT", "ONLY", "PRECEDING", "FOLLOWING", "UNBOUNDED", "CURRENT", "ROW", "RANGE",
];

/// Whether a word is coloured as a keyword.
pub(crate) fn is_keyword(word: &str) -> bool {
    let lists = [STATEMENT, BEHIND_RELATION, EXPRESSION, BEHIND_EXPRESSION, OTHER];
    lists.iter().flat_map(|list| list.iter()).any(|phrase| phrase.split(' ').any(|part| part.eq_ignore_ascii_case(word)))
}
