"""What the servers of the demo know."""

from __future__ import annotations

from collections.abc import Iterable

from resolver.model.handle import fold_ascii
from resolver.model.record import HandleRecord

__all__ = ["RecordStore"]


class RecordStore:
    """Records by handle, ASCII case ignored; may be changed while servers answer from it."""

    def __init__(self, records: Iterable[HandleRecord] = ()) -> None:
        self._records = {fold_ascii(record.handle): record for record in records}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, handle: str) -> HandleRecord | None:
        """Return the record of a handle."""
        return self._records.get(fold_ascii(handle))

    def put(self, record: HandleRecord) -> None:
        """Create or replace a record."""
        self._records[fold_ascii(record.handle)] = record

    def delete(self, handle: str) -> None:
        """Remove a record, if it is there."""
        self._records.pop(fold_ascii(handle), None)
