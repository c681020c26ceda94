"""Say how the centres react to their queries, night by night: the part that people play in the demo.

Most errors are corrected at once; some answers insist on the wrong value and are asked again, some corrections are
wrong themselves, and, where there are four nights or more, two corrections are undone again. In the end every
error that a rule can notice has been corrected, and nothing else has been touched.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from sync.demo.errors import SeededError
from sync.demo.numbers import stream
from sync.demo.truth import SEED

CORRECTED_AT_ONCE, INSISTED = 0.65, 0.14
"""Shares of the errors that are corrected before night 2, and that are first insisted on; the rest waits."""

REVERTED = 2


@unique
class Action(StrEnum):
    """What a centre does about an error."""

    CORRECT = "correct"
    #: changes the value, to another wrong one
    CORRECT_WRONGLY = "correct wrongly"
    #: answers that the value is right, although it is not
    INSIST = "insist"
    #: answers that the value is right, and it is
    CONFIRM = "confirm"
    #: types the old wrong value again after having corrected it
    REVERT = "revert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """Hold one thing that a centre does before a night's run (the first is night 1)."""

    error: SeededError
    before_night: int
    action: Action
    #: site field -> text to be written to the project; empty where only an answer is given
    texts: Mapping[str, str]


def react(errors: Sequence[SeededError], nights: int = 3, seed: int = SEED) -> tuple[Reaction, ...]:
    """Plan all reactions, in the order of the nights; with one night nothing happens, with two all is corrected."""
    if nights < 2:
        return ()
    planned = [each for error in errors for each in _of(error, nights, seed)]
    if nights > 3:
        planned += _reverted(planned, nights)
    return tuple(sorted(planned, key=lambda each: (each.before_night, each.error.number)))


def _of(error: SeededError, nights: int, seed: int) -> Iterator[Reaction]:
    rng = stream(seed, "reaction", error.number)
    last = min(nights, 3)
    chance = rng.random()
    if error.is_true:
        yield _do(error, 2 if chance < CORRECTED_AT_ONCE else last, Action.CONFIRM)
    elif error.detectable:
        if last == 2:
            yield _do(error, 2, Action.CORRECT)
        elif error.again is not None and chance < 0.5:
            yield _do(error, 2, Action.CORRECT_WRONGLY)
            yield _do(error, last, Action.CORRECT)
        elif chance < CORRECTED_AT_ONCE:
            yield _do(error, 2, Action.CORRECT)
        else:
            if chance < CORRECTED_AT_ONCE + INSISTED:
                yield _do(error, 2, Action.INSIST)
            yield _do(error, last, Action.CORRECT)


def _reverted(planned: Sequence[Reaction], nights: int) -> list[Reaction]:
    """Undo some early corrections before night 3 and make them again before night 4."""
    early = [each.error for each in planned if (each.before_night, each.action) == (2, Action.CORRECT)]
    chosen = [error for error in early if len(error.columns) == 1][:: max(1, len(early) // REVERTED)][:REVERTED]
    return [
        reaction
        for error in chosen
        for reaction in (_do(error, 3, Action.REVERT), _do(error, min(4, nights), Action.CORRECT))
    ]


def _do(error: SeededError, night: int, action: Action) -> Reaction:
    texts: Mapping[str, str] = {}
    if action is Action.CORRECT:
        texts = error.correct
    elif action is Action.REVERT:
        texts = error.wrong
    elif action is Action.CORRECT_WRONGLY:
        texts = error.again or {}
    return Reaction(error=error, before_night=night, action=action, texts=texts)
