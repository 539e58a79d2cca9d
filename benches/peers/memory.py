"""Queries larger than their memory limit: Dolmen beside DuckDB, a fresh process for each run.

    python3 memory.py --dolmen PATH [--data FOLDER] [--limit-mb 200] [--threads 2] [--rounds 3]

Ten million rows with a text are made the first time (some 45 MB of Parquet). For each query the median wall time of both is
printed, their ratio, and the largest resident memory of Dolmen's process, which must stay within the limit and 200 MB. An
answer that differs, a failure and too much memory are named, and the script then ends with 1. Linux only.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

MAKE = """COPY (SELECT x AS k, 'some payload of row ' || x AS s, x % 1000 AS g1, x % 17 AS g2
              FROM range({rows}) AS r(x)) TO '{file}'"""

QUERIES = {
    "join": "SELECT count(*), sum(length(a.s)), max(b.s) FROM '{file}' a JOIN '{file}' b ON a.k = b.k",
    "group by six keys": """SELECT count(*), sum(n), max(m) FROM (
        SELECT k, g1, g2, k % 7 AS a, k % 11 AS b, k % 13 AS c, count(*) AS n, max(k) AS m
        FROM '{file}' GROUP BY 1, 2, 3, 4, 5, 6) AS groups""",
    "window": """SELECT sum(d), max(l), sum(f) FROM (
        SELECT k - lag(k) OVER w AS d, lag(s) OVER w AS l,
               sum(k) OVER (w ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS f
        FROM '{file}' WINDOW w AS (PARTITION BY g1 ORDER BY k)) AS rows""",
    "sort to Parquet": "COPY (SELECT * FROM '{file}' ORDER BY s, k) TO '{folder}/sorted.parquet'",
}

DUCKDB = """
import sys, duckdb
sql, limit_mb, threads, folder = sys.argv[1:]
connection = duckdb.connect(config={"memory_limit": limit_mb + "MB", "threads": threads, "temp_directory": folder})
connection.execute("SET enable_progress_bar = false")
print(*(connection.execute(sql).fetchone() or ()), sep=",")
"""


def run(command):
    """The wall time in seconds, the largest resident memory in MB and the output of a process; None if it fails."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output = process.stdout.read()
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - start
    if status != 0:
        print(f"    {command[0]}: {errors.strip()}")
        return None
    return wall_s, usage.ru_maxrss / 1024, output.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dolmen", required=True, help="the dolmen binary, a release build")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("target/memory"))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--limit-mb", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    file = options.data / f"rows_{options.rows}.parquet"
    if not file.exists():
        subprocess.run([options.dolmen, "-c", MAKE.format(rows=options.rows, file=file)], check=True)

    limit, threads = str(options.limit_mb), str(options.threads)
    rss_max_mb = options.limit_mb + max(200, options.limit_mb / 4)
    is_good = True
    print(f"limit {limit} MB, {threads} threads, {options.rows} rows; resident at most {rss_max_mb:.0f} MB")
    print(f"{'':20} dolmen s   duckdb s      ratio   resident MB")
    for name, text in QUERIES.items():
        sql = text.format(file=file, folder=options.data)
        # Rows as CSV, without the header.
        ours = [options.dolmen, "--memory-limit", limit + "MB", "--threads", threads, "--format", "csv", "-c", sql]
        theirs = [sys.executable, "-c", DUCKDB, sql, limit, threads, str(options.data / "duckdb")]
        rounds = [(run(ours), run(theirs)) for _ in range(options.rounds)]
        if any(run is None for pair in rounds for run in pair):
            print(f"{name:20} FAILED")
            is_good = False
            continue
        ours_s, theirs_s = (statistics.median(pair[side][0] for pair in rounds) for side in (0, 1))
        resident_mb = max(ours[1] for ours, _ in rounds)
        remarks = []
        for ours, theirs in rounds:
            if not text.startswith("COPY") and ours[2].splitlines()[-1:] != theirs[2].splitlines():
                remarks.append(f"ANOTHER ANSWER: {ours[2]!r}, not {theirs[2]!r}")
        if resident_mb > rss_max_mb:
            remarks.append("TOO MUCH MEMORY")
        is_good &= not remarks
        print(f"{name:20} {ours_s:8.2f} {theirs_s:10.2f} {ours_s / theirs_s:10.2f} {resident_mb:13.0f}  {' '.join(remarks)}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
