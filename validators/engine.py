"""Judge one site's rows by a study: checks in, findings out, and an account of what could not be checked.

One pass: problems found while reading and the fields' own checks (``cells``), branching (``branching``), checks
written as logic (``rules``) and library checks (``library``), each over whole columns; then findings are written
for the rows that fail (``reporting``) and held back where a graver one explains them (``holds``). A check that
breaks is itself a result; the others go on.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial

import polars as pl

from schemas.builtin import builtin_checks
from schemas.frames import FormFrame
from schemas.study import CheckSpec, Study
from validators import branching, holds, rules, verdict
from validators.cells import Cells, Tally
from validators.conditions import SiteConditions
from validators.dataset import Dataset
from validators.findings import Coverage, Finding, Judgement, NotEvaluated
from validators.library import catalogue, registry
from validators.reporting import Reporter
from validators.sheet import Sheet
from validators.verdict import Verdict

PATTERN_CHECK = "identity.pattern"
"""The library check that takes a field's pattern over from the built-in PT01."""


def judge(
    study: Study,
    frames: Sequence[FormFrame],
    *,
    site: str,
    prefix: str,
    as_of: datetime,
    only: Collection[str] | None = None,
    leaving: Collection[str] = (),
    subjects: int | None = None,
) -> Judgement:
    """Judge the rows of one site.

    ``frames`` are the site's forms as harmonised; a form of the study without a frame counts as not delivered.
    ``prefix`` is the site's subject prefix; ``as_of`` is aware, in the study's time zone, and stands for now.
    ``only`` names the checks to run (built-in ones are run all or none), ``leaving`` those to leave out.
    ``subjects`` counts the site's subjects where the frames hold less than all of its forms. The result does not
    depend on the order of frames or rows. Raises nothing for bad data or bad checks: both are results.
    """
    chosen = frozenset(
        spec.id
        for spec in (*study.checks, *builtin_checks())
        if (only is None or spec.id in only) and spec.id not in leaving
    )
    return _Engine(Dataset(study, frames, site=site, prefix=prefix, as_of=as_of), chosen, subjects).judged()


class _Engine:
    """Carry one judgement through its stages."""

    def __init__(self, data: Dataset, chosen: frozenset[str], subjects: int | None) -> None:
        self.data = data
        self.subjects = data.records.len() if subjects is None else subjects
        self.checks = tuple(spec for spec in data.study.checks if spec.id in chosen)
        self.builtins = {spec.id: spec for spec in builtin_checks() if spec.id in chosen}
        self.specs = {spec.id: spec for spec in self.checks} | self.builtins
        self.sheets = {name: Sheet(data, name) for name in data.frames}
        self.cells: dict[str, Cells] = {}
        self.verdicts: dict[str, tuple[Verdict, ...]] = {}
        self.errors: list[NotEvaluated] = []
        #: check, scope and count of everything that was judged
        self.tallies: tuple[tuple[str, str, Tally], ...] = ()

    def judged(self) -> Judgement:
        """Run all stages."""
        claimed = frozenset(
            target for spec in self.data.study.checks if spec.library == PATTERN_CHECK for target in spec.targets
        )
        for name, frame in self.data.frames.items() if self.builtins else ():
            hidden = branching.judge(self.sheets[name], frame.form.fields)
            self.cells[name] = Cells(self.data, name, hidden, claimed=claimed)
        self._logic()
        self._library()
        findings = holds.hold(self._findings(), self.specs)
        self.tallies = tuple(self._tallies())
        return Judgement(
            site=self.data.site,
            findings=tuple(sorted(findings, key=self._place)),
            not_evaluated=tuple(self._not_evaluated()),
            coverage=tuple(self._coverage()),
            conditions=SiteConditions(self.data, cells=self.cells, verdicts=self.verdicts),
            by_subject=tuple(self._by_subject()),
            errored=frozenset(error.check for error in self.errors),
        )

    def _logic(self) -> None:
        by_form: dict[str, list[CheckSpec]] = {}
        for spec in self.checks:
            if spec.logic is not None and spec.form in self.sheets:
                by_form.setdefault(spec.form, []).append(spec)
            elif spec.logic is not None:
                self._error(spec, "the study has no form of that name")
        for form, specs in by_form.items():
            try:
                self.verdicts |= rules.judge(self.sheets[form], specs)
            except (Exception, pl.exceptions.PanicException):
                sheet = self.sheets[form]
                for spec in specs:
                    self._contained(spec, partial(_by_logic, sheet, spec))

    def _library(self) -> None:
        for spec in self.checks:
            if spec.library is not None:
                self._contained(spec, partial(self._from_library, spec))

    def _from_library(self, spec: CheckSpec) -> tuple[Verdict, ...]:
        known = catalogue.CHECKS.get(spec.library or "")
        if known is None:
            self._error(spec, "the library has no check of that name")
            return ()
        given = {name: value for name, value in spec.params.items() if name != "explains"}
        try:
            params = known.filled(given)
        except KeyError as error:
            self._error(spec, f"the parameter {error.args[0]} is missing or not known")
            return ()
        population = None
        if spec.when is not None and spec.form in self.sheets:
            sheet = self.sheets[spec.form]
            (population,) = sheet.run([sheet.rule(spec.when)])
        found = known.run(self.data, spec, params)
        return tuple(rules.restrict(self.data, spec, one, population) for one in found)

    def _contained(self, spec: CheckSpec, run: registry.Thunk) -> None:
        """Run one check; what it raises becomes a result without any value in it."""
        try:
            self.verdicts[spec.id] = run()
        except (Exception, pl.exceptions.PanicException) as error:
            self.verdicts[spec.id] = ()
            self._error(spec, f"check errored: {type(error).__name__}")

    def _error(self, spec: CheckSpec, reason: str) -> None:
        judged = spec.form is not None and spec.form in self.data.frames
        count = self.data.height(spec.form) if spec.form and judged else self.subjects
        scope = spec.form or "study"
        self.errors.append(NotEvaluated(check=spec.id, scope=scope, reason=reason, count=count))

    def _findings(self) -> Iterable[Finding]:
        reporter = Reporter(self.data)
        for each in self.cells.values():
            for hit in each.hits():
                yield from reporter.of_cells(self.builtins[hit.check], each, [hit])
        for check, several in self.verdicts.items():
            seen: set[tuple[object, str]] = set()
            for one in several:
                for finding in reporter.of_verdict(self.specs[check], one):
                    if (finding.row, finding.field) not in seen:
                        seen.add((finding.row, finding.field))
                        yield finding

    def _place(self, finding: Finding) -> tuple[object, ...]:
        row, order = finding.row, self.data.order
        event = order.get(row.event, len(order))
        return (row.record, event, row.event, row.instrument, row.instance, finding.field, finding.check)

    def _tallies(self) -> Iterable[tuple[str, str, Tally]]:
        """Give check, scope and count for everything that was judged."""
        for form, each in self.cells.items():
            for (check, column), tally in each.tallies.items():
                yield check, f"{form}.{column}", tally
        for check, several in self.verdicts.items():
            for one in several:
                yield check, f"{one.form}.{one.target}", _tally(one, subjects=self.subjects)
        for error in self.errors:
            yield error.check, error.scope, Tally(reasons={error.reason: error.count})

    def _not_evaluated(self) -> Iterable[NotEvaluated]:
        counts: dict[tuple[str, str, str], int] = {}
        for check, scope, tally in self.tallies:
            for reason, count in tally.reasons.items():
                counts[check, scope, reason] = counts.get((check, scope, reason), 0) + count
        for (check, scope, reason), count in sorted(counts.items()):
            yield NotEvaluated(check=check, scope=scope, reason=reason, count=count)

    def _by_subject(self) -> Iterable[NotEvaluated]:
        """Name what is counted by subjects because the form in question has no row here."""
        for form, each in self.cells.items():
            if not self.data.height(form):
                for (check, column), tally in each.tallies.items():
                    yield from _missed(check, f"{form}.{column}", tally)
        for check, several in self.verdicts.items():
            for one in several:
                if one.refused and not one.states.len():
                    yield from _missed(check, f"{one.form}.{one.target}", _tally(one, subjects=self.subjects))

    def _coverage(self) -> Iterable[Coverage]:
        sums: dict[str, Tally] = {check: Tally() for check in self.specs}
        for check, _, tally in self.tallies:
            total = sums[check]
            total.evaluated += tally.evaluated
            total.failing += tally.failing
            for reason, count in tally.reasons.items():
                total.miss(reason, count)
        for check, total in sorted(sums.items()):
            yield Coverage(
                check=check,
                evaluated=total.evaluated,
                failing=total.failing,
                not_evaluated=sum(total.reasons.values()),
                reasons=dict(sorted(total.reasons.items())),
            )


def _missed(check: str, scope: str, tally: Tally) -> Iterable[NotEvaluated]:
    for reason, count in tally.reasons.items():
        yield NotEvaluated(check=check, scope=scope, reason=reason, count=count)


def _by_logic(sheet: Sheet, spec: CheckSpec) -> tuple[Verdict, ...]:
    return rules.judge(sheet, [spec])[spec.id]


def _tally(one: Verdict, *, subjects: int) -> Tally:
    """Count the states of a verdict; a check that could not be run on a form without rows counts subjects."""
    if one.refused and not one.states.len():
        return Tally(reasons={one.reason: subjects} if subjects else {})
    counts = dict(one.states.value_counts().iter_rows())
    failing = counts.get(verdict.FAILING, 0)
    tally = Tally(evaluated=failing + counts.get(verdict.PASSING, 0), failing=failing)
    unknown = counts.get(verdict.NOT_EVALUATED, 0)
    if not unknown:
        return tally
    if one.reasons is None:
        tally.miss(one.reason, unknown)
    else:
        told = one.reasons.filter(one.states == verdict.NOT_EVALUATED)
        reasons = told.fill_null(one.reason).value_counts()
        for reason, count in reasons.iter_rows():
            tally.miss(str(reason), int(count))
    return tally
