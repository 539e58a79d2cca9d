"""Writes edges.json: each function of one array, of arrays that are empty, of one element, not contiguous, or not finite.

    python crates/array-sql/tests/golden/edges.py

Of each pair there is what NumPy makes of it, or that it raises an error. The names stand for the arrays of expressions.py.
"""

import numpy as np

from expressions import case, names, write

names |= {"fft": np.fft, "linalg": np.linalg}

# The array, and the same in Python; without a second form it is Python already.
ARRAYS = [
    ("y[:0]",), ("x[:, :0]",), ("x[:0]",), ("y[1:2]",), ("x[1:2, 2:3]",), ("x[::-2, 1::2]",), ("transpose(x)", "x.T"), ("y[2]",), ("n",), ("n[1:2]",),
    ("stack([n, n * 2])", "np.stack([n, n * 2])"), ("i",), ("i[:0]",), ("i[:, ::-1]",), ("m",), ("m[:0, :]",), ("z",), ("z[::-1]",), ("u[1]",), ("f[::3]",),
]

SAME = """
absolute angle ceil conj cos cosh deg2rad degrees exp exp2 expm1 fabs fix floor imag iscomplex isfinite isinf isnan isneginf isposinf isreal log log10
log1p log2 logical_not nan_to_num negative positive rad2deg radians real reciprocal rint sign signbit sin sinc sinh sqrt square tan tanh trunc arctan
arcsinh cbrt i0 spacing
sum prod mean std var min max any all argmin argmax nansum nanprod nanmean nanstd nanvar nanmin nanmax nanargmin nanargmax count_nonzero ptp median nanmedian
average
cumsum cumprod nancumsum nancumprod diff ediff1d gradient
ravel squeeze transpose flip fliplr flipud rot90 atleast_1d atleast_2d atleast_3d sort argsort unique argwhere flatnonzero
diag diagonal tril triu trace cov corrcoef
""".split()

OTHERS = [
    *[f"{name}({{}}, axis=0)" for name in "sum prod mean std min max argmin argmax any median nanmedian nanmean nanmax cumsum sort argsort ptp count_nonzero".split()],
    *[f"{name}({{}}, axis=-1, keepdims=True)" for name in "sum mean var max argmin nansum median all".split()],
    "var({}, ddof=1)", "std({}, axis=0, ddof=2)", "sum({}, axis=(0, 1))", "quantile({}, 0.3)", "quantile({}, [0, 0.5, 1], axis=0)", "percentile({}, 40, method='nearest')",
    "nanquantile({}, 0.7, axis=-1)", "nanpercentile({}, [10, 90])", "diff({}, n=2)", "diff({}, axis=0)", "roll({}, 2)", "roll({}, -1, axis=0)", "repeat({}, 2)",
    "repeat({}, 2, axis=0)", "tile({}, 2)", "tile({}, (2, 1))", "pad({}, 1)", "pad({}, 2, mode='edge')", "pad({}, 1, mode='reflect')", "pad({}, 1, mode='wrap')",
    "concatenate([{0}, {0}])", "concatenate([{0}, {0}], axis=-1)", "stack([{0}, {0}], axis=-1)", "vstack([{0}, {0}])", "hstack([{0}, {0}])", "dstack([{0}, {0}])",
    "clip({}, -1, 2)", "round({}, 1)", "where({0} > 1, {0}, 0)", "maximum({}, 1)", "fmin({}, 1)", "expand_dims({}, 0)", "expand_dims({}, -1)", "reshape({}, -1)",
    "swapaxes({}, 0, -1)", "moveaxis({}, 0, -1)", "broadcast_to({}, (2, 4, 6))", "take({}, 0)", "take({}, [0, -1], axis=0)", "array_split({}, 2)[1]", "delete({}, 0, axis=0)",
    "insert({}, 0, 1, axis=0)", "append({0}, {0})", "outer({0}, {0})", "dot({0}, 2)", "inner({0}, {0})", "kron({0}, [1, 2])", "vdot({0}, {0})", "histogram({}, bins=3)[0]",
    "histogram({}, bins=[0, 1, 5])[1]", "searchsorted([0, 1, 2], {})", "digitize({}, [0, 1, 2])", "isin({}, [1, 2])", "bincount({})", "trapezoid({})",
    "linalg.norm({})", "linalg.norm({}, axis=0)", "linalg.norm({}, 1)", "unique({}, return_counts=True)[1]", "unique({}, return_inverse=True)[1]",
    "array_equal({0}, {0})", "allclose({0}, {0})", "isclose({0}, {0}, equal_nan=True)", "union1d({}, [1, 2])", "float_power({}, 2)",
    "power({}, 2)", "floor_divide({}, 2)", "remainder({}, 2)", "true_divide({}, 0)", "hypot({}, 1)", "arctan2({}, 2)", "copysign({}, -1)", "logaddexp({}, 1)", "bitwise_and({}, 3)",
    "real(fft.fft({}))", "imag(fft.rfft({}))", "real(fft.fft({}, n=3))", "imag(fft.fft({}, axis=0))", "real(fft.ifft({}))", "real(fft.fftn({}))", "fft.fftshift({})",
    "linalg.svdvals({})", "abs(linalg.qr({})[1])", "matmul({0}, {0})", "tensordot({0}, {0}, axes=1)", "split({}, 1)[0]", "left_shift({}, 1)", "rollaxis({}, 0)", "compress([True, False], {}, axis=0)", "nonzero({})[0]",
]


# What is not NumPy's on purpose (see docs/arrays.md), or has several results.
LEFT_OUT = [
    ("gradient", ["y[2]", "x[::-2, 1::2]", "transpose(x)", "stack([n, n * 2])", "i", "i[:, ::-1]"]),  # a result for each axis
    ("median nanmedian histogram", ["z", "z[::-1]"]),  # complex numbers have no order
    ("spacing", ["m", "m[:0, :]", "u[1]"]),  # of half floats
    ("quantile nanquantile percentile nanpercentile", ["n", "stack([n, n * 2])"]),  # between two infinities
    ("nanquantile nanpercentile", ["y[:0]", "x[:, :0]", "x[:0]", "i[:0]", "m[:0, :]"]),  # of nothing
    ("compress", ["y[1:2]", "x[1:2, 2:3]", "n[1:2]"]),  # a mask that is longer than the axis
    ("i0", ["n", "stack([n, n * 2])"]),  # of infinity
    ("fft.fftshift", ["y[2]"]),  # stays what it is
    ("abs", ["stack([n, n * 2])"]),  # a factorisation of what is not finite is refused
    ("true_divide", ["z", "z[::-1]"]),  # infinite parts, rounded
]


def is_left_out(template, array):
    called = template.split("(")[0]
    # NumPy lets numbers without axes have one for some functions.
    has_no_axis = array == "y[2]" and ("axis=0" in template or "axis=-1" in template or called == "argsort")
    return has_no_axis or any(called in functions.split() and array in arrays for functions, arrays in LEFT_OUT)


def as_sql(template):
    return template.replace("axis=(0, 1)", "axis=[0, 1]").replace("(2, 1)", "[2, 1]").replace("(2, 4, 6)", "[2, 4, 6]").replace("=", " => ").replace("True", "true").replace("False", "false")


def rounded(sql, python):
    """With as many decimals as its precision is good for, and zeros without a sign; nothing if it is too large."""
    found = case(sql, python, raises=True)
    decimals = {"float64": 6, "complex128": 6, "float32": 4, "float16": 1}.get(found.get("dtype"))
    if decimals is None:
        return found
    return case(f"round({sql}, {decimals}) + 0", f"np.round({python}, {decimals}) + 0")


if __name__ == "__main__":
    templates = [f"{name}({{}})" for name in SAME] + OTHERS
    pairs = [(as_sql(template).format(array[0]), "np." + template.format(array[-1])) for template in templates for array in ARRAYS if not is_left_out(template, array[0])]
    cases = [rounded(sql, python) for sql, python in pairs]
    write("edges.json", [case for case in cases if "e+1" not in case.get("text", "") and "e+2" not in case.get("text", "")])
