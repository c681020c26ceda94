"""Say what the program needs of a site's REDCap project."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from schemas.known import Known
from schemas.project import ProjectStructure, Snapshot
from schemas.pull import Delta, Stream, Watermark
from sync.ports.standing import Standing

Progress = Callable[[int, int], None]
"""Called now and then during a pull with (records done, records in all); must return quickly."""

OVERLAP = timedelta(hours=24)
"""How far before its watermark an incremental pull begins, unless told otherwise: clocks jump, zones shift, writes
show late."""


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

    def standing(self) -> Standing:
        """Look at the server's log and clocks; a log that cannot be had is told, a refused token is raised."""
        ...

    def pull(self, progress: Progress | None = None) -> Snapshot:
        """Fetch the structure and all records, as one consistent snapshot.

        Every record that the project listed when the pull began is in it, unless it was deleted meanwhile; every
        row has the same columns; columns that the server withheld are named with the reason. Where the site is a
        data access group of a shared project, only that group's rows are in it. An empty project gives zero rows.
        """
        ...

    def changes(
        self,
        since: Watermark | None,
        *,
        known: Known | None = None,
        full: bool = False,
        overlap: timedelta = OVERLAP,
        progress: Progress | None = None,
    ) -> Delta:
        """Fetch what changed since a watermark (of this site, from an earlier Delta), in whole records.

        ``known``: what the caller holds (``schemas.pull.advanced`` keeps it); without it nothing can
        be called gone, renamed, moved or unchanged. Without ``since``, with ``full``, and after a change of the
        project's design, everything is pulled and the Delta is ``complete``; given ``since`` and ``known`` such a
        pull counts what the incremental ones had missed. ``overlap`` should span more than the server's clock may
        jump. The Delta's watermark may be kept only together with all that the Delta holds; where it is None, the
        next pull has no ``since``.

        A record is called gone only where two requests do not find it. Applied to what the caller holds
        (schemas.pull.applied), the Delta gives what a full pull gives, but for changes that the server itself does
        not show; the missing right to the log makes a pull dearer, not poorer.
        """
        ...

    def batches(self, progress: Progress | None = None) -> Stream:
        """Begin a full pull that comes in batches, so that memory holds one batch, not the project."""
        ...
