"""Answers of NumPy for the tests of reductions. Run with NumPy 2.4: writes reductions.json beside itself."""

import itertools
import json
import warnings
from pathlib import Path

import numpy as np

from make import NUMERIC, pack

warnings.simplefilter("ignore")

FUNCTIONS = "sum prod min max any all argmin argmax mean var std count_nonzero".split()
NAN_FUNCTIONS = "nansum nanprod nanmin nanmax nanargmin nanargmax nanmean nanvar nanstd".split()
SHAPES = [(3, 4, 5), (23,), (2, 1, 6), (0, 3), (4, 0), ()]


def sample(rng, dtype, shape, nan):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -9, 10, shape).astype(dtype)
    if dtype.kind == "m":
        return rng.integers(-9, 10, shape).astype("int64").view(dtype)
    values = rng.normal(0.5, 1, shape)
    if dtype.kind == "c":
        values = values + 1j * rng.normal(0, 1, shape)
    values = np.asarray(values)
    if nan:
        values[rng.random(shape) < 0.25] = np.nan
    return values.astype(dtype)


def main():
    rng = np.random.default_rng(7)
    inputs, cases = {}, []
    for dtype in NUMERIC + ["timedelta64[s]"]:
        for shape in SHAPES:
            for nan in ([False, True] if np.dtype(dtype).kind in "fc" else [False]):
                x = sample(rng, dtype, shape, nan)
                name = f"x{len(inputs)}"
                inputs[name] = pack(x)
                axes_sets = [a for n in range(len(shape) + 1) for a in itertools.combinations(range(len(shape)), n) if a]
                axes_sets.append(tuple(range(len(shape))))
                for function in FUNCTIONS + (NAN_FUNCTIONS if nan else []):
                    arg = "arg" in function
                    for axes in dict.fromkeys(axes_sets):
                        if arg and len(axes) not in (1, len(shape)):
                            continue
                        options = {}
                        axis = (axes[0] if len(axes) == 1 else None) if arg else axes
                        if arg and not shape:
                            axis = None
                        for ddof in ([0, 1] if "var" in function or "std" in function else [0]):
                            if "var" in function or "std" in function:
                                options["ddof"] = ddof
                            try:
                                result = pack(getattr(np, function)(x, axis=axis, keepdims=True, **options))
                            except (TypeError, ValueError):
                                result = None
                            cases.append([function, name, axes, ddof, result])
    path = Path(__file__).parent / "reductions.json"
    path.write_text(json.dumps({"inputs": inputs, "cases": cases}, separators=(",", ":")))


main()
