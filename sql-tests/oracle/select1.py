"""Writes slt/queries/select1_style.slt: random queries after the pattern of SQLite's select1 tests, without results.

    python3 sql-tests/oracle/select1.py && python3 sql-tests/oracle/make.py sql-tests/slt/queries/select1_style.slt

Every record draws a few expressions and conditions, among them correlated subqueries in the select list, in WHERE and
in CASE, and is ordered by all its columns. The seed is fixed. Needs python's standard library only.
"""

import pathlib
import random

TARGET = pathlib.Path(__file__).resolve().parent.parent / "slt/queries/select1_style.slt"
N_RECORDS = 60

EXPRESSIONS = [
    "a", "b", "c", "d", "e", "a - b", "b - c", "c - d", "d - e", "a + b * 2", "a + b * 2 + c * 3",
    "a + b * 2 + c * 3 + d * 4", "a + b * 2 + c * 3 + d * 4 + e * 5", "(a + b + c + d + e) / 5", "abs(a)", "abs(b - c)",
    "CASE WHEN c > (SELECT avg(c) FROM t1) THEN a * 2 ELSE b * 10 END",
    "CASE WHEN a < b - 3 THEN 111 WHEN a <= b THEN 222 WHEN a < b + 3 THEN 333 ELSE 444 END",
    "CASE a + 1 WHEN b THEN 111 WHEN c THEN 222 WHEN d THEN 333 WHEN e THEN 444 ELSE 555 END",
    "(SELECT count(*) FROM t1 AS x WHERE x.b < t1.b)",
    "(SELECT count(*) FROM t1 AS x WHERE x.c > t1.c AND x.d < t1.d)",
    "(SELECT max(x.e) FROM t1 AS x WHERE x.e < t1.e)",
    "(SELECT min(x.a) FROM t1 AS x WHERE x.a > t1.d AND x.b <> t1.b)",
    "(SELECT sum(x.a - t1.a) FROM t1 AS x WHERE x.a = t1.b)",
    "CASE WHEN EXISTS (SELECT 1 FROM t1 AS x WHERE x.a = t1.e) THEN 1 ELSE 0 END",
    "CASE WHEN a IN (SELECT b FROM t1) THEN 1 ELSE 0 END",
    "coalesce((SELECT max(x.d) FROM t1 AS x WHERE x.d < t1.a - 20), -1)",
]
CONDITIONS = [
    "a > b", "b > c", "c > d", "d > e", "(e > c OR e < d)", "(e > a AND e < b)", "c BETWEEN b - 2 AND d + 2",
    "d NOT BETWEEN 110 AND 150", "(c <= d - 2 OR c >= d + 2)", "(a > b - 2 AND a < b + 2)", "e IS NOT NULL",
    "EXISTS (SELECT 1 FROM t1 AS x WHERE x.b < t1.b)",
    "NOT EXISTS (SELECT 1 FROM t1 AS x WHERE x.d > t1.d + 20)",
    "b IN (SELECT d + 1 FROM t1)",
    "c NOT IN (SELECT a FROM t1 WHERE a < 200)",
    "c > (SELECT avg(x.c) FROM t1 AS x)",
    "a > (SELECT avg(x.a) FROM t1 AS x WHERE x.e > t1.e - 30)",
    "(SELECT count(*) FROM t1 AS x WHERE x.b < t1.b) < 10",
]


def main():
    rng = random.Random(1)
    out = [
        "# Random queries after SQLite's select1 tests, written by oracle/select1.py.\n# oracle: sqlite",
        "statement ok\nCREATE TABLE t1 (a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER)",
    ]
    rows = []
    for i in range(30):
        values = [100 + 5 * i + k for k in range(5)]
        rng.shuffle(values)
        cells = [str(v) if rng.random() > 0.05 else "NULL" for v in values]
        rows.append("(" + ", ".join(cells) + ")")
    out.append("statement ok\nINSERT INTO t1 VALUES\n" + ",\n".join(rows))
    for _ in range(N_RECORDS):
        chosen = rng.sample(EXPRESSIONS, rng.randint(1, 5))
        conditions = rng.sample(CONDITIONS, rng.randint(0, 3))
        sql = "SELECT " + ",\n       ".join(chosen) + "\nFROM t1"
        if conditions:
            joiner = rng.choice(["AND", "AND", "OR"])
            sql += "\nWHERE " + f"\n  {joiner} ".join(conditions)
        # SQLite's NULLs come first unless told otherwise.
        order = ", ".join(f"{i + 1} NULLS LAST" for i in range(len(chosen)))
        out.append(f"query {'I' * len(chosen)}\n{sql}\nORDER BY {order}\n----")
    TARGET.write_text("\n\n".join(out) + "\n")


if __name__ == "__main__":
    main()
