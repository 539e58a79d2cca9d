"""Opens what the test `python_reads_what_is_written` wrote into a folder, and compares it with what it should be."""

import pathlib
import sys
import warnings

import numpy as np
import xarray
import zarr


def check(name, x):
    dtype = np.dtype(x.dtype)
    i = np.arange(x.size, dtype=np.int64) * 7 % 101 - 50
    if dtype.kind == "b":
        i = i % 2
    elif dtype.kind == "u":
        i = i + 50
    elif dtype.kind == "c":
        i = i - 1j * i
    np.testing.assert_array_equal(np.asarray(x), i.astype(dtype).reshape(x.shape), err_msg=name)
    return 1


folder = pathlib.Path(sys.argv[1])
warnings.simplefilter("ignore")
n = 0
for path in sorted(folder.iterdir()):
    if path.suffix == ".npy":
        n += check(path.name, np.load(path))
    elif path.suffix == ".npz":
        with np.load(path) as archive:
            n += sum(check(f"{path.name}:{name}", archive[name]) for name in archive.files)
    elif path.suffix == ".zarr":
        n += check(path.name, zarr.open_array(path, mode="r")[...])
    elif path.suffix == ".group":
        dataset = xarray.open_zarr(path)
        assert dataset.attrs == {"title": "t"}, dataset.attrs
        assert dataset["value"].dims == ("lat", "lon") and set(dataset.coords) == {"lat", "lon"}, dataset
        assert dataset["value"].attrs["units"] == "K", dataset["value"].attrs
        n += check(f"{path.name}:value", dataset["value"].values)
        n += check(f"{path.name}:lat", zarr.open_group(path, mode="r")["lat"][...])
print(n, "arrays")
