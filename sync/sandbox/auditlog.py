"""Keep the log that `content=log` shows: who did what to which record, by the minute."""

from dataclasses import dataclass
from datetime import datetime

#: actions that belong to no record; REDCap leaves the blank before the missing name
MANAGE, EXPORT, RANDOMIZE = "Manage/Design ", "Data export (API) ", "Randomize Record (API) "
#: what each `logtype` selects, by the kinds that entries are written with
LOG_TYPES: dict[str, frozenset[str]] = {
    "export": frozenset({"export"}),
    "manage": frozenset({"manage"}),
    "user": frozenset({"user"}),
    "record": frozenset({"record_add", "record_edit", "record_delete"}),
    "record_add": frozenset({"record_add"}),
    "record_edit": frozenset({"record_edit"}),
    "record_delete": frozenset({"record_delete"}),
    "lock_record": frozenset({"lock_record"}),
    "page_view": frozenset({"page_view"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """Hold one entry; `at` is server-local and naive, `kind` one of the members of LOG_TYPES."""

    at: datetime
    user: str
    action: str
    details: str
    record: str = ""
    kind: str = "manage"
    dag: str = ""

    def row(self) -> dict[str, str]:
        """Return the five columns of the API, the time cut to the minute."""
        return {
            "timestamp": self.at.strftime("%Y-%m-%d %H:%M"),
            "username": self.user,
            "action": self.action,
            "details": self.details,
            "record": self.record,
        }
