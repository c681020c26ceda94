"""Say what a check of the library is: a function over a site's data, with named parameters.

A function gets the data, the check's specification and its parameters (defaults filled in) and yields verdicts;
it holds no state and does not know which study it runs in. ``catalogue`` lists them all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.study import CheckSpec
from validators import verdict
from validators.dataset import Dataset
from validators.verdict import Read, Verdict

REQUIRED: Any = object()
"""Marks a parameter without a default."""

Params = Mapping[str, Any]
Thunk = Callable[[], tuple[Verdict, ...]]
Run = Callable[[Dataset, CheckSpec, Params], Iterable[Verdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryCheck:
    """Describe one function of the library."""

    name: str
    run: Run
    #: what fails, in one sentence
    sentence: str
    #: parameter -> default, or REQUIRED
    params: Params = field(default_factory=dict)
    #: message placeholders that its verdicts fill
    facts: frozenset[str] = frozenset()
    #: what it says of one subject may depend on another's data: it needs the whole site
    site_wide: bool = False
    #: it may begin to fail as days go by, without any change of data
    ages: bool = False

    @property
    def required(self) -> frozenset[str]:
        """Name the parameters without a default."""
        return frozenset(name for name, default in self.params.items() if default is REQUIRED)

    def filled(self, given: Params) -> Params:
        """Fill in the defaults; KeyError names a parameter that is missing or not known."""
        for name in given:
            if name not in self.params:
                raise KeyError(name)
        filled = {**self.params, **given}
        for name, value in filled.items():
            if value is REQUIRED:
                raise KeyError(name)
        return filled


def unavailable(data: Dataset, form: str, target: str, reason: str, *, column: str | None = None) -> Verdict:
    """Say of every row of a form that it cannot be judged, e.g. because the site withholds a column."""
    column = column or target
    return Verdict(
        form=form,
        target=target,
        states=verdict.constant(data.height(form), verdict.NOT_EVALUATED),
        reads=(Read(form=form, column=target),),
        reason=f"{form}.{column}: {reason}",
        refused=True,
    )
