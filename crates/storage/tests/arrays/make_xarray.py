"""Makes air2.zarr and air3.zarr in sql-tests/slt/data: the values of air.nc, see make_netcdf.py, as xarray writes them to Zarr 2 and 3.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 xarray==2026.9.0 zarr==3.1.6
    venv/bin/python make_xarray.py

Beside air there is height(station), a float with a fill value of its own, whose coordinates are texts.
"""

import pathlib
import shutil
import warnings

import numpy as np
import xarray

DATA = pathlib.Path(__file__).parents[4] / "sql-tests" / "slt" / "data"

warnings.simplefilter("ignore")
packed = np.arange(8 * 5 * 6) * 60 % 2000
degrees = np.where(np.arange(packed.size) % 13 == 0, np.nan, packed * 0.01 - 10.0)
dataset = xarray.Dataset(
    {
        "air": (("time", "lat", "lon"), degrees.reshape(8, 5, 6), {"units": "degC"}),
        "height": ("station", np.array([1.5, np.nan, 4.0], "f4")),
    },
    coords={
        "time": np.datetime64("2013-01-01T00:00:00", "ns") + np.arange(8) * np.timedelta64(6, "h"),
        "lat": np.array([60, 45, 30, 15, 0], "f4"),
        "lon": np.arange(6) * 60.0,
        "station": ["a", "b", "c"],
    },
)
encoding = {
    "air": {"dtype": "i2", "scale_factor": 0.01, "add_offset": -10.0, "_FillValue": -32768, "chunks": (2, 5, 3)},
    "height": {"_FillValue": -999.0},
}
for version in (2, 3):
    path = DATA / f"air{version}.zarr"
    shutil.rmtree(path, ignore_errors=True)
    dataset.to_zarr(path, zarr_format=version, encoding=encoding)
