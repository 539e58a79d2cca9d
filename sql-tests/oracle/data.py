"""Writes the small files of sql-tests/slt/data, which the `.slt` files under slt/files read.

    python3 sql-tests/oracle/data.py

Needs: pip `pyarrow`, `zstandard`.
"""

import bz2
import gzip
import json
import lzma
import pathlib
import shutil

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import zstandard

DATA = pathlib.Path(__file__).resolve().parent.parent / "slt" / "data"


def write(name, text):
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


PEOPLE = "id,name,score,born,active\n1,Ann,1.5,1990-01-02,true\n2,Bob,2.25,1985-12-31,false\n3,Cid,,2001-07-15,true\n"


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    write("people.csv", PEOPLE)
    write("people.csv.gz", gzip.compress(PEOPLE.encode(), mtime=0))
    write("people.csv.bz2", bz2.compress(PEOPLE.encode()))
    write("people.csv.xz", lzma.compress(PEOPLE.encode()))
    write("people.csv.zst", zstandard.compress(PEOPLE.encode()))
    # Two compressed streams, one behind the other, as parallel tools and appending make them.
    head, tail = PEOPLE.encode()[:40], PEOPLE.encode()[40:]
    for suffix, compress in {
        "gz": lambda data: gzip.compress(data, mtime=0), "bz2": bz2.compress, "xz": lzma.compress,
        "zst": zstandard.compress,
    }.items():
        write(f"streams/people.csv.{suffix}", compress(head) + compress(tail))
        write(f"streams/lines.txt.{suffix}", compress(b"one\ntw") + compress(b"o\nthree\n"))
        write(f"streams/lines.ndjson.{suffix}", compress(b'{"a": 1}\n{"a"') + compress(b': 2}\n{"a": 3}\n'))
        write(f"streams/array.json.{suffix}", compress(b'[{"a": 1}, {"a"') + compress(b': 2}, {"a": 3}]'))
    write("people.tsv", PEOPLE.replace(",", "\t"))
    write("semicolon.csv", "a;b\n1;x,y\n2;z\n")
    write("pipe_no_header.csv", "1|one\n2|two\n3|three\n")
    write("nulls.csv", "k,v,w\n1,NA,a\n2,5,NA\n3,-,c\n4,7,\n")
    write("quoted.csv", 'k,text\n1,"a, b"\n2,"say ""hi"""\n3,""\n4,plain\n')
    write("lines_in_quotes.csv", 'k,text\n1,"two\nlines"\n2,one\n')
    write("mixed_case.csv", "Id,UserName,total Amount\n1,ann,10\n2,bob,20\n")
    write("crlf.csv", "a,b\r\n1,x\r\n2,y\r\n")
    write("no_final_newline.csv", "a,b\n1,x\n2,y")
    write("header_only.csv", "a,b\n")
    write("empty.csv", "")
    write("unicode.csv", "k,text\n1,žluť\n2,日本\n3,☃\n")
    write("zeros.csv", "code,n\n007,1\n010,2\n")
    write("big_numbers.csv", "n\n9223372036854775807\n-9223372036854775808\n")
    write("too_big.csv", "n\n1\n99999999999999999999\n")
    write("timestamps.csv", "k,ts\n1,2024-01-02 03:04:05\n2,2024-06-07T08:09:10\n")
    write("conflict.csv", "k,n\n" + "".join(f"{i},{i * 10}\n" for i in range(1, 6)) + "6,many\n")
    write("ragged.csv", "a,b\n1,2\n3\n4,5,6\n")
    write("bad_utf8.csv", b"a,b\n1,\xff\xfe\n")
    for part, rows in {"part-1": "1,10\n2,20\n", "part-2": "3,30\n", "part-3": "4,40\n5,50\n"}.items():
        write(f"parts/{part}.csv", "k,v\n" + rows)
    write("parts/notes.txt", "not a table\n")
    for year, month, rows in ((2023, 12, "1,a\n"), (2024, 1, "2,b\n3,c\n"), (2024, 2, "4,d\n")):
        write(f"hive/year={year}/month={month}/data.csv", "k,v\n" + rows)
    write("lines.txt", "first line\nsecond, line\n\nlast")
    write("lines.txt.gz", gzip.compress(b"zipped\ntext\n", mtime=0))
    records = [
        {"id": 1, "name": "ann", "tags": ["x", "y"], "at": {"city": "Brno", "zip": 60200}},
        {"id": 2, "name": None, "tags": [], "at": {"city": "Oslo", "zip": None}},
        {"id": 3, "name": "cid", "tags": ["z"], "at": None},
    ]
    lines = "".join(json.dumps(r) + "\n" for r in records)
    write("records.ndjson", lines)
    write("records.ndjson.gz", gzip.compress(lines.encode(), mtime=0))
    write("records.json", json.dumps(records, indent=2) + "\n")
    write("bad.ndjson", '{"a": 1}\n{"a": \n')

    table = pa.table({
        "k": pa.array([1, 2, 3, 4], pa.int64()),
        "s": pa.array(["a", None, "c", "d"]),
        "x": pa.array([0.5, 1.5, None, -2.0]),
        "n": pa.array([1, 2, 3, None], pa.int32()),
    })
    parquet.write_table(table, DATA / "table.parquet", compression="snappy")
    parquet.write_table(table.slice(0, 0), DATA / "no_rows.parquet")
    feather.write_feather(table, DATA / "table.arrow", compression="uncompressed")
    (DATA / "pq").mkdir()
    for part in range(3):
        keys = range(part * 100, part * 100 + 100)
        rows = pa.table({"k": pa.array(keys, pa.int64()), "g": pa.array([k % 7 for k in keys], pa.int64())})
        parquet.write_table(rows, DATA / f"pq/part-{part}.parquet", row_group_size=25)
    write("truncated.parquet", (DATA / "table.parquet").read_bytes()[:-20])
    write("not.parquet", "this is text\n")


if __name__ == "__main__":
    main()
