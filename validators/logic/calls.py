"""What a function's implementation is given: the call, its evaluated arguments, and the moment of the run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from validators.logic import tree
from validators.logic.pieces import Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """Hold one function call whose arguments are evaluated, and the moment that counts as now."""

    call: tree.Call
    pieces: tuple[Piece, ...]
    as_of: datetime

    @property
    def span(self) -> tree.Span:
        """Give the place of the whole call."""
        return self.call.span


Apply = Callable[[Invocation], Piece]
