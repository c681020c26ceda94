"""Measure what changed in records that got other names.

They are stored as new rows beside the end of the old ones, so storing compares nothing of them; a brake must see all
the same what a site changed in them that night.
"""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from schemas.frames import FormFrame, columns_of
from schemas.pull import Delta
from schemas.study import Kind, Study
from sync.ports.stored import StoreCounts
from sync.ports.warehouse import SiteTransaction
from sync.volume import Column, ColumnTally, Touched, ratios

_ROW = ("record", "event", "instance")
_NUMBERS = (Kind.NUMBER, Kind.INTEGER)


class Renamed:
    """Know what stood under the old names of a Delta's records, before the run writes anything."""

    def __init__(self, tx: SiteTransaction, study: Study, delta: Delta) -> None:
        """Read what goes first: rows under a name that another patient has now."""
        self._tx = tx
        self._study = study
        self._former = {new: old for old, new in delta.renamed.items()}
        self._record_field = delta.head.structure.record_field
        self._taken = delta.renamed.keys() & delta.reborn
        self._stood = tx.frames(study, sorted(self._taken)) if self._taken else ()

    def changes(self, frames: Sequence[FormFrame], records: Iterable[str]) -> StoreCounts:
        """Measure frames that are about to be stored; ``records``: all of which they may hold rows."""
        olds = {self._former[record] for record in records if record in self._former}
        found = StoreCounts()
        if olds & self._taken:
            found += changes(self._stood, frames, self._former, record_field=self._record_field)
        if standing := sorted(olds - self._taken):
            stood = self._tx.frames(self._study, standing)
            found += changes(stood, frames, self._former, record_field=self._record_field)
        return found


def changes(
    before: Sequence[FormFrame], after: Sequence[FormFrame], former: Mapping[str, str], *, record_field: str
) -> StoreCounts:
    """Count cells that changed in rows that stand under another name now. Pure.

    ``before``: rows as they stood under the old names, ``after``: rows as they came; ``former``: new name -> old one;
    ``record_field``: the site's field that holds the name itself.
    Only cells and columns are counted: that the rows came and went is counted where they are stored.
    """
    standing = {frame.form.name: frame for frame in before}
    total = StoreCounts()
    for frame in after:
        if frame.form.name in standing:
            total += _of_form(standing[frame.form.name], frame, former, record_field)
    return total


def _of_form(before: FormFrame, after: FormFrame, former: Mapping[str, str], record_field: str) -> StoreCounts:
    names = {old: new for new, old in former.items()}
    renamed = pl.col("record").replace_strict(names, default=None, return_dtype=pl.String)
    theirs = before.rows.select(_ROW).with_columns(renamed).with_row_index("was")
    pairs = after.rows.select(_ROW).with_row_index("is").join(theirs, on=_ROW, how="inner")
    if not pairs.height:
        return StoreCounts()
    count = 0
    tallies: dict[Column, ColumnTally] = {}
    named = {column for column, field in after.site_fields.items() if field == record_field}
    named |= {column for (_, _, column), field in after.site_fields_at.items() if field == record_field}
    compared = frozenset(before.rows.columns) - named - after.absent.keys()
    for name, field in columns_of(after.form).items():
        if name not in compared:
            continue
        old, new = _alike(before.rows[name][pairs["was"]], after.rows[name][pairs["is"]])
        differs = old.ne_missing(new)
        count += int((differs | before.raw[name][pairs["was"]].ne_missing(after.raw[name][pairs["is"]])).sum())
        known = old.is_not_null()
        if not known.any():
            continue
        changed = known & differs
        pair = [values.filter(changed) for values in (old, new)] if field.kind in _NUMBERS else []
        numbers = zip(*(values.cast(pl.Float64, strict=False) for values in pair), strict=True)
        tallies[after.form.name, name] = ColumnTally(
            changed=int(changed.sum()),
            emptied=int((changed & new.is_null()).sum()),
            beside=int((known & new.is_not_null()).sum()),
            ratios=ratios(numbers),
        )
    return StoreCounts(cells_changed=count, touched=Touched(columns=tallies))


def _alike(old: pl.Series, new: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Bring both to one type; a column that changed its kind is compared as text."""
    return (old, new) if old.dtype == new.dtype else (_text(old), _text(new))


def _text(values: pl.Series) -> pl.Series:
    texts = values.cast(pl.String)
    return texts.str.strip_suffix(".0") if values.dtype.is_float() else texts
