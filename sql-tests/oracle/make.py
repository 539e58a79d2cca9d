"""Fills the expected results of `.slt` files from an engine that is not Dolmen.

    python3 sql-tests/oracle/make.py [--check] [FILE.slt ...]

Without files every file under sql-tests/slt is done. `--check` writes nothing and exits with 1 when a committed
result is not the oracle's.

A file names its oracle in a comment, and a record may name another one in the comment just above it:

    # oracle: postgres | duckdb | sqlite | hand - why
    # oracle-sql: the same question in the oracle's dialect (repeat the line to go on)

Results of a record whose oracle is `hand` are left as they stand: they come from a standard, from documentation or from
arithmetic, and the comment says which. Statements run on every engine that the file names, so that each sees the
tables; only the file's own oracle must accept them. A `statement error` must fail on its oracle too.

Needs: apt `postgresql` (15 or later); pip `duckdb==2.0.0` and `psycopg[binary]`; python's own sqlite3. A PostgreSQL
server is started on a unix socket in a scratch folder and stopped at the end.
"""

import argparse
import datetime
import decimal
import glob
import math
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
decimal.getcontext().prec = 1200


# ---- the text of a value, as crate datafusion-sqllogictest 55 writes it ----


def number_text(value):
    """A number in plain notation, at most 12 decimals, no trailing zeros."""
    if isinstance(value, bool):
        value = int(value)
    number = decimal.Decimal(repr(value)) if isinstance(value, float) else decimal.Decimal(value)
    if number.is_nan():
        return "NaN"
    if number.is_infinite():
        return "Infinity" if number > 0 else "-Infinity"
    rounded = number.quantize(decimal.Decimal(1).scaleb(-12), decimal.ROUND_HALF_EVEN)
    text = format(rounded, "f").rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def seconds_fraction(micros):
    """`.123` or `.123456`: three digits where they suffice, as chrono prints."""
    if micros == 0:
        return ""
    return f".{micros // 1000:03d}" if micros % 1000 == 0 else f".{micros:06d}"


def nested_text(value):
    """A value inside a list, struct or map, and every type without a letter of its own (Arrow's display)."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isfinite(value):
            return repr(value)
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, datetime.datetime):
        zone = "Z" if value.tzinfo is not None else ""
        if zone:
            value = value.astimezone(datetime.timezone.utc)
        return value.strftime("%Y-%m-%dT%H:%M:%S") + seconds_fraction(value.microsecond) + zone
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M:%S") + seconds_fraction(value.microsecond)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(nested_text(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {nested_text(v)}" for k, v in value.items()) + "}"
    return str(value)


def cell_text(value, letter):
    if value is None:
        return "NULL"
    if letter == "I":
        whole = decimal.Decimal(value)
        if whole != whole.to_integral_value():
            raise ValueError(f"{value!r} in a column of type I")
        return str(int(whole))
    if letter == "R":
        return number_text(value)
    if letter == "B":
        return "true" if value else "false"
    if letter == "T":
        if not isinstance(value, str):
            raise ValueError(f"{value!r} in a column of type T")
        text = value.rstrip("\n")
        return text if value else "(empty)"
    if letter in "DP" and isinstance(value, str):  # SQLite has no such types
        return value.replace(" ", "T")
    return nested_text(value)


# ---- engines ----


class DuckDb:
    def __init__(self):
        import duckdb

        self.connection = duckdb.connect()
        self.error = duckdb.Error
        for setting in ("TimeZone='UTC'", "default_null_order='postgres'", "integer_division=true"):
            self.connection.execute("SET " + setting)

    def run(self, sql):
        cursor = self.connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


class Sqlite:
    def __init__(self):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.error = sqlite3.Error

    def run(self, sql):
        return self.connection.execute(sql).fetchall()


class PostgresServer:
    """One throw-away server for the run; each file gets a database of its own."""

    def __init__(self):
        bins = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not bins:
            sys.exit("install Debian's package postgresql first")
        self.bin = bins[-1]
        self.folder = tempfile.mkdtemp(prefix="oracle-pg-")
        self.as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.as_postgres:
            shutil.chown(self.folder, "postgres")
        self.data = self.folder + "/data"
        self.call("initdb", "-D", self.data, "-U", "postgres", "--locale=C.UTF-8", "-E", "UTF8", "-A", "trust")
        options = f"-c listen_addresses='' -c fsync=off -k {self.folder}"
        self.call("pg_ctl", "-D", self.data, "-w", "-l", self.folder + "/log", "-o", options, "start")
        self.count = 0

    def call(self, program, *arguments):
        subprocess.run(
            [*self.as_postgres, f"{self.bin}/{program}", *arguments],
            check=True, stdout=subprocess.DEVNULL, cwd=self.folder,
        )

    def open(self):
        import psycopg

        self.count += 1
        name = f"file{self.count}"
        dsn = f"host={self.folder} user=postgres "
        with psycopg.connect(dsn + "dbname=postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return Postgres(psycopg.connect(dsn + f"dbname={name}", autocommit=True), psycopg.Error)

    def stop(self):
        self.call("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres:
    def __init__(self, connection, error):
        self.connection = connection
        self.error = error
        connection.execute("SET TIME ZONE 'UTC'")

    def run(self, sql):
        cursor = self.connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


class Engines:
    """The engines of one file, opened when first used."""

    server = None

    def __init__(self):
        self.open = {}

    def get(self, name):
        if name not in self.open:
            if name == "postgres":
                if Engines.server is None:
                    Engines.server = PostgresServer()
                self.open[name] = Engines.server.open()
            else:
                self.open[name] = {"duckdb": DuckDb, "sqlite": Sqlite}[name]()
        return self.open[name]


# ---- files ----

HEADER = re.compile(r"^(statement|query)\s+(\S+)(?:\s+(.*))?$")
ORACLE = re.compile(r"^#\s*oracle:\s*(\w+)")


def fill(path, problems):
    """Returns the text of `path` with every result made anew."""
    text = path.read_text()
    paragraphs = re.split(r"\n{2,}", text.strip("\n"))
    # An empty line inside a statement is allowed nowhere, so a paragraph is a comment or one record.
    default = next((m.group(1) for m in map(ORACLE.match, text.splitlines()) if m), None)
    if default is None:
        problems.append(f"{path}: no '# oracle:' line")
        return text
    named = {m.group(1) for m in map(ORACLE.match, text.splitlines()) if m} - {"hand"}
    engines = Engines()
    scratch = ROOT / "test_files/scratch" / path.stem
    scratch.mkdir(parents=True)
    try:
        return fill_records(paragraphs, path, default, named, engines, problems)
    finally:
        shutil.rmtree(scratch)
        for folder in (scratch.parent, scratch.parent.parent):
            if not any(folder.iterdir()):
                folder.rmdir()


def fill_records(paragraphs, path, default, named, engines, problems):
    out = []
    line = 1
    for paragraph in paragraphs:
        where = f"{path.relative_to(ROOT)}:{line}"
        line += paragraph.count("\n") + 2
        try:
            out.append(fill_record(paragraph, default, named, engines))
        except Problem as problem:
            problems.append(f"{where}: {problem}")
            out.append(paragraph)
    return "\n\n".join(out) + "\n"


class Problem(Exception):
    pass


def fill_record(paragraph, default, named, engines):
    lines = paragraph.split("\n")
    comments = []
    while lines and lines[0].startswith("#"):
        comments.append(lines.pop(0))
    if not lines:
        return paragraph
    header = HEADER.match(lines[0])
    if not header:
        raise Problem(f"not a record: {lines[0]!r}")
    kind, what, rest = header.group(1), header.group(2), header.group(3) or ""
    body = lines[1:]
    cut = body.index("----") if "----" in body else len(body)
    sql = "\n".join(body[:cut])
    oracle = default
    for m in filter(None, map(ORACLE.match, comments)):
        oracle = m.group(1)
    asked = " ".join(c.split("oracle-sql:", 1)[1].strip() for c in comments if "oracle-sql:" in c) or sql
    fails = what == "error"

    if kind == "statement" or fails:
        # What must fail is asked of its own oracle only: another engine might accept it and change its tables.
        for name in sorted(({oracle} if fails else named | {oracle}) - {"hand"}):
            engine = engines.get(name)
            # A record checked by hand still runs, for what it does to tables; only its oracle must agree.
            judge = name == oracle
            try:
                engine.run(asked if judge else sql)
                if judge and fails:
                    raise Problem(f"{name} accepts: {asked}")
            except engine.error as error:
                if judge and not fails:
                    raise Problem(f"{name} refuses: {asked}: {error}") from error
        return paragraph

    if oracle == "hand":
        if cut == len(body):
            raise Problem("a result by hand is missing")
        return paragraph
    engine = engines.get(oracle)
    try:
        rows = engine.run(asked)
    except engine.error as error:
        raise Problem(f"{oracle} refuses: {asked}: {error}") from error
    try:
        cells = [[cell_text(v, t) for v, t in zip(row, what, strict=True)] for row in rows]
    except ValueError as error:
        raise Problem(f"{error} in: {asked}") from error
    if "rowsort" in rest:
        cells.sort()
    # A value of several lines cannot be told from several rows; ask for it escaped.
    if any("\n" in cell for row in cells for cell in row):
        raise Problem("a value with a line break")
    if any(not "".join(row).strip() for row in cells):
        raise Problem("a row that would be an empty line")
    return "\n".join([*comments, lines[0], *body[:cut], "----", *(" ".join(row) for row in cells)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    files = [f.resolve() for f in arguments.files] or sorted((ROOT / "slt").rglob("*.slt"))
    os.chdir(ROOT)  # paths in the files are relative to sql-tests/
    problems = []
    try:
        for path in files:
            made = fill(path, problems)
            if made == path.read_text():
                continue
            if arguments.check:
                problems.append(f"{path.relative_to(ROOT)}: not what the oracle says")
            else:
                path.write_text(made)
                print("wrote", path.relative_to(ROOT))
    finally:
        if Engines.server:
            Engines.server.stop()
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(files)} files, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
