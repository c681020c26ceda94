"""Stop a run that would ask or settle too much at once (a site changed its units or its dictionary)."""

from dataclasses import dataclass

from sync.queries.reconcile import Reconciled


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bound what one run may do to one site's queries without a person's approval."""

    #: never more openings, or closings, than this
    most: int = 500
    #: nor more than this share of the live queries …
    share: float = 0.5
    #: … where it is more than this many: three of four is no mass change
    floor: int = 50


def blown(reconciled: Reconciled, *, live_before: int, first: bool, limits: Limits) -> str | None:
    """Say why a run is to be parked; None where it may go on.

    ``first``: the site has no queries yet, so any number of openings is to be expected. The text holds counts only.
    """
    opened = reconciled.opened + reconciled.reopened + reconciled.candidates
    closed = reconciled.closed + reconciled.answered + reconciled.cancelled
    for done, word in ((0 if first else opened, "open"), (closed, "close")):
        if done > limits.most:
            return f"the run would {word} {done} queries at once (limit {limits.most})"
        if done > limits.floor and done > limits.share * live_before:
            return f"the run would {word} {done} queries beside {live_before} live ones (limit {limits.share:.0%})"
    return None
