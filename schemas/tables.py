"""Describe the TOML tables of a study folder, as pydantic models that refuse what they do not know.

These models exist only while a study is read; ``schemas.loading`` turns them into the frozen types of
``schemas.study``. The format is documented there.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, RootModel, model_validator

from schemas.study import Kind, Severity

CATEGORIES = (
    "range",
    "unit",
    "missing",
    "consistency",
    "visit",
    "chronology",
    "duplicate",
    "format",
    "index",
    "outcome",
)


def _ordered(pair: list[float]) -> list[float]:
    if pair[0] != pair[0] or pair[1] != pair[1] or pair[0] > pair[1]:
        raise ValueError("the first number must not be above the second")
    return pair


def _category(word: str) -> str:
    if word not in CATEGORIES:
        raise ValueError(f"the category must be one of {', '.join(CATEGORIES)}")
    return word


def _text(given: Any) -> str | dict[str, str]:
    texts = given.values() if isinstance(given, dict) else (given,)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("this is neither a text nor one text a language")
    return given  # type: ignore[no-any-return]


def _codes(given: Any) -> "str | list[tuple[str, str | dict[str, str]]]":
    """Bring the table and the list of ``codes`` into one shape; a text is the name of a code list."""
    if isinstance(given, str):
        return given
    if isinstance(given, list) and all(isinstance(each, dict) and set(each) == {"code", "label"} for each in given):
        pairs = [(each["code"], each["label"]) for each in given]
    elif isinstance(given, dict):
        pairs = list(given.items())
    else:
        raise ValueError("codes are a table of code = label, a list of {code, label}, or the name of a code list")
    if not pairs or not all(isinstance(code, str) and code for code, _ in pairs):
        raise ValueError('every code is a text in quotes, such as "1", and there is at least one')
    return [(code, _text(label)) for code, label in pairs]


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
Text = Annotated[str | dict[str, str], PlainValidator(_text)]
"""A text in every language, or one text that serves all of them."""
Codes = Annotated[str | list[tuple[str, Text]], PlainValidator(_codes)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_ordered)]
Days = Annotated[list[int], Field(min_length=2, max_length=2), AfterValidator(_ordered)]
Number = Annotated[float, Field(allow_inf_nan=False)]
KindWord = Annotated[Kind, Field(strict=False)]
SeverityWord = Annotated[Severity, Field(strict=False)]


class Table(BaseModel):
    """Refuse unknown keys, do not bend types, and keep values out of messages."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class StudyTable(Table):
    """``[study]``."""

    name: Name
    version: str
    languages: Annotated[list[str], Field(min_length=1)]
    record_field: str
    title: Text


class AnchorTable(Table):
    """``[anchor]`` and ``[visit_date]``."""

    form: str
    field: str
    visit: str | None = None


class SubsetTable(Table):
    """``subset`` of a measure."""

    form: str
    field: str
    code: str


class MeasureTable(Table):
    """``[[measure]]``."""

    name: Name
    form: str
    field: str
    subset: SubsetTable | None = None


class StudyFile(Table):
    """``study.toml``."""

    study: StudyTable
    anchor: AnchorTable | None = None
    visit_date: AnchorTable | None = None
    measure: list[MeasureTable] = []
    missing_codes: dict[str, str] = {}
    parameters: dict[str, Any] = {}


class VisitTable(Table):
    """``[[visit]]``."""

    id: Name
    label: Text
    day: int | None = None
    window: Days | None = None
    hard: Days | None = None
    required: bool = True
    repeating: bool = False


class VisitsFile(Table):
    """``visits.toml``."""

    visit: list[VisitTable]


class FormTable(Table):
    """``[form]``."""

    name: Name
    label: Text
    visits: list[str] = []
    repeating: bool = False
    date_field: str | None = None
    order: Number = 0


class SignatureTable(Table):
    """One entry of ``signatures``."""

    unit: str
    range: Pair


class FieldTable(Table):
    """``[[field]]``; ``codes`` is the name of a code list, a table, or a list of tables."""

    name: Name
    kind: KindWord
    label: Text
    codes: Codes | None = None
    unit: str | None = None
    units: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}
    decimals: Annotated[int, Field(ge=0, le=12)] | None = None
    hard: Pair | None = None
    soft: Pair | None = None
    signatures: list[SignatureTable] = []
    required: bool = False
    branching: str | None = None
    pattern: str | None = None
    calculation: str | None = None
    not_done: str | None = None
    identifier: bool = False
    loinc: str | None = None
    extra: dict[str, Any] = {}


class FormFile(Table):
    """``forms/<name>.toml``; ``defaults`` has been folded into the fields before."""

    form: FormTable
    field: Annotated[list[FieldTable], Field(min_length=1)]


class TrialTable(Table):
    """One entry of ``tests``."""

    row: dict[str, Any]
    fires: bool
    event: str = ""
    today: str | None = None
    note: str = ""


class CheckTable(Table):
    """``[[check]]``."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=40)]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] = "1.0"
    title: Text
    severity: SeverityWord
    category: Annotated[str, AfterValidator(_category)]
    form: str | None = None
    target: str | None = None
    targets: list[str] = []
    message: Text
    when: str | None = None
    inputs: list[str] = []
    logic: str | None = None
    library: str | None = None
    params: dict[str, Any] = {}
    auto_close: bool = True
    review_before_release: bool = False
    complete_only: bool = False
    raises_query: bool = True
    tests: list[TrialTable] = []

    @model_validator(mode="after")
    def _one_of_each(self) -> "CheckTable":
        if (self.logic is None) == (self.library is None):
            raise ValueError("give exactly one of logic and library")
        if self.target is not None and self.targets:
            raise ValueError("give target or targets, not both")
        if self.logic is not None and not self.form:
            raise ValueError("a logic check needs the form whose rows it judges")
        if self.logic is not None and self.target is None and not self.targets:
            raise ValueError("a logic check needs a target: the cell that the query points at")
        return self


class CodelistsFile(RootModel[dict[str, Codes]]):
    """``codelists.toml``."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)


class CheckFile(Table):
    """``checks/*.toml``."""

    check: list[CheckTable]
