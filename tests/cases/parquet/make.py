"""Writes the tables of this folder, and what their rows are as JSON, as pyarrow reads them back: python make.py"""
import datetime as dt
import decimal
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
TEXT = "one two three four"


def write(name, table, **options):
    pq.write_table(table, HERE / f"{name}.parquet", **options)


def plain(value):
    """A cell as the program should read it."""
    if isinstance(value, dict):
        return {key: plain(cell) for key, cell in value.items()}
    if isinstance(value, list):
        # A map is a list of pairs.
        return [plain({"key": cell[0], "value": cell[1]} if isinstance(cell, tuple) else cell) for cell in value]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral() and value.as_tuple().exponent == 0 else str(value)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        text = value.isoformat()
        return text.rstrip("0") if "." in text else text
    return value


def column(kind, *values):
    return pa.array([*values, None], kind)


first = dt.datetime(2024, 2, 29, 12, 30, 15, 250000)
conversation = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None}]
columns = {
    "string": column(pa.string(), TEXT, "é"),
    "large_string": column(pa.large_string(), TEXT, ""),
    "string_view": column(pa.string_view(), TEXT, "a longer text than twelve bytes"),
    "dictionary": column(pa.string(), TEXT, TEXT).dictionary_encode(),
    "dictionary_of_numbers": column(pa.int32(), 7, 8).dictionary_encode(),
    "binary": column(pa.binary(), b"one two", "é".encode()),
    "large_binary": column(pa.large_binary(), b"one two", b""),
    "binary_view": column(pa.binary_view(), b"one two", b"a longer text than twelve bytes"),
    "fixed_binary": column(pa.binary(4), b"abcd", b"efgh"),
    "int8": column(pa.int8(), -128, 127),
    "int16": column(pa.int16(), -32768, 32767),
    "int32": column(pa.int32(), -(2**31), 2**31 - 1),
    "int64": column(pa.int64(), -(2**63), 2**63 - 1),
    "uint8": column(pa.uint8(), 0, 255),
    "uint16": column(pa.uint16(), 0, 65535),
    "uint32": column(pa.uint32(), 0, 2**32 - 1),
    "uint64": column(pa.uint64(), 0, 2**64 - 1),
    "float32": pa.array([0.5, -2.25, None], pa.float32()),
    "float64": pa.array([0.1, 1e300, None], pa.float64()),
    "bool": column(pa.bool_(), True, False),
    "decimal": column(pa.decimal128(20, 0), decimal.Decimal(1), decimal.Decimal(-12)),
    "decimal_of_two": column(pa.decimal128(9, 2), decimal.Decimal("1.50"), decimal.Decimal("-0.05")),
    "date32": column(pa.date32(), dt.date(2024, 2, 29), dt.date(1969, 12, 31)),
    "time32": column(pa.time32("ms"), dt.time(1, 2, 3), dt.time(23, 59, 59, 500000)),
    "time64": column(pa.time64("us"), dt.time(1, 2, 3), dt.time(23, 59, 59, 500000)),
    "timestamp_ms": column(pa.timestamp("ms"), first, dt.datetime(1969, 12, 31, 23, 59, 59)),
    "timestamp_us": column(pa.timestamp("us"), first, dt.datetime(1, 1, 1)),
    "list_int8": column(pa.list_(pa.int8()), [0, 5, 6], []),
    "list_int16": column(pa.list_(pa.int16()), [0, 5, 6], [-1]),
    "large_list": column(pa.large_list(pa.uint32()), [0, 5, None], [1]),
    "list_of_dictionary": column(pa.list_(pa.string()), ["a", "b"], ["a"]),
    "fixed_list": column(pa.list_(pa.int32(), 2), [0, 5], [1, 2]),
    "struct": column(pa.struct({"set": pa.string(), "n": pa.int8()}), {"set": "C4", "n": 1}, {"set": None, "n": 2}),
    "list_of_struct": column(pa.list_(pa.struct({"role": pa.string(), "content": pa.string()})), conversation, []),
    "struct_of_list": column(pa.struct({"x": pa.list_(pa.int16())}), {"x": [1, 2]}, {"x": None}),
    "list_of_list": column(pa.list_(pa.list_(pa.string())), [["a"], [], ["b", "c"]], [[]]),
    "map": column(pa.map_(pa.string(), pa.int32()), [("a", 1), ("b", 2)], []),
    "null": pa.nulls(3),
}
table = pa.table(columns)
write("every_type", table, row_group_size=2)
rows = table.to_pylist()
(HERE / "every_type.jsonl").write_text("".join(json.dumps(plain(row), ensure_ascii=False) + "\n" for row in rows))

write("binary_text", pa.table({"text": pa.array([TEXT.encode(), b"caf\xe9", b"last"]), "id": pa.array([b"\0\xff", b"b", b"c"])}))
write("names", pa.table({"text": [TEXT] * 2, "id": pa.array([b"\0" * 80 + b"a", b"\0" * 80 + b"b"]), "domain": pa.array([0.1, 0.1], pa.float32())}))
write("dictionary", pa.table({"text": pa.array([TEXT] * 2).dictionary_encode(), "domain": pa.array(["en", "de"]).dictionary_encode()}))
write("int16_ids", pa.table({"input_ids": pa.array([[0, 5, 6], [0, 7]], pa.list_(pa.int16()))}))
write("struct_domain", pa.table({"text": [TEXT], "domain": pa.array([{"a": "b"}])}))
write("duration", pa.table({"text": pa.array([1], pa.duration("s"))}))
write("conversations", pa.table({"conversation_id": ["a", "b"], "conversation": pa.array([
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}],
    [{"role": "user", "content": "Two?"}, {"role": "assistant", "content": "No."}],
]), "redacted": [False, False], "timestamp": pa.array([first, first])}))

# Its footer counts one row less than the column holds: 40 is written as 0x50, 39 as 0x4e.
write("one_row_more", pa.table({"text": [["one", "two"]] * 40}))
path = HERE / "one_row_more.parquet"
whole = path.read_bytes()
length = int.from_bytes(whole[-8:-4], "little")
footer = whole[-8 - length : -8].replace(b"\x16\x50", b"\x16\x4e")
path.write_bytes(whole[: -8 - length] + footer + whole[-8:])
