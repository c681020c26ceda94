"""Know how many rows of each form stand at a site, so that a row that was taken out or put in by others shows."""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl
import sqlalchemy as sa

from sync.warehouse import bulk, form_rows, small_rows, tables
from sync.warehouse.layout import Slot

_STATE = "stored_rows"


class RowCounts:
    """Follow the rows of one transaction."""

    def __init__(self, connection: sa.Connection, site: str, forms: Mapping[str, Sequence[Slot]]) -> None:
        """Begin with what stands."""
        self._connection = connection
        self._site = site
        self._forms = forms
        self._more: Counter[str] = Counter()
        self._looked: set[str] = set()

    def add(self, form: str, rows: int) -> None:
        """Note that so many rows of a form came, or went where it is negative."""
        self._looked.add(form)
        self._more[form] += rows

    def keep(self, *, afresh: bool, run_id: str) -> None:
        """Write what stands at the end of the transaction; ``afresh`` counts it, so that what was odd is over."""
        if not afresh and not self._looked:
            return
        before = read(self._connection, self._site)
        after = dict(before)
        for form in self._forms if afresh else self._looked:
            if afresh or form not in before:
                after[form] = count(self._connection, self._site, self._forms[form])
            else:
                after[form] += self._more[form]
        if after != before:
            row = {"site": self._site, "name": _STATE, "value": dict(sorted(after.items()))}
            small_rows.put(self._connection, tables.site_state, row, stamp={"run_id": run_id})


def count(connection: sa.Connection, site: str, slots: Sequence[Slot]) -> int:
    """Count a form's rows at a site."""
    sql = f"SELECT count(*) FROM {bulk.quoted(form_rows.table_names(slots)[0])} WHERE site = ?"
    return int(bulk.fetch(connection, sql, (site,), {"rows": pl.Int64()}).item())


def read(connection: sa.Connection, site: str) -> dict[str, int]:
    """Give the rows of each form that the last transaction left; a form that no run has counted is not in it."""
    columns = tables.site_state.c
    wanted = sa.select(columns.value).where(columns.site == site, columns.name == _STATE)
    return dict(connection.execute(wanted).scalar_one_or_none() or {})
