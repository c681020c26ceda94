"""Write the views that a study is read from, in SQL that both databases understand: results, and texts as entered.

The results need nothing but the database: SQLite has no standard deviation and, in some builds, no square root, so
the deviation is taken in two passes (mean first, then the squares about it) and its root by Newton's method.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from schemas import study
from schemas.study import Kind, Measure, Study
from sync.warehouse import layout, texts
from sync.warehouse.bulk import quoted, run
from sync.warehouse.layout import Slot
from sync.warehouse.tables import VIEW_NAMES

_SQLITE_ROOT = (
    "(WITH RECURSIVE newton(step, root) AS ("
    "SELECT 0, CASE WHEN {x} > 1 THEN {x} ELSE 1.0 END "
    "UNION ALL SELECT step + 1, (root + {x} / root) / 2 FROM newton WHERE step < 120 AND root > 0) "
    "SELECT root FROM newton ORDER BY step DESC LIMIT 1)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Say where a column stands and how its form's rows are addressed."""

    table: str
    first: str
    column: str
    kind: Kind


def drop(connection: sa.Connection, slots: Sequence[Slot]) -> None:
    """Drop the views, so that the columns they read may change."""
    for name in (*VIEW_NAMES, *dict.fromkeys(slot.raw_table_name for slot in slots)):
        run(connection, f"DROP VIEW IF EXISTS {quoted(name)}")


def statements(what: Study, slots: Sequence[Slot], dialect: str) -> dict[str, str]:
    """Write the SELECT of each view."""
    shown = {
        layout.raw_of(table): texts.view(table, mine, dialect)
        for form in dict.fromkeys(slot.form for slot in slots)
        for table, mine in layout.tables_of(slots, form).items()
    }
    return {
        "efficacy_by_visit": _efficacy(what, slots, dialect),
        "response_summary": _responses(),
        **shown,
    }


def create(connection: sa.Connection, what: Study, slots: Sequence[Slot]) -> None:
    """Create the views for a study; a measure whose column the study does not have is left out."""
    for name, body in statements(what, slots, connection.dialect.name).items():
        run(connection, f"CREATE VIEW {quoted(name)} AS {body}")
        if connection.dialect.name == "postgresql":
            run(connection, f"COMMENT ON VIEW {quoted(name)} IS '{_digest(body)}'")


def stand(connection: sa.Connection, what: Study, slots: Sequence[Slot]) -> bool:
    """Tell whether the views stand as they would be written now."""
    wanted = statements(what, slots, connection.dialect.name)
    if connection.dialect.name == "sqlite":
        sql = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
        found = {row[0]: row[1] for row in connection.exec_driver_sql(sql)}
        return all(found.get(name) == f"CREATE VIEW {quoted(name)} AS {body}" for name, body in wanted.items())
    sql = (
        "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class "
        "WHERE relkind = 'v' AND pg_table_is_visible(oid)"
    )
    found = {row[0]: row[1] for row in connection.exec_driver_sql(sql)}
    return all(found.get(name) == _digest(body) for name, body in wanted.items())


def _digest(body: str) -> str:
    return "syncline " + hashlib.sha256(body.encode()).hexdigest()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _find(what: Study, slots: Sequence[Slot], form: str, field: str, code: str | None = None) -> _Place | None:
    """Find the column of a field, or of one choice of a checkbox field."""
    wanted = {field} if code is None else {field, study.column_of(field, code)}
    mine = [slot for slot in slots if slot.form == form]
    for slot in mine:
        if slot.frame_column in wanted:
            first = layout.first_table(slot.table_name)
            return _Place(table=slot.table_name, first=first, column=slot.column_name, kind=slot.kind)
    return None


def _day(alias: str, place: _Place, dialect: str) -> str:
    column = f"{alias}.{quoted(place.column)}"
    if place.kind is Kind.DATETIME:
        return f"substr({column}, 1, 10)" if dialect == "sqlite" else f"CAST({column} AS date)"
    return column


def _joined(first: str, part: str) -> str:
    keys = ("site", "record", "event", "instrument", "instance")
    return " AND ".join(f"{first}.{key} = {part}.{key}" for key in keys)


def _assessments(what: Study, slots: Sequence[Slot], measure: Measure, dialect: str) -> str | None:
    """Select one measure's usable values: site, record, event, instance, value, day."""
    value = _find(what, slots, measure.form, measure.field)
    numeric = (Kind.NUMBER, Kind.INTEGER, Kind.CHECKBOX)
    if value is None or value.kind not in numeric:
        return None
    sources = [f"{quoted(value.first)} f"]
    if value.table != value.first:
        sources.append(f"JOIN {quoted(value.table)} p ON {_joined('f', 'p')}")
    alias = "f" if value.table == value.first else "p"
    dated = what.form(measure.form).date_field
    date = _find(what, slots, measure.form, dated) if dated else None
    days = ["v.actual_date"]
    if date is not None and date.kind in (Kind.DATE, Kind.DATETIME):
        if date.table not in (value.first, value.table):
            sources.append(f"JOIN {quoted(date.table)} d ON {_joined('f', 'd')}")
        at = "f" if date.table == value.first else "p" if date.table == value.table else "d"
        days.insert(0, _day(at, date, dialect))
    again = [_literal(visit.id) for visit in what.visits if visit.repeating]
    # Elsewhere the instance counts repeats of the form, and the visit has the one date.
    instance = f"CASE WHEN f.event IN ({', '.join(again)}) THEN f.instance ELSE 1 END" if again else "1"
    sources.append(
        "LEFT JOIN visit v ON v.site = f.site AND v.record = f.record AND v.visit = f.event "
        f"AND v.instance = {instance}"
    )
    day = f"COALESCE({', '.join(days)})" if len(days) > 1 else days[0]
    limits = [f"{alias}.{quoted(value.column)} IS NOT NULL", "NOT f.is_quarantined"]
    if measure.subset is not None:
        limits.append(_subset(what, slots, measure.subset) or "1 = 0")
    return (
        f"SELECT {_literal(measure.name)} AS measure, f.site, f.record, f.event, f.instance, "
        f"CAST({alias}.{quoted(value.column)} AS DOUBLE PRECISION) AS value, {day} AS day "
        f"FROM {' '.join(sources)} WHERE {' AND '.join(limits)}"
    )


def _subset(what: Study, slots: Sequence[Slot], subset: tuple[str, str, str]) -> str | None:
    form, field, code = subset
    place = _find(what, slots, form, field, code)
    if place is None:
        return None
    boxed = place.kind in (Kind.CHECKBOX, Kind.INTEGER, Kind.NUMBER)
    wanted = "1" if place.kind is Kind.CHECKBOX else code if boxed else _literal(code)
    part = "" if place.table == place.first else f" JOIN {quoted(place.table)} q ON {_joined('s', 'q')}"
    at = "s" if place.table == place.first else "q"
    return (
        f"EXISTS (SELECT 1 FROM {quoted(place.first)} s{part} WHERE s.site = f.site AND s.record = f.record "
        f"AND NOT s.is_quarantined AND {at}.{quoted(place.column)} = {wanted})"
    )


def _baseline(what: Study) -> str:
    """Name the visit of day 0."""
    return next((visit.id for visit in what.visits if visit.day == 0 and not visit.repeating), "day_0")


def _case(values: dict[str, int], otherwise: str) -> str:
    """Write a CASE over ``a.event``; without any branch the otherwise alone."""
    if not values:
        return otherwise
    branches = " ".join(f"WHEN {_literal(key)} THEN {number}" for key, number in values.items())
    return f"CASE a.event {branches} ELSE {otherwise} END"


def _efficacy(what: Study, slots: Sequence[Slot], dialect: str) -> str:
    """Write mean and deviation by measure and visit.

    An assessment on or before the first infusion, whatever its visit, is a candidate for the baseline, and the last
    one is it; without a date, the planned day decides. Later ones count at their visit, the last one of a subject
    there. Unscheduled visits have no common day and are left out after the baseline.
    """
    parts = [part for each in what.measures if (part := _assessments(what, slots, each, dialect)) is not None]
    if not parts:
        real, text, whole = "CAST(NULL AS DOUBLE PRECISION)", "CAST(NULL AS TEXT)", "CAST(NULL AS BIGINT)"
        columns = f"{text} AS measure, {text} AS visit, {whole} AS n, {real} AS mean, {real} AS sd"
        return f"SELECT {columns} FROM (SELECT 1 AS one) o WHERE 1 = 0"
    day_zero = _literal(_baseline(what))
    planned = {visit.id: visit.day for visit in what.visits if visit.day is not None}
    order = {visit.id: number for number, visit in enumerate(what.visits)}
    early = f"COALESCE(a.day <= s.first_infusion, {_case(planned, '1')} <= 0)"
    repeating = [_literal(visit.id) for visit in what.visits if visit.repeating]
    kept = f" AND label NOT IN ({', '.join(repeating)})" if repeating else ""
    # What is filed under day 0 but dated later is neither baseline nor any other visit.
    label = f"CASE WHEN {early} THEN {day_zero} WHEN a.event <> {day_zero} THEN a.event END"
    label = label if what.anchor else "a.event"
    treated = " WHERE s.first_infusion IS NOT NULL" if what.anchor else ""
    floor = "'0001-01-01'" if dialect == "sqlite" else "DATE '0001-01-01'"
    root = _SQLITE_ROOT.format(x="g.variance") if dialect == "sqlite" else "sqrt(g.variance)"
    return (
        f"WITH assessment AS ({' UNION ALL '.join(parts)}), "
        f"labelled AS (SELECT a.measure, a.site, a.record, a.value, a.instance, {label} AS label, "
        f"COALESCE(a.day, {floor}) AS day, {_case(order, '-1')} AS place "
        f"FROM assessment a JOIN subject s ON s.site = a.site AND s.record = a.record{treated}), "
        "ranked AS (SELECT measure, label, value, ROW_NUMBER() OVER (PARTITION BY measure, site, record, label "
        f"ORDER BY day DESC, place DESC, instance DESC) AS rank FROM labelled WHERE label IS NOT NULL{kept}), "
        "chosen AS (SELECT measure, label, value FROM ranked WHERE rank = 1), "
        "middle AS (SELECT measure, label, COUNT(*) AS n, AVG(value) AS mean FROM chosen GROUP BY measure, label), "
        "spread AS (SELECT m.measure, m.label, m.n, m.mean, CASE WHEN m.n > 1 THEN "
        "SUM((c.value - m.mean) * (c.value - m.mean)) / (m.n - 1) END AS variance "
        "FROM middle m JOIN chosen c ON c.measure = m.measure AND c.label = m.label "
        "GROUP BY m.measure, m.label, m.n, m.mean) "
        f"SELECT g.measure AS measure, g.label AS visit, g.n AS n, g.mean AS mean, "
        f"CASE WHEN g.variance IS NOT NULL THEN {root} END AS sd FROM spread g"
    )


def _responses() -> str:
    """Write counts of derived responses by visit, of all subjects who had a first infusion."""
    return (
        "SELECT o.visit AS visit, o.outcome AS category, COUNT(*) AS n, t.denominator AS denominator, "
        "100.0 * COUNT(*) / t.denominator AS percent "
        "FROM derived_outcome o JOIN subject s ON s.site = o.site AND s.record = o.record "
        "AND s.first_infusion IS NOT NULL "
        "CROSS JOIN (SELECT COUNT(*) AS denominator FROM subject WHERE first_infusion IS NOT NULL) t "
        "GROUP BY o.visit, o.outcome, t.denominator"
    )
