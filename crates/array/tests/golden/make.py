"""Writes the answers of NumPy that `tests/golden.rs` compares with: `python make.py > answers.txt` (NumPy 2)."""

import warnings

import numpy as np

warnings.simplefilter("ignore")
rng = np.random.default_rng(7)

inputs = {
    "a": np.round(rng.normal(size=(6, 7)), 3),
    "b": np.round(rng.normal(size=(6, 7)) * 3, 3),
    "r": np.round(rng.uniform(0.1, 2, size=(7,)), 3),
    "c": np.round(rng.normal(size=(6, 1)), 3),
    "n": rng.integers(-9, 9, size=(4, 5, 6)),
    "s": rng.integers(-100, 100, size=(11,)).astype(np.int8),
    "u": rng.integers(0, 200, size=(6, 7)).astype(np.uint8),
    "m": rng.integers(0, 2, size=(6, 7)).astype(bool),
    "w": np.where(rng.integers(0, 3, size=(5, 8)) == 0, np.nan, np.round(rng.normal(size=(5, 8)), 2)),
    "f": np.round(rng.normal(size=(9, 4)), 2).astype(np.float32),
    "z": np.round(rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)), 2),
    "p": rng.integers(0, 6, size=(5,)),
    "l": np.round(rng.normal(size=(23,)), 3),
}
globals().update(inputs)


def setitem(x, index, value):
    x = x.copy()
    x[index] = value
    return x


def padded(x, widths, mode, **options):
    return np.pad(x, widths, mode=mode, **options)


def overlap_sum(x, before, after, mode):
    """Sums of each element with its neighbours along the first axis."""
    if mode == "none":
        return np.array([x[max(i - before, 0) : i + after + 1].sum(axis=0) for i in range(len(x))])
    wide = np.pad(x, [(before, after)] + [(0, 0)] * (x.ndim - 1), mode=mode)
    return np.array([wide[i : i + before + after + 1].sum(axis=0) for i in range(len(x))])


cases = {
    "add": a + b,
    "broadcast": a * r - c,
    "scalar_weak": u + 1,
    "int_divide": n / 2,
    "floor_divide": n // 3,
    "remainder": n % -4,
    "mixed": s[:6, None] + f[:1, :],
    "power": np.abs(a) ** 1.5,
    "compare": a > b,
    "invert": ~m & (a < 0),
    "where": np.where(m, a, b),
    "where_row": np.where(m, r, 0.0),
    "clip": np.clip(n, -2, 3),
    "round": np.round(a * 10, 1),
    "sqrt_i8": np.sqrt(np.abs(s.astype(np.float64))),
    "exp_sum": np.exp(a).sum(),
    "trig": np.sin(a) ** 2 + np.cos(a) ** 2,
    "isnan": np.isnan(w),
    "complex": np.abs(z * np.conj(z) + z.real),
    "astype": (a * 10).astype(np.int16),
    "chain": np.sqrt(np.abs(a * b + r)).sum(axis=1),
    "hypot": np.hypot(a, b),
    "sum": a.sum(),
    "sum_axis": n.sum(axis=1),
    "sum_axes": n.sum(axis=(0, -1)),
    "sum_keep": n.sum(axis=(0, 2), keepdims=True),
    "sum_u8": u.sum(axis=0),
    "sum_dtype": s.sum(dtype=np.int8),
    "prod": (n[:, :2, 0] + 10).prod(axis=1),
    "mean": n.mean(axis=2),
    "mean_f32": f.mean(axis=0),
    "var": a.var(axis=1, ddof=1),
    "std": n.std(),
    "min": n.min(axis=(1, 2)),
    "max": u.max(axis=0),
    "any": (a > 2).any(axis=0),
    "all": (a > -2).all(),
    "argmin": n.argmin(axis=1),
    "argmax": n.argmax(),
    "count_nonzero": np.count_nonzero(n, axis=0),
    "nansum": np.nansum(w, axis=0),
    "nanmean": np.nanmean(w, axis=1),
    "nanmax": np.nanmax(w),
    "nanargmin": np.nanargmin(w[:, 2:], axis=1),
    "nanstd": np.nanstd(w, axis=0),
    "min_nan": w.min(axis=0),
    "centered": a - a.mean(axis=1, keepdims=True),
    "transpose": n.T + 1,
    "transpose_axes": n.transpose(1, 2, 0).sum(axis=0),
    "moveaxis": np.moveaxis(n, 0, -1),
    "flip": np.flip(n, (0, 2)),
    "reshape": n.reshape(10, 12),
    "reshape_split": n.reshape(4, 5, 2, 3),
    "reshape_merge": n.reshape(4, 30),
    "reshape_mixed": n.reshape(8, 3, 5),
    "ravel_t": n.T.ravel(),
    "expand": np.expand_dims(a, (0, 2)),
    "squeeze": np.squeeze(c) * 2,
    "broadcast_to": np.broadcast_to(c, (3, 6, 4)),
    "concatenate": np.concatenate([a, u, b[:2]], axis=0),
    "concatenate_1": np.concatenate([a[:, :3], b], axis=1),
    "stack": np.stack([a, b], axis=1),
    "pad_constant": padded(n, [(1, 2), (0, 3), (2, 0)], "constant", constant_values=7),
    "pad_edge": padded(a, 2, "edge"),
    "pad_reflect": padded(l, [(9, 30)], "reflect"),
    "pad_symmetric": padded(a, [(3, 8), (1, 1)], "symmetric"),
    "pad_wrap": padded(a, [(7, 1), (0, 9)], "wrap"),
    "slice": n[1:3, ::-2, 2:],
    "slice_step": l[20:2:-3],
    "slice_int": n[-1, :, 3],
    "slice_new": a[..., None, 2],
    "slice_empty": a[4:2],
    "slice_of_sum": (n + 1).sum(axis=1)[::2, 1],
    "slice_of_t": (a.T * r[:, None])[2:5, ::-1],
    "slice_of_concat": np.concatenate([l, l * 2])[40:3:-5],
    "slice_of_slice": l[3:20][::-2][1:5],
    "take": np.take(n, [4, 0, -1, 0], axis=1),
    "fancy": a[[3, 0, 3]],
    "fancy_2d": l[np.array([[3, 0], [7, -1]])],
    "fancy_mid": n[:, [0, 4], 1:3],
    "fancy_points": n[[0, 3, 2], :, [5, 0, 1]],
    "fancy_int": n[1, :, [5, 0, 1]],
    "fancy_neighbours": n[:, [0, 3, 2], [5, 0, 1]],
    "fancy_broadcast": n[np.array([[0], [3]]), [1, 2, 4]],
    "fancy_lazy": l[p],
    "mask": a[a > 0.5],
    "mask_axis": n[:, np.array([True, False, True, True, False])],
    "mask_lazy_axis": a[a[:, 0] > 0],
    "mask_known_2d": a[m],
    "mask_sum": a[m].sum(),
    "set_slice": setitem(n, (slice(None, None, 2), 1, slice(4, None, -1)), -1),
    "set_array": setitem(a, (slice(1, 4), slice(None, None, -2)), b[:3, :4]),
    "set_mask": setitem(a, a < 0, 0.25),
    "set_list": setitem(a, (slice(None), [1, 5, 1]), b[:, :3]),
    "cumsum": n.cumsum(axis=1),
    "cumsum_flat": l.cumsum(),
    "cumprod": (1 + a / 10).cumprod(axis=0),
    "topk": -np.sort(-l)[:4],
    "topk_least": np.sort(n, axis=1)[:, :2],
    "arange": np.arange(3, 40, 4),
    "arange_float": np.arange(0.5, 9.1, 0.7),
    "arange_down": np.arange(10, -3, -3),
    "linspace": np.linspace(-1, 3, 17),
    "linspace_open": np.linspace(2, 5, 10, endpoint=False),
    "eye": np.eye(5, 7, 2),
    "eye_i": np.eye(6, 4, -1, dtype=np.int32),
    "matmul": a @ b.T,
    "matmul_int": n[0] @ n[1].T,
    "matmul_vector": a @ r,
    "vector_matmul": c[:, 0] @ a,
    "matmul_batch": n @ n.transpose(0, 2, 1),
    "matmul_complex": z @ z.T,
    "dot": np.dot(l, l),
    "dot_nd": np.dot(n, n[0].T),
    "x_dot_xt": a.dot(a.T + 1),
    "tensordot": np.tensordot(n, n, axes=([0, 2], [0, 2])),
    "tensordot_1": np.tensordot(a, b, axes=([0], [0])),
    "norm": np.linalg.norm(a - b),
    "norm_1": np.linalg.norm(a, 1),
    "norm_inf": np.linalg.norm(a, -np.inf),
    "norm_axis": np.linalg.norm(n, axis=1),
    "norm_3": np.linalg.norm(l, 3),
    "histogram": np.histogram(l, bins=5)[0],
    "histogram_edges": np.histogram(l, bins=5)[1],
    "histogram_range": np.histogram(a, bins=4, range=(-1, 1))[0],
    "histogram_given": np.histogram(a, bins=[-2, -0.5, 0.1, 3])[0],
    "histogram_density": np.histogram(l, bins=3, density=True)[0],
    "overlap_none": overlap_sum(l, 2, 1, "none"),
    "overlap_reflect": overlap_sum(a, 1, 2, "symmetric"),
    "overlap_periodic": overlap_sum(n, 3, 0, "wrap"),
    "overlap_nearest": overlap_sum(l, 4, 4, "edge"),
    "overlap_constant": overlap_sum(a, 0, 2, "constant"),
}


def text(value):
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (complex, np.complexfloating)):
        return f"{text(value.real)},{text(value.imag)}"
    return repr(float(value)) if isinstance(value, np.floating) else str(int(value))


def line(kind, name, array):
    array = np.asarray(array)
    shape = "x".join(str(n) for n in array.shape) or "-"
    print(kind, name, array.dtype, shape, *[text(value) for value in array.ravel()])


for name, array in inputs.items():
    line("input", name, array)
for name, array in cases.items():
    line("case", name, array)
