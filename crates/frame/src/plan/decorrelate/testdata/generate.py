"""Writes answers.txt: queries with subqueries, and what DuckDB answers. Where SQLite can run a query too, the two are
compared; where DuckDB fails (it evaluates every CASE arm, and two queries break an assertion in it), SQLite answers.

Run with `duckdb` installed: `python3 generate.py > answers.txt`. The order of rows and of the rows' values is fixed.
"""
import sys

import duckdb

from engines import Engines

SCALARS = [
    "SELECT count(*) FROM u WHERE u.x < t.b",
    "SELECT count(u.y) FROM u WHERE u.x <= t.b",
    "SELECT count(DISTINCT u.y) FROM u WHERE u.x <> t.b",
    "SELECT sum(u.y) FROM u WHERE u.x > t.b",
    "SELECT avg(u.y) FROM u WHERE u.x <> t.b",
    "SELECT min(u.y) FROM u WHERE u.x IS NOT DISTINCT FROM t.b",
    "SELECT max(u.y) FROM u WHERE u.x = t.b AND u.z > t.a",
    "SELECT max(u.y) + t.a FROM u WHERE u.x < t.b",
    "SELECT coalesce(sum(u.y), -1) FROM u WHERE u.x > t.b",
    "SELECT CASE WHEN count(*) > 2 THEN t.a ELSE -count(*) END FROM u WHERE u.x < t.b",
    "SELECT count(*) FROM u WHERE u.x < t.b HAVING count(*) > 1",
    "SELECT count(*) FROM u WHERE u.x > t.b HAVING count(*) < 4",
    "SELECT sum(u.y) FROM u WHERE u.x < t.b HAVING sum(u.y) > t.a",
    "SELECT count(*) + t.a FROM u",
    "SELECT sum(u.y + t.a) FROM u WHERE u.x < t.b",
    "SELECT sum(CASE WHEN u.x < t.b THEN u.y ELSE t.a END) FROM u",
    "SELECT count(*) FROM u JOIN n ON u.z = n.k WHERE u.x < t.b AND n.v < t.b",
    "SELECT count(*) FROM u LEFT JOIN n ON u.z = n.k AND n.v = t.b",
    "SELECT count(n.v) FROM u LEFT JOIN n ON u.z = n.k AND n.v = t.b",
    "SELECT count(u.x) FROM u RIGHT JOIN n ON u.z = n.k AND u.x < t.b",
    "SELECT count(*) FROM u FULL JOIN n ON u.z = n.k AND u.x = t.b",
    "SELECT count(*) FROM (SELECT * FROM u WHERE u.x < t.b) p FULL JOIN (SELECT * FROM n WHERE n.v > t.b) q ON p.z = q.k",
    "SELECT count(*) FROM (SELECT * FROM u WHERE u.x < t.b) p LEFT JOIN (SELECT * FROM n WHERE n.v > t.b) q ON p.z = q.k",
    "SELECT count(*) FROM (SELECT * FROM u WHERE u.x < t.b) p RIGHT JOIN (SELECT * FROM n WHERE n.v > t.b) q ON p.z = q.k",
    "SELECT count(*) FROM n LEFT JOIN (SELECT * FROM u WHERE u.x = t.b) p ON p.y = n.k",
    "SELECT y FROM u WHERE u.x = t.b ORDER BY y DESC NULLS LAST, z LIMIT 1",
    "SELECT y FROM u WHERE u.x < t.b ORDER BY x, y LIMIT 1 OFFSET 1",
    "SELECT y + t.a FROM u WHERE u.x < t.b ORDER BY z + t.a NULLS LAST, x DESC, y LIMIT 1",
    "SELECT y FROM u WHERE u.x > t.b ORDER BY x, y, z LIMIT 0",
    "SELECT sum(y) FROM (SELECT y FROM u WHERE u.x <= t.b ORDER BY y NULLS LAST LIMIT 2) s",
    "SELECT count(*) FROM (SELECT DISTINCT y FROM u WHERE u.x <> t.b) s",
    "SELECT count(*) FROM (SELECT x FROM u WHERE u.x < t.b GROUP BY x) s",
    "SELECT max(m) FROM (SELECT x, sum(y) AS m FROM u WHERE u.x <= t.b GROUP BY x) s",
    "SELECT max(m) FROM (SELECT count(*) AS m FROM u WHERE u.x < t.b) s",
    "SELECT count(*) FROM (SELECT x FROM u WHERE u.x < t.b UNION ALL SELECT v FROM n WHERE n.v > t.b) s",
    "SELECT count(*) FROM (SELECT x FROM u WHERE u.x < t.b UNION SELECT v FROM n) s",
    "SELECT count(*) FROM (SELECT x FROM u WHERE u.x <= t.b INTERSECT SELECT v FROM n WHERE n.v <> t.b) s",
    "SELECT count(*) FROM (SELECT x FROM u WHERE u.x <= t.b EXCEPT SELECT v FROM n WHERE n.v <> t.b) s",
    "SELECT t.a + 1",
    "SELECT t.a + t.b WHERE t.a > 1",
    "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY y, z, x) AS r FROM u WHERE u.x < t.b) s",
    "SELECT sum(r) FROM (SELECT sum(y) OVER (PARTITION BY x) + t.a AS r FROM u WHERE u.x < t.b) s",
    "SELECT sum(r) FROM (SELECT sum(y + t.a) OVER (PARTITION BY x) AS r FROM u) s",
    "SELECT count(*) FROM (VALUES (t.a), (t.b), (3)) v(q) WHERE v.q > 2",
    "SELECT n.v FROM n WHERE n.k = t.a AND n.v <> 20",
    "SELECT count(*) FROM u WHERE u.x < t.b AND EXISTS (SELECT 1 FROM n WHERE n.k = u.y AND n.v < t.b)",
    "SELECT count(*) FROM u WHERE u.x < t.b AND (SELECT count(*) FROM n WHERE n.k < u.y AND n.v > t.b) < 3",
    "SELECT count(*) FROM u WHERE EXISTS (SELECT 1 FROM n WHERE n.v < t.b)",
    "SELECT (SELECT count(*) FROM n WHERE n.v < t.b AND n.k < s.m) FROM (SELECT max(u.y) AS m FROM u WHERE u.x <= t.b) s",
    "SELECT (SELECT (SELECT count(*) FROM e WHERE e.k = t.a) + count(*) FROM n WHERE n.v < t.b)",
    "SELECT count(*) FROM u WHERE u.y IN (SELECT n.k FROM n WHERE n.v < t.b)",
    "SELECT count(*) FROM u WHERE u.y NOT IN (SELECT n.k FROM n WHERE n.v < t.b)",
    "SELECT count(*) FROM e WHERE e.k < t.a",
    "SELECT max(v) FROM e WHERE e.k <> t.a",
    "SELECT count(*) FROM u u1, u u2 WHERE u1.x < t.b AND u2.x > t.b",
    "SELECT sum(x.b) FROM t AS x WHERE x.b < t.b",
    "SELECT y FROM u WHERE u.x = t.b AND u.y = (SELECT max(w.y) FROM u w WHERE w.x = t.b AND w.x = u.x) AND u.z = (SELECT min(w.z) FROM u w WHERE w.x = u.x)",
]

PREDICATES = [
    "EXISTS (SELECT 1 FROM u WHERE u.x < t.b)",
    "EXISTS (SELECT count(*) FROM u WHERE u.x > t.b)",
    "EXISTS (SELECT x FROM u WHERE u.x <= t.b GROUP BY x HAVING count(*) > 1 AND sum(y) > t.a)",
    "EXISTS (SELECT 1 FROM u WHERE u.x = t.b LIMIT 1)",
    "EXISTS (SELECT 1 FROM u WHERE u.x = t.b LIMIT 1 OFFSET 1)",
    "EXISTS (SELECT 1 FROM u u1, u u2 WHERE u1.x < t.b AND u2.x > t.b)",
    "EXISTS (SELECT 1 FROM u WHERE u.x < t.b UNION ALL SELECT 1 FROM n WHERE n.k = t.a)",
    "EXISTS (SELECT 1 FROM e)",
    "EXISTS (SELECT 1 FROM n)",
    "EXISTS (SELECT 1 FROM n WHERE n.k < t.a AND NOT EXISTS (SELECT 1 FROM u WHERE u.y = n.k AND u.x < t.b))",
    "t.a IN (SELECT u.y FROM u WHERE u.x <= t.b)",
    "t.a IN (SELECT u.y FROM u)",
    "t.a IN (SELECT n.k FROM n)",
    "t.a IN (SELECT n.k FROM n WHERE n.v > t.b)",
    "t.a IN (SELECT e.k FROM e)",
    "t.a IN (SELECT e.k FROM e WHERE e.v < t.b)",
    "t.a + 1 IN (SELECT max(u.y) FROM u WHERE u.x <= t.b)",
    "t.a IN (SELECT u.y FROM u WHERE u.x <= t.b ORDER BY u.y NULLS LAST LIMIT 2)",
    "3 IN (SELECT u.y FROM u WHERE u.x <= t.b)",
    "t.a IN (SELECT row_number() OVER (ORDER BY u.y, u.z) FROM u WHERE u.x = t.b)",
    "t.a < ANY (SELECT u.y FROM u WHERE u.x < t.b)",
    "t.a >= ALL (SELECT u.y FROM u WHERE u.x < t.b)",
    "t.a = ANY (SELECT u.y FROM u WHERE u.x <> t.b)",
    "t.a <> ALL (SELECT u.y FROM u WHERE u.x <> t.b)",
    "t.a > ALL (SELECT e.k FROM e)",
    "t.a > ANY (SELECT u.y FROM u)",
    "(SELECT count(*) FROM u WHERE u.x < t.b) > t.a",
    "(SELECT max(u.y) FROM u WHERE u.x > t.b) BETWEEN t.a AND t.b",
    "t.c > (SELECT avg(u.z) FROM u WHERE u.x < t.b)",
]

OTHERS = [
    "SELECT CASE WHEN c > (SELECT avg(c) FROM t) THEN a * 2 ELSE b * 10 END, (SELECT count(*) FROM t AS x WHERE x.b < t.b)"
    " FROM t WHERE EXISTS (SELECT 1 FROM t AS x WHERE x.b < t.b) OR c BETWEEN b - 2 AND a + 2 ORDER BY 1, 2",
    "SELECT (SELECT count(*) FROM u WHERE u.x < t.b) AS p, (SELECT sum(v) FROM n WHERE n.v < t.b) AS q, count(*) FROM t"
    " GROUP BY 1, 2",
    "SELECT (SELECT count(*) FROM u WHERE u.x < t.b) % 2 AS p, sum(a) FROM t GROUP BY (SELECT count(*) FROM u WHERE u.x < t.b) % 2",
    "SELECT b, sum((SELECT count(*) FROM u WHERE u.x < t.a * 10)) FROM t GROUP BY b",
    "SELECT b, count(*) FILTER (WHERE EXISTS (SELECT 1 FROM n WHERE n.k < t.a)) FROM t GROUP BY b",
    "SELECT b, count(*) FROM t GROUP BY b HAVING count(*) > (SELECT count(*) FROM e WHERE e.k > t.b)",
    "SELECT b, count(*) FROM t GROUP BY b HAVING (SELECT count(*) FROM u WHERE u.x < t.b) > 2 OR count(*) > 2",
    "SELECT b, max(a) FROM t GROUP BY b HAVING EXISTS (SELECT 1 FROM u WHERE u.x < t.b)",
    "SELECT a, b FROM t ORDER BY (SELECT count(*) FROM u WHERE u.x < t.b), a, b",
    "SELECT a FROM t ORDER BY (SELECT count(*) FROM u WHERE u.x < t.b), a NULLS LAST LIMIT 3",
    "SELECT a, sum((SELECT count(*) FROM u WHERE u.x < t.b)) OVER (ORDER BY a, b, c) FROM t",
    "SELECT a, rank() OVER (ORDER BY (SELECT count(*) FROM u WHERE u.x < t.b)) FROM t",
    "SELECT t.a, n.k FROM t JOIN n ON n.k < (SELECT count(*) FROM u WHERE u.x < t.b AND u.y > n.k)",
    "SELECT t.a, n.k FROM t LEFT JOIN n ON n.k = t.a AND EXISTS (SELECT 1 FROM u WHERE u.x > t.b)",
    "SELECT t.a, n.k FROM t LEFT JOIN n ON n.k = t.a AND EXISTS (SELECT 1 FROM u WHERE u.y < n.k AND u.x < n.v)",
    "SELECT t.a, n.k FROM t LEFT JOIN n ON n.k >= (SELECT count(*) FROM u WHERE u.x < t.b AND u.y < n.k)",
    "SELECT t.a, n.k FROM t RIGHT JOIN n ON t.a > (SELECT count(*) FROM u WHERE u.x < t.b AND u.y < n.k)",
    "SELECT t.a, n.k FROM t FULL JOIN n ON n.k = t.a AND (SELECT count(*) FROM u WHERE u.x < t.b) > 3",
    "SELECT t.a, t.b FROM t LEFT JOIN n ON n.k IN (SELECT u.y FROM u WHERE u.x < t.b)",
    "SELECT abs((SELECT -count(*) FROM u WHERE u.x < t.b)) FROM t",
    "SELECT a FROM t WHERE NOT (a IN (SELECT u.y FROM u WHERE u.x <= t.b) OR c > 6)",
    "SELECT a FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.x < t.b) AND a > (SELECT min(k) FROM n)",
    "SELECT a FROM t WHERE a NOT IN (SELECT u.y FROM u WHERE u.x = t.b)",
    "SELECT a FROM t WHERE a NOT IN (SELECT u.y FROM u WHERE u.y IS NOT NULL)",
    "SELECT a FROM t WHERE (a, b) = (2, 20) OR (SELECT count(*) FROM u WHERE u.x < t.b) = 3",
    "SELECT DISTINCT (SELECT max(u.y) FROM u WHERE u.x < t.b) FROM t",
    "SELECT s.p, count(*) FROM (SELECT (SELECT count(*) FROM u WHERE u.x < t.b) AS p FROM t) s GROUP BY s.p",
    "WITH q AS (SELECT a, (SELECT count(*) FROM u WHERE u.x < t.b) AS p FROM t) SELECT q.a, (SELECT sum(r.p) FROM q r WHERE r.p < q.p) FROM q",
    "SELECT a FROM t WHERE (SELECT count(*) FROM u WHERE u.x < t.b) = (SELECT count(*) FROM n WHERE n.v < t.b)",
    "SELECT t.a, s.y FROM t, LATERAL (SELECT u.y FROM u WHERE u.x < t.b) s",
    "SELECT t.a, s.y FROM t LEFT JOIN LATERAL (SELECT u.y FROM u WHERE u.x > t.b) s ON true",
    "SELECT t.a, s.m FROM t LEFT JOIN LATERAL (SELECT max(u.y) AS m, count(*) AS k FROM u WHERE u.x < t.b) s ON s.k > t.a",
    "SELECT t.a, s.m, s.k FROM t CROSS JOIN LATERAL (SELECT max(u.y) AS m, count(*) AS k FROM u WHERE u.x < t.b) s",
    "SELECT t.a, s.y FROM t, LATERAL (SELECT u.y FROM u WHERE u.x <= t.b ORDER BY u.y NULLS LAST LIMIT 2) s",
    "SELECT t.a, s.y, r.v FROM t, LATERAL (SELECT u.y FROM u WHERE u.x < t.b) s, LATERAL (SELECT n.v FROM n WHERE n.k <= s.y AND n.v > t.b) r",
    "SELECT t.a, (SELECT count(*) FROM n, LATERAL (SELECT u.y FROM u WHERE u.x < t.b AND u.y <= n.k) s) FROM t",
    "SELECT t.a, (SELECT sum(s.k) FROM n, LATERAL (SELECT count(*) AS k FROM u WHERE u.y <= n.k) s WHERE n.v < t.b) FROM t",
    "SELECT t.a, n.k FROM t, n WHERE (SELECT count(*) FROM u WHERE u.x < t.b AND u.y > n.k) > 1",
    "SELECT a FROM t WHERE a = (SELECT n.k FROM n WHERE n.v = t.b) OR b > 25",
    # NULL must not equal NULL where a plain equality meets the join with a domain.
    "SELECT t.a, u.x FROM e FULL JOIN t ON e.v = t.b LEFT JOIN u ON (SELECT w.x FROM u w WHERE w.y IS NOT DISTINCT FROM u.z"
    " ORDER BY w.x DESC NULLS LAST LIMIT 1) = e.k",
    "SELECT a, (SELECT coalesce(sum(n.v), 0) FROM n RIGHT JOIN u ON n.k <= u.x WHERE (SELECT sum(w.x - t.b) FROM e JOIN u w"
    " ON e.v >= w.z) = u.z) FROM t",
    # No row is NULL, also for a column that is NOT NULL.
    "SELECT a, (SELECT n.k FROM n WHERE n.k > n.k) FROM t",
    "SELECT a, (SELECT n.k FROM n WHERE n.k > n.k) IS NULL FROM t",
    "SELECT a, (SELECT p.v FROM n p FULL JOIN n q ON p.v = q.v WHERE q.k > p.v) FROM t",
    # A column called like a literal.
    "SELECT a, b NOT IN (SELECT 1 FROM u WHERE u.x <= t.a) FROM t",
    # A lateral side that reads the other side in a nested subquery only.
    "SELECT t.a, s.k FROM t, LATERAL (SELECT count(*) AS k FROM n WHERE EXISTS (SELECT 1 FROM u WHERE u.y = n.k AND u.x < t.b)) s",
]

ERRORS = [
    "SELECT (SELECT u.y FROM u WHERE u.x = t.b) FROM t",
    "SELECT a FROM t WHERE a < (SELECT u.y FROM u WHERE u.x < t.b)",
    "SELECT (SELECT k FROM n) FROM t",
    "SELECT (SELECT u.y FROM u WHERE u.x = t.b ORDER BY u.y LIMIT 2) FROM t",
    "SELECT (SELECT sum(u.y) FROM u WHERE u.x <= t.b GROUP BY u.x) FROM t",
    "SELECT (SELECT u.x FROM u WHERE u.x = t.b AND u.y > 1 UNION ALL SELECT n.v FROM n WHERE n.v = t.b) FROM t",
]

# The arm with the subquery of several rows is not taken for the rows that have several.
LAZY = [
    "SELECT CASE WHEN b = 10 OR b = 20 OR b = 30 THEN 0 ELSE (SELECT u.y FROM u WHERE u.x = t.b) END FROM t",
]


engines = Engines()

queries = []
for s in SCALARS:
    queries.append(f"SELECT a, b, ({s}) FROM t")
    queries.append(f"SELECT a, b FROM t WHERE ({s}) > 1 OR a = 1")
for p in PREDICATES:
    queries.append(f"SELECT a, b, {p} FROM t")
    queries.append(f"SELECT a, b FROM t WHERE {p}")
    queries.append(f"SELECT a, b FROM t WHERE NOT ({p})")
    queries.append(f"SELECT a, b FROM t WHERE {p} OR c = 7")
    queries.append(f"SELECT a, b FROM t WHERE NOT ({p} OR c = 7)")
    queries.append(f"SELECT a, CASE WHEN {p} THEN 'yes' ELSE 'no' END FROM t")
queries += OTHERS + LAZY

print("# Written by generate.py: what DuckDB (else SQLite) answers, rows sorted as text.\n")
for query in queries:
    engines.print_case(query)
for query in ERRORS:
    try:
        engines.duck.execute(query).fetchall()
        print(f"no error: {query}", file=sys.stderr)
    except duckdb.Error as error:
        assert "More than one row" in str(error), error
    print("\n".join([query, "----", "error: more than one row", ""]))
print(f"{len(queries)} queries, {engines.n_both} on SQLite too", file=sys.stderr)
