"""What a trivial task costs in Dask's threaded scheduler, in CPU microseconds of the process, building included.

    python tasks.py [N_TASKS]

Beside it: cargo run --release -p dolmen-scheduler --example end_to_end
"""

import sys
import time
from operator import add

import dask


def inc(x):
    return x + 1


def fan_in(n):
    return dask.delayed(sum)([dask.delayed(inc)(i) for i in range(n)])


def chain(n):
    value = dask.delayed(0)
    for _ in range(n):
        value = dask.delayed(inc)(value)
    return value


def tree(n):
    level = [dask.delayed(inc)(i) for i in range(n // 2)]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2])
        level = [dask.delayed(add)(a, b) for a, b in pairs] + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def raw(n):
    graph = {f"x-{i}": (inc, i) for i in range(n)}
    graph["sum"] = (sum, [f"x-{i}" for i in range(n)])
    return graph


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    programs = {"fan-in": fan_in, "chain": chain, "binary tree": tree}
    sys.setrecursionlimit(max(10_000, 20 * n))
    for name, build in programs.items():
        begun = time.process_time()
        value = build(n)
        built = time.process_time()
        value.compute(scheduler="threads", num_workers=1)
        done = time.process_time()
        print(f"{name:12} {(built - begun) / n * 1e6:8.1f} us to build {(done - built) / n * 1e6:8.1f} us to run")
    begun = time.process_time()
    graph = raw(n)
    dask.threaded.get(graph, "sum", num_workers=1)
    print(f"{'raw graph':12} {(time.process_time() - begun) / n * 1e6:8.1f} us")


if __name__ == "__main__":
    main()
