"""DataFusion with its own defaults: registered files, the SQL of sql-tests/tpch."""

import datafusion
import pyarrow as pa

import sql


class Engine:
    version = datafusion.__version__

    def __init__(self, folder, threads):
        self.context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(threads))
        for table in sql.TABLES:
            self.context.register_parquet(table, str(folder / f"{table}.parquet"))

    def run(self, number):
        frame = self.context.sql(sql.query(number))
        return pa.Table.from_batches(frame.collect(), schema=frame.schema())

    def to_arrow(self, result):
        return result
