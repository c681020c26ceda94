"""Let tests and the demo change a served project's data as a site's staff would."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock

from sync.sandbox import editing, quality
from sync.sandbox.clock import ServerClock
from sync.sandbox.dictionary import Structure
from sync.sandbox.people import User
from sync.sandbox.project import Project
from sync.sandbox.records import RowKey
from sync.sandbox.store import MemoryStore

_STAFF = "site_staff"


class ProjectHandle:
    """Change one project under the sandbox's lock; each change is logged and kept like one over the API."""

    def __init__(self, project: Project, lock: RLock, clock: ServerClock, store: MemoryStore) -> None:
        """Take the project and what guards it."""
        self.project = project
        self._lock = lock
        self._clock = clock
        self._store = store

    @contextmanager
    def _changing(self) -> Iterator[Project]:
        with self._lock:
            yield self.project
            self._store.save(self.project)

    @property
    def structure(self) -> Structure:
        """Return the project's structure."""
        return self.project.structure

    def record_names(self) -> list[str]:
        """List the records in natural order."""
        with self._lock:
            return list(self.project.records.names())

    def get(self, record: str, column: str, *, event: str = "", instrument: str = "", instance: int = 0) -> str:
        """Return one stored cell (a checkbox by its flat column), blank where nothing is stored."""
        with self._lock:
            found = self.project.records.get(record)
            return found.cells(self._key(event, instrument, instance)).get(column, "") if found else ""

    def set(
        self, record: str, values: Mapping[str, str], *, event: str = "", instrument: str = "", instance: int = 0,
        user: str = _STAFF, recalculate: bool = True,
    ) -> None:  # fmt: skip
        """Store cells by flat column name without validation (staff can enter anything); blanks erase.

        Makes the record and row where they are missing. Calculated fields follow unless `recalculate` is off.
        """
        with self._changing() as project:
            editing.enter(
                project, record, self._key(event, instrument, instance), dict(values), at=self._clock.local(),
                user=user, how="", recalculate=recalculate,
            )  # fmt: skip

    def delete_record(self, record: str, *, user: str = _STAFF) -> None:
        """Delete a record and log it."""
        with self._changing() as project:
            editing.delete(project, record, at=self._clock.local(), user=user)

    def delete_row(
        self, record: str, *, event: str = "", instrument: str = "", instance: int = 0, user: str = _STAFF
    ) -> None:
        """Delete one row (an event's base row or an instance) of a record."""
        with self._changing() as project:
            found = project.records.get(record)
            if found is not None:
                editing.drop_row(
                    project, found, self._key(event, instrument, instance), at=self._clock.local(), user=user
                )

    def rename_record(self, record: str, new_name: str, *, user: str = _STAFF) -> None:
        """Rename a record; the log shows an update that sets the record id."""
        with self._changing() as project:
            editing.rename(project, record, new_name, at=self._clock.local(), user=user)

    def assign_dag(self, record: str, dag: str, *, user: str = _STAFF) -> None:
        """Move a record to a group (its unique name, or blank)."""
        with self._changing() as project:
            editing.assign(project, record, dag, at=self._clock.local(), user=user)

    def lock_form(self, record: str, form: str, *, event: str = "", instance: int = 0, locked: bool = True) -> None:
        """Lock or unlock one form of a record against imports."""
        with self._changing() as project:
            editing.lock(
                project, record, (self._key(event, "", 0)[0], form, instance), locked=locked,
                at=self._clock.local(), user=_STAFF,
            )  # fmt: skip

    def change_structure(self, **parts: object) -> None:
        """Replace parts of the structure (`fields=…`, `forms=…`, `mapping=…`), as a designer would."""
        with self._changing() as project:
            project.structure = replace(project.structure, **parts)  # type: ignore[arg-type]

    def change_settings(self, **values: object) -> None:
        """Replace settings by name (`title`, `status`, `missing_data_codes`, …)."""
        with self._changing() as project:
            project.change_settings(**values)

    def answer_query(
        self, status_id: int, *, user: str, comment: str, response: str = "", status: str = quality.OPEN
    ) -> None:
        """Enter a resolution into a thread as staff do on the pages: now, with a response or another status."""
        with self._changing() as project:
            thread = project.queries.get(status_id)
            if thread is None:
                raise KeyError(status_id)
            thread.resolutions.append(
                quality.Resolution(
                    res_id=project.queries.take_res_id(), at=self._clock.local().strftime("%Y-%m-%d %H:%M:%S"),
                    username=user, response=response or None, comment=comment or None, status=status,
                )
            )  # fmt: skip
            thread.query_status = status
            project.changes.structure = True

    def put_user(self, user: User) -> None:
        """Add a user or replace the one of that name."""
        with self._changing() as project:
            project.users[user.username] = user
            project.changes.structure = True

    def _key(self, event: str, instrument: str, instance: int) -> RowKey:
        return (event or self.project.structure.first_event, instrument, instance)
