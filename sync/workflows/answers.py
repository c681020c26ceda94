"""Answer what standing queries ask, from what was noted while a site was judged part by part. Pure."""

from collections.abc import Mapping

from schemas.coordinates import RowKey
from sync.queries import reconcile
from validators.findings import Condition, Conditions

Place = tuple[RowKey, str, str]
"""Where a query asks: row, check and field."""

Texts = tuple[str | None, str | None]
"""A cell as entered and as harmonised."""


class NotedConditions(Conditions):
    """Answer from what was noted of the parts, and from the checks that saw the whole site."""

    def __init__(
        self,
        noted: Mapping[Place, Condition | None],
        wider: Mapping[str, Conditions],
        *,
        wide: frozenset[str],
        delivered: frozenset[str],
    ) -> None:
        """Take ``wider`` by form; ``delivered`` names the forms that the site has at all."""
        self._noted = noted
        self._wider = wider
        self._wide = wide
        self._delivered = delivered

    def at(self, *, check: str, row: RowKey, field: str) -> Condition | None:
        """Give the condition of a check at a cell; None where nothing was noted of it."""
        if row.instrument not in self._delivered:
            return Condition.NOT_EVALUATED
        if check in self._wide and row.instrument in self._wider:
            return self._wider[row.instrument].at(check=check, row=row, field=field)
        return self._noted.get((row, check, field))


class NotedCells(reconcile.Cells):
    """Show the cells that were noted, and those of ``others`` where none was."""

    def __init__(self, noted: Mapping[tuple[RowKey, str], Texts], others: reconcile.Cells | None = None) -> None:
        """Take raw and harmonised text by row and field."""
        self._noted = noted
        self._others = others

    def at(self, *, row: RowKey, field: str) -> Texts | None:
        """Give raw and harmonised text of a cell; None where it is not known."""
        found = self._noted.get((row, field))
        return self._others.at(row=row, field=field) if found is None and self._others is not None else found
