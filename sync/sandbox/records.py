"""Hold a project's records: rows of cells by event, repeating instrument and instance."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sync.sandbox import naming

#: unique event name, repeating instrument or blank, instance or 0
RowKey = tuple[str, str, int]
#: flat column name → stored text; blanks and unchecked boxes are not stored
Cells = dict[str, str]

CHECKED = "1"


@dataclass(slots=True, kw_only=True)
class Record:
    """Hold one record: its group, its rows, and when its data changed (server-local, naive)."""

    name: str
    dag: str = ""
    rows: dict[RowKey, Cells] = field(default_factory=dict)
    changed_at: list[datetime] = field(default_factory=list)

    def cells(self, key: RowKey) -> Cells:
        """Return the cells of a row, empty where there is no such row."""
        return self.rows.get(key, {})

    def instances(self, event: str, instrument: str) -> list[int]:
        """List the instances of a repeating instrument (or, with a blank instrument, of the event)."""
        return sorted(key[2] for key in self.rows if key[0] == event and key[1] == instrument and key[2])


class RecordStore:
    """Keep records by name in natural order, so that a batch of names is answered directly."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        """Take the records over."""
        self._records = {record.name: record for record in records}
        self._order: list[str] | None = None
        self._keys: dict[RowKey, RowKey] = {}

    def __len__(self) -> int:
        """Count the records."""
        return len(self._records)

    def __contains__(self, name: str) -> bool:
        """Tell whether a record of that name exists."""
        return name in self._records

    def __iter__(self) -> Iterator[Record]:
        """Yield all records in natural order of their names."""
        return map(self._records.__getitem__, self.names())

    def names(self) -> list[str]:
        """List the names in natural order."""
        if self._order is None:
            self._order = sorted(self._records, key=naming.natural_key)
        return self._order

    def get(self, name: str) -> Record | None:
        """Return the record of that name."""
        return self._records.get(name)

    def some(self, names: Iterable[str]) -> list[Record]:
        """Return the records of those names in natural order; unknown names yield none."""
        wanted = {name for name in names if name in self._records}
        return [self._records[name] for name in sorted(wanted, key=naming.natural_key)]

    def put(self, record: Record) -> None:
        """Add a record or replace the one of its name."""
        if record.name not in self._records:
            self._order = None
        record.rows = {self.shared(key): cells for key, cells in record.rows.items()}
        self._records[record.name] = record

    def shared(self, key: RowKey) -> RowKey:
        """Give the one tuple that stands for a row's key in all records: most records hold the same rows."""
        return self._keys.setdefault(key, key)

    def remove(self, name: str) -> Record | None:
        """Take a record out."""
        self._order = None
        return self._records.pop(name, None)
