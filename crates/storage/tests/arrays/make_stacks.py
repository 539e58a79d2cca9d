"""Makes stack and pictures in sql-tests/slt/data: npy files as Dask stacks them, and pictures as Pillow and tifffile write them.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 'dask[array]==2026.8.0' pillow==13.0.0 tifffile==2026.3.3
    venv/bin/python make_stacks.py
"""

import pathlib
import shutil

import dask.array as da
import numpy as np

DATA = pathlib.Path(__file__).parents[4] / "sql-tests" / "slt" / "data"

shutil.rmtree(DATA / "stack", ignore_errors=True)
da.to_npy_stack(DATA / "stack", da.from_array(np.arange(24.0).reshape(4, 6), chunks=(3, (4, 2))), axis=1)
