"""What examples/measure.rs measures, with NumPy: `python measure.py [millions]`."""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import sys
import time

import numpy as np


def best(name, n, work):
    seconds = min(timed(work) for _ in range(5))
    print(f"{name:36} {seconds:8.4f} s {seconds * 1e9 / n:8.3f} ns/element")


def timed(work):
    start = time.thread_time()
    work()
    return time.thread_time() - start


n = int(sys.argv[1] if len(sys.argv) > 1 else 100) * 1_000_000
rng = np.random.default_rng(1)
for dtype in (np.float64, np.float32):
    a, b, c = (rng.random(n).astype(dtype) for _ in range(3))
    name = np.dtype(dtype).name
    best(f"sqrt(a*b + c).sum() {name}", n, lambda: np.sqrt(a * b + c).sum())
    best(f"sqrt(a*b + c) {name}", n, lambda: np.sqrt(a * b + c))
    best(f"sum {name}", n, lambda: a.sum())
    best(f"var {name}", n, lambda: a.var())
    square = a[: n // 1000 * 1000].reshape(-1, 1000)
    for axis in (0, 1):
        best(f"sum(axis={axis}) of (n/1000, 1000) {name}", n, lambda: square.sum(axis=axis))
    part = a[: n // 10]
    for function in (np.exp, np.log, np.sin, np.tanh):
        best(f"{function.__name__} {name}", n // 10, lambda: function(part))
best("random.normal(10, 0.1).mean()", n, lambda: rng.normal(10, 0.1, n).mean())
best("random.uniform().mean()", n, lambda: rng.random(n).mean())
square = np.ones((6000, 6000)).T
best("transpose copy 6000 x 6000 float64", 36_000_000, lambda: np.ascontiguousarray(square))
