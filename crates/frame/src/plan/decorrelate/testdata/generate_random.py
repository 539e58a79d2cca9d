"""Writes random.txt: random queries with nested, correlated subqueries and what DuckDB and SQLite agree on.

Run as `python3 generate_random.py N_QUERIES SEED > random.txt`. Queries on which the two disagree are left out, with a
note on the standard error stream; the order of rows and of the rows' values is fixed.
"""
import random
import sys

from engines import Engines, rows, same

TABLES = {"t": "abc", "u": "xyz", "n": "kv", "e": "kv"}
COMPARISONS = ["=", "<>", "<", "<=", ">", ">="]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.n_aliases = 0

    def pick(self, items):
        return self.random.choice(items)

    def chance(self, p):
        return self.random.random() < p

    def relation(self):
        """A table under a fresh alias, and its columns."""
        self.n_aliases += 1
        alias = f"r{self.n_aliases}"
        table = self.pick(["t", "t", "u", "u", "u", "n", "n", "e"])
        return f"{table} AS {alias}", [f"{alias}.{c}" for c in TABLES[table]]

    def source(self, outer, depth):
        """A FROM clause and its columns."""
        text, columns = self.relation()
        if self.chance(0.3):
            other, more = self.relation()
            kind = self.pick(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
            # SQLite and DuckDB run a full join on an equality only.
            if kind == "FULL JOIN":
                return f"{text} {kind} {other} ON {self.pick(columns)} = {self.pick(more)}", columns + more
            visible = columns + more
            correlated = outer if self.chance(0.4) and kind in ("JOIN", "LEFT JOIN") else []
            condition = f"{self.pick(columns)} {self.pick(COMPARISONS)} {self.pick(more + correlated)}"
            return f"{text} {kind} {other} ON {condition}", visible
        if depth > 0 and self.chance(0.25):
            self.n_aliases += 1
            alias = f"r{self.n_aliases}"
            p, q = self.pick(columns), self.pick(columns)
            where = self.where(columns, outer, depth - 1)
            if self.chance(0.3):
                inner = f"SELECT {p} AS p, {self.aggregate(columns, [])} AS q FROM {text}{where} GROUP BY {p}"
            elif self.chance(0.3):
                inner = f"SELECT DISTINCT {p} AS p, {q} AS q FROM {text}{where}"
            elif self.chance(0.3):
                other, more = self.relation()
                union = self.pick(["UNION ALL", "UNION", "INTERSECT", "EXCEPT"])
                inner = (
                    f"SELECT {p} AS p, {q} AS q FROM {text}{where} {union} "
                    f"SELECT {self.pick(more)} AS p, {self.pick(more)} AS q FROM {other}{self.where(more, outer, 0)}"
                )
            else:
                inner = f"SELECT {p} AS p, {q} AS q FROM {text}{where}"
            return f"({inner}) AS {alias}", [f"{alias}.p", f"{alias}.q"]
        return text, columns

    def value(self, columns, outer):
        roll = self.random.random()
        if roll < 0.55:
            return self.pick(columns)
        if roll < 0.85 and outer:
            return self.pick(outer)
        if roll < 0.93:
            return f"{self.pick(columns)} + {self.random.randint(0, 3)}"
        return str(self.random.randint(0, 20))

    def aggregate(self, columns, outer):
        # An argument of outer columns alone would make it an aggregate of the outer query.
        argument = self.value(columns, [])
        if outer and self.chance(0.25):
            argument = f"{self.pick(columns)} - {self.pick(outer)}"
        return self.pick(
            ["count(*)", f"count({argument})", f"count(DISTINCT {argument})", f"sum({argument})", f"min({argument})"]
            + [f"max({argument})", f"coalesce(sum({argument}), 0)", f"count(*) + max({argument})"]
        )

    def comparison(self, columns, outer):
        roll = self.random.random()
        left = self.pick(columns)
        if roll < 0.15:
            return f"({left} IS NOT DISTINCT FROM {self.value(columns, outer)})"
        if roll < 0.2:
            return f"{left} IS NULL"
        return f"{left} {self.pick(COMPARISONS)} {self.value(columns, outer)}"

    def predicate(self, columns, outer, depth):
        if depth <= 0 and self.chance(0.6):
            return self.comparison(columns, outer)
        roll = self.random.random()
        if depth > 0 and roll < 0.5:
            return self.subquery_predicate(columns, outer, depth - 1)
        if 0.5 <= roll < 0.65:
            op = self.pick(["AND", "OR"])
            return f"({self.predicate(columns, outer, depth)} {op} {self.predicate(columns, outer, depth - 1)})"
        if 0.65 <= roll < 0.72:
            return f"NOT ({self.predicate(columns, outer, depth)})"
        return self.comparison(columns, outer)

    def where(self, columns, outer, depth):
        if self.chance(0.1):
            return ""
        return f" WHERE {self.predicate(columns, outer, depth)}"

    def subquery_predicate(self, columns, outer, depth):
        visible = columns + outer
        roll = self.random.random()
        if roll < 0.35:
            source, inner = self.source(visible, depth)
            return f"{self.pick(['', 'NOT '])}EXISTS (SELECT 1 FROM {source}{self.where(inner, visible, depth)})"
        if roll < 0.7:
            source, inner = self.source(visible, depth)
            body = f"SELECT {self.value(inner, [])} FROM {source}{self.where(inner, visible, depth)}"
            return f"{self.value(columns, [])} {self.pick(['', 'NOT '])}IN ({body})"
        return f"{self.scalar(visible, depth)} {self.pick(COMPARISONS)} {self.value(columns, outer)}"

    def scalar(self, outer, depth):
        source, inner = self.source(outer, depth)
        where = self.where(inner, outer, depth)
        roll = self.random.random()
        if roll < 0.25:
            keys = ", ".join(f"{c} {self.pick(['', 'DESC '])}NULLS LAST" for c in inner)
            offset = self.pick(["", "", f" OFFSET {self.random.randint(0, 2)}"])
            return f"(SELECT {self.pick(inner)} FROM {source}{where} ORDER BY {keys} LIMIT 1{offset})"
        having = f" HAVING {self.aggregate(inner, [])} > {self.value(outer, [])}" if roll < 0.35 else ""
        return f"(SELECT {self.aggregate(inner, outer)} FROM {source}{where}{having})"

    def query(self):
        self.n_aliases = 0
        depth = self.pick([1, 1, 2, 2, 3])
        source, columns = self.source([], 0)
        roll = self.random.random()
        shown = ", ".join(f"{c} AS c{i}" for i, c in enumerate(columns))
        if roll < 0.35:
            return f"SELECT {shown}, {self.scalar(columns, depth)} AS s FROM {source}"
        if roll < 0.7:
            return f"SELECT {shown} FROM {source} WHERE {self.predicate(columns, [], depth)}"
        if roll < 0.8:
            p = self.subquery_predicate(columns, [], depth)
            return f"SELECT {shown}, CASE WHEN {p} THEN 1 ELSE 0 END AS p, {self.scalar(columns, 1)} AS s FROM {source}"
        if roll < 0.9:
            key = self.pick(columns)
            return (
                f"SELECT {key} AS g, sum({self.scalar(columns, depth)}) AS s FROM {source} GROUP BY {key} "
                f"HAVING count(*) > {self.scalar([key], 0)} OR {self.subquery_predicate([key], [], 1)}"
            )
        other, more = self.relation()
        both = columns + more
        kind = self.pick(["JOIN", "LEFT JOIN"])
        shown = ", ".join(f"{c} AS c{i}" for i, c in enumerate(both))
        return f"SELECT {shown} FROM {source} {kind} {other} ON {self.subquery_predicate(both, [], 1)}"


n_queries, seed = int(sys.argv[1]), int(sys.argv[2])
engines = Engines()
generator = Generator(seed)
print(f"# Written by generate_random.py {n_queries} {seed}: what DuckDB and SQLite agree on, rows sorted as text.\n")
n_printed = 0
while n_printed < n_queries:
    query = generator.query()
    try:
        answer = rows(engines.duck.execute(query))
        other = rows(engines.lite.execute(query))
    except Exception as error:
        print(f"fails: {query}: {str(error).splitlines()[0]}", file=sys.stderr)
        continue
    if not same(answer, other):
        print(f"differ: {query}\n  {answer}\n  {other}", file=sys.stderr)
        continue
    # A case without rows tells little.
    if answer and len(answer) < 60:
        print("\n".join([query, "----", *answer, ""]))
        n_printed += 1
