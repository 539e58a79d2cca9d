"""Writes docs/dask-functions.md: the functions of dask.array, and which of them array SQL has.

    pip install 'dask[array]==2026.8.0' && python crates/array-sql/tests/golden/dask_functions.py

A test holds the table to the functions that there are; what is missing has its reason here.
"""

import inspect
import pathlib
import re

import dask
import dask.array as da
import dask.array.image
import dask.array.stats

ROOT = pathlib.Path(__file__).parents[4]

# Of our functions: what is called by name in the tables of the binder, and the names of the kernels' operations.
sources = "".join(path.read_text() for path in sorted((ROOT / "crates/array-sql/src/bind/functions").glob("*.rs")))
ours = set(re.findall(r'(?:own\(|law!\(|\()\s*"([a-z0-9_.]+)",', sources))
ours |= set(re.findall(r'^    \w+ "([a-z0-9_.]+)" \d,$', (ROOT / "crates/kernels/src/op.rs").read_text(), re.M))
ours |= {f"{name}_like" for name in ("zeros", "ones", "full", "empty")}

# How what Dask calls otherwise is written here.
WRITTEN = {
    "asanyarray": "`array(x)`", "from_array": "`Array::from_ndarray`", "from_delayed": "`Array::from_delayed`", "from_npy_stack": "`CREATE ARRAY a FROM 'stack/'`",
    "from_zarr": "`CREATE ARRAY a FROM 'a.zarr'`", "to_zarr": "`COPY ARRAY a TO 'a.zarr'`", "to_hdf5": None, "to_npy_stack": "`COPY ARRAY a TO 'stack/'`", "from_tiledb": None, "to_tiledb": None,
    "map_blocks": "`Array::map_blocks`", "map_overlap": "`Array::map_overlap`", "blockwise": "`Array::blockwise`", "apply_along_axis": "`Array::apply_along_axis`",
    "apply_gufunc": "`Array::apply_gufunc`, `Array::apply_gufunc_many`", "as_gufunc": "`Array::apply_gufunc`", "gufunc": "`Array::apply_gufunc`", "frompyfunc": "`Array::map_blocks`", "fromfunction": "`Array::from_fn`",
    "compute": "`ARRAY x`", "store": "`COPY ARRAY x TO ...`", "optimize": "done by itself, `EXPLAIN ARRAY x` shows it", "reduction": "`Array::blockwise`, `Array::reduce`", "cumreduction": "`Array::cumsum`",
    "overlap.overlap": "`Array::map_overlap`", "select": "nested `where`", "piecewise": "nested `where`", "result_type": "DESCRIBE tells the dtype", "unify_chunks": "done by itself",
    "normalize_chunks": "done by itself", "shape": "`shape(x)`", "allclose": "`allclose`", "iscomplexobj": "DESCRIBE tells the dtype", "ravel_multi_index": "arithmetic on positions",
    "random.shuffle": "`random.permutation`", "random.default_rng": "`seed => n`", "random.seed": "`seed => n`", "random.noncentral_chisquare": None, "random.noncentral_f": None,
    "apply_over_axes": "reductions take several axes", "linalg.tsqr": "`linalg.qr`", "linalg.sfqr": "`linalg.qr`", "linalg.compression_level": None, "linalg.compression_matrix": None,
    "linalg.svd_flip": "signs follow from the values", "stats.chisquare": None, "stats.power_divergence": None, "stats.normaltest": None, "stats.kurtosistest": None, "stats.skewtest": None, "stats.f_oneway": None,
    "angle": "`angle`", "assert_eq": "a helper of Dask's tests", "random.random_integers": "`random.integers`, with `endpoint => true`", "random.standard_gamma": "`random.gamma`", "moveaxis": "`moveaxis`",
    "cache": None, "linalg.norm": "`linalg.norm`", "concatenate3": None, "stats.moment": "`moment`", "random.permuted": None, "divmod": "`divmod`", "nanpercentile": "`nanpercentile`", "vstack": "`vstack`",
    "fft.fft_wrap": "the transforms are there", "image.imread": "`CREATE ARRAY i FROM 'pictures/*.png'`",
}
WRITTEN |= {
    "atop": "`Array::blockwise`", "coarsen": "`reshape`, and a reduction of the new axes", "reshape_blockwise": "`reshape`", "shuffle": "`take`",
    "tril_indices_from": "`tril_indices`", "triu_indices_from": "`triu_indices`",
}
# What these modules have of others, and for themselves.
HELPERS = {
    "array_expr_enabled", "image.add_leading_dimension", "linalg.array_safe", "linalg.default_rng", "linalg.dotmany", "linalg.meta_from_array", "linalg.solve_triangular_safe", "random.asarray_safe", "random.broadcast_shapes",
    "random.normalize_chunks", "random.slices_from_chunks", "stats.wrap_elemwise",
}
REASONS = {
    "push": "filling forward has no form yet", "register_chunk_type": "blocks are of one kind",
    "to_hdf5": "HDF5 is read, not written", "from_tiledb": "TileDB is not read", "to_tiledb": "TileDB is not written",
    "random.noncentral_chisquare": "a rare law", "random.noncentral_f": "a rare law", "random.permuted": "`random.permutation` goes along the first axis",
    "linalg.compression_level": "a helper of svd_compressed", "linalg.compression_matrix": "a helper of svd_compressed", "cache": "CREATE PERSISTED ARRAY keeps an array", "concatenate3": "a helper of Dask's",
}
for name in ("chisquare", "power_divergence", "normaltest", "kurtosistest", "skewtest", "f_oneway"):
    REASONS[f"stats.{name}"] = "its tail is a function that the kernels do not have"

aliases = dict(re.findall(r'\("([a-z0-9_.]+)", "([a-z0-9_.]+)"\)', sources))
rows = []
for prefix, module in (("", da), ("fft.", da.fft), ("image.", da.image), ("linalg.", da.linalg), ("random.", da.random), ("stats.", da.stats)):
    for name in sorted(dir(module)):
        thing = getattr(module, name)
        own = getattr(thing, "__module__", None) or type(thing).__module__
        if name.startswith("_") or not callable(thing) or inspect.isclass(thing) or not own.startswith(("dask.array", "numpy")):
            continue
        if prefix and (not own.startswith("dask.array") or (hasattr(da, name) and getattr(da, name) is thing)):
            continue
        called = prefix + name
        if called in HELPERS:
            continue
        known = next((known for known in (called, name) if known in ours or known in aliases), None)
        written = f"`{known}`" if known else WRITTEN.get(called)
        rows.append((called, written or "", "" if written else REASONS.get(called, "")))

missing = [called for called, written, reason in rows if not written and not reason]
text = f"""# The functions of dask.array

Of Dask {dask.__version__}, and how array SQL (or Rust) has them. Written by crates/array-sql/tests/golden/dask_functions.py; a test
holds it to the functions that there are. Functions that are missing have their reason beside them.

| dask.array | here | not here, because |
|---|---|---|
"""
text += "".join(f"| `{called}` | {written} | {reason} |\n" for called, written, reason in rows)
(ROOT / "docs/dask-functions.md").write_text(text)
print(len(rows), "functions; without a reason:", ", ".join(missing) or "none")
