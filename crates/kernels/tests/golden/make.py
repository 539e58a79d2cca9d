"""Answers of NumPy for the tests of the elementwise programs, the reductions and the dtypes.

Run with NumPy 2.4: `python make.py` writes elementwise.json and dtypes.json beside itself. Values travel as the hexadecimal
bytes of their memory, so that no digit is lost; `null` stands for an operation that NumPy refuses.
"""

import json
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
HERE = Path(__file__).parent

NUMERIC = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
           "float64", "complex64", "complex128"]
TIME = ["datetime64[s]", "datetime64[ms]", "timedelta64[s]", "timedelta64[ms]"]
UNARY = """negative positive absolute sign square reciprocal sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan
    arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh floor ceil trunc rint conjugate real imag angle
    logical_not invert isnan isinf isfinite signbit""".split()
BINARY = """add subtract multiply true_divide floor_divide remainder fmod power maximum minimum fmax fmin arctan2 hypot
    logaddexp copysign equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor
    bitwise_and bitwise_or bitwise_xor left_shift right_shift""".split()


def values(dtype):
    """A few dozen values that show the corners of a dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([True, False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        small = [v for v in (-7, -3, -2, -1, 0, 1, 2, 3, 5, 8, 100) if info.min <= v <= info.max]
        return np.array(small + [info.min, info.max], dtype)
    if dtype.kind == "f":
        info = np.finfo(dtype)
        return np.array([0.0, -0.0, 0.5, -0.5, 1, -1, 1.5, 2.5, -2.5, 3.7, -7.25, 0.3, 1e-3, 100.25, float(info.tiny),
                         float(info.max), np.inf, -np.inf, np.nan], dtype)
    if dtype.kind == "c":
        return np.array([0, 1, -1, 1j, -1j, 1 + 2j, -0.5 + 0.25j, 3 - 4j, 0.1 - 2j, 2.5], dtype)
    return np.array([-5000, -1, 0, 1, 7, 1500, 86400, np.iinfo(np.int64).min], "int64").view(dtype)


def pack(array):
    array = np.asarray(array, order="C")
    return {"dtype": str(array.dtype), "shape": list(array.shape), "bytes": array.tobytes().hex()}


INPUTS = {}


def name_of(array):
    """Inputs are written once and named by the cases."""
    packed = pack(array)
    for name, other in INPUTS.items():
        if other == packed:
            return name
    INPUTS[f"x{len(INPUTS)}"] = packed
    return f"x{len(INPUTS) - 1}"


def few(dtype):
    """At most eight values of a dtype, for pairs."""
    all_values = values(dtype)
    if all_values.dtype.kind == "f":
        return all_values[[0, 1, 3, 6, 9, 10, 16, 18]]
    if all_values.dtype.kind in "iu":
        return np.concatenate([all_values[:: len(all_values) // 5], all_values[-2:]])
    return all_values[:8]


def attempt(function, *operands):
    try:
        return pack(function(*operands))
    except (TypeError, ValueError, np.exceptions.DTypePromotionError):
        return None


def pairs(a, b):
    """Every pair of values, or a sample of them."""
    x, y = np.repeat(a, len(b)), np.tile(b, len(a))
    return x, y


def elementwise():
    cases = []
    for name in UNARY:
        for dtype in NUMERIC + TIME:
            x = values(dtype)
            cases.append({"op": name, "operands": [name_of(x)], "result": attempt(getattr(np, name), x)})
    mixed = [("int8", "uint8"), ("int64", "uint64"), ("uint64", "int8"), ("int32", "float32"), ("float16", "int16"),
             ("bool", "int32"), ("float32", "complex64"), ("int64", "complex64"), ("float64", "float32"),
             ("datetime64[s]", "timedelta64[ms]"), ("timedelta64[ms]", "datetime64[s]"), ("timedelta64[s]", "int32"),
             ("timedelta64[s]", "float64"), ("int64", "timedelta64[s]"), ("datetime64[s]", "int64"),
             ("datetime64[s]", "datetime64[ms]"), ("timedelta64[s]", "timedelta64[ms]"), ("float32", "timedelta64[s]")]
    for name in BINARY:
        for a, b in [(dtype, dtype) for dtype in NUMERIC + TIME] + mixed:
            x, y = pairs(few(a), few(b))
            if name == "power" and y.dtype.kind == "i":
                # Integers to negative powers are refused as a whole.
                keep = y >= 0
                x, y = x[keep], y[keep]
            if name in ("left_shift", "right_shift") and y.dtype.kind == "i":
                keep = y >= 0
                x, y = x[keep], y[keep]
            cases.append({"op": name, "operands": [name_of(x), name_of(y)], "result": attempt(getattr(np, name), x, y)})
    return cases


def casts():
    cases = []
    for a in NUMERIC + TIME:
        for b in NUMERIC + TIME:
            x = values(a)
            if x.dtype.kind in "fc":
                # What does not fit an integer is not defined; NumPy's answer differs between machines.
                x = x[np.isfinite(x) & (np.abs(x) < 120)]
            cases.append({"to": b, "operand": name_of(x), "result": attempt(lambda v: v.astype(b), x)})
    return cases


def rounds():
    cases = []
    for dtype in NUMERIC:
        for decimals in (-2, -1, 0, 1, 2):
            x = np.concatenate([values(dtype), np.array([15, 25, 35, 55, 105], dtype)])
            if x.dtype.kind in "iu":
                # What does not fit once it is rounded is not defined.
                x = x[(x < 120) & (x > -100)]
            cases.append({"decimals": decimals, "operand": name_of(x), "result": attempt(lambda v: np.round(v, decimals), x)})
    return cases


def promotions():
    everything = NUMERIC + TIME
    return [[a, b, attempt_name(lambda: np.promote_types(a, b))] for a in everything for b in everything]


def attempt_name(function):
    try:
        return str(function())
    except (TypeError, np.exceptions.DTypePromotionError):
        return None


def literals():
    """Result dtypes of an array with a literal of Python."""
    out = []
    for dtype in NUMERIC:
        for literal in (True, 3, 2.5, 1 + 2j):
            for name in ("add", "true_divide", "power", "less", "arctan2", "floor_divide"):
                x = np.ones(2, dtype)
                kind = {bool: "bool", int: "int", float: "float", complex: "complex"}[type(literal)]
                out.append([name, dtype, kind, attempt_name(lambda: getattr(np, name)(x, literal).dtype)])
    return out


def texts():
    numbers = [0.0, -0.0, 1.0, 1e15, 1e16, 123456.789, 1e-4, 1e-5, 1.5e300, 5e-324, 1 / 3, np.inf, -np.inf, np.nan]
    out = [["float64", x.hex(), str(np.float64(x))] for x in numbers]
    out += [["float32", float(np.float32(x)).hex(), str(np.float32(x))] for x in numbers]
    out += [["float16", float(np.float16(x)).hex(), str(np.float16(x))] for x in numbers]
    return out


if __name__ == "__main__":
    cases = {"ufuncs": elementwise(), "casts": casts(), "rounds": rounds(), "inputs": INPUTS}
    (HERE / "elementwise.json").write_text(json.dumps(cases))
    (HERE / "dtypes.json").write_text(json.dumps({"promotions": promotions(), "literals": literals(), "texts": texts()}))
