"""The terminal: how soon the prompt comes, how long a key takes, how fast rows are printed; beside DuckDB's.

    pip install duckdb-cli
    python3 terminal.py --dolmen PATH [--duckdb PATH] [--rounds 11]

Prints medians: milliseconds from the start of the process to the prompt and the memory that is resident then; milliseconds from a
key to what the terminal shows of it, over 1,000 tables of 100 columns, for letters and for Tab; seconds in which a million
rows of a Parquet file become CSV, and their ratio. Linux only.
"""

import argparse
import fcntl
import importlib.util
import os
import pathlib
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

N_TABLES, N_COLUMNS = 1000, 100
ROWS = 1_000_000
QUIET_S = 0.15
PROMPTS = (b"dolmen> ", b"D ")

MAKE = """COPY (SELECT x AS id, x % 977 AS small, x * 0.37 AS price, 'name of row ' || x AS name,
              DATE '2020-01-01' + CAST(x % 1000 AS INTEGER) AS day, x % 3 = 0 AS flag
              FROM range({rows}) AS r(x)) TO '{file}'"""


class Terminal:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, command, home):
        self.begun = time.perf_counter()
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            folders = {"HOME": home, "XDG_CONFIG_HOME": f"{home}/config", "XDG_STATE_HOME": f"{home}/state"}
            os.execve(command[0], command, os.environ | folders | {"TERM": "xterm-256color"})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def until(self, wanted, timeout=120.0):
        """Reads until one of the texts came; the seconds since the last key or the start."""
        seen = b""
        end = time.perf_counter() + timeout
        while not any(text in seen for text in wanted):
            if not select.select([self.master], [], [], end - time.perf_counter())[0]:
                raise TimeoutError(f"none of {wanted} came, but {seen[-300:]}")
            piece = os.read(self.master, 65536)
            # Whoever asks where the cursor is, is told.
            if b"\x1b[6n" in piece:
                os.write(self.master, b"\x1b[1;1R")
            seen += piece
        return time.perf_counter() - self.begun

    def key(self, text):
        """Types; the seconds until the last output that belongs to it."""
        begun = last = time.perf_counter()
        os.write(self.master, text.encode())
        while select.select([self.master], [], [], QUIET_S)[0]:
            os.read(self.master, 65536)
            last = time.perf_counter()
        return last - begun

    def resident_mb(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.master)


def starts(command, rounds):
    """Milliseconds to the prompt, and MB resident there."""
    times, sizes = [], []
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as home:
            terminal = Terminal(command, home)
            times.append(terminal.until(PROMPTS) * 1000)
            time.sleep(0.1)
            sizes.append(terminal.resident_mb())
            terminal.close()
    # The first start reads the program from the disk.
    return statistics.median(times[1:]), statistics.median(sizes[1:])


def keys(dolmen):
    """The slowest and the median milliseconds of letters, and of Tab, in a query over many tables."""
    with tempfile.TemporaryDirectory() as home:
        config = pathlib.Path(home, "config/dolmen")
        config.mkdir(parents=True)
        columns = ", ".join(f"column_{i} INT" for i in range(N_COLUMNS))
        tables = "".join(f"CREATE TABLE table_{i} ({columns});\n" for i in range(N_TABLES))
        (config / "dolmenrc").write_text(tables, encoding="utf-8")
        terminal = Terminal([dolmen], home)
        terminal.until(PROMPTS)
        terminal.key("SELECT 1")
        terminal.key("\x15")
        text = "SELECT a.column_7, table_500.column_55 FROM table_999 AS a JOIN table_500 ON a.column_1 = table_500.column_1 WHERE "
        letters = [terminal.key(letter) * 1000 for letter in text]
        tabs = []
        for start in ("a.c", "table_500.column_5", "col"):
            terminal.key(start)
            tabs.append(terminal.key("\t") * 1000)
            terminal.key("\x15" + text)
        terminal.close()
    return letters, tabs


def prints(dolmen, duckdb, rounds):
    """Seconds in which each prints a million rows as CSV."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/rows.parquet"
        subprocess.run([duckdb, "-c", MAKE.format(rows=ROWS, file=file)], check=True, stdout=subprocess.DEVNULL)
        commands = {
            "Dolmen": [dolmen, "--format", "csv", "--quiet", "-c", f"SELECT * FROM '{file}'"],
            "DuckDB": [duckdb, "-csv", "-c", f"SELECT * FROM '{file}'"],
        }
        times = {name: [] for name in commands}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                begun = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                times[name].append(time.perf_counter() - begun)
        return {name: statistics.median(seconds[1:]) for name, seconds in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dolmen", required=True, help="the dolmen binary, a release build")
    # The package's own command is a script around the program, which would be measured as well.
    package = importlib.util.find_spec("duckdb_cli")
    beside = package and next(pathlib.Path(package.submodule_search_locations[0]).glob("duckdb*"), None)
    parser.add_argument("--duckdb", default=str(beside) if beside else shutil.which("duckdb"))
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    if not options.duckdb:
        sys.exit("DuckDB's command line is not there: pip install duckdb-cli, or say --duckdb PATH")
    print("| | Dolmen | DuckDB |\n|---|---|---|")
    ours, theirs = starts([options.dolmen], options.rounds), starts([options.duckdb, "-dark-mode"], options.rounds)
    print(f"| start to prompt, ms | {ours[0]:.0f} | {theirs[0]:.0f} |\n| resident there, MB | {ours[1]:.0f} | {theirs[1]:.0f} |")
    letters, tabs = keys(options.dolmen)
    print(f"| a letter, median and most, ms | {statistics.median(letters):.1f}, {max(letters):.1f} | |")
    print(f"| Tab, median and most, ms | {statistics.median(tabs):.1f}, {max(tabs):.1f} | |")
    times = prints(options.dolmen, options.duckdb, options.rounds)
    ratio = times["Dolmen"] / times["DuckDB"]
    print(f"| a million rows as CSV, s | {times['Dolmen']:.3f} | {times['DuckDB']:.3f} |\n\nDolmen / DuckDB in CSV: {ratio:.2f}")


if __name__ == "__main__":
    main()
