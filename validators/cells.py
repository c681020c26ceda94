"""Judge every cell of a form by the checks that a field has of itself (schemas.builtin).

What could not be read was found while reading (``FormFrame.problems``); ranges, codes and patterns are the form
schema's own checks, run for all columns in one select; CP01 asks for required fields that apply and are blank.
Only rows that fail become Python objects: a form of three thousand columns costs one pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from schemas import forms
from schemas.frames import columns_of
from schemas.study import Field, Kind
from validators.branching import Branching
from validators.dataset import Dataset, known
from validators.verdict import FAILING, NOT_APPLICABLE, NOT_EVALUATED, PASSING

READING = ("TY01", "DT01", "CD01", "UN01")
"""The checks that reading a cell answers."""

COMPLETE = 2
"""REDCap's form status for a form that the site has declared complete."""

_READ_BY: Mapping[Kind, str] = {
    Kind.NUMBER: "TY01",
    Kind.INTEGER: "TY01",
    Kind.TIME: "TY01",
    Kind.DATE: "DT01",
    Kind.DATETIME: "DT01",
    Kind.CODED: "CD01",
    Kind.YESNO: "CD01",
    Kind.CHECKBOX: "CD01",
}


@dataclass(slots=True, kw_only=True)
class Tally:
    """Count what one check reached; reasons count the cells that were not evaluated."""

    evaluated: int = 0
    failing: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def miss(self, reason: str, count: int) -> None:
        """Count cells that could not be judged."""
        if count:
            self.reasons[reason] = self.reasons.get(reason, 0) + count


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Say that a built-in check fails at a cell."""

    check: str
    column: str
    row: int


class Cells:
    """Hold what the built-in checks saw of one form."""

    def __init__(self, data: Dataset, form: str, branching: Branching, *, claimed: frozenset[str]) -> None:
        """Judge one form; ``claimed`` names the fields whose pattern a check of the study has taken over."""
        self.data = data
        self.form = form
        self.frame = data.frames[form]
        self.branching = branching
        self.fields = columns_of(self.frame.form)
        self.required = {each.name: each for each in self.frame.form.fields if each.required}
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.problems: dict[tuple[int, str], str] = {
            (row, column): check for row, column, check in self.frame.problems.iter_rows()
        }
        self.rules: dict[tuple[str, str], forms.Rule] = {}
        self._judged: dict[str, set[str]] = {}
        self._failing: dict[tuple[str, str], frozenset[int]] = {}
        self._read()
        self._ranges(claimed)
        self._required()

    def tally(self, check: str, column: str) -> Tally:
        """Give the count of one check at one column."""
        return self.tallies.setdefault((check, column), Tally())

    def hits(self) -> Iterator[Hit]:
        """Give every failing cell."""
        for (row, column), check in self.problems.items():
            yield Hit(check=check, column=column, row=row)
        for (check, column), rows in self._failing.items():
            yield from (Hit(check=check, column=column, row=row) for row in sorted(rows))

    def state(self, check: str, row: int, column: str) -> int:
        """Say what one check saw at one cell."""
        if check == "CP01":
            return self._required_state(row, column)
        if column not in self.fields:
            return NOT_EVALUATED
        if column in self.frame.absent:
            return NOT_EVALUATED
        problem = self.problems.get((row, column))
        if problem == check or row in self._failing.get((check, column), ()):
            return FAILING
        if problem is not None or self.fields[column].kind is Kind.UNKNOWN:
            return NOT_EVALUATED
        if check not in READING and column not in self._judged.get(check, ()):
            return NOT_APPLICABLE
        if check == "RG02" and row in self._failing.get(("RG01", column), ()):
            return NOT_APPLICABLE
        if self.frame.rows[column][row] is None and self._hidden(row, column):
            return NOT_APPLICABLE
        return PASSING

    def _hidden(self, row: int, column: str) -> bool:
        applies = self.branching.applies(self.fields[column].name)
        return applies is not None and applies[row] is False

    def _read(self) -> None:
        """Count what reading answered: every value is a pass, every problem a failure."""
        values = self.frame.rows.select(pl.col(list(self.fields)).count()) if self.fields else pl.DataFrame()
        self._counts = dict(zip(values.columns, values.row(0), strict=True)) if values.width else {}
        for column, each in self.fields.items():
            checks = [_READ_BY[each.kind]] if each.kind in _READ_BY else []
            checks += ["UN01"] if each.units else []
            for check in checks:
                tally = self.tally(check, column)
                tally.evaluated += self._counts[column]
                self._absent(check, column)
            if each.kind is Kind.UNKNOWN:
                self.tally("TY01", column).miss("the field is of a type that is not known", self._counts[column])
        for (_, column), check in self.problems.items():
            tally = self.tally(check, column)
            tally.failing += 1
            tally.evaluated += 1

    def _absent(self, check: str, column: str) -> bool:
        reason = self.frame.absent.get(column)
        if reason is not None:
            self.tally(check, column).miss(reason, self.frame.rows.height or self.data.records.len())
        return reason is not None

    def _ranges(self, claimed: frozenset[str]) -> None:
        """Run the form schema's own checks in one select; fetch the rows only of columns that fail."""
        schema = forms.compile_form(self.frame.form, site_prefix=self.data.prefix)
        checks = [
            each
            for each in forms.column_checks(schema)
            if not (each.check == "PT01" and self.fields[each.column].name in claimed)
        ]
        asked = []
        for place, each in enumerate(checks):
            self._judged.setdefault(each.check, set()).add(each.column)
            if not self._absent(each.check, each.column) and each.check not in READING:
                self.tally(each.check, each.column).evaluated += self._counts[each.column]
                self._unread(each.check, each.column)
            self.rules[each.check, each.column] = each.rule
            asked.append((~each.passes()).fill_null(value=False).alias(str(place)))
        if not asked:
            return
        failing = self.frame.rows.select(asked)
        sums = failing.select(pl.all().sum()).row(0)
        for place, each in enumerate(checks):
            if sums[place] and each.column not in self.frame.absent:
                rows = frozenset(failing[str(place)].arg_true().to_list())
                rows -= {row for row in rows if (row, each.column) in self.problems}
                self._failing[each.check, each.column] = rows
                self.tally(each.check, each.column).failing += len(rows)

    def _unread(self, check: str, column: str) -> None:
        if self.data.has_unreadable(self.form, column):
            unread = self.data.unreadable(self.form, column)
            self.tally(check, column).miss("the value could not be read", int(unread.sum()))

    def _required(self) -> None:
        """Find required fields that apply, stand on a complete form and hold nothing."""
        if not self.required:
            return
        status = self.frame.rows["_status"]
        complete = known(status == COMPLETE)
        for name, each in self.required.items():
            reason = next((self.frame.absent[one] for one in each.columns if one in self.frame.absent), None)
            tally = self.tally("CP01", name)
            if reason is not None:
                tally.miss(reason, self.frame.rows.height or self.data.records.len())
                continue
            due, unknown = self._due(name, complete)
            tally.miss(self.branching.refused(name) or "branching: an input could not be read", int(unknown.sum()))
            blank = due & self._blank(each)
            tally.evaluated += int(due.sum())
            if blank.any():
                self._failing["CP01", name] = frozenset(blank.arg_true().to_list())
                tally.failing += int(blank.sum())

    def _due(self, name: str, complete: pl.Series) -> tuple[pl.Series, pl.Series]:
        applies = self.branching.applies(name)
        if applies is None:
            return complete, complete & ~complete
        return complete & known(applies), complete & applies.is_null()

    def _blank(self, each: Field) -> pl.Series:
        """Mark rows where a field holds nothing: no value, nothing unreadable, no word for a missing value."""
        rows, names = self.frame.rows, each.columns
        if each.kind is Kind.CHECKBOX:
            blank = rows.select(
                pl.all_horizontal(pl.col(name).is_null() | (pl.col(name) == 0) for name in names)
            ).to_series()
        else:
            blank = rows[names[0]].is_null()
        for name in names:
            if self.data.has_unreadable(self.form, name):
                blank = blank & ~self.data.unreadable(self.form, name)
            if self.data.has_words(self.form, name):
                blank = blank & self.data.word(self.form, name).is_null()
        reason = each.not_done
        if reason is not None and reason in rows.columns:
            blank = blank & rows[reason].is_null()
        return blank

    def _required_state(self, row: int, name: str) -> int:
        if name not in self.required:
            return NOT_APPLICABLE if any(each.name == name for each in self.fields.values()) else NOT_EVALUATED
        if row in self._failing.get(("CP01", name), ()):
            return FAILING
        if any(column in self.frame.absent for column in self.required[name].columns):
            return NOT_EVALUATED
        if self.frame.rows["_status"][row] != COMPLETE:
            return NOT_APPLICABLE
        applies = self.branching.applies(name)
        if applies is not None and applies[row] is None:
            return NOT_EVALUATED
        return PASSING if applies is None or applies[row] else NOT_APPLICABLE
