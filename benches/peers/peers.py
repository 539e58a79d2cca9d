"""TPC-H on DuckDB, Polars, DataFusion, Dask and Dolmen: the same files and threads, in turns.

    python3 benches/peers/peers.py --data target/tpch/sf1

benches/README.md says how to set this up. For people, not for the gate: it needs packages from PyPI and a quiet
machine.

Each engine lives in a process of its own (worker.py, benches/src/bin/worker.rs), so that neither start-up nor another
engine's memory is measured. A round asks every query of every engine; who begins changes from query to query and from
round to round. The first round warms caches and is not counted. Every answer of every round is compared with DuckDB's.

CPU time is what the kernel counts for the process from question to reply, all of its threads included.
"""

import argparse
import json
import math
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import threading
import time

import answers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BASE = "duckdb"
ENGINES = [BASE, "polars", "datafusion", "dask", "dolmen"]


class WorkerDied(Exception):
    """The process ended or was ended before it replied."""


class Worker:
    """The process of one engine, seen from outside."""

    def __init__(self, engine, options):
        arguments = [str(options.data), str(options.threads)]
        if engine == "dolmen":
            command = [str(options.worker), *arguments, str(ROOT / "sql-tests" / "tpch")]
        else:
            command = [sys.executable, str(HERE / "worker.py"), engine, *arguments]
        # Pools that no option of an engine reaches.
        pools = {"POLARS_MAX_THREADS": str(options.threads), "TOKIO_WORKER_THREADS": str(options.threads)}
        self.timeout_s = options.timeout
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **pools}
        )
        self.version = self._reply()["version"]

    def run(self, query):
        """Wall and CPU seconds, number of rows; or an error."""
        cpu_s = self._cpu_s()
        reply = self._ask(str(query))
        return {**reply, "cpu_s": self._cpu_s() - cpu_s}

    def answer(self):
        """The rows of the query just run."""
        return self._ask("answer")

    def rss_bytes_max(self):
        """The most memory that the process ever held."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def _ask(self, command):
        try:
            print(command, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        return self._reply()

    def _reply(self):
        late = threading.Timer(self.timeout_s, self.process.kill)
        late.start()
        line = self.process.stdout.readline()
        late.cancel()
        if not line:
            status = self.process.wait()
            raise WorkerDied("no reply in time" if status == -signal.SIGKILL else f"the process ended with {status}")
        return json.loads(line)

    def _cpu_s(self):
        # The number of the kernel's clock for the CPU time of a process (clock_getcpuclockid).
        try:
            return time.clock_gettime(~self.process.pid << 3 | 2)
        except OSError as error:
            raise WorkerDied("the process ended by itself") from error


class Run:
    """All measurements, and what went wrong."""

    def __init__(self, options):
        self.options = options
        self.workers = {engine: Worker(engine, options) for engine in options.engines}
        self.versions = {engine: worker.version for engine, worker in self.workers.items()}
        self.rss_bytes_max = {}
        self.samples = {}
        # Of an engine and a query: why it is not counted.
        self.failures = {}

    def round(self, round_idx):
        for query_idx, query in enumerate(self.options.queries):
            first = (round_idx + query_idx) % len(self.options.engines)
            order = self.options.engines[first:] + self.options.engines[:first]
            replies = {engine: self._measure(engine, query) for engine in order if (engine, query) not in self.failures}
            expected = replies.get(BASE)
            for engine, reply in replies.items():
                if reply is None:
                    continue
                if expected is None:
                    what = "nothing to compare with"
                else:
                    what = answers.difference(expected["answer"], reply["answer"])
                if what:
                    self.failures[engine, query] = f"not DuckDB's answer: {what}"
                elif round_idx > 0:
                    self.samples.setdefault((engine, query), []).append((reply["wall_s"], reply["cpu_s"]))

    def finish(self):
        for engine, worker in self.workers.items():
            self.rss_bytes_max[engine] = worker.rss_bytes_max()
            worker.stop()

    def _measure(self, engine, query):
        try:
            if engine not in self.workers:
                self.workers[engine] = Worker(engine, self.options)
            worker = self.workers[engine]
            reply = worker.run(query)
            if "error" not in reply:
                reply["answer"] = worker.answer()
                return reply
            self.failures[engine, query] = reply["error"].splitlines()[0]
        except WorkerDied as death:
            self.failures[engine, query] = str(death)
            # The next question starts another process.
            self.workers.pop(engine, None)
        return None


def report(run):
    options = run.options
    names = [f"{engine} {run.versions[engine]}" for engine in options.engines]
    print(
        f"TPC-H, {options.data}; {options.threads} threads; median of {options.rounds} rounds; in brackets: to DuckDB"
    )
    for what, idx in (("wall", 0), ("CPU", 1)):
        print(f"\n{what + ' ms':8}" + "".join(f"{name:>20}" for name in names))
        ratios = {engine: [] for engine in options.engines}
        for query in options.queries:
            medians = {
                engine: statistics.median(sample[idx] for sample in run.samples[engine, query]) * 1e3
                for engine in options.engines
                if (engine, query) in run.samples and (engine, query) not in run.failures
            }
            cells = ""
            for engine in options.engines:
                if engine not in medians:
                    cells += f"{'-':>20}"
                else:
                    ratios[engine].append(medians[engine] / medians[BASE])
                    cells += f"{medians[engine]:11.1f} {f'({ratios[engine][-1]:.2f})':>8}"
            print(f"Q{query:<7}{cells}")
        means = [f"{_geometric_mean(ratios[engine]):.3f} of {len(ratios[engine])}" for engine in options.engines]
        print(f"{'geomean':8}" + "".join(f"{mean:>20}" for mean in means))
    peaks = [f"{run.rss_bytes_max.get(engine, math.nan) / 2**20:.0f}" for engine in options.engines]
    print(f"\n{'peak MiB':8}" + "".join(f"{peak:>20}" for peak in peaks))
    print()
    for (engine, query), why in sorted(run.failures.items()):
        print(f"Q{query} {engine}: {why}")
    compared = len(options.engines) * len(options.queries)
    print(f"{compared - len(run.failures)} of {compared} answers agree")


def _geometric_mean(ratios):
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else math.nan


def _queries(text):
    numbers = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    if not all(1 <= number <= 22 for number in numbers):
        raise argparse.ArgumentTypeError("queries have the numbers 1 to 22")
    return numbers


def _engines(text):
    names = text.split(",")
    if unknown := set(names) - set(ENGINES):
        raise argparse.ArgumentTypeError(f"no engine {', '.join(unknown)}; there are {', '.join(ENGINES)}")
    return [BASE] + [name for name in names if name != BASE]


def main():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser = argparse.ArgumentParser(description="TPC-H on other engines and ours")
    parser.add_argument(
        "--data", type=pathlib.Path, default="target/tpch/sf1", help="the folder with the Parquet files"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of every engine")
    parser.add_argument("--rounds", type=int, default=5, help="rounds after the first, which is not counted")
    parser.add_argument(
        "--engines", type=_engines, default=ENGINES, help="such as polars,dolmen; DuckDB is always there"
    )
    parser.add_argument("--queries", type=_queries, default="1-22", help="such as 1-6,18")
    parser.add_argument("--timeout", type=float, default=300, help="seconds until an engine is given up on a query")
    parser.add_argument(
        "--worker", type=pathlib.Path, default=target / "release" / "worker", help="the binary of Dolmen"
    )
    options = parser.parse_args()
    if not (options.data / "lineitem.parquet").exists():
        parser.error(f"no lineitem.parquet in {options.data}; benches/README.md says how to make the files")
    if "dolmen" in options.engines and not options.worker.exists():
        parser.error(f"no {options.worker}; build it: cargo build --release -p dolmen-benches --bin worker")
    # Some engines keep pools beside their threads: none gets more processors than threads.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    run = Run(options)
    for round_idx in range(options.rounds + 1):
        print(f"round {round_idx} of {options.rounds}", file=sys.stderr, flush=True)
        run.round(round_idx)
    run.finish()
    report(run)


if __name__ == "__main__":
    main()
