"""Writes print.json: arrays, and the text that NumPy's str() gives for them.

    python crates/array-sql/tests/golden/print.py

An array so large that NumPy shows only its corners is stored as these corners alone.
"""

import itertools
import json
import pathlib

import numpy as np

rng = np.random.default_rng(5)
cases = []


def corner(array):
    for axis, length in enumerate(array.shape):
        if array.size and length > 6:
            array = np.concatenate([array.take(range(3), axis), array.take(range(length - 3, length), axis)], axis)
    return array


def case(array):
    array = np.asarray(array)
    stored = corner(array) if array.size > 1000 else array
    cases.append(
        {
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "stored": list(stored.shape),
            "bytes": np.ascontiguousarray(stored).tobytes().hex(),
            "text": str(array),
        }
    )


FLOATS = ["float16", "float32", "float64"]
nan, inf = np.nan, np.inf

# By hand: signs, digits, the switch to exponents, what is not finite.
LISTS = [
    [1.0], [0.0], [-0.0], [1.5, -2.25], [1.0, 10.0, 100.0], [0.1, 0.2, 0.3], [1 / 3, 2 / 3], [1e-5, 1.0], [1e-4, 1e-1],
    [1e-4, 0.1001], [9.9e-5], [1e7, 1.0], [1e8], [99999999.0], [1000.0, 1.0], [1001.0, 1.0], [999.0], [1e5, 1e6], [nan],
    [nan, 1.0], [inf], [-inf], [inf, 1.0, -inf], [nan, -1.5], [nan, 1e10], [-inf, 1e-10, 123456.789], [0.0, 1e-20],
    [0.1 + 0.2, 1.0], [123456789.123], [2.0**-9, 1.0], [3 * 2.0**-9], [0.999999999, 0.5], [1e300, 1e-300], [5e-324],
    [1.7976931348623157e308], [1e10, -1e-10], [12345678.9, 1.0], [0.5, nan, inf, -0.5], [1e100, 1.0], [65504.0, 1.0],
    [], [1e-7], [16777216.0, 1.1], [1.00000001, 1.0],
]
for dtype, values in itertools.product(FLOATS, LISTS):
    with np.errstate(over="ignore", under="ignore"):
        case(np.array(values, dtype))
for dtype in FLOATS:
    for scale in [1, 1e-3, 1e3, 1e-6]:
        with np.errstate(over="ignore", under="ignore"):
            case((rng.normal(size=5) * scale).astype(dtype))
            case((rng.normal(size=(2, 3)) * 10.0 ** rng.integers(-4, 4, (2, 3)) * scale).astype(dtype))
# Nine digits tell some float32 apart, so that the eighth behind the point is rounded.
case(rng.integers(0, 2**32, 60, dtype=np.uint64).astype("uint32").view("float32")[:24])
case(rng.integers(0, 2**16, 40).astype("uint16").view("float16"))
case(rng.integers(0, 2**63, 12).view("float64"))

COMPLEX = [
    [1 + 2j], [0j], [-1.5 - 0.25j, 10 + 100j], [1e-10 + 1j], [complex(nan, 1), complex(1, nan)], [complex(inf, -inf), 1j],
    [complex(-0.0, -0.0)], [1 / 3 + 1e5j, 2j], [complex(nan, nan)],
]
for dtype, values in itertools.product(["complex64", "complex128"], COMPLEX):
    case(np.array(values, dtype))
    case((rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2))).astype(dtype))

for dtype in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]:
    info = np.iinfo(dtype)
    case(np.array([info.min, 0, info.max], dtype))
    case(np.array([5, 10], dtype))
    case(np.array(7, dtype))
case([True, False])
case([[True, True]])
case(np.array(True))
for value in [0.1, 1 / 3, 1e16, 1e-5, 123456789.0, nan, -inf]:
    for dtype in FLOATS[1:]:
        case(np.array(value, dtype))
case(np.array(1 - 2j))
case(np.array(complex(-0.0, 1), "complex64"))

for unit in ["D", "h", "m", "s", "ms", "us", "ns"]:
    case(np.array([0, -1, 2**40 // {"D": 2**20, "h": 2**16}.get(unit, 1)], f"datetime64[{unit}]"))
    case(np.array([5, -1000], f"timedelta64[{unit}]"))
case(np.array(["NaT", "2014-01-01"], "datetime64[s]"))
case(np.array(["NaT"], "datetime64[ns]"))
case(np.array(["NaT", 5], "timedelta64[s]"))
case(np.array("2014-01-01T12:30", "datetime64[m]"))
case(np.array(90, "timedelta64[m]"))

# Lines, brackets, corners.
case(np.arange(100))
case(np.arange(30) / 7)
case(np.arange(1000))
case(np.arange(1001))
case(np.arange(24).reshape(2, 3, 4))
case(np.arange(16).reshape(2, 2, 2, 2))
case(np.arange(120).reshape(3, 40))
case(np.arange(2000).reshape(2, 1000))
case(np.arange(2000).reshape(1000, 2) / 3)
case(np.arange(10000).reshape(100, 100))
case(np.arange(4096).reshape(8, 2, 16, 16))
case(np.arange(7**4).reshape(7, 7, 7, 7).astype("float32"))
case(np.arange(1200).reshape(1200, 1))
case(np.arange(1200).reshape(1, 1, 1200) * 1e-3)
case(np.arange(6**4).reshape(6, 6, 6, 6))
case(np.arange(2**11).reshape([2] * 11))
case(np.zeros((0, 3)))
case(np.zeros((2, 0)))
case(np.zeros((1, 1, 1, 1)))
case(np.where(np.arange(90) % 7 == 0, nan, np.arange(90) * 1.25).reshape(3, 30))
case(np.array([1e-12] + [0.0] * 1500))
case(np.array([0.0] * 700 + [1e-12] + [0.0] * 700))
case(np.arange("2014-01-01", "2017-01-01", dtype="datetime64[D]"))
case(np.arange(1100) % 2 == 0)

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), "cases,", path.stat().st_size, "bytes, NumPy", np.__version__)
