"""Read a study from its folder of TOML, listing every problem at once.

A study folder holds ``study.toml``, ``visits.toml``, ``forms/*.toml``, ``checks/*.toml`` and, where wanted,
``codelists.toml``. Every text (``label``, ``title``, ``message``) is either one string, which then serves all
languages, or one string a language: ``label.en = "Sex"``, ``label.zh = "性别"``. Unknown keys are errors.

``study.toml``::

    [study]
    name = "sle"                     # lower case letters, digits, _
    version = "1.0"
    languages = ["en", "zh"]         # every text must have these
    record_field = "subject_id"      # a field of one of the forms
    title.en = "…"
    title.zh = "…"
    [anchor]                         # date of the first infusion, study day 0
    form = "msc_infusion"
    field = "inf_date"
    visit = "day_0"                  # optional
    [visit_date]                     # the date of each visit
    form = "visit_form"
    field = "visit_date"
    [[measure]]                      # what the efficacy view reports
    name = "protein_24h"
    form = "urine"
    field = "utp24"
    subset = {form = "eligibility", field = "ln_flag", code = "1"}   # optional
    [missing_codes]                  # optional: word -> meaning
    [parameters]                     # anything; library checks read it

``visits.toml``, one table a visit, in the planned order (days count from the anchor; ``inf`` and ``-inf`` are
not allowed here; leave ``day``, ``window`` and ``hard`` out where they do not apply)::

    [[visit]]
    id = "day_7"
    label.en = "Day 7"
    day = 7
    window = [6, 8]
    hard = [4, 14]
    required = true                  # default true
    repeating = false                # default false

``forms/<name>.toml``::

    [form]
    name = "labs"                    # the file's name; some names are reserved, see schemas.lint
    label.en = "Laboratory"
    visits = ["screening", "day_0"]  # default: any
    repeating = false
    date_field = "lab_date"
    order = 7                        # place of the form in the study
    [defaults]                       # optional: keys that every field of this file has unless it says otherwise
    kind = "number"
    [[field]]
    name = "creat"                   # unique in the whole study
    kind = "number"                  # text number integer date datetime time coded yesno checkbox file
    label.en = "Creatinine"
    unit = "umol/L"                  # canonical, UCUM
    units = {"mg/dL" = 88.42}        # accepted unit -> factor to the canonical one (itself need not be listed)
    decimals = 1                     # kept after a conversion
    hard = [10, 2500]                # both ends included; inf or -inf leaves an end open
    soft = [30, 200]
    signatures = [{unit = "mg/dL", range = [0.2, 15]}]
    required = true
    branching = "[sex] = 'F'"        # REDCap logic: the field applies where it is true
    not_done = "creat_nd"            # the field with the reason for a missing value
    loinc = "14682-9"
    identifier = false
    pattern = '{prefix}-\\d{3}'      # the whole text must match; {prefix} is the site's subject prefix
    calculation = "round([a]/[b],1)"
    extra = {}                       # anything; library checks read it
    [[field]]
    name = "sex"
    kind = "coded"                   # coded and checkbox need codes, in one of three ways:
    codes = {F = {en = "Female", zh = "女"}, M = {en = "Male", zh = "男"}}       # or {F = "Female", M = "Male"}
    # codes = [{code = "F", label.en = "Female", label.zh = "女"}, …]
    # codes = "sex"                  # a list of codelists.toml

``codelists.toml``, one table a list: ``[sex]`` with ``F = {en = "Female", zh = "女"}``; codes that are not bare
TOML words are quoted: ``"1+" = "1+"``.

``checks/*.toml``::

    [[check]]
    id = "XF01"                      # unique, and none of the built-in ids (schemas.builtin)
    version = "1.0"                  # "major.minor"
    title.en = "…"
    severity = "hard"                # hard, soft, info
    category = "consistency"         # range unit missing consistency visit chronology duplicate format index outcome
    form = "vitals"                  # the form whose rows are judged; a library check may leave it out
    target = "dbp"                   # or targets = ["dbp", "sbp"]; "form.field" for a field of another form
    when = "[sbp] <> ''"             # population, REDCap logic
    inputs = ["sbp", "dbp"]          # also "form.field" and "[visit][field]"; default for logic: what it reads
    logic = "[dbp] >= [sbp]"         # true means a discrepancy; exactly one of logic and library
    # library = "visit_window"       # a function of validators.library, with its parameters:
    # [check.params]
    message.en = "Diastolic {dbp} is not below systolic {sbp}."
    auto_close = true
    review_before_release = false
    complete_only = false            # judge only where the form's status is Complete
    raises_query = true
    tests = [{row = {sbp = 120, dbp = 130}, fires = true}]   # optional event, today, note

Whether logic parses and library names exist is for ``validators`` to say, which stand above this layer.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from schemas import tables
from schemas.convert import Converter
from schemas.errors import Problem, StudyError
from schemas.lint import lint_study
from schemas.study import Study

SHIPPED = Path(__file__).parent / "studies"
"""The studies that come with the package, a folder each."""

T = TypeVar("T", bound=BaseModel)


def load_study(folder: Path) -> Study:
    """Read the study in ``folder``; StudyError lists every problem of every file."""
    reader = _Reader(folder)
    study = reader.study()
    problems = list(reader.problems)
    if study is not None:
        problems += lint_study(study, check_files=reader.check_files)
    if problems or study is None:
        raise StudyError(tuple(dict.fromkeys(str(problem) for problem in problems)))
    return study


def shipped_folder(name: str) -> Path:
    """Give the folder in which the package would keep the study of that name; it need not exist."""
    return SHIPPED / name


def shipped_study(name: str) -> Study:
    """Read the study of that name that comes with the package; StudyError where there is none."""
    known = sorted(each.parent.name for each in SHIPPED.glob("*/study.toml"))
    if name not in known:
        listed = ", ".join(known) or "none"
        raise StudyError((f"no study named {name!r} is shipped. Use one of: {listed}, or give a path.",))
    return load_study(shipped_folder(name))


class _Reader:
    """Read one folder file by file, gathering problems on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        #: check id -> its file, so that lint can name the place
        self.check_files: dict[str, str] = {}

    def study(self) -> Study | None:
        """Read all files; None where one could not be read well enough to go on."""
        if not self.folder.is_dir():
            self._say("", "", "the study folder does not exist", f"Give the path of a folder: {self.folder}")
            return None
        head = self._model("study.toml", tables.StudyFile, self._toml("study.toml"))
        visits = self._model("visits.toml", tables.VisitsFile, self._toml("visits.toml"))
        codelists = self._codelists()
        forms = {name: self._form(name) for name in self._files("forms")}
        checks = {name: self._model(name, tables.CheckFile, self._toml(name)) for name in self._files("checks")}
        if not forms:
            self._say("forms", "", "the study has no form", "Add at least one forms/<name>.toml.")
        if head is None or visits is None or codelists is None:
            return None
        converter = Converter(head=head, codelists=codelists.root, say=self._say)
        study = converter.study(
            visits=visits.visit,
            forms={name: each for name, each in forms.items() if each is not None},
            checks={name: each for name, each in checks.items() if each is not None},
        )
        self.check_files = converter.check_files
        unread = any(each is None for each in (*forms.values(), *checks.values()))
        # With a form missing, every mention of its fields would be reported as well: not worth reading.
        return None if unread else study

    def _files(self, kind: str) -> Iterable[str]:
        return [f"{kind}/{path.name}" for path in sorted((self.folder / kind).glob("*.toml"))]

    def _toml(self, name: str) -> dict[str, Any] | None:
        try:
            return tomllib.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._say(name, "", "the file is missing", "Add it to the study folder.")
        except UnicodeDecodeError:
            self._say(name, "", "the file is not UTF-8", "Save it as UTF-8.")
        except tomllib.TOMLDecodeError as error:
            self._say(name, "", f"this is not TOML: {error}", "Correct it at that line.")
        return None

    def _codelists(self) -> tables.CodelistsFile | None:
        """Read the shared code lists; the file may be absent."""
        name = "codelists.toml"
        data = self._toml(name) if (self.folder / name).exists() else {}
        return self._model(name, tables.CodelistsFile, data)

    def _form(self, name: str) -> tables.FormFile | None:
        """Read one form file, its ``[defaults]`` folded into its fields."""
        data = self._toml(name)
        if data is None:
            return None
        self._fold_defaults(name, data)
        if isinstance(data.get("form"), dict):
            data["form"].setdefault("name", Path(name).stem)
        form = self._model(name, tables.FormFile, data)
        if form is not None and form.form.name != Path(name).stem:
            self._say(name, "form.name", "the form is not named as its file", "Give both the same name.")
        return form

    def _fold_defaults(self, name: str, data: dict[str, Any]) -> None:
        defaults = data.pop("defaults", {})
        if not isinstance(defaults, dict):
            self._say(name, "defaults", "this is no table", "Write [defaults] and the keys below it.")
            return
        for key in set(defaults) - set(tables.FieldTable.model_fields):
            self._say(name, f"defaults.{key}", "unknown key", "Remove it or correct its spelling.")
            del defaults[key]
        if isinstance(data.get("field"), list):
            data["field"] = [defaults | each if isinstance(each, dict) else each for each in data["field"]]

    def _model(self, name: str, model: type[T], data: Mapping[str, Any] | None) -> T | None:
        if data is None:
            return None
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                wrong, remedy = _words(each["type"], each["msg"])
                self._say(name, _key_path(data, each["loc"]), wrong, remedy)
        return None

    def _say(self, file: str, key: str, wrong: str, remedy: str) -> None:
        self.problems.append(Problem(file=file, key=key, wrong=wrong, remedy=remedy))


def _words(kind: str, message: str) -> tuple[str, str]:
    """Put pydantic's kind of error into what is wrong and what to do."""
    match kind:
        case "extra_forbidden":
            return "unknown key", "Remove it or correct its spelling."
        case "missing":
            return "the key is missing", "Add it."
        case "value_error":
            return message.removeprefix("Value error, "), "Correct it."
        case "string_pattern_mismatch":
            return "the name or version is not of the allowed form", f"{message}."
    return message[:1].lower() + message[1:], "Correct the value."


def _key_path(data: Any, loc: tuple[int | str, ...]) -> str:
    """Write pydantic's location as a key path, array tables by their name: ``field[creat].soft``."""
    path = ""
    for step in loc:
        if isinstance(step, int):
            data = data[step] if isinstance(data, list) and step < len(data) else None
            named = data if isinstance(data, dict) else {}
            path += f"[{named.get('name') or named.get('id') or named.get('code') or step}]"
        else:
            data = data.get(step) if isinstance(data, dict) else None
            path += f".{step}" if path else step
    return path
