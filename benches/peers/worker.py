"""One engine in a process of its own: answers queries until its input ends.

    python3 worker.py ENGINE FOLDER THREADS

A line is read, a line of JSON is written:

    (at the start)   {"version": "..."}
    7                {"wall_s": ..., "rows": ...}, or {"error": "..."}
    answer           the rows of the query just run; see answers.py

The rows are asked for separately, so that making text of them is in neither the wall time nor the CPU time that the
driver reads. benches/src/bin/worker.rs speaks the same protocol.
"""

import importlib
import json
import os
import pathlib
import sys
import time

import answers


def main():
    name, folder, threads = sys.argv[1:]
    # Whatever an engine prints must not come between the answers.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(value):
        print(json.dumps(value), file=replies, flush=True)

    engine = importlib.import_module(f"on_{name}").Engine(pathlib.Path(folder), int(threads))
    reply({"version": engine.version})
    result = None
    for line in sys.stdin:
        command = line.strip()
        if command == "answer":
            reply(answers.of_arrow(engine.to_arrow(result)))
            continue
        try:
            result = None
            start = time.perf_counter()
            result = engine.run(int(command))
            wall_s = time.perf_counter() - start
            reply({"wall_s": wall_s, "rows": len(result)})
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
