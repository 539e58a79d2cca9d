"""The two oracles, DuckDB and SQLite, over the same small tables with NULLs, duplicates and an empty one."""
import sqlite3
import sys

import duckdb

SETUP = [
    "CREATE TABLE t (a BIGINT, b BIGINT, c BIGINT)",
    "INSERT INTO t VALUES (1, 10, 5), (2, 20, NULL), (3, 20, 7), (4, NULL, 7), (NULL, 30, 1), (2, 20, NULL), (5, 5, 0)",
    "CREATE TABLE u (x BIGINT, y BIGINT, z BIGINT)",
    "INSERT INTO u VALUES (10, 1, 2), (10, 3, NULL), (20, 2, 2), (20, NULL, 4), (NULL, 4, 4), (30, 6, 6), (30, 6, 5), (5, 0, NULL)",
    "CREATE TABLE n (k BIGINT NOT NULL, v BIGINT NOT NULL)",
    "INSERT INTO n VALUES (1, 10), (2, 20), (2, 30), (3, 40)",
    "CREATE TABLE e (k BIGINT, v BIGINT)",
]


def cell(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(value)


def rows(cursor):
    return sorted("|".join(cell(v) for v in row) for row in cursor.fetchall())


def same(a, b):
    def plain(r):
        return sorted("|".join({"true": "1", "false": "0"}.get(c, c) for c in line.split("|")) for line in r)

    return plain(a) == plain(b)


class Engines:
    def __init__(self):
        self.duck = duckdb.connect()
        self.lite = sqlite3.connect(":memory:")
        for statement in SETUP:
            self.duck.execute(statement)
            self.lite.execute(statement)
        self.n_both = 0

    def answer(self, query):
        """The rows of `query`, sorted as text; None if no engine can run it."""
        answers = []
        for engine in (self.duck, self.lite):
            try:
                answers.append(rows(engine.execute(query)))
            except (duckdb.Error, sqlite3.Error) as error:
                if engine is self.duck:
                    print(f"DuckDB fails: {query}: {str(error).splitlines()[0]}", file=sys.stderr)
        if len(answers) == 2:
            self.n_both += 1
            if not same(*answers):
                print(f"differ: {query}\n  {answers[0]}\n  {answers[1]}", file=sys.stderr)
        return answers[0] if answers else None

    def print_case(self, query):
        answer = self.answer(query)
        if answer is not None:
            print("\n".join([query, "----", *answer, ""]))
