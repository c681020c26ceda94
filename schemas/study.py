"""Hold a study: its forms, fields, visits and edit checks, as values.

A study is a folder of TOML (``schemas.loading``) or is derived from a site's REDCap dictionary
(``schemas.dictionary``); both arrive here as the same frozen types, so nothing later in the chain asks where a
study came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any


@unique
class Kind(StrEnum):
    """What a cell holds once it has been read, and so the polars type of its column."""

    TEXT = "text"  # String
    NUMBER = "number"  # Float64
    INTEGER = "integer"  # Int64
    DATE = "date"  # Date
    DATETIME = "datetime"  # Datetime("us"), naive, in the site's local time
    TIME = "time"  # Time
    CODED = "coded"  # String, one of the field's codes
    YESNO = "yesno"  # String "1" or "0"
    CHECKBOX = "checkbox"  # one Int64 0/1 column a choice, named by column_of()
    FILE = "file"  # String, a file name
    UNKNOWN = "unknown"  # a field type never seen: read as text, not evaluated


@unique
class Severity(StrEnum):
    """How grave a finding is: hard quarantines the row, soft asks, info is for the monitor only."""

    HARD = "hard"
    SOFT = "soft"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Name one code of a coded field."""

    code: str
    label: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Bound a number, both ends included; an open end is None."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Say which values betray another unit: between ``low`` and ``high`` the value looks like ``unit``."""

    unit: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Describe one field of a study form."""

    name: str
    form: str
    kind: Kind
    #: language code -> label; always has at least one entry
    label: Mapping[str, str]
    choices: tuple[Choice, ...] = ()
    #: canonical unit, UCUM
    unit: str | None = None
    #: accepted unit (UCUM, annotations in braces tell analytes apart) -> factor to the canonical unit
    units: Mapping[str, float] = field(default_factory=dict)
    #: decimals kept after a unit conversion; None keeps all
    decimals: int | None = None
    hard: Interval | None = None
    soft: Interval | None = None
    signatures: tuple[Signature, ...] = ()
    required: bool = False
    #: REDCap logic over study fields: the field applies where it is true
    branching: str | None = None
    #: regular expression that the whole text must match; ``{prefix}`` stands for the site's subject prefix
    pattern: str | None = None
    #: REDCap logic of a calculated field
    calculation: str | None = None
    #: the field that gives the reason when this one was not done
    not_done: str | None = None
    identifier: bool = False
    loinc: str | None = None
    #: free remarks for the check library (e.g. ``{"sledai_weight": 8}``)
    extra: Mapping[str, Any] = field(default_factory=dict)
    #: REDCap's own name where the study had to choose another (``schemas.dictionary``: a key's word)
    origin: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the frame columns of this field: itself, or one a choice for a checkbox."""
        if self.kind is Kind.CHECKBOX:
            return tuple(column_of(self.name, choice.code) for choice in self.choices)
        return (self.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Describe one study form (REDCap: instrument)."""

    name: str
    label: Mapping[str, str]
    fields: tuple[Field, ...]
    #: visit ids at which it is collected; empty means any
    visits: tuple[str, ...] = ()
    #: several instances at one visit
    repeating: bool = False
    #: the field that dates the form's content
    date_field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Describe one planned visit; days count from the first infusion, which is day 0."""

    id: str
    label: Mapping[str, str]
    day: int | None
    #: first and last day of the protocol window
    window: tuple[int, int] | None
    #: beyond these days the row is likelier filed under the wrong visit
    hard: tuple[int, int] | None
    required: bool
    repeating: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Try a check on one made-up row and say whether it must fire; ``sync checks test`` runs these."""

    #: field, ``form.field`` or ``[visit][field]`` -> value in the study's words; what is not named is blank
    row: Mapping[str, Any]
    fires: bool
    #: visit id at which the row stands; "" where it does not matter
    event: str = ""
    #: ISO date that stands for today; None where it does not matter
    today: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """Describe one edit check. Exactly one of ``logic`` and ``library`` is given.

    ``logic`` is REDCap logic over the fields of ``form`` (and ``[visit][field]`` of other visits); as in REDCap's
    Data Quality module, *true means a discrepancy*. ``library`` names a function of ``validators.library``.
    """

    id: str
    #: "major.minor"; a confirmation lapses when the major part changes
    version: str
    title: Mapping[str, str]
    severity: Severity
    #: range, unit, missing, consistency, visit, chronology, duplicate, format, index, outcome
    category: str
    #: form whose rows are judged; None for a library check that chooses for itself
    form: str | None
    #: the cells that the query points at
    targets: tuple[str, ...]
    #: language -> text with {placeholders} out of ``inputs`` and {value}, {raw}, {unit}, {label}, …
    message: Mapping[str, str]
    #: population: rows where this logic is not true are not judged
    when: str | None = None
    #: declared fields: the fingerprint covers them; a logic check's default to what it reads
    inputs: tuple[str, ...] = ()
    logic: str | None = None
    library: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    auto_close: bool = True
    review_before_release: bool = False
    #: judged only where the form's status is Complete
    complete_only: bool = False
    #: false: reported, but never raised as a query to the site
    raises_query: bool = True
    tests: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Point at a date: the field of a form at a visit (None: of any visit)."""

    form: str
    field: str
    visit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Say what the efficacy view reports: a numeric field, perhaps of a subset of the subjects."""

    name: str
    form: str
    field: str
    #: (form, field, code): only subjects with this code count
    subset: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Hold one study as a whole."""

    name: str
    version: str
    title: Mapping[str, str]
    languages: tuple[str, ...]
    #: the field that holds the record (subject) id
    record_field: str
    forms: tuple[Form, ...]
    visits: tuple[Visit, ...]
    checks: tuple[CheckSpec, ...]
    #: date of the first infusion: study day 0
    anchor: Anchor | None = None
    #: the date of each visit
    visit_date: Anchor | None = None
    measures: tuple[Measure, ...] = ()
    #: words that stand for a missing value in any field (REDCap missing-data codes) -> meaning
    missing_codes: Mapping[str, str] = field(default_factory=dict)
    #: parameters that library checks read (minimum age, delta limits, rule sets …)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def form(self, name: str) -> Form:
        """Find a form by name; KeyError where the study has none of that name."""
        for form in self.forms:
            if form.name == name:
                return form
        raise KeyError(name)


def column_of(field_name: str, code: str) -> str:
    """Name the export column of one checkbox choice as REDCap does (``field___code``).

    The code is lower-cased and every character outside ``[a-z0-9_]`` becomes ``_``.
    """
    safe = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in code.lower())
    return f"{field_name}___{safe}"
