"""Seed entry errors into the centres' projects, and know for each of them what is right.

An error is a set of site fields of one row with wrong text. No two errors touch the same row, so that each has its
own findings. The same seed gives the same errors.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.frames import Scalar
from schemas.study import Study
from sync.demo.encode import SiteEncoder, SiteRow
from sync.demo.numbers import stream
from sync.demo.projects import SiteProject, with_cells
from sync.demo.recipes import ALL, Kind, Recipe
from sync.demo.slips import Cell, Slip
from sync.demo.truth import SEED, Place, Truth
from sync.harmonise.mapping import SiteMapping
from validators.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededError:
    """Hold one seeded entry error; an unusual but true value is held the same way, with ``is_true``."""

    number: int
    kind: Kind
    #: errors of one run of bad typing share it, e.g. "jiangsu/labs/creat"
    cluster: str
    place: Place
    #: the site's record id
    record: str
    #: study columns that are wrong; the first is the one that the error is about
    columns: tuple[str, ...]
    row: SiteRow
    instrument: str
    #: site field -> text
    wrong: Mapping[str, str]
    correct: Mapping[str, str]
    #: what the site types when it gets the correction wrong, where that is known to happen
    again: Mapping[str, str] | None
    #: any one of these must fire
    checks: tuple[str, ...]

    @property
    def is_true(self) -> bool:
        """Tell whether the value is unusual but right, so that the site confirms it."""
        return self.kind is Kind.UNUSUAL

    @property
    def detectable(self) -> bool:
        """Tell whether a rule must notice."""
        return bool(self.checks) and not self.is_true

    @property
    def field(self) -> str:
        """Name the study column that the error is about."""
        return self.columns[0]

    def cells(self, texts: Mapping[str, str]) -> dict[SiteRow, dict[str, dict[str, str]]]:
        """Shape texts of this error's fields for ``projects.with_cells``."""
        return {self.row: {self.instrument: dict(texts)}}

    def explains(self, finding: Finding) -> bool:
        """Tell whether a finding reads one of the cells that this error (or unusual value) stands in."""
        at = finding.row
        if (at.site, at.record) != (self.place.site, self.record):
            return False
        here = (self.place.visit, self.place.form, self.place.instance)
        if (at.event, at.instrument, at.instance) == here and finding.field in self.columns:
            return True
        return any(
            (each.event, each.instrument, each.instance) == here and each.field in self.columns
            for each in finding.evidence
        )

    def found_by(self, finding: Finding) -> bool:
        """Tell whether a finding is the one, or one of those, that this error must bring about."""
        return finding.check in self.checks and self.explains(finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Count what the checks made of the seeded errors."""

    detectable: int
    found: int
    undetectable: int
    #: findings that no seeded error and no unusual value explains
    false_findings: int


def seed_errors(
    study: Study, mappings: Mapping[str, SiteMapping], truth: Truth, seed: int = SEED
) -> tuple[SeededError, ...]:
    """Choose and make the errors of all centres. ValueError where a recipe finds no cell that it fits."""
    taken: set[Place] = set()
    errors: list[SeededError] = []
    encoders = {site: SiteEncoder(study=study, mapping=mapping) for site, mapping in mappings.items()}
    rows = {site: dict(truth.of(site)) for site in mappings}
    for at, recipe in enumerate(ALL):
        for site, count in recipe.sites.items():
            rng = stream(seed, "errors", at, site)
            made = _made(recipe, count, encoders[site], rows[site], taken, rng)
            errors.extend(made)
    return tuple(_numbered(errors))


def score(errors: Sequence[SeededError], findings: Sequence[Finding]) -> Score:
    """Set findings against the seeded errors. Findings that go to the monitor only do not count as false."""
    detectable = [each for each in errors if each.detectable]
    asked = [each for each in findings if each.raises_query]
    return Score(
        detectable=len(detectable),
        found=sum(any(error.found_by(finding) for finding in findings) for error in detectable),
        undetectable=sum(not each.checks for each in errors),
        false_findings=sum(not any(error.explains(finding) for error in errors) for finding in asked),
    )


def spoil(project: SiteProject, errors: Sequence[SeededError]) -> SiteProject:
    """Put a centre's errors (and unusual values) into its project."""
    for error in errors:
        if error.place.site == project.site:
            project = with_cells(project, error.cells(error.wrong))
    return project


def _numbered(errors: list[SeededError]) -> Iterator[SeededError]:
    for number, error in enumerate(errors, start=1):
        yield replace(error, number=number)


def _made(
    recipe: Recipe,
    count: int,
    encoder: SiteEncoder,
    rows: Mapping[Place, Mapping[str, Scalar]],
    taken: set[Place],
    rng: random.Random,
) -> list[SeededError]:
    """Make up to ``count`` errors by one recipe at one site, in a run or anywhere."""
    dates = {(p.subject, p.visit): str(row["visit_date"]) for p, row in rows.items() if p.form == "visit_form"}
    fitting = [
        place
        for place, row in rows.items()
        if place.form == recipe.form
        and (not recipe.visits or place.visit in recipe.visits)
        and row.get(recipe.field) is not None
        and recipe.fits(row)
    ]
    if recipe.run:
        fitting.sort(key=lambda place: (dates.get((place.subject, place.visit), ""), place))
        start = rng.randrange(max(1, len(fitting) - 2 * count))
        order = fitting[start:] + fitting[:start]
    else:
        order = rng.sample(fitting, len(fitting))
    made: list[SeededError] = []
    for place in order:
        if len(made) == count:
            break
        if place not in taken and (error := _error(recipe, encoder, rows, place, rng)):
            taken.add(place)
            made.append(error)
    return made


def _error(
    recipe: Recipe,
    encoder: SiteEncoder,
    rows: Mapping[Place, Mapping[str, Scalar]],
    place: Place,
    rng: random.Random,
) -> SeededError | None:
    wrong: dict[str, str] = {}
    correct: dict[str, str] = {}
    columns: list[str] = []
    for column in (recipe.field, *recipe.also):
        cell = _cell(encoder, rows, place, column, rng)
        slip = _total_of(cell) if column == "sledai_total" and recipe.also else recipe.slip
        typed = slip(cell) if cell.value is not None else None
        if typed is None and column == recipe.field:
            return None
        if typed is not None:
            wrong |= typed
            correct |= cell.written.cells
            columns.append(column)
    cell = _cell(encoder, rows, place, recipe.field, rng)
    return SeededError(
        number=0,
        kind=recipe.kind,
        cluster="/".join((place.site, recipe.form, recipe.field) + ((recipe.kind.value,) if not recipe.run else ())),
        place=place,
        record=cell.written.row.record,
        columns=tuple(columns),
        row=cell.written.row,
        instrument=cell.written.instrument,
        wrong=wrong,
        correct=correct,
        again=recipe.again(cell) if recipe.again else None,
        checks=recipe.checks,
    )


def _total_of(cell: Cell) -> Slip:
    """Leave out of the total what was left out of the list: 2 points of complement."""
    return lambda one: one.as_value(int(cell.number) - 2)


def _cell(
    encoder: SiteEncoder,
    rows: Mapping[Place, Mapping[str, Scalar]],
    place: Place,
    column: str,
    rng: random.Random,
) -> Cell:
    row = rows[place]
    form = encoder.study.form(place.form)
    visits = [visit for visit in form.visits if visit != "month_1"]
    before = None
    if place.visit in visits[1:]:
        before = rows.get(replace(place, visit=visits[visits.index(place.visit) - 1]))
    return Cell(
        place=place,
        field=next(each for each in form.fields if column in each.columns),
        value=row[column],
        row=row,
        previous=before,
        written=encoder.cell(place, column, row[column], row),
        encoder=encoder,
        rng=rng,
    )
