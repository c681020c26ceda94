"""Say what the program needs of a site's REDCap project."""

from collections.abc import Callable
from typing import Protocol

from schemas.project import ProjectStructure, Snapshot

Progress = Callable[[int, int], None]
"""Called now and then during a pull with (records done, records in all); must return quickly."""


class Source(Protocol):
    """Read one site's project. Nothing here writes to it.

    Every method either gives a complete answer or raises; a failed fetch is never an empty answer:

    - SourceUnavailable: no answer, or none that holds data; later may be better.
    - SourceRefused: the token or its rights do not suffice; a person must act.
    - SourceMismatch: the project is not the configured one, or hides what identifies its records.

    No message holds a token or a cell.
    """

    def structure(self) -> ProjectStructure:
        """Fetch what the project is made of, afresh on each call.

        The project's id is the configured one, else SourceMismatch.
        """
        ...

    def pull(self, progress: Progress | None = None) -> Snapshot:
        """Fetch the structure and all records, as one consistent snapshot.

        Every record that the project listed when the pull began is in it, unless it was deleted meanwhile; every
        row has the same columns; columns that the server withheld are named with the reason. Where the site is a
        data access group of a shared project, only that group's rows are in it. An empty project gives zero rows.
        """
        ...
