"""Find what is wrong with the checks of a study before any data are judged.

``schemas.lint`` sees to names and limits; this sees to what needs the logic language and the library: logic that
does not parse or resolve, parameters, placeholders that nothing fills, populations that can never be true.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

import polars as pl

from schemas.errors import Problem
from schemas.study import CheckSpec, Form, Study, column_of
from validators import messages, references
from validators.library import catalogue, response
from validators.library.registry import LibraryCheck
from validators.logic import parser, tree
from validators.logic.compile import NotExecutable, Unresolved, compile_logic

_ANY_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 — compiling needs a moment, linting none in particular


def lint(study: Study) -> tuple[Problem, ...]:
    """List every problem of a study's checks and branching; empty where all can be carried out.

    A study derived from a dictionary may well hold branching that cannot be executed; what the engine then does is
    not evaluate it, so these problems are for its author to read, not a reason to refuse the study.
    """
    return tuple(
        [*_branching(study)]
        + [problem for check in study.checks for problem in _check(study, check)]
        + [*_cycles(study), *_parameters(study)]
    )


def _branching(study: Study) -> Iterator[Problem]:
    for form in study.forms:
        for each in form.fields:
            for key, logic in (("branching", each.branching), ("calculation", each.calculation)):
                wrong = _logic(study, form, logic) if logic else None
                if wrong is not None:
                    place = f"field[{each.name}].{key}"
                    yield Problem(file=f"forms/{form.name}.toml", key=place, wrong=wrong, remedy=_REMEDY)


_REMEDY = "Correct the logic; what cannot be executed is not evaluated."


def _check(study: Study, check: CheckSpec) -> Iterator[Problem]:
    for key, wrong, remedy in _complaints(study, check):
        yield Problem(file="checks", key=f"check[{check.id}].{key}", wrong=wrong, remedy=remedy)


def _complaints(study: Study, check: CheckSpec) -> Iterator[tuple[str, str, str]]:
    form = next((each for each in study.forms if each.name == check.form), None)
    if check.logic is not None:
        if form is None:
            yield "form", "a logic check needs a form of the study", "Name the form whose rows are judged."
            return
        wrong = _logic(study, form, check.logic)
        if wrong is not None:
            yield "logic", wrong, "Correct the logic."
        if not check.targets:
            yield "target", "no cell is named that the query points at", "Name a field of the form."
    if check.when is not None:
        yield from _population(study, form, check)
    if check.library is not None:
        yield from _library(check)
    if check.complete_only and form is None:
        yield "complete_only", "it needs the form whose rows are judged", "Name the form, or leave it out."
    yield from _placeholders(study, form, check)


def _population(study: Study, form: Form | None, check: CheckSpec) -> Iterator[tuple[str, str, str]]:
    if form is None:
        yield "when", "a population needs the form whose rows are judged", "Name the form."
        return
    wrong = _logic(study, form, check.when or "")
    if wrong is not None:
        yield "when", wrong, "Correct the logic."
        return
    settled = _settled(check.when or "")
    if settled is not None:
        word = "always true" if settled else "never true"
        yield "when", f"the population is {word}, whatever the data", "Correct it or leave it out."
    visits = _required_events(check.when or "")
    known = {visit.id for visit in study.visits}
    collected = set(form.visits) or known
    dead = [visit for visit in visits if visit not in collected]
    if dead:
        yield "when", f"the form is not collected at {', '.join(dead)}", "Correct the visit, or the form's visits."


def _library(check: CheckSpec) -> Iterator[tuple[str, str, str]]:
    known = catalogue.CHECKS.get(check.library or "")
    if known is None:
        yield "library", f"the library has no check {check.library!r}", "Use a name of the catalogue."
        return
    given = set(check.params) - {"explains"}
    for name in sorted(given - set(known.params)):
        yield f"params.{name}", f"{known.name} has no such parameter", "Remove it or correct its spelling."
    for name in sorted(known.required - given):
        yield f"params.{name}", "the parameter is missing", "Add it."


def _placeholders(study: Study, form: Form | None, check: CheckSpec) -> Iterator[tuple[str, str, str]]:
    """Name the placeholders that nothing fills; and identifiers in texts, which sites' lists carry around."""
    known = catalogue.CHECKS.get(check.library or "")
    if check.library is not None and known is None:
        return
    filled = set(messages.COMMON) | (known.facts if isinstance(known, LibraryCheck) else _read(form, check))
    hidden = {
        each.name for one in study.forms for each in one.fields if each.identifier and each.name != study.record_field
    }
    for language, text in check.message.items():
        for name in sorted(messages.placeholders(text)):
            if name not in filled:
                yield f"message.{language}", f"nothing fills {{{name}}}", "Name an input, a fact or a common word."
            elif name.rpartition(".")[2] in hidden:
                yield f"message.{language}", f"{{{name}}} identifies a person", "Leave it out of the text."


def _read(form: Form | None, check: CheckSpec) -> set[str]:
    """Name the placeholders that a logic check fills: what it reads, its declared inputs and its targets."""
    if form is None or check.logic is None:
        return set()
    mentioned = [name if name.startswith("[") else f"[{name.rpartition('.')[2]}]" for name in check.inputs]
    found = set(check.targets)
    for text in (check.logic, *mentioned):
        try:
            fields = tree.references(parser.parse(text))
        except parser.LogicSyntaxError:
            continue
        for each in fields:
            column = each.name if each.code is None else column_of(each.name, each.code)
            found |= {column} | ({f"{each.event}.{column}"} if each.event else set())
    return found


def _logic(study: Study, form: Form, logic: str) -> str | None:
    """Say what is wrong with logic that is judged on a form's rows; None where it can be executed."""
    try:
        node = parser.parse(logic)
    except parser.LogicSyntaxError as error:
        return str(error)
    resolve = references.resolver(study, form)
    compiled = compile_logic(node, resolve, as_of=_ANY_TIME, smart=resolve.smart)
    if isinstance(compiled, NotExecutable):
        return compiled.reason
    return None


def _settled(logic: str) -> bool | None:
    """Give the answer of logic that reads nothing and so never changes; None where it depends on data."""
    node = parser.parse(logic)
    if tree.references(node) or tree.smart_variables(node):
        return None

    def resolve(_: tree.Field) -> Unresolved:
        return Unresolved(reason="nothing is read")

    compiled = compile_logic(node, resolve, as_of=_ANY_TIME)
    if isinstance(compiled, NotExecutable):
        return None
    answer = pl.DataFrame({"row": [0]}).select(compiled.truth.alias("t"))["t"][0]
    return None if answer is None else bool(answer)


def _required_events(logic: str) -> list[str]:
    """Name the visits that a population demands by ``[event-name] = '…'`` joined with and."""
    found, pending = [], [parser.parse(logic)]
    while pending:
        node = pending.pop()
        match node:
            case tree.Logical(operator=tree.Operator.AND):
                pending.extend(node.operands)
            case tree.Binary(
                operator=tree.Operator.EQ, left=tree.Smart(name="event-name"), right=tree.Text(text=visit)
            ):
                found.append(visit)
    return found


def _cycles(study: Study) -> Iterator[Problem]:
    """Find checks that explain each other: neither would ever be asked."""
    explains = {check.id: set(check.params.get("explains", ())) for check in study.checks}
    for check, others in explains.items():
        for other in sorted(others):
            if other not in explains:
                wrong, remedy = f"the study has no check {other}", "Name one, or leave it out."
            elif check in explains[other]:
                wrong, remedy = f"it and {other} explain each other", "Let one explain the other."
            else:
                continue
            yield Problem(file="checks", key=f"check[{check}].params.explains", wrong=wrong, remedy=remedy)


def _parameters(study: Study) -> Iterator[Problem]:
    """Find a rule set of responses that cannot be carried out."""
    if "response" not in study.parameters:
        return
    try:
        response.rule_set(study)
    except KeyError as error:
        wrong = f"the key {error.args[0]} is missing"
    except ValueError as error:
        wrong = str(error)
    else:
        return
    yield Problem(file="study.toml", key="parameters.response", wrong=wrong, remedy="See library/response.")


def without_trials(checks: Iterable[CheckSpec]) -> tuple[str, ...]:
    """Name the logic checks that no trial shows to fire, or none to stay silent."""
    return tuple(
        check.id
        for check in checks
        if check.logic is not None and {each.fires for each in check.tests} != {True, False}
    )
