"""Rows of blocks to columns of blocks, larger than memory: Dolmen beside Dask's P2P shuffle.

    python3 rechunk.py --dolmen PATH [--gb 4] [--limit-mb 500] [--dask-limits-mb 500,2000] [--threads 2] [--folder FOLDER]

An array of random float64 in blocks of whole rows is written to Zarr in blocks of whole columns. Printed are the wall time of
each, the largest resident memory of Dolmen's process, and the ratio to the first limit under which Dask ends. Dask has one worker with
the same number of threads, which may spill to the same disk. Needs Linux, and some three times the size on disk.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

DASK = """
import json, sys, time
import dask, dask.array as da
from distributed import Client, LocalCluster
side, block, limit_mb, threads, folder = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]
if __name__ == "__main__":
    side, block, threads = int(side), int(block), int(threads)
    dask.config.set({"temporary-directory": folder, "distributed.scheduler.allowed-failures": 1})
    cluster = LocalCluster(n_workers=1, threads_per_worker=threads, memory_limit=limit_mb + "MB", dashboard_address=None)
    with cluster, Client(cluster):
        begun = time.monotonic()
        x = da.random.random((side, side), chunks=(block, side))
        x.rechunk((side, block), method="p2p").to_zarr(folder + "/dask.zarr")
        print(json.dumps({"wall_s": time.monotonic() - begun}))
"""


def dolmen(binary, side, block, limit_mb, threads, folder):
    """The wall time in seconds and the largest resident memory in MB; None if it fails."""
    target = folder / "dolmen.zarr"
    statement = (
        f"COPY ARRAY rechunk(random.random([{side}, {side}], chunks => [{block}, {side}], seed => 1), [{side}, {block}]) "
        f"TO '{target}' WITH (chunks => [{side}, {block}])"
    )
    command = [binary, "--memory-limit", f"{limit_mb}MB", "--threads", str(threads), "-c", statement]
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - begun
    shutil.rmtree(target, ignore_errors=True)
    if status != 0:
        print(f"Dolmen: {errors.strip()}")
        return None
    return wall_s, usage.ru_maxrss / 1024


def dask(side, block, limit_mb, threads, folder):
    """The wall time in seconds; None if it fails."""
    script = folder / "on_dask.py"
    script.write_text(DASK)
    command = [sys.executable, str(script), *map(str, (side, block, limit_mb, threads, folder))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(folder / "dask.zarr", ignore_errors=True)
    if done.returncode != 0:
        print(f"Dask at {limit_mb} MB: {done.stderr.strip().splitlines()[-1][:200]}")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])["wall_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dolmen", required=True, help="the dolmen binary, a release build")
    parser.add_argument("--gb", type=float, default=4.0)
    parser.add_argument("--limit-mb", type=int, default=500)
    parser.add_argument("--dask-limits-mb", default="500,2000", help="tried in turn until Dask ends")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to be used")
    options = parser.parse_args()
    block = 100
    side = int((options.gb * 1e9 / 8) ** 0.5) // block * block
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = pathlib.Path(folder)
        size = (side, block)
        own = dolmen(options.dolmen, *size, options.limit_mb, options.threads, folder)
        if own is None:
            sys.exit(1)
        wall_s, resident_mb = own
        print(f"Dolmen at {options.limit_mb} MB: {wall_s:.1f} s, {resident_mb:.0f} MB resident")
        for limit_mb in options.dask_limits_mb.split(","):
            peer_s = dask(*size, limit_mb, options.threads, folder)
            if peer_s is not None:
                print(f"Dask at {limit_mb} MB: {peer_s:.1f} s; Dask / Dolmen {peer_s / wall_s:.2f}")
                break


if __name__ == "__main__":
    main()
