"""Arrays: Dolmen beside NumPy (both on one thread) and Dask (both on two).

    cargo build --release -p dolmen-array --example array_speed
    python3 benches/peers/arrays.py --dolmen target/release/examples/array_speed [--works NAME,...] [--rounds 3] [--scale 1.0]

Every run is a process of its own, the engines in turns. The inputs are made and kept in memory beforehand; the time is that of
one computation, the median over the rounds. An answer that is not NumPy's (or Dask's, where NumPy has none) is named, and
its time left out. `--scale` makes everything smaller. Peak memory is that of Dolmen's process on two threads (VmHWM), then what came
on top of the inputs, then what EXPLAIN predicts for the work. The roofline is the part that the work has of what as many threads
were measured to read of memory, counting inputs and answer once, or to multiply and add.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time


def n(scale, elements):
    """A length, for arrays of one axis."""
    return max(1000, int(elements * scale))


def side(scale, length):
    """A length, for arrays of two axes."""
    return max(200, int(length * math.sqrt(scale)) // 100 * 100)


# A work gives a function that computes, and the answer as a number, of an array module.
def fused(np, scale, dtype, keep, chunks):
    length = n(scale, 1e8)
    i = np.arange(length, dtype="int64", **chunks(1_000_000))
    a, b, c = (keep(((i * k) % 1000).astype(dtype) / 1000) for k in (7, 11, 13))
    return lambda: np.sqrt(a * b + c).sum()


def normal(np, scale, dtype, keep, chunks):
    length = n(scale, 2e8)
    if np.__name__ == "numpy":
        rng = np.random.default_rng(1)
        return lambda: rng.normal(10, 0.1, length).mean()
    rng = np.random.default_rng(1)
    return lambda: rng.normal(10, 0.1, length, chunks=1_000_000).mean()


def square(np, length, dtype, keep, chunks, cut=1000):
    i = np.arange(length * length, dtype="int64", **chunks(length * cut))
    x = (((i * 7) % 1000).astype(dtype) / 1000).reshape(length, length)
    return keep(x if np.__name__ == "numpy" else x.rechunk((cut, cut)))


def matmul(length):
    def work(np, scale, dtype, keep, chunks):
        x = square(np, side(scale, length), dtype, keep, chunks)
        return lambda: keep(x @ x)

    return work


def dot_transposed(np, scale, dtype, keep, chunks):
    x = square(np, side(scale, 10000), dtype, keep, chunks)
    return lambda: x.dot(x.T + 1).sum(axis=0)


def sum_axis(np, scale, dtype, keep, chunks):
    x = square(np, side(scale, 10000), dtype, keep, chunks)
    return lambda: x.sum(axis=0)


def transpose(np, scale, dtype, keep, chunks):
    x = square(np, side(scale, 10000), dtype, keep, chunks)
    # NumPy's transpose alone is a view, and so is its sum with one in order of memory: C order is asked for.
    if np.__name__ == "numpy":
        return lambda: np.ascontiguousarray(x.T + 1)
    return lambda: keep(x.T + 1)


def tall(np, scale, keep, chunks):
    rows = n(scale, 1e6)
    i = np.arange(rows * 100, dtype="int64", **chunks(rows * 100 // 10 // 100 * 100))
    x = np.sin((i * i % 100_003).astype("float64")).reshape(rows, 100)
    return keep(x)


def qr(np, scale, dtype, keep, chunks):
    x = tall(np, scale, keep, chunks)
    return lambda: keep(abs(np.linalg.qr(x)[1]))


def svd(np, scale, dtype, keep, chunks):
    x = tall(np, scale, keep, chunks)
    if np.__name__ == "numpy":
        return lambda: np.linalg.svd(x, full_matrices=False)[1]
    return lambda: keep(np.linalg.svd(x)[1])


def mean_of_five(block):
    """Of each element and its neighbours, without the outermost."""
    return (block[1:-1, :-2] + block[1:-1, 2:] + block[:-2, 1:-1] + block[2:, 1:-1] + block[1:-1, 1:-1]) / 5


def stencil(np, scale, dtype, keep, chunks):
    x = square(np, side(scale, 8000), dtype, keep, chunks)
    # The function gives the block without its neighbourhood, so that nothing is left to trim.
    options = {"depth": 1, "boundary": "nearest", "trim": False, "dtype": dtype}

    def run():
        y = x
        for _ in range(10):
            if np.__name__ == "numpy":
                y = mean_of_five(np.pad(y, 1, mode="edge"))
            else:
                y = y.map_overlap(mean_of_five, chunks=y.chunks, meta=y._meta, **options)
        return y.sum()

    return run


def fft(np, scale, dtype, keep, chunks):
    length = side(scale, 4096)
    x = square(np, length, dtype, keep, chunks)
    x = x if np.__name__ == "numpy" else keep(x.rechunk((512, length)))
    return lambda: keep(abs(np.fft.fft(x, axis=1)))


def solve(is_positive):
    def work(np, scale, dtype, keep, chunks):
        length = side(scale, 4000)
        x = keep(square(np, length, dtype, keep, chunks) + length * np.eye(length, **chunks(1000)))
        x = keep(x + x.T)
        b = keep(np.ones((length, 1), **({} if np.__name__ == "numpy" else {"chunks": (1000, 1)})))
        if np.__name__ == "numpy":
            # NumPy alone has the factor, and no triangular solve; SciPy has both.
            import scipy.linalg

            return lambda: scipy.linalg.solve(x, b, assume_a="pos" if is_positive else "gen")[:, 0]
        return lambda: np.linalg.solve(x, b, assume_a="pos" if is_positive else "gen")[:, 0]

    return work


def scattered(np, scale, dtype, keep, chunks):
    """Numbers in no order, all of which differ."""
    length = n(scale, 1e8)
    i = np.arange(length, dtype="int64", **chunks(1_000_000))
    return keep(np.sin((i * i % 100_003_171).astype(dtype)))


def median_of_all(np, scale, dtype, keep, chunks):
    x = scattered(np, scale, dtype, keep, chunks)
    # Dask has no exact median of all elements.
    return lambda: np.median(x) if np.__name__ == "numpy" else np.median(x.rechunk(-1), axis=0)


def percentiles(np, scale, dtype, keep, chunks):
    x = scattered(np, scale, dtype, keep, chunks)
    return lambda: np.percentile(x, [5, 50, 95]) if np.__name__ == "numpy" else np.percentile(x, [5, 50, 95], method="linear")


def sort(np, scale, dtype, keep, chunks):
    rows = max(10, int(10_000 * scale))
    i = np.arange(rows * 10_000, dtype="int64", **chunks(1_000_000))
    x = keep(np.sin((i * i % 100_003_171).astype(dtype)).reshape(rows, 10_000))
    if np.__name__ == "numpy":
        return lambda: np.sort(x, axis=1)
    # Dask sorts no axis.
    return lambda: keep(x.map_blocks(lambda block: np_sort(block), dtype=dtype))


def np_sort(block):
    import numpy

    return numpy.sort(block, axis=1)


def integers(np, scale, keep, chunks):
    i = np.arange(n(scale, 1e8), dtype="int64", **chunks(1_000_000))
    return keep(i * i % 1009)


def unique(np, scale, dtype, keep, chunks):
    x = integers(np, scale, keep, chunks)
    return lambda: np.unique(x)


def bincount(np, scale, dtype, keep, chunks):
    x = integers(np, scale, keep, chunks)
    return lambda: np.bincount(x) if np.__name__ == "numpy" else np.bincount(x, minlength=1009)


WORKS = {
    "fused f64": (fused, "float64"),
    "fused f32": (fused, "float32"),
    "normal mean": (normal, "float64"),
    "matmul 4000 f64": (matmul(4000), "float64"),
    "matmul 4000 f32": (matmul(4000), "float32"),
    "matmul 8000 f64": (matmul(8000), "float64"),
    "x.dot(x.T + 1)": (dot_transposed, "float64"),
    "sum(axis=0)": (sum_axis, "float64"),
    "transpose + 1": (transpose, "float64"),
    "qr 1e6 x 100": (qr, "float64"),
    "svd 1e6 x 100": (svd, "float64"),
    "stencil 8000 x 10": (stencil, "float64"),
    "fft 4096 x 4096": (fft, "float64"),
    "cholesky solve 4000": (solve(True), "float64"),
    "lu solve 4000": (solve(False), "float64"),
    "median 1e8": (median_of_all, "float64"),
    "percentiles 1e8": (percentiles, "float64"),
    "sort 1e4 x 1e4": (sort, "float64"),
    "unique 1e8": (unique, "int64"),
    "bincount 1e8": (bincount, "int64"),
}

# The sum of the answer's elements is compared; random numbers are compared with their mean.
TOLERANCE = {"fused f32": 1e-4, "normal mean": 1e-4, "matmul 4000 f32": 1e-4}


def work_of_peer(engine, name, scale, rounds):
    """Runs a work in this process; its times and its answer."""
    make, dtype = WORKS[name]
    if engine == "numpy":
        import numpy as np

        compute, keep, chunks = (lambda x: x), (lambda x: x), (lambda _: {})
    else:
        import dask
        import dask.array as np

        dask.config.set(scheduler="threads", num_workers=2)
        compute, keep, chunks = (lambda x: x.compute()), (lambda x: x.persist()), (lambda size: {"chunks": size})
    run = make(np, scale, dtype, keep, chunks)
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        answer = run()
        # What was kept is there; anything else is a small result.
        small = getattr(answer, "ndim", 0) <= 1
        answer = compute(answer) if small else answer
        times.append(time.perf_counter() - begun)
    total = float(compute(answer.sum())) if not small else float(getattr(answer, "sum", lambda: answer)())
    return {"seconds": times[1:], "answer": total, "peak_mb": peak_mb()}


def peak_mb():
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def run(command, threads):
    env = os.environ | {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    # One thread has one processor.
    prefix = ["taskset", "-c", "0"] if threads == 1 else []
    result = subprocess.run(prefix + command, env=env, capture_output=True, text=True, check=False)
    if result.returncode:
        return {"error": result.stderr.strip().splitlines()[-1:] or ["failed"]}
    return json.loads(result.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dolmen", help="the example array_speed of crate array")
    parser.add_argument("--works", default=",".join(WORKS), help="comma-separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--worker", choices=["numpy", "dask"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work_of_peer(options.worker, options.works, options.scale, options.rounds)))
        return
    print("| work | NumPy s | Dolmen s | NumPy / Dolmen | Dask s | Dolmen s | Dask / Dolmen | roofline, 1 and 2 threads | peak MB | of it the work | predicted |\n|---|---|---|---|---|---|---|---|---|---|---|")
    for name in options.works.split(","):
        cells = [name]
        shares = []
        expected = None
        for engine, threads in (("numpy", 1), ("dask", 2)):
            sized = ["--works", name, "--scale", str(options.scale), "--rounds", str(options.rounds)]
            peer = run([sys.executable, __file__, "--worker", engine, *sized], threads)
            ours = run([options.dolmen, "--threads", str(threads), *sized], threads)
            expected = peer.get("answer", expected) if expected is None else expected
            for side_ in (peer, ours):
                cells.append(shown(side_, expected, TOLERANCE.get(name, 1e-8)))
            ratio = "" if "error" in peer or "error" in ours else median(peer) / median(ours)
            cells.append(f"{ratio:.2f}" if ratio else "")
            shares.append(f"{100 * ours['share']:.0f} %" if ours.get("of") else "")
        cells.append(" and ".join(shares) + f" of {ours['of']}" if ours.get("of") else "")
        cells += [f"{ours.get(size, 0):.0f}" for size in ("peak_mb", "work_mb", "predicted_mb")]
        print("| " + " | ".join(cells) + " |", flush=True)


def median(result):
    return statistics.median(result["seconds"])


def shown(result, expected, tolerance):
    if "error" in result:
        return "failed: " + " ".join(result["error"])[:60]
    if expected is not None and abs(result["answer"] - expected) > tolerance * max(1.0, abs(expected)):
        return f"WRONG: {result['answer']}, not {expected}"
    return f"{median(result):.3f}"


if __name__ == "__main__":
    main()
