"""Tell where a field applies: a hidden field is not a missing one.

The branching logic of all fields of a form is run in one pass. Where it cannot be run, nobody can tell whether
the field applies, and what depends on that is not evaluated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from schemas.study import Field
from validators.sheet import Answer, Sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Branching:
    """Hold, for each field with branching logic, where it applies (null: nobody can tell)."""

    answers: Mapping[str, Answer]
    height: int

    def applies(self, field: str) -> pl.Series | None:
        """Give Boolean a row, null where unknown; None where the field always applies."""
        answer = self.answers.get(field)
        return None if answer is None else answer.truth

    def refused(self, field: str) -> str | None:
        """Say why the field's branching logic cannot be run at all."""
        answer = self.answers.get(field)
        return None if answer is None or answer.refused is None else f"branching: {answer.refused}"


def judge(sheet: Sheet, fields: tuple[Field, ...]) -> Branching:
    """Run the branching logic of a form's fields over its rows."""
    branching = [(each.name, each.branching) for each in fields if each.branching]
    distinct = list(dict.fromkeys(logic for _, logic in branching))
    answers = dict(zip(distinct, sheet.run([sheet.rule(logic) for logic in distinct]), strict=True))
    return Branching(
        answers={name: answers[logic] for name, logic in branching},
        height=sheet.data.height(sheet.form),
    )
