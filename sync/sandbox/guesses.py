"""List every behaviour that no recording backs: what was chosen, so that nobody takes it for REDCap's own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Hold one open point: its key (named in a comment where the code decides) and what was chosen."""

    key: str
    subject: str
    chosen: str


def _row(key: str, subject: str, chosen: str) -> Guess:
    return Guess(key=key, subject=subject, chosen=chosen)


REGISTER: tuple[Guess, ...] = (
    _row("duplicate-slug", "unique names of events or groups that collide", "a letter a, b, … is appended"),
    _row("date-error-text", "second sentence of 'Invalid date format. …'", "names the expected form"),
    _row("bad-option", "an option outside its documented values", "400 'The value of the parameter … is not valid'"),
    _row("json-unicode", "non-ASCII characters in JSON", "escaped as \\uXXXX"),
    _row("row-subset", "rows of an export of some fields only",
         "repeat rows show where a column of theirs is asked for; without the id, rows of other forms are left out"),
    _row("eav-id-rows", "rows of EAV that hold the record id", "one for each row that is no repeating instrument's"),
    _row("eav-groups", "exportDataAccessGroups in EAV", "one row redcap_data_access_group for each base row"),
    _row("blank-order", "a blank compared by < <= > >=", "false, and never equal to a number"),
)  # fmt: skip


def rows() -> list[dict[str, str]]:
    """Return the register as plain rows."""
    return [{"key": guess.key, "subject": guess.subject, "chosen": guess.chosen} for guess in REGISTER]
