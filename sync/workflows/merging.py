"""Put changed records into what is stored, so that checks that look across subjects see the whole site. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import polars as pl

from schemas.frames import FormFrame


def merge(
    stored: Sequence[FormFrame], changed: Sequence[FormFrame], replaced: Collection[str]
) -> tuple[FormFrame, ...]:
    """Give each form's stored rows without the ``replaced`` records, and the changed rows after them."""
    before = {frame.form.name: frame for frame in stored}
    return tuple(
        _joined(before[frame.form.name], frame, replaced) if frame.form.name in before else frame for frame in changed
    )


def only(frames: Sequence[FormFrame], records: Collection[str]) -> tuple[FormFrame, ...]:
    """Give each form's rows of some records."""
    return tuple(_of(frame, frame.rows["record"].is_in(list(records))) for frame in frames)


def _of(frame: FormFrame, kept: pl.Series) -> FormFrame:
    moved = kept.cast(pl.UInt32).cum_sum() - 1
    return replace(
        frame,
        rows=frame.rows.filter(kept),
        raw=frame.raw.filter(kept),
        problems=_remark(frame.problems, kept, moved),
        declared=_remark(frame.declared, kept, moved),
    )


def _joined(stored: FormFrame, changed: FormFrame, replaced: Collection[str]) -> FormFrame:
    kept = ~stored.rows["record"].is_in(list(replaced))
    # where each kept row stands from now on; changed rows come behind them
    moved = kept.cast(pl.UInt32).cum_sum() - 1
    offset = int(kept.sum())
    problems = _remark(stored.problems, kept, moved)
    declared = _remark(stored.declared, kept, moved)
    return replace(
        changed,
        rows=pl.concat([stored.rows.filter(kept).select(changed.rows.columns), changed.rows], how="vertical_relaxed"),
        raw=pl.concat([stored.raw.filter(kept).select(changed.raw.columns), changed.raw]),
        problems=pl.concat([problems, changed.problems.with_columns(pl.col("row") + offset)], how="vertical_relaxed"),
        declared=pl.concat([declared, changed.declared.with_columns(pl.col("row") + offset)], how="vertical_relaxed"),
    )


def _remark(marks: pl.DataFrame, kept: pl.Series, moved: pl.Series) -> pl.DataFrame:
    """Move remarks on rows (problems, missing words) to where their rows stand now."""
    if not marks.height:
        return marks
    standing = marks.filter(kept.gather(marks["row"]))
    return standing.with_columns(moved.gather(standing["row"]).alias("row")).select(marks.columns)
