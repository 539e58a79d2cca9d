"""What the engines that speak SQL share: the tables and the texts of the queries."""

import pathlib

TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]
QUERIES = pathlib.Path(__file__).resolve().parents[2] / "sql-tests" / "tpch"


def query(number):
    """The text of a query, without the semicolon at its end."""
    return (QUERIES / f"q{number:02}.sql").read_text().rstrip().rstrip(";")
