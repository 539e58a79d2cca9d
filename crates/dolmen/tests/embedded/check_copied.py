"""Opens with xarray and Dask what the test `python_opens_what_copy_writes` wrote into a folder, and compares it with what it should be."""

import pathlib
import sys
import warnings

import dask.array as da
import numpy as np
import xarray

# Of this all would be told: metadata that are not consolidated, elements that other programs do not read.
warnings.simplefilter("error")
folder = pathlib.Path(sys.argv[1])
hours = np.datetime64("2013-01-01") + np.arange(8) * np.timedelta64(6, "h")
packed = np.arange(8 * 5 * 6) * 60 % 2000
degrees = np.where(np.arange(packed.size) % 13 == 0, np.nan, packed * 0.01 - 10.0).reshape(8, 5, 6)
for name in ("nc", "v2", "v3"):
    with xarray.open_zarr(folder / f"{name}.zarr") as dataset:
        air = dataset["air"]
        assert air.dims == ("time", "lat", "lon") and set(air.coords) == {"time", "lat", "lon"}, air
        assert air.dtype == "float64" and dataset["lat"].dtype == "float32", dataset
        np.testing.assert_array_equal(air.values, degrees)
        np.testing.assert_array_equal(dataset["time"].values, hours)
        np.testing.assert_array_equal(dataset["lat"].values, [60, 45, 30, 15, 0])
        np.testing.assert_array_equal(dataset["lon"].values, np.arange(6) * 60.0)
        assert air.encoding["chunks"] == (3, 5, 4), air.encoding
        assert np.isclose(air.sel(lat=45, lon=120, time="2013-01-01T12:00"), degrees[2, 1, 2])
with xarray.open_zarr(folder / "times.zarr") as dataset:
    np.testing.assert_array_equal(dataset["value"].values, hours)
stack = da.from_npy_stack(str(folder / "stack"))
assert stack.chunks == ((5, 1, 6), (5,)) and stack.dtype == "int16", stack
np.testing.assert_array_equal(stack.compute(), np.arange(60).reshape(12, 5))
print("4 groups and a stack")
