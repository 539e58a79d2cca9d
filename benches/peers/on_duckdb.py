"""DuckDB: views over the files, the SQL of sql-tests/tpch."""

import duckdb

import sql


class Engine:
    version = duckdb.__version__

    def __init__(self, folder, threads):
        self.connection = duckdb.connect(config={"threads": threads})
        for table in sql.TABLES:
            path = str(folder / f"{table}.parquet").replace("'", "''")
            self.connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('{path}')")

    def run(self, number):
        return self.connection.sql(sql.query(number)).to_arrow_table()

    def to_arrow(self, result):
        return result
