"""Makes sql-tests/tpch/answers/qNN.tsv: DuckDB's answers to TPC-H on the data of crate `tpchgen`.

    python3 sql-tests/oracle/tpch.py [--scale-factor 0.01] [--answers FOLDER]

Builds a small Rust program in a scratch folder that writes the eight tables as `|`-separated text (byte for byte what
the specification's dbgen writes), loads them with the specification's types, and runs tpch/qNN.sql.

An answer has no header; a row is a line; values are separated by tabs. Decimals are exact, doubles have the digits that
give the same double back. DuckDB computes avg and `/` of decimals in doubles, so a reader compares numbers with a
relative tolerance (1e-9 is ample), and everything else as text.

Needs: cargo (crate tpchgen 4); pip `duckdb==2.0.0`.
"""

import argparse
import pathlib
import subprocess
import tempfile

import duckdb

TPCH = pathlib.Path(__file__).resolve().parent.parent / "tpch"

CARGO = """[package]
name = "tpch-tables"
version = "0.1.0"
edition = "2024"
[dependencies]
tpchgen = "4"
[workspace]
"""

MAIN = """use std::io::Write;
use tpchgen::generators::*;

macro_rules! write_table {
    ($folder:expr, $name:literal, $generator:ty, $sf:expr) => {{
        let file = std::fs::File::create(format!("{}/{}.tbl", $folder, $name)).unwrap();
        let mut out = std::io::BufWriter::new(file);
        for row in <$generator>::new($sf, 1, 1).iter() {
            writeln!(out, "{row}").unwrap();
        }
        out.flush().unwrap();
    }};
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap();
    let sf: f64 = arguments.next().unwrap().parse().unwrap();
    write_table!(folder, "region", RegionGenerator, sf);
    write_table!(folder, "nation", NationGenerator, sf);
    write_table!(folder, "supplier", SupplierGenerator, sf);
    write_table!(folder, "customer", CustomerGenerator, sf);
    write_table!(folder, "part", PartGenerator, sf);
    write_table!(folder, "partsupp", PartSuppGenerator, sf);
    write_table!(folder, "orders", OrderGenerator, sf);
    write_table!(folder, "lineitem", LineItemGenerator, sf);
}
"""

KEY, INT, TEXT, DATE, MONEY = "BIGINT", "INTEGER", "VARCHAR", "DATE", "DECIMAL(15,2)"
TABLES = {
    "region": {"r_regionkey": KEY, "r_name": TEXT, "r_comment": TEXT},
    "nation": {"n_nationkey": KEY, "n_name": TEXT, "n_regionkey": KEY, "n_comment": TEXT},
    "supplier": {"s_suppkey": KEY, "s_name": TEXT, "s_address": TEXT, "s_nationkey": KEY, "s_phone": TEXT,
                 "s_acctbal": MONEY, "s_comment": TEXT},
    "customer": {"c_custkey": KEY, "c_name": TEXT, "c_address": TEXT, "c_nationkey": KEY, "c_phone": TEXT,
                 "c_acctbal": MONEY, "c_mktsegment": TEXT, "c_comment": TEXT},
    "part": {"p_partkey": KEY, "p_name": TEXT, "p_mfgr": TEXT, "p_brand": TEXT, "p_type": TEXT, "p_size": INT,
             "p_container": TEXT, "p_retailprice": MONEY, "p_comment": TEXT},
    "partsupp": {"ps_partkey": KEY, "ps_suppkey": KEY, "ps_availqty": INT, "ps_supplycost": MONEY,
                 "ps_comment": TEXT},
    "orders": {"o_orderkey": KEY, "o_custkey": KEY, "o_orderstatus": TEXT, "o_totalprice": MONEY,
               "o_orderdate": DATE, "o_orderpriority": TEXT, "o_clerk": TEXT, "o_shippriority": INT,
               "o_comment": TEXT},
    "lineitem": {"l_orderkey": KEY, "l_partkey": KEY, "l_suppkey": KEY, "l_linenumber": INT, "l_quantity": MONEY,
                 "l_extendedprice": MONEY, "l_discount": MONEY, "l_tax": MONEY, "l_returnflag": TEXT,
                 "l_linestatus": TEXT, "l_shipdate": DATE, "l_commitdate": DATE, "l_receiptdate": DATE,
                 "l_shipinstruct": TEXT, "l_shipmode": TEXT, "l_comment": TEXT},
}


def write_tables(folder, scale_factor):
    project = pathlib.Path(folder) / "program"
    (project / "src").mkdir(parents=True)
    (project / "Cargo.toml").write_text(CARGO)
    (project / "src/main.rs").write_text(MAIN)
    subprocess.run(["cargo", "run", "-q", "--target-dir", f"{folder}/target", "--", folder, str(scale_factor)],
                   check=True, cwd=project)


def text(value):
    if value is None:
        return "NULL"
    return repr(value) if isinstance(value, float) else str(value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale-factor", type=float, default=0.01)
    parser.add_argument("--answers", type=pathlib.Path, default=TPCH / "answers")
    arguments = parser.parse_args()
    arguments.answers.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect()
    with tempfile.TemporaryDirectory() as folder:
        write_tables(folder, arguments.scale_factor)
        for table, columns in TABLES.items():
            # A line ends with a separator, so the text has one column more than the table.
            spec = dict(columns, end_of_line=TEXT)
            database.execute(
                f"CREATE TABLE {table} AS SELECT * EXCLUDE end_of_line FROM read_csv('{folder}/{table}.tbl', "
                f"delim='|', header=false, quote='', escape='', columns={spec!r})"
            )
    for query in sorted(TPCH.glob("q*.sql")):
        rows = database.execute(query.read_text()).fetchall()
        lines = ["\t".join(map(text, row)) + "\n" for row in rows]
        (arguments.answers / f"{query.stem}.tsv").write_text("".join(lines))
        print(query.stem, len(rows), "rows")


if __name__ == "__main__":
    main()
