"""Makes stack and pictures in sql-tests/slt/data: npy files as Dask stacks them, and pictures as Pillow and tifffile write them.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 'dask[array]==2026.8.0' pillow==13.0.0 tifffile==2026.3.3
    venv/bin/python make_stacks.py
"""

import pathlib
import shutil

import dask.array as da
import numpy as np
import tifffile
from PIL import Image

DATA = pathlib.Path(__file__).parents[4] / "sql-tests" / "slt" / "data"

shutil.rmtree(DATA / "stack", ignore_errors=True)
da.to_npy_stack(DATA / "stack", da.from_array(np.arange(24.0).reshape(4, 6), chunks=(3, (4, 2))), axis=1)

# Sample number i in C order, of a picture of this shape: i * 7 % 101, and for 16 bits 300 times that.
shutil.rmtree(DATA / "pictures", ignore_errors=True)
(DATA / "pictures").mkdir()


def samples(shape, dtype="u1"):
    x = np.arange(np.prod(shape)) * 7 % 101
    return (x * 300 if dtype == "u2" else x).astype(dtype).reshape(shape)


for name in "abc":
    Image.fromarray(samples((4, 6, 3)) + ord(name) - ord("a")).save(DATA / "pictures" / f"{name}.png")
tifffile.imwrite(DATA / "pictures" / "float.tif", samples((4, 6), "f4") / 2)

# And every form that is read, for the tests of the storage crate.
OUT = pathlib.Path(__file__).parent / "golden" / "images"
shutil.rmtree(OUT, ignore_errors=True)
OUT.mkdir()
for n_channels, form in ((1, "grey"), (2, "grey_alpha"), (3, "rgb"), (4, "rgba")):
    shape = (7, 5) if n_channels == 1 else (7, 5, n_channels)
    Image.fromarray(samples(shape)).save(OUT / f"{form}_u1.png")
    tifffile.imwrite(OUT / f"{form}_u1.tif", samples(shape), photometric="rgb" if n_channels > 2 else "minisblack", planarconfig="contig")
Image.fromarray(samples((7, 5), "u2")).save(OUT / "grey_u2.png")
for dtype in ("u2", "u4", "i2", "f4", "f8"):
    tifffile.imwrite(OUT / f"grey_{dtype}.tif", samples((7, 5), dtype))
for order in "<>":
    name = "le" if order == "<" else "be"
    tifffile.imwrite(OUT / f"rgb_u2_{name}.tif", samples((7, 5, 3), "u2"), byteorder=order, photometric="rgb")
tifffile.imwrite(OUT / "tiles_u2.tif", samples((40, 50), "u2"), tile=(16, 32))
tifffile.imwrite(OUT / "strips_u1.tif", samples((40, 50)), rowsperstrip=3)
tifffile.imwrite(OUT / "big_u1.tif", samples((40, 50)), bigtiff=True)
for name, compression in (("lzw", "tiff_lzw"), ("deflate", "tiff_adobe_deflate"), ("packbits", "packbits")):
    Image.fromarray(samples((40, 50, 3))).save(OUT / f"{name}_u1.tif", compression=compression)
# Palettes are expanded; bits of one and four as well.
palette = Image.fromarray(samples((7, 5)))
palette.putpalette([value for i in range(256) for value in (i, 255 - i, 7)])
palette.convert("P").save(OUT / "palette.png")
Image.fromarray(samples((7, 5)) % 2 == 1).save(OUT / "bits.png")
Image.fromarray(samples((7, 5, 3))).save(OUT / "transparent.png", transparency=(0, 7, 14))
# What is not read.
tifffile.imwrite(OUT / "pages.tif", samples((3, 7, 5)), photometric="minisblack")
tifffile.imwrite(OUT / "planes.tif", samples((3, 7, 5)), photometric="rgb", planarconfig="separate")
