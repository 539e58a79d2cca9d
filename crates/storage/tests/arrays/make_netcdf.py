"""Makes golden/netcdf, and air.nc and big.h5 in sql-tests/slt/data: small files as netCDF4-python and h5py write them.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 netCDF4==1.7.5.1.post1 h5py==3.16.0
    venv/bin/python make_netcdf.py

The tests know `value(i, dtype)`, the element number i in C order; see values.rs.
"""

import pathlib

import h5py
import netCDF4
import numpy as np

HERE = pathlib.Path(__file__).parent
OUT = HERE / "golden" / "netcdf"
AIR = HERE.parents[3] / "sql-tests" / "slt" / "data" / "air.nc"
BIG = AIR.with_name("big.h5")

CLASSIC = ["i1", "i2", "i4", "f4", "f8"]
ALL = CLASSIC + ["i8", "u1", "u2", "u4", "u8"]


def array(shape, code):
    """i * 7 % 101 - 50, plus 50 for unsigned numbers."""
    x = np.arange(np.prod(shape), dtype="i8") * 7 % 101 - 50
    return (x + 50 if code.startswith("u") else x).astype(code).reshape(shape)


def plain(path, form, codes, **layout):
    """A variable of each type, named by it."""
    with netCDF4.Dataset(path, "w", format=form) as file:
        for name, length in (("x", 3), ("y", 4), ("z", 5)):
            file.createDimension(name, length)
        for code in codes:
            # A fill value would make it a masked variable.
            variable = file.createVariable(code, code, ("x", "y", "z"), fill_value=False, **layout)
            variable.set_auto_maskandscale(False)
            variable[:] = array((3, 4, 5), code)


def air(path):
    """Packed temperatures by time, latitude and longitude, some of them missing: (60 i % 2000) / 100 - 10 degrees for element
    number i, and none for every 13th."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("lat", 5)
        file.createDimension("lon", 6)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar = "hours since 2013-01-01 00:00:00", "standard"
        time[:] = np.arange(8) * 6.0
        file.createVariable("lat", "f4", ("lat",))[:] = [60, 45, 30, 15, 0]
        file.createVariable("lon", "f8", ("lon",))[:] = np.arange(6) * 60.0
        temperature = file.createVariable("air", "i2", ("time", "lat", "lon"), zlib=True, chunksizes=(2, 5, 3), fill_value=-32768)
        temperature.set_auto_maskandscale(False)
        temperature.scale_factor, temperature.add_offset = 0.01, -10.0
        packed = (np.arange(8 * 5 * 6) * 60 % 2000).astype("i2")
        packed[::13] = -32768
        temperature[:] = packed.reshape(8, 5, 6)
        group = file.createGroup("stations")
        group.createDimension("station", 3)
        group.createVariable("height", "f4", ("station",), fill_value=False)[:] = [1.5, 2.5, 4.0]


def hdf5(path):
    """Datasets that no NetCDF library wrote."""
    with h5py.File(path, "w") as file:
        file["contiguous"] = array((3, 4, 5), "f8")
        group = file.create_group("inner")
        layout = {"chunks": (2, 3, 2), "compression": "gzip", "shuffle": True}
        group.create_dataset("chunked", data=array((3, 4, 5), "i4"), **layout)
        group.create_dataset("big_endian", data=array((3, 4, 5), "f4").astype(">f4"), **layout)
        file["text"] = "not a number"


OUT.mkdir(exist_ok=True)
plain(OUT / "classic.nc", "NETCDF3_CLASSIC", CLASSIC)
plain(OUT / "offset64.nc", "NETCDF3_64BIT_OFFSET", CLASSIC)
plain(OUT / "cdf5.nc", "NETCDF3_64BIT_DATA", ALL)
plain(OUT / "plain4.nc", "NETCDF4", ALL)
plain(OUT / "chunked4.nc", "NETCDF4", ALL, zlib=True, shuffle=True, fletcher32=True, chunksizes=(2, 3, 2))
air(OUT / "air.nc")
air(AIR)
hdf5(OUT / "plain.h5")
with h5py.File(BIG, "w") as file:
    big = (np.arange(1500 * 1100) % 251).astype("f4").reshape(1500, 1100)
    file.create_dataset("big-data", data=big, chunks=(500, 550), compression="gzip")
