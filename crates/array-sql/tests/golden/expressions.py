"""Writes expressions.json: array expressions, and what NumPy (and SciPy) makes of the same.

    python crates/array-sql/tests/golden/expressions.py

The names stand for the arrays that tests/expressions.rs makes.
"""

import json
import pathlib
import warnings

import numpy as np
import scipy.stats as st

x = np.arange(24, dtype="float64").reshape(4, 6) * 1.5 - 7
y = np.linspace(0.5, 3, 6)
i = np.arange(-5, 7, dtype="int32").reshape(3, 4)
u = np.arange(12, dtype="uint8").reshape(3, 4)
f = (np.arange(10) / 4).astype("float32")
m = np.arange(24).reshape(4, 6) % 3 == 0
n = np.array([1.0, np.nan, 3.0, np.inf, -2.0])
z = np.array([1 + 2j, -0.5j, 3])
t = np.arange("2014-01-01", "2014-01-13", dtype="datetime64[D]")


def standardised(a, power):
    return ((a - a.mean()) ** power).mean() / a.std() ** power


names = dict(skew=lambda a: standardised(a, 3), kurtosis=lambda a: standardised(a, 4), x=x, y=y, i=i, u=u, f=f, m=m, n=n, z=z, t=t, np=np, st=st)

def both_parts(expression, python=None):
    """The real and the imaginary part of a complex result, rounded, and zeros without a sign."""
    python = python or "np." + expression
    for part in ("real", "imag"):
        yield f"round({part}({expression}), 5) + 0", f"np.round(({python}).{part}, 5) + 0"


def lu_cases(a, python):
    """Factors multiply to the matrix, whatever their rows' order."""
    lu = f"linalg.lu({a})"
    yield f"round({lu}[0] @ {lu}[1] @ {lu}[2], 6) + 0", f"np.round({python}, 6) + 0"
    yield f"round(linalg.lu({a}, permute_l => true)[0] @ {lu}[2], 6) + 0", f"np.round({python}, 6) + 0"
    yield f"round(linalg.lu({a}, p_indices => true)[1][linalg.lu({a}, p_indices => true)[0]] @ {lu}[2], 6) + 0", f"np.round({python}, 6) + 0"
    yield f"triu({lu}[1], 1)", f"np.triu(np.zeros(({python}).shape)[:, :min(({python}).shape)])"
    yield f"max(abs({lu}[1])) <= 1", "np.True_"


def mean_cases(laws, n=40_000):
    """The mean of so many numbers is within five standard errors of what it should be; they stay the same in other chunks."""
    for call, mean, deviation in laws:
        comma = "" if call.endswith("(") else ", "
        yield f"abs(mean(random.{call}{comma}size => {n}, seed => 11)) - {mean}) < {5 * deviation / n ** 0.5}", "np.True_"
        yield f"(random.{call}{comma}size => 20, seed => 11) == random.{call}{comma}size => 20, chunks => 3, seed => 11)).all()", "np.True_"


# Each pair: the expression, and the same in Python; without a second one it is Python already.
PAIRS = [
    # Literals are computed as in Python, and are weak beside arrays.
    ("1 + 2 * 3 ** 2",), ("-7 // 2",), ("7 % -3",), ("1 / 4",), ("2 ** -1",), ("not true", "np.False_"), ("1 < 2", "np.True_"),
    ("f + 1",), ("f * 2.5",), ("i + 1",), ("u + 200",), ("u / 2",), ("i // 2",), ("i % 3",), ("i ** 2",), ("-i",), ("~i",),
    ("u & 6 | 1",), ("u ^ 3",), ("u << 2 >> 1",), ("i * 1.5",), ("f + float64(1)", "f + np.float64(1)"),
    ("f + float32(1.5)", "f + np.float32(1.5)"), ("x == 2", ), ("x = 2", "x == 2"), ("x <> 2", "x != 2"), ("x != 2",),
    ("x > 5 AND x < 20", "(x > 5) & (x < 20)"), ("NOT m OR x > 10", "~m | (x > 10)"), ("(x > 5) & m",), ("m ^ (x > 5)",),
    ("-x ** 2",), ("2 ** -y",), ("x * y",), ("x @ y",), ("x @ transpose(x)", "x @ x.T"), ("1 + 2j",), ("z * 2j",),
    ("complex(1, 2) * z", "(1 + 2j) * z"), ("complex64(1, 2)", "np.complex64(1 + 2j)"), ("complex(y, 1)", "y + 1j"),
    ("pi", "np.float64(np.pi)"), ("nan", "np.float64(np.nan)"), ("y + e", "y + np.e"), ("y * inf", "y * np.inf"),
    ("[1, 2, 3] + y[:3]", "np.array([1, 2, 3]) + y[:3]"), ("[[1, 2], [3, 4.5]]", "np.array([[1, 2], [3, 4.5]])"),
    ("[true, false]", "np.array([True, False])"), ("[]", "np.array([])"), ("[y, y + 1]", "np.array([y, y + 1])"),
    ("[18446744073709551615]", "np.array([18446744073709551615])"), ("[true, 2]", "np.array([True, 2])"),
    # Subscripts.
    ("x[1]",), ("x[-1, 2]",), ("x[1:3, ::2]",), ("x[::-1, ::-2]",), ("x[:, newaxis, 1]", "x[:, None, 1]"), ("x[..., 0]",),
    ("x[[0, 2]]",), ("x[[0, 2], [1, 3]]",), ("x[:, [5, 0, 0]]",), ("x[[true, false, true, false]]", "x[[True, False, True, False]]"),
    ("x[m]",), ("x[x > 5]",), ("y[[[0, 1], [2, 3]]]",), ("x[1][2:]",), ("x[null]", "x[None]"), ("x[1:100]",),
    ("x[2 - 1, 2 * 2]",), ("y[i[0, 1:] + 5]",), ("x[[true, false, true, true], 1]", "x[[True, False, True, True], 1]"),
    # Functions, by position, by keyword, as methods.
    ("sum(x)", "np.sum(x)"), ("sum(x, 0)", "np.sum(x, 0)"), ("sum(x, axis => [0, 1])", "np.sum(x, axis=(0, 1))"),
    ("x.sum(axis => -1, keepdims => true)", "x.sum(axis=-1, keepdims=True)"), ("mean(x)", "np.mean(x)"), ("u.sum()",),
    ("mean(u, axis => 0)", "np.mean(u, axis=0)"), ("sum(f, dtype => 'float64')", "np.sum(f, dtype='float64')"),
    ("std(x, axis => 1, ddof => 1)", "np.std(x, axis=1, ddof=1)"), ("var(x)", "np.var(x)"), ("x.max()",), ("min(i, 0)", "np.min(i, 0)"),
    ("argmax(x, axis => 1)", "np.argmax(x, axis=1)"), ("argmin(x)", "np.argmin(x)"), ("any(m, axis => 0)", "np.any(m, axis=0)"),
    ("all(x > -100)", "np.all(x > -100)"), ("nansum(n)", "np.nansum(n)"), ("nanmax(n[:3])", "np.nanmax(n[:3])"),
    ("nanmean(n[:3])", "np.nanmean(n[:3])"), ("prod(y)", "np.prod(y)"), ("ptp(x, axis => 0)", "np.ptp(x, axis=0)"),
    ("count_nonzero(m)", "np.count_nonzero(m)"), ("cumsum(x, axis => 1)", "np.cumsum(x, axis=1)"), ("cumsum(i)", "np.cumsum(i)"),
    ("cumprod(y)", "np.cumprod(y)"), ("(x - mean(x, axis => 1, keepdims => true)).std()", "(x - x.mean(axis=1, keepdims=True)).std()"),
    ("sqrt(y)", "np.sqrt(y)"), ("exp(y)", "np.exp(y)"), ("sin(x)", "np.sin(x)"), ("abs(i)", "np.abs(i)"), ("sqrt(u)", "np.sqrt(u)"),
    ("sqrt(2)", "np.sqrt(2)"), ("maximum(x, 3)", "np.maximum(x, 3)"), ("arctan2(y, 2)", "np.arctan2(y, 2)"), ("hypot(3, 4)", "np.hypot(3, 4)"),
    ("where(x > 5, x, -1)", "np.where(x > 5, x, -1)"), ("clip(x, 0, 10)", "np.clip(x, 0, 10)"), ("clip(i, a_max => 2)", "np.clip(i, None, 2)"),
    ("round(x / 7, 2)", "np.round(x / 7, 2)"), ("floor(x / 4)", "np.floor(x / 4)"), ("isnan(n)", "np.isnan(n)"), ("isfinite(n)", "np.isfinite(n)"),
    ("notnull(n)", "~np.isnan(n)"), ("astype(x, 'int16')", "x.astype('int16')"), ("x.astype('bool')",), ("real(z)", "np.real(z)"),
    ("imag(z)", "np.imag(z)"), ("conj(z)", "np.conj(z)"), ("angle(z)", "np.angle(z)"), ("absolute(z)", "np.absolute(z)"),
    ("isclose(y, y + 1e-9)", "np.isclose(y, y + 1e-9)"), ("allclose(y, y * 1.1)", "np.allclose(y, y * 1.1)"),
    ("isclose(n, n, equal_nan => true)", "np.isclose(n, n, equal_nan=True)"), ("divmod(i, 3)[1]", "np.divmod(i, 3)[1]"),
    ("degrees(y)", "np.degrees(y)"), ("deg2rad(f)", "np.deg2rad(f)"), ("power(y, 2)", "np.power(y, 2)"), ("mod(i, 4)", "np.mod(i, 4)"),
    ("logical_xor(m, true)", "np.logical_xor(m, True)"), ("square(i)", "np.square(i)"), ("sign(x)", "np.sign(x)"),
    # Creation.
    ("zeros([2, 3])", "np.zeros((2, 3))"), ("ones(3, dtype => 'int8')", "np.ones(3, dtype='int8')"), ("full([2, 2], 7)", "np.full((2, 2), 7)"),
    ("full(3, 2.5, 'float32')", "np.full(3, 2.5, 'float32')"), ("eye(3)", "np.eye(3)"), ("eye(2, 4, k => 1)", "np.eye(2, 4, k=1)"),
    ("identity(2, dtype => 'int64')", "np.identity(2, dtype='int64')"), ("arange(5)", "np.arange(5)"), ("arange(2, 10, 3)", "np.arange(2, 10, 3)"),
    ("arange(0, 1, 0.25)", "np.arange(0, 1, 0.25)"), ("arange(5, dtype => 'float32')", "np.arange(5, dtype='float32')"),
    ("linspace(0, 1, 5)", "np.linspace(0, 1, 5)"), ("linspace(0, 1, 4, endpoint => false)", "np.linspace(0, 1, 4, endpoint=False)"),
    ("zeros_like(i)", "np.zeros_like(i)"), ("full_like(f, 3)", "np.full_like(f, 3)"), ("ones_like(x, dtype => 'bool')", "np.ones_like(x, dtype='bool')"),
    ("array([[1, 2], [3, 4]], dtype => 'float32')", "np.array([[1, 2], [3, 4]], dtype='float32')"), ("int64(7)", "np.int64(7)"),
    ("float32(x)", "x.astype('float32')"), ("bool(i)", "i.astype('bool')"), ("arange(3) + int8(1)", "np.arange(3) + np.int8(1)"),
    ("datetime64('2014-01-01T12:00')", "np.datetime64('2014-01-01T12:00')"), ("datetime64('2014-01-01', 's')", "np.datetime64('2014-01-01', 's')"),
    ("t[t >= datetime64('2014-01-10')]", "t[t >= np.datetime64('2014-01-10')]"), ("t - datetime64('2014-01-05')", "t - np.datetime64('2014-01-05')"),
    ("t[:3] + timedelta64(2, 'D')", "t[:3] + np.timedelta64(2, 'D')"), ("t.max() - t.min()",), ("timedelta64(5, 'm')", "np.timedelta64(5, 'm')"),
    # Shapes.
    ("reshape(x, [3, 8])", "x.reshape(3, 8)"), ("x.reshape([-1])", "x.reshape(-1)"), ("reshape(sum(x), [])", "x.sum().reshape(())"),
    ("ravel(i)", "i.ravel()"), ("transpose(x)", "x.T"), ("transpose(reshape(x, [2, 3, 4]), [2, 0, 1])", "x.reshape(2, 3, 4).transpose(2, 0, 1)"),
    ("swapaxes(reshape(x, [2, 3, 4]), 0, -1)", "x.reshape(2, 3, 4).swapaxes(0, -1)"), ("moveaxis(reshape(x, [2, 3, 4]), 0, 2)", "np.moveaxis(x.reshape(2, 3, 4), 0, 2)"),
    ("moveaxis(reshape(x, [2, 3, 4]), [0, 1], [2, 0])", "np.moveaxis(x.reshape(2, 3, 4), [0, 1], [2, 0])"),
    ("moveaxis(reshape(x, [2, 3, 4]), [2, 0], [0, -1])", "np.moveaxis(x.reshape(2, 3, 4), [2, 0], [0, -1])"),
    ("moveaxis(reshape(x, [2, 3, 4]), [], [])", "x.reshape(2, 3, 4)"),
    ("expand_dims(y, 0)", "np.expand_dims(y, 0)"), ("squeeze(x[:1])", "x[:1].squeeze()"), ("broadcast_to(y, [2, 6])", "np.broadcast_to(y, (2, 6))"),
    ("flip(x)", "np.flip(x)"), ("flip(x, axis => 1)", "np.flip(x, axis=1)"), ("fliplr(i)", "np.fliplr(i)"),
    ("concatenate([x, x + 1], axis => 1)", "np.concatenate([x, x + 1], axis=1)"), ("concatenate([i, x[:3, :4]])", "np.concatenate([i, x[:3, :4]])"),
    ("concatenate([i, y], axis => null)", "np.concatenate([i, y], axis=None)"), ("stack([y, y * 2], axis => 1)", "np.stack([y, y * 2], axis=1)"),
    ("vstack([y, y])", "np.vstack([y, y])"), ("hstack([y, [1, 2]])", "np.hstack([y, [1, 2]])"), ("hstack([i, i])", "np.hstack([i, i])"),
    ("pad(y, 2)", "np.pad(y, 2)"), ("pad(i, [[1, 0], [0, 2]], mode => 'edge')", "np.pad(i, [[1, 0], [0, 2]], mode='edge')"),
    ("pad(y, [1, 2], constant_values => 9)", "np.pad(y, [1, 2], constant_values=9)"), ("pad(y, 2, 'reflect')", "np.pad(y, 2, 'reflect')"),
    ("rechunk(x, [2, 3])", "x"), ("rechunk(x, [[1, 3], -1]).sum(axis => 0)", "x.sum(axis=0)"), ("take(y, [0, -1])", "np.take(y, [0, -1])"),
    ("take(x, [1, 1], axis => 1)", "np.take(x, [1, 1], axis=1)"), ("compress([true, false, true], i, axis => 0)", "np.compress([True, False, True], i, axis=0)"),
    ("setitem(x, x > 5, 0)", "np.where(x > 5, 0, x)"), ("setitem(y, slice(1, 3), -1)", "np.array([0.5, -1, -1, 2, 2.5, 3])"),
    ("setitem(x, [slice(0, 2), slice(null, null, 2)], 0)", "np.where((np.arange(4)[:, None] < 2) & (np.arange(6) % 2 == 0), 0, x)"),
    ("x.shape()[1] * 2", "np.int64(12)"), ("sum(x) / size(x)", "np.mean(x)"), ("ndim(x)", "np.int64(2)"),
    # Algebra.
    ("matmul(i, transpose(i))", "i @ i.T"), ("dot(y, y)", "np.dot(y, y)"), ("vdot(z, z)", "np.vdot(z, z)"), ("outer([1, 2], y)", "np.outer([1, 2], y)"),
    ("add.outer([1, 2, 3], y)", "np.add.outer([1, 2, 3], y)"), ("multiply.outer(i[0], i[1])", "np.multiply.outer(i[0], i[1])"),
    ("tensordot(x, transpose(x), 1)", "np.tensordot(x, x.T, 1)"), ("tensordot(x, x, axes => [[0, 1], [0, 1]])", "np.tensordot(x, x, axes=[[0, 1], [0, 1]])"),
    ("linalg.norm(x)", "np.linalg.norm(x)"), ("linalg.norm(y, ord => 1)", "np.linalg.norm(y, ord=1)"), ("linalg.norm(x, axis => 1)", "np.linalg.norm(x, axis=1)"),
    ("linalg.norm(x, 'fro')", "np.linalg.norm(x, 'fro')"), ("linalg.norm(y, inf)", "np.linalg.norm(y, np.inf)"),
    ("abs(linalg.qr(x[:, :3])[1])[0]", "abs(np.linalg.qr(x[:, :3])[1])[0]"), ("linalg.svd(x[:, :3])[1][:1]", "np.linalg.svd(x[:, :3])[1][:1]"),
    ("histogram(x, bins => 4)[0]", "np.histogram(x, bins=4)[0]"), ("histogram(x, bins => 4, range => [0, 20])[1]", "np.histogram(x, bins=4, range=(0, 20))[1]"),
    ("histogram(x, [0, 5, 10])[0]", "np.histogram(x, [0, 5, 10])[0]"), ("topk(y, 2)", "np.array([3, 2.5])"), ("topk(y, -2)", "np.array([0.5, 1.0])"),
    # What is left, so that every function is called at least once.
    ("broadcast_arrays(y, x)[0]", "np.broadcast_arrays(y, x)[0]"), ("complex128(1, -2)", "np.complex128(1 - 2j)"), ("complex128(y)", "y.astype('complex128')"),
    ("empty([2, 0])", "np.empty((2, 0))"), ("shape(empty_like(i))", "np.array([3, 4])"), ("flipud(i)", "np.flipud(i)"),
    ("float16(0.1)", "np.float16(0.1)"), ("int16(x)", "x.astype('int16')"), ("int32(-3)", "np.int32(-3)"), ("uint8(i[2])", "i[2].astype('uint8')"),
    ("uint16(7)", "np.uint16(7)"), ("uint32(7)", "np.uint32(7)"), ("uint64(18446744073709551615)", "np.uint64(18446744073709551615)"),
    ("isreal(z)", "np.isreal(z)"), ("isreal(i)", "np.isreal(i)"), ("linalg.svdvals(x[:, :2])[:1]", "np.linalg.svdvals(x[:, :2])[:1]"),
    ("matrix_transpose(reshape(x, [2, 3, 4]))", "np.matrix_transpose(x.reshape(2, 3, 4))"), ("nanargmax(n[:3])", "np.nanargmax(n[:3])"),
    ("nanargmin(n)", "np.nanargmin(n)"), ("nancumsum(n[:3])", "np.nancumsum(n[:3])"), ("nancumprod(n[:3])", "np.nancumprod(n[:3])"),
    ("nanmin(n)", "np.nanmin(n)"), ("nanprod(n[:3])", "np.nanprod(n[:3])"), ("nanstd(n[:3])", "np.nanstd(n[:3])"), ("nanvar(n[:3], ddof => 1)", "np.nanvar(n[:3], ddof=1)"),
    ("radians(y)", "np.radians(y)"), ("rad2deg(y)", "np.rad2deg(y)"),
    # Functions that are made of others.
    ("tri(3, 4, k => 1)", "np.tri(3, 4, k=1)"), ("tri(3, dtype => 'int8')", "np.tri(3, dtype='int8')"), ("tril(x)", "np.tril(x)"),
    ("triu(i, k => -1)", "np.triu(i, k=-1)"), ("tril(reshape(x, [2, 3, 4]), 1)", "np.tril(x.reshape(2, 3, 4), 1)"), ("triu(m)", "np.triu(m)"),
    ("diag(y)", "np.diag(y)"), ("diag(y[:3], k => 2)", "np.diag(y[:3], k=2)"), ("diag(i[0], -1)", "np.diag(i[0], -1)"), ("diag(x)", "np.diag(x)"),
    ("diag(x, k => 3)", "np.diag(x, k=3)"), ("diag(x, -2)", "np.diag(x, -2)"), ("diag(x, 9)", "np.diag(x, 9)"), ("diag(y[:0])", "np.diag(y[:0])"),
    ("diagonal(reshape(x, [2, 3, 4]), 1, 1, 2)", "np.diagonal(x.reshape(2, 3, 4), 1, 1, 2)"), ("diagonal(x)", "np.diagonal(x)"),
    ("diagonal(reshape(x, [2, 3, 4]), axis1 => 2, axis2 => 0)", "np.diagonal(x.reshape(2, 3, 4), axis1=2, axis2=0)"),
    ("trace(x)", "np.trace(x)"), ("trace(u, offset => 1)", "np.trace(u, offset=1)"), ("trace(z * z[:, newaxis])", "np.trace(z * z[:, None])"),
    ("kron([1, 2], i[0])", "np.kron([1, 2], i[0])"), ("kron(x[:2, :2], i)", "np.kron(x[:2, :2], i)"), ("kron(y[:2], i)", "np.kron(y[:2], i)"),
    ("einsum('ij,jk->ik', x, transpose(x))", "x @ x.T"), ("einsum('ij->ji', x)", "x.T"), ("einsum('ii', x[:4, :4])", "np.trace(x[:4, :4])"),
    ("einsum('ii->i', x[:4, :4])", "np.diag(x[:4, :4])"), ("einsum('ij,ij->i', x, x)", "(x * x).sum(1)"), ("einsum('i,j', y[:2], y)", "np.outer(y[:2], y)"),
    ("einsum('bij,bjk->bik', reshape(x, [2, 3, 4]), reshape(x, [2, 4, 3]))", "x.reshape(2, 3, 4) @ x.reshape(2, 4, 3)"),
    ("einsum('ij,j->i', x, y)", "x @ y"), ("einsum('...j->...', x)", "x.sum(1)"), ("einsum('ij->', i)", "np.einsum('ij->', i)"),
    ("einsum('...ij,...jk', reshape(x, [2, 3, 4]), reshape(x, [2, 4, 3]))", "x.reshape(2, 3, 4) @ x.reshape(2, 4, 3)"),
    ("einsum('ij,kj,k->i', x, x, y[:4])", "x @ x.T @ y[:4]"), ("einsum('ij, jk', i, transpose(i))", "np.einsum('ij, jk', i, i.T)"),
    ("einsum('ba', x)", "x.T"), ("einsum('i,i,i->i', y, y, y)", "np.einsum('i,i,i->i', y, y, y)"), ("einsum('ij,kl->', i, u)", "np.einsum('ij,kl->', i, u)"),
    ("linalg.multi_dot([x, transpose(x), x])", "x @ x.T @ x"), ("linalg.matrix_power(x[:4, :4], 3)", "np.linalg.matrix_power(x[:4, :4], 3)"),
    ("linalg.matrix_power(i[:, :3], 0)", "np.linalg.matrix_power(i[:, :3], 0)"), ("indices([2, 3])", "np.indices((2, 3))"),
    ("indices(3, dtype => 'float32')", "np.indices((3,), dtype='float32')"), ("meshgrid(y, [1, 2])[0]", "np.meshgrid(y, [1, 2])[0]"),
    ("meshgrid(y, [1, 2])[1]", "np.meshgrid(y, [1, 2])[1]"), ("meshgrid(y, [1, 2], indexing => 'ij')[1]", "np.meshgrid(y, [1, 2], indexing='ij')[1]"),
    ("meshgrid(y, [1, 2], f[:3], sparse => true)[2]", "np.meshgrid(y, [1, 2], f[:3], sparse=True)[2]"), ("meshgrid(y)[0]", "np.meshgrid(y)[0]"),
    ("meshgrid(y[:2], [1, 2], f[:3])[0]", "np.meshgrid(y[:2], [1, 2], f[:3])[0]"),
    ("meshgrid(y[:2], [1, 2], f[:3], [7], [8, 9])[4]", "np.meshgrid(y[:2], [1, 2], f[:3], [7], [8, 9])[4]"),
    ("meshgrid(y[:2], [1, 2], f[:3], [7], [8, 9], indexing => 'ij', sparse => true)[2]", "np.meshgrid(y[:2], [1, 2], f[:3], [7], [8, 9], indexing='ij', sparse=True)[2]"), ("nonzero(i)[0]", "np.nonzero(i)[0]"), ("nonzero(i)[1]", "np.nonzero(i)[1]"),
    ("flatnonzero(m)", "np.flatnonzero(m)"), ("extract(x > 3, x)", "np.extract(x > 3, x)"),
    ("roll(y, 2)", "np.roll(y, 2)"), ("roll(x, -1)", "np.roll(x, -1)"), ("roll(x, 1, axis => 0)", "np.roll(x, 1, axis=0)"),
    ("roll(x, [1, -2], axis => [0, 1])", "np.roll(x, [1, -2], axis=[0, 1])"), ("roll(y, 13)", "np.roll(y, 13)"), ("roll(y[:0], 1)", "np.roll(y[:0], 1)"),
    ("rot90(i)", "np.rot90(i)"), ("rot90(i, 2)", "np.rot90(i, 2)"), ("rot90(i, k => -1)", "np.rot90(i, k=-1)"),
    ("rot90(reshape(x, [2, 3, 4]), 3, axes => [1, 2])", "np.rot90(x.reshape(2, 3, 4), 3, axes=(1, 2))"), ("repeat(y, 2)", "np.repeat(y, 2)"),
    ("repeat(i, 2)", "np.repeat(i, 2)"), ("repeat(i, 3, axis => 1)", "np.repeat(i, 3, axis=1)"), ("repeat(y, [0, 1, 2, 0, 0, 3])", "np.repeat(y, [0, 1, 2, 0, 0, 3])"),
    ("repeat(i, [1, 0, 2], axis => 0)", "np.repeat(i, [1, 0, 2], axis=0)"), ("repeat(y, 0)", "np.repeat(y, 0)"), ("tile(y, 2)", "np.tile(y, 2)"),
    ("tile(i, [2, 1])", "np.tile(i, [2, 1])"), ("tile(i, [2, 1, 2])", "np.tile(i, [2, 1, 2])"), ("tile(i, 2)", "np.tile(i, 2)"),
    ("array_split(y, 4)[0]", "np.array_split(y, 4)[0]"), ("array_split(y, 4)[3]", "np.array_split(y, 4)[3]"), ("array_split(y[:2], 3)[2]", "np.array_split(y[:2], 3)[2]"),
    ("split(y, 3)[1]", "np.split(y, 3)[1]"), ("split(y, [2, 4])[2]", "np.split(y, [2, 4])[2]"), ("split(y, [4, 2])[1]", "np.split(y, [4, 2])[1]"),
    ("split(x, 2, axis => 1)[0]", "np.split(x, 2, axis=1)[0]"), ("hsplit(x, 2)[1]", "np.hsplit(x, 2)[1]"), ("hsplit(y, 2)[1]", "np.hsplit(y, 2)[1]"),
    ("vsplit(x, 2)[0]", "np.vsplit(x, 2)[0]"), ("dsplit(reshape(x, [2, 3, 4]), 2)[1]", "np.dsplit(x.reshape(2, 3, 4), 2)[1]"),
    ("atleast_1d(3)", "np.atleast_1d(3)"), ("atleast_2d(y)", "np.atleast_2d(y)"), ("atleast_2d(3)", "np.atleast_2d(3)"), ("atleast_3d(i)", "np.atleast_3d(i)"),
    ("atleast_3d(y)", "np.atleast_3d(y)"), ("dstack([i, i + 1])", "np.dstack([i, i + 1])"), ("dstack([y, y])", "np.dstack([y, y])"),
    ("column_stack([y, y * 2])", "np.column_stack([y, y * 2])"), ("column_stack([x, x[:, 0]])", "np.column_stack([x, x[:, 0]])"),
    ("block([[i, i + 1], [i * 2, i * 3]])", "np.block([[i, i + 1], [i * 2, i * 3]])"), ("block([y, y])", "np.block([y, y])"), ("block([[y], [y + 1]])", "np.block([[y], [y + 1]])"),
    ("block([[1, 2], [3, 4]])", "np.block([[1, 2], [3, 4]])"),
    ("average(x)", "np.average(x)"), ("average(x, axis => 0, weights => [1, 2, 3, 4])", "np.average(x, axis=0, weights=[1, 2, 3, 4])"),
    ("average(i, weights => i + 6)", "np.average(i, weights=i + 6)"), ("average(f, weights => f + 1)", "np.average(f, weights=f + 1)"),
    ("average(x, axis => 1, weights => y, keepdims => true)", "np.average(x, axis=1, weights=y, keepdims=True)"),
    ("cov(x)", "np.cov(x)"), ("cov(y)", "np.cov(y)"), ("cov(x, rowvar => false)", "np.cov(x, rowvar=False)"), ("cov(x[0], y ** 2)", "np.cov(x[0], y ** 2)"),
    ("cov(x, bias => true)", "np.cov(x, bias=True)"), ("cov(i, ddof => 0)", "np.cov(i, ddof=0)"), ("cov(x[:, :2], x[:, 2:3], rowvar => false)", "np.cov(x[:, :2], x[:, 2:3], rowvar=False)"),
    ("corrcoef(x + sin(x * x))", "np.corrcoef(x + np.sin(x * x))"), ("corrcoef(y, y ** 2)", "np.corrcoef(y, y ** 2)"), ("corrcoef(y)", "np.corrcoef(y)"),
    ("round(moment(y ** 2, 3), 10)", "np.round(((y ** 2 - (y ** 2).mean()) ** 3).mean(), 10)"), ("moment(x, 2, axis => 0, ddof => 1)", "x.var(axis=0, ddof=1)"), ("moment(i, 0)", "np.float64(1)"),
    ("round(stats.skew(y ** 2), 10)", "np.round(skew(y ** 2), 10)"), ("round(stats.skew(x ** 2, axis => 1), 10)", "np.round(np.array([skew(row ** 2) for row in x]), 10)"), ("round(stats.skew(x ** 3, axis => null), 10)", "np.round(skew(x ** 3), 10)"),
    ("round(stats.skew(y ** 2, bias => false), 10)", "np.round(skew(y ** 2) * np.sqrt(6 * 5) / 4, 10)"), ("round(stats.kurtosis(y ** 2), 10)", "np.round(kurtosis(y ** 2) - 3, 10)"),
    ("round(stats.kurtosis(y ** 2, fisher => false), 10)", "np.round(kurtosis(y ** 2), 10)"), ("round(stats.kurtosis(y ** 2, bias => false), 10)", "np.round((35 * kurtosis(y ** 2) - 75) / 12, 10)"),
    ("diff(y ** 2)", "np.diff(y ** 2)"), ("diff(x ** 2, axis => 0)", "np.diff(x ** 2, axis=0)"), ("diff(x ** 3, n => 2)", "np.diff(x ** 3, n=2)"), ("diff(m, axis => 1)", "np.diff(m, axis=1)"),
    ("diff(t)", "np.diff(t)"), ("diff(y, n => 9)", "np.diff(y, n=9)"), ("diff(y, n => 0)", "np.diff(y, n=0)"), ("ediff1d(i)", "np.ediff1d(i)"), ("gradient(y ** 2)", "np.gradient(y ** 2)"),
    ("gradient(x ** 2, axis => 0)", "np.gradient(x ** 2, axis=0)"), ("gradient(x ** 2)[1]", "np.gradient(x ** 2)[1]"), ("gradient(y ** 3, 0.5, edge_order => 2)", "np.gradient(y ** 3, 0.5, edge_order=2)"),
    ("gradient(i, axis => 1)", "np.gradient(i, axis=1)"), ("gradient(x ** 2, 0.5)[0]", "np.gradient(x ** 2, 0.5)[0]"),
    ("gradient(x ** 2, 0.5, 2)[1]", "np.gradient(x ** 2, 0.5, 2)[1]"), ("gradient(x ** 2, 0.5, 2, axis => [1, 0])[0]", "np.gradient(x ** 2, 0.5, 2, axis=(1, 0))[0]"),
    ("gradient(y ** 3, [0, 1, 3, 4.5, 6, 10])", "np.gradient(y ** 3, [0, 1, 3, 4.5, 6, 10])"), ("gradient(f, arange(10) ** 2)", "np.gradient(f, np.arange(10) ** 2)"),
    ("gradient(y ** 3, [0, 1, 3, 4.5, 6, 10], edge_order => 2)", "np.gradient(y ** 3, [0, 1, 3, 4.5, 6, 10], edge_order=2)"),
    ("gradient(x ** 2, [0, 1, 4, 9], 2)[0]", "np.gradient(x ** 2, [0, 1, 4, 9], 2)[0]"), ("gradient(x ** 2, [0, 1, 4, 9], y)[1]", "np.gradient(x ** 2, [0, 1, 4, 9], y)[1]"),
    ("gradient(i, [0, 2, 3, 7], axis => -1)", "np.gradient(i, [0, 2, 3, 7], axis=-1)"), ("gradient(y[:2], y[2:4])", "np.gradient(y[:2], y[2:4])"),
    ("gradient(y[:3], [1, 2, 4], edge_order => 2)", "np.gradient(y[:3], [1, 2, 4], edge_order=2)"), ("gradient(f[:2])", "np.gradient(f[:2])"), ("trapezoid(y ** 2)", "np.trapezoid(y ** 2)"), ("trapezoid(x, axis => 0)", "np.trapezoid(x, axis=0)"),
    ("trapezoid(y, x => y ** 2)", "np.trapezoid(y, x=y ** 2)"), ("trapezoid(x, dx => 0.5)", "np.trapezoid(x, dx=0.5)"), ("trapezoid(x, y ** 2, axis => 1)", "np.trapezoid(x, y ** 2, axis=1)"),
    ("nan_to_num(n)", "np.nan_to_num(n)"), ("nan_to_num(n, nan => -1, posinf => 9)", "np.nan_to_num(n, nan=-1, posinf=9)"), ("nan_to_num(i)", "np.nan_to_num(i)"),
    ("nan_to_num(astype(n, 'float32'))", "np.nan_to_num(n.astype('float32'))"), ("sinc(y - 1)", "np.sinc(y - 1)"), ("heaviside(x + 1, 0.5)", "np.heaviside(x + 1, 0.5)"),
    ("heaviside(n, 1)", "np.heaviside(n, 1)"), ("modf(x)[0]", "np.modf(x)[0]"), ("modf(x)[1]", "np.modf(x)[1]"), ("modf(n)[0]", "np.modf(n)[0]"), ("modf(i)[1]", "np.modf(i)[1]"),
    # Sorting, quantiles.
    ("sort(x[::-1] % 5)", "np.sort(x[::-1] % 5)"), ("sort(x % 5, axis => 0)", "np.sort(x % 5, axis=0)"), ("sort(i % 3, axis => null)", "np.sort(i % 3, axis=None)"),
    ("sort(n)", "np.sort(n)"), ("sort(z)", "np.sort(z)"), ("sort(t[::-1])", "np.sort(t[::-1])"), ("sort(m)", "np.sort(m)"), ("sort(u[:, ::-1])", "np.sort(u[:, ::-1])"),
    ("sort(x[x > 5] % 7)", "np.sort(x[x > 5] % 7)"), ("sort(y[:0])", "np.sort(y[:0])"), ("sort(float16(f[::-1]))", "np.sort(f[::-1].astype('float16'))"),
    ("argsort(x % 5)", "np.argsort(x % 5, kind='stable')"), ("argsort(i % 3, axis => 0)", "np.argsort(i % 3, axis=0, kind='stable')"),
    ("argsort(n)", "np.argsort(n, kind='stable')"), ("argsort(i % 3, axis => null)", "np.argsort(i % 3, axis=None, kind='stable')"), ("argtopk(y, 2)", "np.array([5, 4])"),
    ("argtopk(x % 7, -3, axis => 1)", "np.argsort(x % 7, axis=1, kind='stable')[:, :3]"), ("argtopk(y, 99)", "np.arange(5, -1, -1)"),
    ("median(x)", "np.median(x)"), ("median(x, axis => 0)", "np.median(x, axis=0)"), ("median(i, axis => [0, 1], keepdims => true)", "np.median(i, axis=(0, 1), keepdims=True)"),
    ("median(n)", "np.median(n)"), ("nanmedian(n)", "np.nanmedian(n)"), ("median(m)", "np.median(m)"), ("median(f)", "np.median(f)"), ("median(u)", "np.median(u)"),
    ("nanmedian([[1, nan], [nan, nan]], axis => 1)", "np.array([1, np.nan])"), ("median(x[x > 0])", "np.median(x[x > 0])"), ("median(float16(f))", "np.median(f.astype('float16'))"),
    ("quantile(x, 0.3)", "np.quantile(x, 0.3)"), ("quantile(x, [0, 0.25, 1], axis => 1)", "np.quantile(x, [0, 0.25, 1], axis=1)"), ("quantile(f, 0.4)", "np.quantile(f, 0.4)"),
    ("quantile(f, [0.4])", "np.quantile(f, [0.4])"), ("quantile(x, [0.1, 0.9], axis => [0, 1], keepdims => true)", "np.quantile(x, [0.1, 0.9], axis=(0, 1), keepdims=True)"),
    ("quantile(i, 0.35, method => 'nearest')", "np.quantile(i, 0.35, method='nearest')"), ("quantile(i, [0.35, 0.7], axis => 0, method => 'hazen')", "np.quantile(i, [0.35, 0.7], axis=0, method='hazen')"),
    ("quantile(u, [0.1, 0.5], method => 'inverted_cdf')", "np.quantile(u, [0.1, 0.5], method='inverted_cdf')"), ("quantile(t, 0.5, method => 'lower')", "np.sort(t)[5]"),
    ("percentile(x, [5, 50, 95])", "np.percentile(x, [5, 50, 95])"), ("percentile(i, 50, axis => 1)", "np.percentile(i, 50, axis=1)"), ("percentile(n, 40)", "np.percentile(n, 40)"),
    ("nanpercentile(n, 40)", "np.nanpercentile(n, 40)"), ("nanquantile(n[:3], [0.25, 0.75])", "np.nanquantile(n[:3], [0.25, 0.75])"),
    ("quantile(x, 0.6, method => 'median_unbiased')", "np.quantile(x, 0.6, method='median_unbiased')"), ("quantile(x, [], axis => 0)", "np.quantile(x, [], axis=0)"),
    ("percentile(x, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100])", "np.percentile(x, np.arange(0, 101, 10))"),
    # Sets and tables.
    ("unique(i % 3)", "np.unique(i % 3)"), ("unique(n)", "np.unique(n)"), ("unique([2.0, nan, 2, nan])", "np.unique([2.0, np.nan, 2, np.nan])"), ("unique(z + 0)", "np.unique(z + 0)"), ("unique(m)", "np.unique(m)"),
    ("unique(x[x > 5] // 4)", "np.unique(x[x > 5] // 4)"), ("unique(y[:0])", "np.unique(y[:0])"), ("unique(t[:4] - t[0])", "np.unique(t[:4] - t[0])"),
    ("unique(i % 3, return_index => true)[1]", "np.unique(i % 3, return_index=True)[1]"), ("unique(i % 3, return_counts => true)[1]", "np.unique(i % 3, return_counts=True)[1]"),
    ("unique(x // 4, return_inverse => true)[1]", "np.unique(x // 4, return_inverse=True)[1]"), ("unique(n, return_index => true, return_inverse => true, return_counts => true)[2]", "np.unique(n, return_inverse=True)[1]"),
    ("union1d(y, [1, 2, 7])", "np.union1d(y, [1, 2, 7])"), ("isin(i, [1, 3, 99])", "np.isin(i, [1, 3, 99])"), ("isin(x, y)", "np.isin(x, y)"), ("isin(n, n)", "np.isin(n, n)"),
    ("isin(i, [[1, 2], [-3, 0]], invert => true)", "np.isin(i, [[1, 2], [-3, 0]], invert=True)"), ("isin(t, t[3:5])", "np.isin(t, t[3:5])"), ("isin(y, y[:0])", "np.isin(y, y[:0])"),
    ("searchsorted(y, x)", "np.searchsorted(y, x)"), ("searchsorted(y, [0.5, 1, 9], side => 'right')", "np.searchsorted(y, [0.5, 1, 9], side='right')"), ("searchsorted(y, 1.2)", "np.searchsorted(y, 1.2)"),
    ("searchsorted(sort(i % 4, axis => null), i)", "np.searchsorted(np.sort(i % 4, axis=None), i)"), ("searchsorted(y, n)", "np.searchsorted(y, n)"),
    ("digitize(x, [-5, 0, 0.5, 8])", "np.digitize(x, [-5, 0, 0.5, 8])"), ("digitize(i, [3, 1, -2])", "np.digitize(i, [3, 1, -2])"), ("digitize(i, [-2, 1, 3], right => true)", "np.digitize(i, [-2, 1, 3], right=True)"),
    ("digitize(x, linspace(-4, 8, 5))", "np.digitize(x, np.linspace(-4, 8, 5))"), ("digitize(i, flip(arange(-2, 6, 2)))", "np.digitize(i, np.arange(-2, 6, 2)[::-1])"), ("digitize(i, -arange(5), right => true)", "np.digitize(i, -np.arange(5), right=True)"),
    ("digitize(y, zeros(3))", "np.digitize(y, np.zeros(3))"), ("histogram(x, linspace(0, 20, 6))[0]", "np.histogram(x, np.linspace(0, 20, 6))[0]"), ("histogram(x, bins => arange(4) * 5)[1]", "np.histogram(x, bins=np.arange(4) * 5)[1]"),
    ("histogram(x, linspace(0, 20, 6), density => true)[0]", "np.histogram(x, np.linspace(0, 20, 6), density=True)[0]"), ("histogram2d(y, y ** 2, bins => linspace(0, 4, 5))[0]", "np.histogram2d(y, y ** 2, bins=np.linspace(0, 4, 5))[0]"),
    ("histogram2d(y, y ** 2, bins => [3, arange(6) ** 2])[2]", "np.histogram2d(y, y ** 2, bins=[3, np.arange(6) ** 2])[2]"),
    ("digitize(i, [3, 1, -2], true)", "np.digitize(i, [3, 1, -2], True)"), ("bincount(ravel(u) % 5)", "np.bincount(u.ravel() % 5)"), ("bincount(ravel(u) % 5, minlength => 8)", "np.bincount(u.ravel() % 5, minlength=8)"),
    ("bincount(ravel(u) // 3, weights => ravel(i) * 0.5)", "np.bincount(u.ravel() // 3, weights=i.ravel() * 0.5)"), ("bincount(ravel(m))", "np.bincount(m.ravel())"), ("bincount(int64(y[:0]))", "np.bincount(y[:0].astype('int64'))"),
    ("histogram2d(y, y ** 2, bins => 3)[0]", "np.histogram2d(y, y ** 2, bins=3)[0]"), ("histogram2d(y, y ** 2, bins => [2, [0.0, 1, 5, 9]])[2]", "np.histogram2d(y, y ** 2, bins=[2, [0.0, 1, 5, 9]])[2]"),
    ("histogram2d(y, y, bins => 2, range => [[0, 2], [0, 3]], density => true)[0]", "np.histogram2d(y, y, bins=2, range=[[0, 2], [0, 3]], density=True)[0]"),
    ("histogram2d(y, y, bins => 2, weights => y)[0]", "np.histogram2d(y, y, bins=2, weights=y)[0]"), ("histogramdd(x[:, :3], bins => 2)[0]", "np.histogramdd(x[:, :3], bins=2)[0]"),
    ("histogramdd([y, -y], bins => [3, 2])[1]", "np.histogramdd([y, -y], bins=[3, 2])[1][0]"), ("argwhere(m)", "np.argwhere(m)"), ("argwhere(y > 99)", "np.argwhere(y > 99)"),
    ("unravel_index([22, 3], [4, 6])[0]", "np.unravel_index([22, 3], (4, 6))[0]"), ("unravel_index([22, 3], [4, 6])[1]", "np.unravel_index([22, 3], (4, 6))[1]"),
    # Transforms: rounded, and zeros without a sign.
    *both_parts("fft.fft(y)"), *both_parts("fft.fft(x, axis => 0)", "np.fft.fft(x, axis=0)"), *both_parts("fft.fft(x, n => 4)", "np.fft.fft(x, n=4)"), *both_parts("fft.fft(y, 9, norm => 'ortho')", "np.fft.fft(y, 9, norm='ortho')"),
    *both_parts("fft.fft(z)"), *both_parts("fft.fft(f)"), *both_parts("fft.fft(float16(f))", "np.fft.fft(f.astype('float16'))"), *both_parts("fft.fft(i, norm => 'forward')", "np.fft.fft(i, norm='forward')"), *both_parts("fft.fft(m)"),
    *both_parts("fft.ifft(x)"), *both_parts("fft.ifft(z, norm => 'forward')", "np.fft.ifft(z, norm='forward')"), *both_parts("fft.rfft(x)"), *both_parts("fft.rfft(f, 7)"),
    ("round(fft.irfft(fft.rfft(x)), 6) + 0", "np.round(np.fft.irfft(np.fft.rfft(x)), 6) + 0"), ("round(fft.irfft(z, 5), 6) + 0", "np.round(np.fft.irfft(z, 5), 6) + 0"), ("round(fft.irfft(f), 5) + 0", "np.round(np.fft.irfft(f), 5) + 0"),
    ("round(fft.irfft(z, 3), 6) + 0", "np.round(np.fft.irfft(z, 3), 6) + 0"), ("round(fft.irfft(z, 8), 6) + 0", "np.round(np.fft.irfft(z, 8), 6) + 0"),
    ("round(fft.hfft(z), 6) + 0", "np.round(np.fft.hfft(z), 6) + 0"), ("round(fft.hfft(z, 5, norm => 'ortho'), 6) + 0", "np.round(np.fft.hfft(z, 5, norm='ortho'), 6) + 0"), *both_parts("fft.ihfft(y)"), *both_parts("fft.ihfft(x, 5, axis => 0)", "np.fft.ihfft(x, 5, axis=0)"),
    *both_parts("fft.fft2(x)"), *both_parts("fft.ifft2(x)"), *both_parts("fft.rfft2(x)"), ("round(fft.irfft2(fft.rfft2(x)), 6) + 0", "np.round(np.fft.irfft2(np.fft.rfft2(x)), 6) + 0"), *both_parts("fft.fftn(x)"),
    *both_parts("fft.fftn(x, s => [3, 5], axes => [1, 0])", "np.fft.fftn(x, s=[3, 5], axes=[1, 0])"), *both_parts("fft.ifftn(x, axes => [0])", "np.fft.ifftn(x, axes=[0])"), *both_parts("fft.rfftn(x, norm => 'ortho')", "np.fft.rfftn(x, norm='ortho')"),
    ("round(fft.irfftn(fft.rfftn(x), s => [4, 6]), 6) + 0", "np.round(np.fft.irfftn(np.fft.rfftn(x), s=[4, 6], axes=[0, 1]), 6) + 0"), ("round(fft.irfftn(x), 6) + 0", "np.round(np.fft.irfftn(x), 6) + 0"),
    ("fft.fftfreq(5)", "np.fft.fftfreq(5)"), ("fft.fftfreq(6, d => 0.1)", "np.fft.fftfreq(6, d=0.1)"), ("fft.rfftfreq(5)", "np.fft.rfftfreq(5)"), ("fft.rfftfreq(6, 0.5)", "np.fft.rfftfreq(6, 0.5)"),
    ("fft.fftshift(y)", "np.fft.fftshift(y)"), ("fft.fftshift(x, axes => 0)", "np.fft.fftshift(x, axes=0)"), ("fft.ifftshift(fft.fftshift(i))", "i"), ("fft.ifftshift(f[:5])", "np.fft.ifftshift(f[:5])"), *both_parts("fft.fft(y[:3] * 0)"),
    # Factors: what they multiply to, as far as signs are free.
    ("round(linalg.cholesky(x @ transpose(x) + 9 * eye(4)), 6)", "np.round(np.linalg.cholesky(x @ x.T + 9 * np.eye(4)), 6)"),
    ("round(linalg.cholesky(x @ transpose(x) + 9 * eye(4), upper => true), 6)", "np.round(np.linalg.cholesky(x @ x.T + 9 * np.eye(4), upper=True), 6)"),
    ("round(real(linalg.cholesky(outer(z, conj(z)) + 2 * eye(3))), 6) + 0", "np.round(np.linalg.cholesky(np.outer(z, z.conj()) + 2 * np.eye(3)).real, 6) + 0"),
    ("round(imag(linalg.cholesky(outer(z, conj(z)) + 2 * eye(3))), 6) + 0", "np.round(np.linalg.cholesky(np.outer(z, z.conj()) + 2 * np.eye(3)).imag, 6) + 0"),
    ("linalg.cholesky(float32(eye(3)))", "np.linalg.cholesky(np.eye(3, dtype='float32'))"), ("linalg.cholesky(zeros([0, 0]))", "np.linalg.cholesky(np.zeros((0, 0)))"),
    *lu_cases("x ** 2 - 30 * eye(4, 6)", "x ** 2 - 30 * np.eye(4, 6)"), *lu_cases("transpose(x ** 2) + sin(transpose(x))", "x.T ** 2 + np.sin(x.T)"), *lu_cases("sin(outer(y, y * 3))", "np.sin(np.outer(y, y * 3))"), *lu_cases("ones([3, 3])", "np.ones((3, 3))"),
    ("round(linalg.solve(x @ transpose(x) + 9 * eye(4), [1, 2, 3, 4]), 6)", "np.round(np.linalg.solve(x @ x.T + 9 * np.eye(4), [1, 2, 3, 4]), 6)"),
    ("round(linalg.solve(sin(outer(y, y * 3)), outer(y, [1, 2])), 4)", "np.round(np.linalg.solve(np.sin(np.outer(y, y * 3)), np.outer(y, [1, 2])), 4)"),
    ("round(linalg.solve(x @ transpose(x) + 9 * eye(4), x, assume_a => 'pos'), 6)", "np.round(np.linalg.solve(x @ x.T + 9 * np.eye(4), x), 6)"),
    ("round(linalg.solve_triangular(tril(x[:, :4]) + 20 * eye(4), [1, 2, 3, 4], lower => true), 6)", "np.round(np.linalg.solve(np.tril(x[:, :4]) + 20 * np.eye(4), [1, 2, 3, 4]), 6)"),
    ("round(linalg.solve_triangular(x[:, :4] + 20 * eye(4), x), 6)", "np.round(np.linalg.solve(np.triu(x[:, :4] + 20 * np.eye(4)), x), 6)"),
    ("round(linalg.solve_triangular(x[:, :4], y[:4], lower => true, unit_diagonal => true), 4)", "np.round(np.linalg.solve(np.tril(x[:, :4], -1) + np.eye(4), y[:4]), 4)"),
    ("round(linalg.inv(sin(outer(y, y * 3))), 4)", "np.round(np.linalg.inv(np.sin(np.outer(y, y * 3))), 4)"), ("linalg.inv(diag([1, 2, 4]))", "np.linalg.inv(np.diag([1, 2, 4]))"),
    ("round(linalg.lstsq(stack([ones(6), y], axis => 1), y ** 2)[0], 6)", "np.round(np.linalg.lstsq(np.stack([np.ones(6), y], axis=1), y ** 2)[0], 6)"),
    ("round(linalg.lstsq(stack([ones(6), y], axis => 1), y ** 2)[1], 6)", "np.round(np.linalg.lstsq(np.stack([np.ones(6), y], axis=1), y ** 2)[1], 6)"),
    ("linalg.lstsq(x, ones(4))[2]", "np.int64(2)"), ("round(linalg.lstsq(x, ones(4))[0], 6)", "np.round(np.linalg.lstsq(x, np.ones(4))[0], 6)"), ("linalg.lstsq(x, ones(4))[1]", "np.linalg.lstsq(x, np.ones(4))[1]"),
    ("round(linalg.lstsq(transpose(x), outer(y, [1, 2]))[3], 6) + 0", "np.round(np.linalg.lstsq(x.T, np.outer(y, [1, 2]))[3], 6) + 0"),
    ("round(linalg.eigh(x @ transpose(x) + 9 * eye(4))[0], 6)", "np.round(np.linalg.eigh(x @ x.T + 9 * np.eye(4))[0], 6)"), ("round(linalg.eigvalsh(outer(y, y)), 6) + 0", "np.round(np.linalg.eigvalsh(np.outer(y, y)), 6) + 0"),
    ("round(linalg.svd_compressed(x, 2, seed => 1)[1], 6)", "np.round(np.linalg.svd(x)[1][:2], 6)"), ("round(linalg.svd_compressed(transpose(x), 2, n_power_iter => 2, seed => 1)[1], 6)", "np.round(np.linalg.svd(x)[1][:2], 6)"),
    ("linalg.svd_compressed(x, 3, seed => 1)[2].shape()", "np.array([3, 6])"),
    # Laws of chance: means, within a few standard errors, and bounds.
    *mean_cases([
        ("exponential(3", 3, 3), ("rayleigh(2", 2 * np.sqrt(np.pi / 2), 2), ("laplace(1, 2", 1, 3), ("logistic(1, 2", 1, 4), ("gumbel(1, 2", 1 + 2 * np.euler_gamma, 3),
        ("lognormal(0, 0.5", np.exp(0.125), 0.7), ("poisson(4", 4, 2), ("weibull(2", np.sqrt(np.pi) / 2, 0.5), ("pareto(5", 0.25, 0.4), ("power(3", 0.75, 0.2), ("zipf(6", 1.0192, 0.3),
        ("beta(2, 3", 0.4, 0.2), ("geometric(0.25", 4, 4), ("logseries(0.5", 1 / (2 * 0.5 * np.log(2)), 1), ("chisquare(5", 5, 4), ("standard_t(9", 0, 1.2), ("gamma(2, 3", 6, 5), ("f(5, 12", 1.2, 1.5),
        ("vonmises(1, 4", 1, 0.6), ("wald(2, 3", 2, 2), ("binomial(10, 0.3", 3, 1.5), ("negative_binomial(5, 0.4", 7.5, 4.4), ("hypergeometric(30, 70, 20", 6, 2), ("triangular(0, 1, 5", 2, 1.2), ("standard_exponential(", 1, 1), ("choice(5", 2, 1.5),
        ("choice([2, 8]", 5, 3),
    ]),
    # Arrays as parameters.
    *[(f"(random.{law}({arrays}, size => [4, 3], chunks => 2, seed => 7) == random.{law}({numbers}, size => [4, 3], seed => 7)).all()", "np.True_")
      for law, arrays, numbers in [("normal", "[2.0, 2.0, 2.0], 3", "2, 3"), ("gamma", "[[2], [2], [2], [2]], [3, 3, 3]", "2, 3"), ("poisson", "[4, 4, 4]", "4"),
                                   ("binomial", "[9, 9, 9], 0.5", "9, 0.5"), ("integers", "[[1], [1], [1], [1]], 50", "1, 50"), ("triangular", "0, [1, 1, 1], 5", "0, 1, 5")]],
    ("random.uniform([[0], [5]], [7, 8, 9], seed => 1).shape()", "np.array([2, 3])"), ("random.integers([1, 2], [2, 3], dtype => 'int8', seed => 1)", "np.array([1, 2], 'int8')"),
    ("random.integers([4, 7], int8([4, 127]), endpoint => true, seed => 1) >= [4, 7]", "np.array([True, True])"), ("random.integers([1, 1], seed => 1)", "np.array([0, 0])"),
    ("random.binomial([3, 5], 1, seed => 1)", "np.array([3, 5])"), ("random.hypergeometric([3, 0], [0, 3], 2, seed => 1)", "np.array([2, 0])"),
    ("round(mean(random.normal([[0], [10], [-5]], [[1], [2], [0]], size => [3, 20000], seed => 4), axis => 1)) + 0", "np.array([0.0, 10.0, -5.0])"),
    # Quantiles by sketches: short rows are exact.
    ("median(x, method => 'tdigest')", "np.median(x)"), ("nanmedian(n, method => 'tdigest')", "np.nanmedian(n)"), ("quantile(f, 0.3, method => 'tdigest')", "np.quantile(f, 0.3)"),
    ("abs(percentile(rechunk(arange(40000), 1000), [0, 10, 50, 99, 100], method => 'tdigest') - [0, 3999.9, 19999.5, 39599.01, 39999]) < 160", "np.ones(5, 'bool')"),
    ("median(abs(random.standard_cauchy(size => 9999, seed => 2))) < 1.1", "np.True_"), ("random.multinomial(9, [0.2, 0.3, 0.5], size => [4, 2], seed => 1).sum(axis => -1)", "np.full((4, 2), 9)"),
    ("random.choice(6, 6, replace => false, seed => 3).sort()", "np.arange(6)"), ("random.choice([1.5, 2.5], size => 9, p => [0, 1], seed => 3)", "np.full(9, 2.5)"), ("random.choice(y, [2, 3], seed => 3).shape()", "np.array([2, 3])"),
    ("random.permutation(7, seed => 3).sort()", "np.arange(7)"), ("random.permutation(x, seed => 3).sort(axis => 0)", "x"),
    ("abs(cov(transpose(random.multivariate_normal([1, 2], [[4, 1], [1, 3]], size => 20000, seed => 5))) - [[4, 1], [1, 3]]) < 0.2", "np.ones((2, 2), 'bool')"),
    ("random.multivariate_normal([1, 2], [[4, 1], [1, 3]], seed => 5).shape()", "np.array([2])"),
    ("u / -1", "u / np.int64(-1)"), ("logical_xor(u, -1)", "np.logical_xor(u, -1)"), ("heaviside(f - 1, 0.5)", "np.heaviside(f - 1, np.float32(0.5))"), ("heaviside(int16(i), 0)", "np.heaviside(i.astype('i2'), np.int16(0))"),
    ("modf(int16(i))[0]", "np.modf(i.astype('i2'))[0]"), ("sinc(float16(y - 0.5))", "np.sinc((y - 0.5).astype('f2'))"), ("median([1.0, 2.0, inf])", "np.median([1, 2, np.inf])"), ("nanmedian([-inf, 1, inf, nan])", "np.nanmedian([-np.inf, 1, np.inf, np.nan])"),
    ("sort([complex(-0.0, 5), complex(0, 1)]) == [complex(0, 1), complex(-0.0, 5)]", "np.array([True, True])"), ("isin([0], [complex(-0.0, 0), complex(0, -1)])", "np.array([True])"),
    ("exp(array([complex(800, 0)]))", "np.exp(np.array([800 + 0j]))"), ("sign(array([complex(inf, 0), complex(-2, 0)]))", "np.sign(np.array([complex(np.inf, 0), -2]))"), ("complex(0, nan) <= array([1.0])", "np.array([False])"),
    ("cumsum(array([timedelta64(1, 's'), timedelta64('NaT'), timedelta64(2, 's')]))", "np.cumsum(np.array([1, 'NaT', 2], 'm8[s]'))"),
    ("unique(rechunk([5, 6, 7, 8], 2)[rechunk([5, 6, 7, 8], 2) > 0], return_index => true)[1]", "np.arange(4)"), ("unique(x[x > 0], return_index => true)[1]", "np.unique(x[x > 0], return_index=True)[1]"),
    ("isclose(uint8([1]), uint8([2]), atol => 5)", "np.isclose(np.uint8([1]), np.uint8([2]), atol=5)"), ("isclose(int8([100]), int8([-100]), atol => 60)", "np.isclose(np.int8([100]), np.int8([-100]), atol=60)"),
    # Truth values, and an ellipsis of no axes, in subscripts.
    ("x[true]", "x[True]"), ("x[false]", "x[False]"), ("y[2][true]", "y[2][np.True_]"), ("x[true, 0]", "x[True, 0]"), ("x[1, true]", "x[1, True]"), ("x[null, false, ..., 1:3]", "x[None, False, ..., 1:3]"),
    ("reshape(arange(24), [4, 3, 2])[:, [0, 1], ..., 1]", "np.arange(24).reshape(4, 3, 2)[:, [0, 1], ..., 1]"),
    ("reshape(arange(24), [4, 3, 2])[:, 0, ..., [0, 1]]", "np.arange(24).reshape(4, 3, 2)[:, 0, ..., [0, 1]]"), ("x[[0, 1], ...]", "x[[0, 1], ...]"), ("x[..., [0, 1], [2, 3]]", "x[..., [0, 1], [2, 3]]"),
    ("argwhere(m) @ [[1], [2]]", "np.argwhere(m) @ [[1], [2]]"), ("argwhere(m) @ rechunk([[1], [2]], 1)", "np.argwhere(m) @ [[1], [2]]"),
    # More of NumPy's names.
    ("array_equal(x, x)", "np.array_equal(x, x)"), ("array_equal(x, y)", "np.array_equal(x, y)"), ("array_equal(n, n)", "np.array_equal(n, n)"), ("fabs(i)", "np.fabs(i)"), ("fabs(f - 1)", "np.fabs(f - 1)"),
    ("inner(x, x + 1)", "np.inner(x, x + 1)"), ("inner(y, 2)", "np.inner(y, 2)"), ("inner(x, y)", "np.inner(x, y)"), ("iscomplex(z)", "np.iscomplex(z)"), ("iscomplex(i)", "np.iscomplex(i)"),
    ("isposinf(n)", "np.isposinf(n)"), ("isneginf(-n)", "np.isneginf(-n)"), ("rollaxis(reshape(arange(24), [2, 3, 4]), 2).shape()", "np.array([4, 2, 3])"),
    ("rollaxis(reshape(arange(24), [2, 3, 4]), 0, 3)", "np.rollaxis(np.arange(24).reshape(2, 3, 4), 0, 3)"), ("rollaxis(x, -1, -1)", "np.rollaxis(x, -1, -1)"), ("rollaxis(x, 1, 0)", "np.rollaxis(x, 1, 0)"),
    ("float_power(i, 2)", "np.float_power(i, 2)"), ("float_power(f, 0.5)", "np.float_power(f, 0.5)"), ("clip(u, -1, 5)", "np.clip(u, -1, 5)"), ("clip(u, 3, 999)", "np.clip(u, 3, 999)"), ("copysign(u, -1)", "np.copysign(u, -1)"),
    ("nan_to_num(array([complex(1, 2), complex(3, -1)]) / 0)", "np.nan_to_num(np.array([1 + 2j, 3 - 1j]) / 0)"), ("isclose(m, m)", "np.isclose(m, m)"), ("vdot(m, m)", "np.vdot(m, m)"),
    ("histogram(x, bins => [0, 1, 5])[1]", "np.histogram(x, bins=[0, 1, 5])[1]"), ("tril(y)", "np.tril(y)"), ("triu(i[0], 1)", "np.triu(i[0], 1)"), ("degrees(u[:2])", "np.degrees(u[:2])"), ("i0(u[0])", "np.i0(u[0])"),
    ("median(x[:0], axis => 0)", "np.median(x[:0], axis=0)"), ("linalg.norm(x[:, :0], 1)", "np.linalg.norm(x[:, :0], 1)"),
    ("frexp(x)[0]", "np.frexp(x)[0]"), ("frexp(x)[1]", "np.frexp(x)[1]"), ("frexp(n)[0]", "np.frexp(n)[0]"), ("frexp(f)[0]", "np.frexp(f)[0]"), ("frexp(i)[1]", "np.frexp(i)[1]"),
    ("ldexp(y, [1, 2, 3, -1, -2, 0])", "np.ldexp(y, [1, 2, 3, -1, -2, 0])"), ("ldexp(f, 3)", "np.ldexp(f, 3)"), ("ldexp(i, 2)", "np.ldexp(i, 2)"), ("logaddexp2(x, 1)", "np.logaddexp2(x, 1)"), ("logaddexp2(n, n)", "np.logaddexp2(n, n)"),
    ("nextafter(y, 0) < y", "np.nextafter(y, 0) < y"), ("nextafter(1, 2) - 1", "np.nextafter(1, 2) - 1"), ("nextafter(f[:1], 1)", "np.nextafter(f[:1], 1, dtype='f4')"), ("spacing(x)", "np.spacing(x)"), ("spacing(f)", "np.spacing(f)"),
    ("round(i0(y), 6)", "np.round(np.i0(y), 6)"), ("round(i0(-x), 4)", "np.round(np.i0(-x), 4)"), ("float_power(y, 2)", "np.float_power(y, 2)"),
    ("choose(i % 3, [i, -i, i * 10])", "np.choose(i % 3, [i, -i, i * 10])"), ("choose([[0], [1], [0]], [i, 0.5])", "np.choose([[0], [1], [0]], [i, 0.5])"), ("choose(i, [y[0], y[1]], mode => 'clip')", "np.choose(i, [y[0], y[1]], mode='clip')"),
    ("choose(i, [1, 2, 3], mode => 'wrap')", "np.choose(i, [1, 2, 3], mode='wrap')"),
    ("append(i, [[1, 2, 3, 4]], axis => 0)", "np.append(i, [[1, 2, 3, 4]], axis=0)"), ("append(y, x)", "np.append(y, x)"), ("delete(y, 1)", "np.delete(y, 1)"), ("delete(x, [0, -1], axis => 1)", "np.delete(x, [0, -1], axis=1)"), ("delete(i, [2, 2])", "np.delete(i, [2, 2])"),
    ("insert(y, 2, 9)", "np.insert(y, 2, 9)"), ("insert(y, [1, 4], [7, 8])", "np.insert(y, [1, 4], [7, 8])"), ("insert(x, 1, [1, 2, 3, 4, 5, 6], axis => 0)", "np.insert(x, 1, [1, 2, 3, 4, 5, 6], axis=0)"), ("insert(i, [4], 0, axis => 1)", "np.insert(i, [4], 0, axis=1)"),
    ("insert(i, -1, 5)", "np.insert(i, -1, 5)"), ("insert(y, 3, [1, 2, 3])", "np.insert(y, 3, [1, 2, 3])"), ("tril_indices(3)[0]", "np.tril_indices(3)[0]"), ("tril_indices(3, -1, 4)[1]", "np.tril_indices(3, -1, 4)[1]"), ("triu_indices(3, 1)[1]", "np.triu_indices(3, 1)[1]"),
    ("triu_indices(2, m => 4)[0]", "np.triu_indices(2, m=4)[0]"),
    # Tests of means, to ten digits.
    ("round(stats.ttest_1samp(x, 3)[0], 9)", "np.round(st.ttest_1samp(x, 3)[0], 9)"), ("round(stats.ttest_1samp(x, 3)[1], 9)", "np.round(st.ttest_1samp(x, 3)[1], 9)"), ("round(stats.ttest_1samp(y, 1.2, axis => null)[1], 9)", "np.round(st.ttest_1samp(y, 1.2)[1], 9)"),
    ("round(stats.ttest_ind(x, x[:3] ** 2 / 9)[0], 9)", "np.round(st.ttest_ind(x, x[:3] ** 2 / 9)[0], 9)"), ("round(stats.ttest_ind(x, x[:3] ** 2 / 9)[1], 9)", "np.round(st.ttest_ind(x, x[:3] ** 2 / 9)[1], 9)"),
    ("round(stats.ttest_ind(x, x[:3] ** 2 / 9, equal_var => false)[1], 9)", "np.round(st.ttest_ind(x, x[:3] ** 2 / 9, equal_var=False)[1], 9)"), ("round(stats.ttest_ind(i, i * 2 + 1, axis => 1)[1], 9)", "np.round(st.ttest_ind(i, i * 2 + 1, axis=1)[1], 9)"),
    ("round(stats.ttest_rel(x, x ** 2 / 5 + 1)[0], 9)", "np.round(st.ttest_rel(x, x ** 2 / 5 + 1)[0], 9)"), ("round(stats.ttest_rel(y, y ** 2)[1], 9)", "np.round(st.ttest_rel(y, y ** 2)[1], 9)"),
    ("round(stats.student_tails([0, 0.5, 2, -40], 7), 9)", "np.round(2 * st.t.sf([0, 0.5, 2, 40], 7), 9)"),
    # Random numbers are not NumPy's, but their shape and dtype are.
    ("random.normal(10, 0.1, size => [2, 3], seed => 1).shape()", "np.array([2, 3])"),
    ("random.integers(5, size => 1000, seed => 3).max() < 5", "np.True_"), ("random.random(10, seed => 1) >= 0", "np.ones(10, 'bool')"),
    ("random.randint(2, 5, size => 100, seed => 2).min() >= 2", "np.True_"), ("random.standard_normal([2, 2], seed => 4).shape()", "np.array([2, 2])"),
    ("abs(mean(random.uniform(2, 4, size => 10000, seed => 9)) - 3) < 0.05", "np.True_"),
    ("(random.random(shape => [9], seed => 7) == random.random(9, seed => 7)).all()", "np.True_"),
]



def case(sql, python, raises=False):
    """What NumPy makes of an expression, or, where it may, that it raises an error."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = np.asarray(eval(python, names))  # noqa: S307
    except Exception:
        if not raises:
            raise
        return {"sql": sql, "raises": True}
    return {"sql": sql, "dtype": str(value.dtype), "shape": list(value.shape), "text": str(value)}


def write(name, cases):
    path = pathlib.Path(__file__).with_name(name)
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    print(len(cases), "cases,", path.stat().st_size, "bytes, NumPy", np.__version__)


if __name__ == "__main__":
    write("expressions.json", [case(pair[0], pair[-1]) for pair in PAIRS])
