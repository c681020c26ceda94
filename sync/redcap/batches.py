"""Fetch whole records in batches, and see that they add up to the lists of the same project.

A record is short where fewer rows of it came than were listed: the server lost some without a word. It is asked for
again, and a row is believed to be gone only where a new list does not hold it either.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import polars as pl
import structlog

from sync.errors import SourceUnavailable
from sync.ports.source import Progress
from sync.redcap.frames import counts_of, joined, of_group, own_records
from sync.redcap.reader import Reader
from sync.redcap.replies import ReplyFailed
from sync.telemetry import Event

log = structlog.get_logger()


def batches(reader: Reader, records: Sequence[str], size: int, progress: Progress | None) -> Iterator[pl.DataFrame]:
    """Fetch the records in batches, halving the size (for good) when a server does not manage one."""
    done = 0
    while done < len(records):
        part = records[done : done + size]
        try:
            rows = reader.batch(part, can_halve=len(part) > 1)
        except (ReplyFailed, MemoryError):
            if len(part) == 1:
                raise
            size = max(len(part) // 2, 1)
            log.info(Event.SITE_PULL_HALVED, batch_records=size)
            continue
        done += len(part)
        yield rows
        if progress is not None:
            progress(done, len(records))


def all_batches(
    reader: Reader,
    expected: Mapping[str, int],
    records: Sequence[str],
    size: int,
    *,
    group: str | None,
    progress: Progress | None,
) -> Iterator[pl.DataFrame]:
    """Fetch the listed records (of a group), then list them again, and fetch those that are listed and did not come.

    ``expected``: how many rows of each record the first list holds. Records that come late are new, short, or were
    left out of the first list; whoever is no longer listed was deleted meanwhile. No record comes in two batches.
    """
    record = reader.structure.record_field
    seen: set[str] = set()

    def fetched(
        expected: Mapping[str, int], records: Sequence[str], progress: Progress | None
    ) -> Iterator[pl.DataFrame]:
        for frame in batches(reader, records, size, progress):
            short = _short(frame, record, expected)
            own = of_group(frame, group)
            if short:
                own = own.filter(~pl.col(record).is_in(short))
            seen.update(own[record].to_list() if own.height else ())
            yield own

    yield from fetched(expected, records, progress)
    late, expected = _not_in(reader.listing(), group, seen)
    yield from fetched(expected, late, None)
    _refuse_absent(len(set(late) - seen))


def _not_in(listing: pl.DataFrame, group: str | None, seen: Collection[str]) -> tuple[list[str], dict[str, int]]:
    """Name a group's listed records that were not seen, and count their rows."""
    late = [each for each in own_records(listing, group) if each not in seen]
    return late, counts_of(listing.filter(pl.col("record").is_in(late)))


def fetch_whole(
    reader: Reader,
    records: Collection[str],
    size: int,
    progress: Progress | None = None,
    *,
    listed: Mapping[str, int],
) -> tuple[pl.DataFrame, set[str]]:
    """Fetch all rows of some records; with those of the ``listed`` that turn out to be gone by now.

    ``listed``: how many rows of a record are known to exist. Raises SourceUnavailable where the answers disagree.
    """
    record = reader.structure.record_field
    frames = list(batches(reader, sorted(records), size, progress))
    came = counts_of(joined(frames, reader.structure), record)
    short = {each for each in records if came.get(each, 0) < listed.get(each, 0)}
    if not short:
        return joined(frames, reader.structure), set()
    again = list(batches(reader, sorted(short), size, None))
    came = counts_of(joined(again, reader.structure), record)
    now = counts_of(reader.listing(records=sorted(short)))
    _refuse_absent(sum(came.get(each, 0) < count for each, count in now.items()))
    kept = [frame.filter(~pl.col(record).is_in(sorted(short))) for frame in frames if frame.height]
    return joined([*kept, *again], reader.structure), short - came.keys()


def _short(frame: pl.DataFrame, record: str, expected: Mapping[str, int]) -> list[str]:
    return [each for each, count in counts_of(frame, record).items() if count < expected.get(each, 0)]


def _refuse_absent(count: int) -> None:
    if count:
        raise SourceUnavailable(
            f"{count} of the records that the server lists are missing, in whole or in part, from what it sent;"
            " nothing was taken over, try again later, and tell the site's REDCap administrator if it happens again"
        )
