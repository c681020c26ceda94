"""Bring the database to what this program and the study need, and say what was done.

Core tables change by numbered migrations (Alembic), form tables by comparing the study with the catalogue,
views are written afresh where they differ. All in one transaction: an upgrade happens whole or not at all. It is
safe to repeat and does nothing then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from schemas.coordinates import KEY_COLUMNS
from schemas.study import Study
from sync.errors import ConfigError
from sync.warehouse import bulk, catalogue, conversion, forms, layout, revisions, views
from sync.warehouse.layout import Placing, Slot

_LOCK = 7_301_000_001
"""Advisory lock of PostgreSQL that lets one upgrade run at a time; any fixed number would do."""


_PATIENCE = "30s"
"""How long an upgrade waits on PostgreSQL for who reads what it alters; whoever comes then waits behind it."""


class Due(Enum):
    """Tell what a study still needs of the database."""

    NOTHING = "nothing"
    #: columns, tables and views beside what stands: harmless where the night that wanted them is undone
    MORE = "more"
    #: what stands is altered, so it must be undone together with the night
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Tell how far a database is."""

    #: revision of the core tables; None in an empty database
    revision: str | None
    newest: str
    #: what ``upgrade`` would do
    pending: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Tell whether nothing is left to do."""
        return not self.pending


def status(connection: sa.Connection, study: Study) -> Status:
    """Compare a database with what program and study need; changes nothing."""
    revision, newest = revisions.current(connection), revisions.NEWEST
    steps = [] if revision == newest else [f"core tables: {revision or 'none'} -> {newest}"]
    stands = revision is not None
    placing = conversion.attainable(connection, layout.place(study, catalogue.read(connection) if stands else ()))
    steps += _sentences(placing)
    if placing.shared and not steps:
        steps.append("columns: note that several dictionaries share them")
    if stands and not steps and not views.stand(connection, study, placing.slots):
        steps.append("views: write afresh")
    return Status(revision=revision, newest=newest, pending=tuple(steps))


def upgrade(engine: sa.Engine, study: Study) -> list[str]:
    """Upgrade core tables, form tables and views; give a sentence for each thing done, none where all stood."""
    with engine.begin() as connection:
        return upgrade_within(connection, study)


def due(connection: sa.Connection, study: Study) -> Due:
    """Look at what a study still needs; takes no lock that anybody waits for."""
    placing = conversion.attainable(connection, layout.place(study, catalogue.read(connection)))
    if revisions.current(connection) != revisions.NEWEST or placing.changed:
        return Due.OTHER
    more = placing.added or placing.shared or not views.stand(connection, study, placing.slots)
    return Due.MORE if more else Due.NOTHING


def settle_within(connection: sa.Connection, study: Study) -> None:
    """Make what is due in a transaction that has begun; where nothing is, only hold upgrades off until it ends.

    An upgrade waits here, not at the tables: who waits for a table holds up everybody who comes to read it.
    """
    if due(connection, study) is not Due.NOTHING:
        upgrade_within(connection, study)
    elif connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _LOCK})


def upgrade_within(connection: sa.Connection, study: Study) -> list[str]:
    """Upgrade as a part of a transaction that has begun, so that it stands or falls with what else that does."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
    done: list[str] = []
    revision, newest = revisions.current(connection), revisions.NEWEST
    if revision is not None and revision not in revisions.KNOWN:
        raise ConfigError([f"[warehouse]: revision {revision} is newer than this program; update Syncline"])
    if revision != newest:
        revisions.advance(connection)
        done.append(f"core tables: {revision or 'none'} -> {newest}")
    placing = conversion.attainable(connection, layout.place(study, catalogue.read(connection)))
    _refuse_unreleased(connection, placing.slots)
    done += _sentences(placing)
    for slot in placing.shared:
        catalogue.renew(connection, slot)
    if not done and views.stand(connection, study, placing.slots):
        _patient_again(connection)
        return []
    views.drop(connection, placing.slots)
    _apply(connection, placing)
    views.create(connection, study, placing.slots)
    _patient_again(connection)
    return done or ["views: written afresh"]


def _patient_again(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL lock_timeout TO DEFAULT"))


def _refuse_unreleased(connection: sa.Connection, slots: Iterable[Slot]) -> None:
    """Leave a warehouse alone in which what is a view now is a table."""
    standing = set(sa.inspect(connection).get_table_names())
    if standing & {slot.raw_table_name for slot in slots}:
        raise ConfigError(
            ["[warehouse]: made by a development version of before the first release; name a new one, and run again"]
        )


def _sentences(placing: Placing) -> list[str]:
    """Say what a placing brings; fields that left the study are no work and are not named."""
    new = {slot.form for slot in placing.added if slot.position == 0}
    waiting = {(slot.form, slot.frame_column): slot.kind for slot in placing.waiting}
    sentences = []
    for form in dict.fromkeys(slot.form for slot in placing.added):
        slots = [slot for slot in placing.added if slot.form == form]
        verb = "create" if form in new else "add"
        names = ", ".join(dict.fromkeys(slot.table_name for slot in slots))
        sentences.append(f"form {form}: {verb} {len(slots)} columns in {names}")
    for before, after in placing.changed:
        where = f"form {before.form}: {before.frame_column}"
        if after.study == layout.SHARED:
            sentences.append(f"{where} holds text now, because the sites' dictionaries disagree")
            continue
        if wanted := waiting.get((after.form, after.frame_column)):
            later = f"it is {wanted.value} once every site's values are, which takes a full run of each"
            sentences.append(f"{where} holds text for now, was {before.kind.value}; {later}")
            continue
        sentences.append(f"{where} is {after.kind.value} now, was {before.kind.value}")
    return sentences


def _apply(connection: sa.Connection, placing: Placing) -> None:
    standing = set(sa.inspect(connection).get_table_names())
    metadata = forms.build(placing.slots)
    for table in metadata.sorted_tables:
        if table.name not in standing:
            connection.execute(CreateTable(table))
            for index in table.indexes:
                connection.execute(CreateIndex(index))
    for table_name in dict.fromkeys(slot.table_name for slot in placing.added if slot.part > 1):
        if table_name not in standing:
            _take_over_rows(connection, table_name)
    for slot in placing.added:
        if slot.table_name in standing:
            _add_column(connection, slot.table_name, forms.stored_column(slot))
            _add_column(connection, slot.texts_table_name, forms.raw_column(slot))
    for before, after in placing.changed:
        if not conversion.same_storage(before, after):
            conversion.convert(connection, before, after, placing.slots)
        catalogue.renew(connection, after)
    catalogue.write(connection, placing.added)


def _take_over_rows(connection: sa.Connection, table: str) -> None:
    """Give a further part of a form, which has just been made, the rows that the form has."""
    key = ", ".join(KEY_COLUMNS)
    first = bulk.quoted(layout.first_table(table))
    bulk.run(connection, f"INSERT INTO {bulk.quoted(table)} ({key}) SELECT {key} FROM {first}")


def _add_column(connection: sa.Connection, table: str, column: sa.Column[object]) -> None:
    type_ = column.type.compile(connection.dialect)
    bulk.run(connection, f"ALTER TABLE {bulk.quoted(table)} ADD COLUMN {bulk.quoted(column.name)} {type_}")
