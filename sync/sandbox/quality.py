"""Keep data queries as REDCap's Data Resolution Workflow does: threads of resolutions, one thread a field."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

OPEN = "OPEN"
STATUSES = frozenset({OPEN, "CLOSED", "VERIFIED", "DEVERIFIED"})
RESPONSES = frozenset({"DATA_MISSING", "TYPOGRAPHICAL_ERROR", "CONFIRMED_CORRECT", "WRONG_SOURCE", "OTHER"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Hold one entry of a thread; `at` is `YYYY-MM-DD HH:MM:SS`, server-local, None means the database's NULL."""

    res_id: int
    at: str
    username: str | None = None
    response_requested: int = 0
    response: str | None = None
    comment: str | None = None
    status: str | None = None

    def row(self, status_id: int) -> dict[str, str | None]:
        """Return the keys of an export; what the database holds as a number is text, too."""
        return {
            "res_id": str(self.res_id),
            "status_id": str(status_id),
            "ts": self.at,
            "response_requested": str(self.response_requested),
            "response": self.response,
            "comment": self.comment,
            "current_query_status": self.status,
            "upload_doc_id": None,
            "field_comment_edited": "0",
            "username": self.username,
        }


@dataclass(slots=True, kw_only=True)
class Thread:
    """Hold the thread of one record, event, field and instance; `instance` 0 means the database's NULL."""

    status_id: int
    record: str
    event_id: int
    field_name: str
    instance: int = 0
    repeat_instrument: str | None = None
    assigned: str | None = None
    query_status: str | None = None
    resolutions: list[Resolution] = field(default_factory=list)

    def row(self, project_id: int, group_id: str | None) -> dict[str, object]:
        """Return the keys of an export; a thread without resolutions has no such key."""
        out: dict[str, object] = {
            "status_id": str(self.status_id),
            "rule_id": None,
            "pd_rule_id": None,
            "non_rule": "1",
            "project_id": str(project_id),
            "record": self.record,
            "event_id": str(self.event_id),
            "field_name": self.field_name,
            "repeat_instrument": self.repeat_instrument,
            "instance": str(self.instance) if self.instance else None,
            "status": None,
            "exclude": "0",
            "query_status": self.query_status,
            "group_id": group_id,
            "assigned_username": self.assigned,
        }
        if self.resolutions:
            out["resolutions"] = {str(entry.res_id): entry.row(self.status_id) for entry in self.resolutions}
        return out


class Threads:
    """Keep the threads of one project by number."""

    def __init__(self, threads: Iterable[Thread] = (), *, first: int = 1) -> None:
        """Take threads over; new numbers start at `first` or behind the highest."""
        self._threads = {thread.status_id: thread for thread in threads}
        used = [entry.res_id for thread in self._threads.values() for entry in thread.resolutions]
        self._next_thread = max(self._threads, default=first - 1) + 1
        self._next_res = max(used, default=first - 1) + 1

    def __iter__(self) -> Iterator[Thread]:
        """Yield the threads in the order of their numbers."""
        return iter(list(self._threads.values()))

    def __len__(self) -> int:
        """Count the threads."""
        return len(self._threads)

    def get(self, status_id: int) -> Thread | None:
        """Return the thread of a number."""
        return self._threads.get(status_id)

    def open(self, *, record: str, event_id: int, field_name: str, instance: int, assigned: str | None) -> Thread:
        """Start a thread."""
        number = self._next_thread
        self._next_thread += 1
        thread = Thread(
            status_id=number, record=record, event_id=event_id, field_name=field_name, instance=instance,
            assigned=assigned,
        )  # fmt: skip
        self._threads[number] = thread
        return thread

    def take_res_id(self) -> int:
        """Return the number of the next resolution, each once."""
        self._next_res += 1
        return self._next_res - 1

    def plain(self) -> list[dict[str, Any]]:
        """Write the threads as JSON values."""
        return [
            {name: getattr(thread, name) for name in _COLUMNS}
            | {"resolutions": [{name: getattr(entry, name) for name in _ENTRY} for entry in thread.resolutions]}
            for thread in self._threads.values()
        ]


_COLUMNS = (
    "status_id", "record", "event_id", "field_name", "instance", "repeat_instrument", "assigned", "query_status",
)  # fmt: skip
_ENTRY = tuple(Resolution.__dataclass_fields__)


def from_plain(rows: Iterable[Mapping[str, Any]], *, first: int) -> Threads:
    """Read what `Threads.plain` wrote."""
    return Threads(
        [Thread(**{**row, "resolutions": [Resolution(**entry) for entry in row["resolutions"]]}) for row in rows],
        first=first,
    )
