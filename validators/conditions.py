"""Answer what was seen at any one cell, without spreading millions of cells out in Python.

Verdicts keep one small integer a row; built-in checks are answered from the frame. Rows are found by their key
in an index that is built for a form when it is first asked about.
"""

from collections.abc import Mapping, Sequence

from schemas.builtin import BUILTIN_IDS
from schemas.coordinates import Parts, RowKey, places_of
from validators import verdict
from validators.cells import Cells
from validators.dataset import Dataset
from validators.findings import Condition
from validators.verdict import Verdict


class SiteConditions:
    """Answer for one judged site; see ``findings.Conditions``."""

    def __init__(self, data: Dataset, *, cells: Mapping[str, Cells], verdicts: Mapping[str, Sequence[Verdict]]) -> None:
        """Take what the built-in checks saw by form, and the verdicts of the others by check."""
        self._data = data
        self._cells = cells
        self._verdicts: dict[tuple[str, str, str], list[Verdict]] = {}
        for check, several in verdicts.items():
            for each in several:
                self._verdicts.setdefault((check, each.form, each.target), []).append(each)
        # no cached method: a cycle would keep the frames until the collector comes
        self._index: dict[str, dict[Parts, int]] = {}
        self._keys: dict[int, dict[Parts, int]] = {}

    def at(self, *, check: str, row: RowKey, field: str) -> Condition | None:
        """Give the condition of a check at a cell; None where no such row was judged.

        A check or a target that this study version does not know counts as not evaluated, and so does a form that
        nobody delivered: a query must not be closed because its check was retired, or because nobody looked.
        """
        form = row.instrument
        if form not in self._data.delivered:
            return Condition.NOT_EVALUATED
        place = self._indexed(form).get(row.parts)
        if check in BUILTIN_IDS:
            if place is None:
                return None
            return verdict.CONDITIONS[self._cells[form].state(check, place, field)]
        seen = [self._state(each, row, place) for each in self._verdicts.get((check, form, field), [])]
        states = [state for state in seen if state is not None]
        if states:
            return verdict.CONDITIONS[verdict.combine(states)]
        return None if place is None else Condition.NOT_EVALUATED

    def _state(self, one: Verdict, row: RowKey, place: int | None) -> int | None:
        if one.keys is not None:
            place = self._key_index(one).get(row.parts)
        return None if place is None else int(one.states[place])

    def _indexed(self, form: str) -> dict[Parts, int]:
        if form not in self._index:
            self._index[form] = places_of(self._data.frames[form].rows)
        return self._index[form]

    def _key_index(self, one: Verdict) -> dict[Parts, int]:
        if id(one) not in self._keys:
            self._keys[id(one)] = {} if one.keys is None else places_of(one.keys)
        return self._keys[id(one)]
