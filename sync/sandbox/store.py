"""Keep projects between runs: nowhere, or in one SQLite file that survives a kill."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from sync.sandbox import state
from sync.sandbox.project import Changes, Document, Project

_SCHEMA = """
CREATE TABLE IF NOT EXISTS project (slug TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS record (slug TEXT, name TEXT, body TEXT NOT NULL, PRIMARY KEY (slug, name));
CREATE TABLE IF NOT EXISTS document (
    slug TEXT, doc_id INTEGER, name TEXT, mime TEXT, folder INTEGER, content BLOB, PRIMARY KEY (slug, doc_id));
CREATE TABLE IF NOT EXISTS log (slug TEXT, seq INTEGER, body TEXT NOT NULL, PRIMARY KEY (slug, seq));
CREATE TABLE IF NOT EXISTS token (token TEXT PRIMARY KEY, slug TEXT NOT NULL, username TEXT NOT NULL);
"""


class MemoryStore:
    """Forget everything at the end."""

    def load(self) -> list[Project]:
        """Return nothing."""
        return []

    def tokens(self) -> list[tuple[str, str, str]]:
        """Return nothing."""
        return []

    def save_new(self, project: Project) -> None:
        """Note nothing."""
        project.changes = Changes()

    def save(self, project: Project) -> None:
        """Note nothing."""
        project.changes = Changes()

    def save_token(self, token: str, slug: str, username: str) -> None:
        """Note nothing."""

    def drop_token(self, token: str) -> None:
        """Note nothing."""

    def close(self) -> None:
        """Close nothing."""


class SqliteStore(MemoryStore):
    """Keep everything in `sandbox.sqlite` of a folder; each request is one transaction.

    Calls must not overlap; the sandbox makes them under its lock.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create the file; the folder is made where it is missing, for this user only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "sandbox.sqlite"
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)  # it holds tokens
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_SCHEMA)
        self._logged: dict[str, int] = {}
        self._open = True

    def load(self) -> list[Project]:
        """Read every project back."""
        return [
            self._project(json.loads(body)) for (body,) in self._db.execute("SELECT body FROM project ORDER BY rowid")
        ]

    def _project(self, plain: state.Plain) -> Project:
        project = state.project_from_plain(plain)
        slug = (project.slug,)
        for name, body in self._db.execute("SELECT name, body FROM record WHERE slug = ?", slug):
            project.records.put(state.record_from_plain(name, json.loads(body)))
        for row in self._db.execute("SELECT doc_id, name, mime, folder, content FROM document WHERE slug = ?", slug):
            number, name, mime, folder, content = row
            project.documents[number] = Document(doc_id=number, name=name, mime=mime, folder=folder, content=content)
        for (body,) in self._db.execute("SELECT body FROM log WHERE slug = ? ORDER BY seq", slug):
            project.log.append(state.entry_from_plain(json.loads(body)))
        self._logged[project.slug] = len(project.log)
        project.changes = Changes()
        return project

    def tokens(self) -> list[tuple[str, str, str]]:
        """Read token, slug and user name of each token."""
        return list(self._db.execute("SELECT token, slug, username FROM token"))

    def save_new(self, project: Project) -> None:
        """Write a project as a whole, in place of one of its slug."""
        with self._transaction():
            for table in ("record", "document", "log"):
                self._db.execute(f"DELETE FROM {table} WHERE slug = ?", (project.slug,))
            self._logged[project.slug] = 0
            changes = Changes(records=set(project.records.names()), structure=True, documents=set(project.documents))
            self._write(project, changes)
        project.changes = Changes()

    def save(self, project: Project) -> None:
        """Write what changed since the last time."""
        changes = project.changes
        if not changes and len(project.log) == self._logged.get(project.slug, 0):
            return
        with self._transaction():
            self._write(project, changes)
        project.changes = Changes()

    def _write(self, project: Project, changes: Changes) -> None:
        slug = project.slug
        if changes.structure:
            self._db.execute(
                "INSERT INTO project VALUES (?, ?) ON CONFLICT (slug) DO UPDATE SET body = excluded.body",
                (slug, json.dumps(state.project_to_plain(project))),
            )
        self._write_records(project, changes.records)
        for number in changes.documents:
            document = project.documents.get(number)
            if document is None:
                self._db.execute("DELETE FROM document WHERE slug = ? AND doc_id = ?", (slug, number))
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?)",
                    (slug, number, document.name, document.mime, document.folder, document.content),
                )
        if changes.log_rewritten:
            self._db.execute("DELETE FROM log WHERE slug = ?", (slug,))
            self._logged[slug] = 0
        start = self._logged.get(slug, 0)
        self._db.executemany(
            "INSERT INTO log VALUES (?, ?, ?)",
            [
                (slug, start + index, json.dumps(state.entry_to_plain(entry)))
                for index, entry in enumerate(project.log[start:])
            ],
        )
        self._logged[slug] = len(project.log)

    def _write_records(self, project: Project, names: Iterable[str]) -> None:
        for name in names:
            record = project.records.get(name)
            if record is None:
                self._db.execute("DELETE FROM record WHERE slug = ? AND name = ?", (project.slug, name))
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO record VALUES (?, ?, ?)",
                    (project.slug, name, json.dumps(state.record_to_plain(record))),
                )

    def save_token(self, token: str, slug: str, username: str) -> None:
        """Note a token."""
        self._db.execute("INSERT OR REPLACE INTO token VALUES (?, ?, ?)", (token, slug, username))

    def drop_token(self, token: str) -> None:
        """Forget a token."""
        self._db.execute("DELETE FROM token WHERE token = ?", (token,))

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._open:
            self._open = False
            self._db.close()

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


class _Transaction:
    """Commit at the end of the block, roll back where it raises."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_rest: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
