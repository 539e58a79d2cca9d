"""Makes the files in golden/: small arrays as NumPy and zarr-python write them, in every mode that is read here.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 zarr==3.1.6 numcodecs==0.16.6
    venv/bin/python make_golden.py

What an array holds is not stored beside it: the tests know `value(i, dtype)`, the element number i in C order.
"""

import json
import pathlib
import shutil
import zipfile

import numcodecs
import numpy as np
import zarr
from zarr.codecs import (
    BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec,
)

OUT = pathlib.Path(__file__).parent / "golden"

DTYPES = ["|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16",
          "<M8[ns]", "<m8[25s]"]


def array(shape, dtype):
    """i * 7 % 101 - 50, which every dtype can hold after a cast: modulo 2 for bool, plus 50 for unsigned numbers;
    complex numbers have the same again, negated, as the imaginary part."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape, dtype=np.int64))
    x = np.arange(n, dtype=np.int64) * 7 % 101 - 50
    if dtype.kind == "b":
        x = x % 2
    elif dtype.kind == "u":
        x = x + 50
    elif dtype.kind == "c":
        x = x - 1j * x
    return x.astype(dtype).reshape(shape)


def npy():
    folder = OUT / "npy"
    folder.mkdir(parents=True)
    for dtype in DTYPES:
        for order in "<>":
            changed = np.dtype(dtype).newbyteorder(order)
            if order == ">" and changed.itemsize == 1:
                continue
            name = f"{changed.kind}{changed.itemsize}{'be' if order == '>' else 'le'}.npy"
            np.save(folder / name, array((3, 4, 5), changed))
    np.save(folder / "fortran.npy", np.asfortranarray(array((3, 4, 5), "<f8")))
    np.save(folder / "fortran_big.npy", np.asfortranarray(array((20, 30), ">i2")))
    np.save(folder / "scalar.npy", array((), "<f8"))
    np.save(folder / "empty.npy", array((3, 0, 5), "<f8"))
    np.save(folder / "vector.npy", array((1000,), "<i4"))
    for version in [(1, 0), (2, 0), (3, 0)]:
        with open(folder / f"version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, array((3, 4), "<i4"), version=version)
    np.save(folder / "text.npy", np.array(["a", "bc"]))
    np.save(folder / "object.npy", np.array([1, None], dtype=object), allow_pickle=True)
    np.save(folder / "record.npy", np.zeros(3, dtype=[("a", "<f8"), ("b", "<i4")]))


def npz():
    folder = OUT / "npz"
    folder.mkdir(parents=True)
    arrays = {"a": array((3, 4), "<f8"), "b": array((500,), "<i4"), "ünï": array((), "|i1")}
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)
    with zipfile.ZipFile(folder / "bzip2.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.write(OUT / "npy" / "vector.npy", "a.npy")
        archive.writestr("readme.txt", "no array")


def save(name, shape=(5, 7), dtype="<i4", chunks=(3, 4), fill_value=0, format=3, leave=None, **options):
    """An array of `shape` in `chunks`; the elements of the slice `leave` are the fill value, so that chunks are missing."""
    x = array(shape, dtype)
    if leave is not None:
        x[leave] = fill_value
    z = zarr.create_array(store=OUT / "zarr" / name, shape=shape, dtype=np.dtype(dtype), chunks=chunks,
                          fill_value=fill_value, zarr_format=format, **options)
    z[...] = x


def zarr_files():
    for format in (2, 3):
        for dtype in DTYPES:
            d = np.dtype(dtype)
            fill = {"b": False, "M": np.datetime64(0, "ns"), "m": np.timedelta64(0, "25s")}.get(d.kind, 0)
            save(f"v{format}_{d.kind}{d.itemsize}", dtype=dtype, format=format, fill_value=fill)
        save(f"v{format}_scalar", shape=(), chunks=(), format=format)
        save(f"v{format}_three_axes", shape=(4, 5, 6), chunks=(3, 3, 4), dtype="<f8", format=format)
        save(f"v{format}_empty", shape=(0, 5), chunks=(2, 3), format=format)
        save(f"v{format}_missing", dtype="<f8", fill_value=float("nan"), format=format, leave=np.s_[:, 2:])
        save(f"v{format}_fill", dtype="<i4", fill_value=-7, format=format, leave=np.s_[:4, :5])
    # Version 2: compressors, orders, separators, byte orders.
    blosc = [numcodecs.Blosc(cname=c, clevel=5, shuffle=s) for c in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
             for s in (0, 1, 2)]
    compressors = {"none": None, "gzip": numcodecs.GZip(5), "zlib": numcodecs.Zlib(5), "zstd": numcodecs.Zstd(3),
                   "lz4": numcodecs.LZ4()}
    compressors |= {f"blosc_{b.cname}_{b.shuffle}": b for b in blosc}
    for name, compressor in compressors.items():
        save(f"v2_{name}", dtype="<f8", shape=(20, 30), chunks=(20, 18), format=2, compressors=compressor)
    save("v2_fortran", order="F", dtype="<f8", shape=(4, 5, 6), chunks=(3, 3, 4), format=2)
    save("v2_slash", format=2, chunk_key_encoding={"name": "v2", "separator": "/"})
    save("v2_big", dtype=">f8", format=2)
    save("v2_filter", dtype="<i4", format=2, filters=[numcodecs.Delta(dtype="<i4")])
    # Version 3: codecs, keys, shards.
    many = dict(dtype="<f8", shape=(20, 30), chunks=(20, 18))
    save("v3_none", compressors=None, **many)
    save("v3_gzip", compressors=GzipCodec(level=5), **many)
    save("v3_zstd", compressors=ZstdCodec(level=3, checksum=True), **many)
    save("v3_crc32c", compressors=[ZstdCodec(level=3), Crc32cCodec()], **many)
    save("v3_crc32c_only", compressors=[Crc32cCodec()], **many)
    for shuffle in ("noshuffle", "shuffle", "bitshuffle"):
        save(f"v3_blosc_{shuffle}", compressors=BloscCodec(cname="lz4", shuffle=shuffle), **many)
    save("v3_big", serializer=BytesCodec(endian="big"), **many)
    save("v3_transpose", filters=TransposeCodec(order=(1, 2, 0)), shape=(4, 5, 6), chunks=(3, 3, 4), dtype="<i2")
    save("v3_transpose_twice", filters=[TransposeCodec(order=(1, 2, 0)), TransposeCodec(order=(0, 2, 1))],
         shape=(4, 5, 6), chunks=(3, 3, 4), dtype="<i2")
    save("v3_dot", chunk_key_encoding={"name": "default", "separator": "."})
    save("v3_v2_keys", chunk_key_encoding={"name": "v2", "separator": "."})
    save("v3_names", dimension_names=("lat", "lon"), attributes={"unit": "K", "n": [1, 2]})
    save("v3_shards", shape=(20, 22), shards=(8, 12), chunks=(4, 3), dtype="<f8", leave=np.s_[2:12, 5:13])
    save("v3_shards_start", shape=(20, 22), chunks=(8, 12), dtype="<f8", serializer=ShardingCodec(
        chunk_shape=(4, 3), codecs=[BytesCodec(), GzipCodec()], index_codecs=[BytesCodec()], index_location="start"),
        compressors=None)
    save("v3_shards_nested", shape=(20, 22), chunks=(8, 12), dtype="<i2", serializer=ShardingCodec(
        chunk_shape=(4, 6), codecs=[ShardingCodec(chunk_shape=(2, 3), codecs=[BytesCodec(), ZstdCodec()])]),
        compressors=None)
    save("v3_shards_packed", shape=(20, 22), chunks=(8, 12), dtype="<i2",
         serializer=ShardingCodec(chunk_shape=(4, 6), codecs=[BytesCodec()]), compressors=GzipCodec())
    # Large enough for Blosc to cut it into blocks and streams; it compresses well.
    for cname in ("blosclz", "lz4", "zstd"):
        for shuffle in (1, 2):
            z = zarr.create_array(store=OUT / "zarr" / f"v2_long_{cname}_{shuffle}", shape=(300_001,), dtype="<i4",
                                  chunks=(300_001,), zarr_format=2,
                                  compressors=numcodecs.Blosc(cname=cname, clevel=9, shuffle=shuffle))
            z[...] = array((300_001,), "<i4") // 25
    # Groups.
    for format in (2, 3):
        for consolidated in (False, True):
            store = OUT / "zarr" / f"v{format}_group{'_consolidated' if consolidated else ''}"
            group = zarr.create_group(store=store, zarr_format=format, attributes={"title": "a group"})
            group.create_array("b", shape=(4,), dtype="<i4", chunks=(2,))[...] = array((4,), "<i4")
            group.create_array("a", shape=(4,), dtype="<i4", chunks=(2,))[...] = array((4,), "<i4")
            inner = group.create_group("deep")
            inner.create_array("c", shape=(4,), dtype="<i4", chunks=(2,))[...] = array((4,), "<i4")
            if consolidated:
                zarr.consolidate_metadata(store)
    # What arrays cannot hold.
    zarr.create_array(store=OUT / "zarr" / "v3_text", shape=(2,), dtype="str", chunks=(2,))
    zarr.create_array(store=OUT / "zarr" / "v2_record", shape=(2,), dtype=[("a", "<i4")], chunks=(2,), zarr_format=2)


for kind in ("npy", "npz", "zarr"):
    shutil.rmtree(OUT / kind, ignore_errors=True)
npy()
npz()
zarr_files()
