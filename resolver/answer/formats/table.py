"""CSV (RFC 4180): one line a value, for spreadsheets."""

from __future__ import annotations

import csv
import io

from resolver.answer.formats.view import RecordView
from resolver.answer.record_json import write_json
from resolver.model.record import TtlType
from resolver.protocol.json_values import data_to_json, time_to_json

__all__ = ["write"]

# Spreadsheets take a cell that begins with one of these for a formula, and run it; some also the wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write(record: RecordView) -> bytes:
    """Return a table with a header line."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(("handle", "index", "type", "format", "data", "ttl", "timestamp"))
    for shown in record.values:
        value = shown.value
        data = data_to_json(value.type, value.data)
        text = data["value"] if isinstance(data["value"], str) else write_json(data["value"]).decode()
        ttl = str(value.ttl) if value.ttl_type == TtlType.RELATIVE else time_to_json(value.ttl)
        cells = (record.handle, str(value.index), value.type, data["format"], text, ttl, shown.changed or "")
        table.writerow([_harmless(cell, number) for number, cell in enumerate(cells)])
    return out.getvalue().encode("utf-8", "replace")


def _harmless(cell: str, column: int) -> str:
    """Put an apostrophe before what a spreadsheet would calculate; numbers of ours stay numbers."""
    return f"'{cell}" if column not in {1, 5} and cell.startswith(_FORMULA) else cell
