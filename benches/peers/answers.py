"""Answers of queries as text, the same for every engine, and their comparison.

An answer is `{"kinds": [...], "rows": [[...], ...]}`: the kind of each column (`int`, `decimal`, `float` or `text`) and
the values, each a string or null. Engines differ in the types that they give a result: the average of decimals is a
double here and a decimal of six digits there. So numbers of one type and scale are compared exactly, and others within
what their digits can tell.
"""

import decimal

RELATIVE_TOLERANCE = 1e-9


def of_arrow(table):
    """The answer in a pyarrow Table."""
    import pyarrow as pa

    def kind(column_type):
        if pa.types.is_decimal(column_type):
            # Sums of integers are decimals without a fraction in DuckDB.
            return "decimal" if column_type.scale else "int"
        if pa.types.is_integer(column_type):
            return "int"
        return "float" if pa.types.is_floating(column_type) else "text"

    def text(value):
        if isinstance(value, decimal.Decimal):
            return format(value, "f")
        return None if value is None else str(value)

    columns = [[text(value) for value in column.to_pylist()] for column in table.columns]
    return {"kinds": [kind(field.type) for field in table.schema], "rows": [list(row) for row in zip(*columns)]}


def difference(expected, answer):
    """What is different in `answer`, in words; None if the two agree."""
    if len(expected["kinds"]) != len(answer["kinds"]):
        return f"{len(answer['kinds'])} columns instead of {len(expected['kinds'])}"
    if len(expected["rows"]) != len(answer["rows"]):
        return f"{len(answer['rows'])} rows instead of {len(expected['rows'])}"
    found = _first_difference(expected, answer, expected["rows"], answer["rows"])
    if found is None:
        return None
    # Rows that tie under ORDER BY have no order. Numbers come last in the sorting key, for they may differ a little.
    numbers = [idx for idx, kind in enumerate(expected["kinds"]) if kind in ("decimal", "float")]

    def key(row):
        exact = [row[idx] or "" for idx in range(len(row)) if idx not in numbers]
        return exact, [float(row[idx] or "nan") for idx in numbers]

    in_any_order = _first_difference(
        expected, answer, sorted(expected["rows"], key=key), sorted(answer["rows"], key=key)
    )
    return None if in_any_order is None else found


def _first_difference(expected, answer, expected_rows, answer_rows):
    for row_idx, (expected_row, row) in enumerate(zip(expected_rows, answer_rows)):
        for column_idx, (a, b) in enumerate(zip(expected_row, row)):
            if not _same(expected["kinds"][column_idx], a, answer["kinds"][column_idx], b):
                return f"{b} instead of {a} in row {row_idx + 1}, column {column_idx + 1}"
    return None


def _same(kind_a, a, kind_b, b):
    if a == b:
        return True
    numeric = ("int", "decimal", "float")
    if a is None or b is None or kind_a not in numeric or kind_b not in numeric:
        return False
    scales = [_scale(value) for kind, value in ((kind_a, a), (kind_b, b)) if kind == "decimal"]
    if kind_a == kind_b and kind_a != "float" and len(set(scales)) < 2:
        return False
    tolerance = RELATIVE_TOLERANCE * max(abs(float(a)), abs(float(b)))
    # Quotients as decimals are cut after some digits: one unit of the last is allowed. Sums keep all of theirs.
    tolerance = max([tolerance] + [10.0**-scale for scale in scales if scale >= 6])
    return abs(float(a) - float(b)) <= tolerance


def _scale(text):
    return len(text.partition(".")[2])
