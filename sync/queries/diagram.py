"""Draw the transition table as a page for readers; docs/reference/states.md holds it, a test keeps it in step.

To write the page anew::

    python -c "from sync.queries import diagram; print(diagram.page(), end='')" > docs/reference/states.md
"""

from sync.queries import transitions
from sync.queries.model import CancelReason, CloseReason, Reason, State, Trigger
from sync.queries.transitions import Row

_INTRO = """\
# States of a query

Drawn from the table in `sync/queries/transitions.py`; do not edit this page by hand.

A query has two sides that are never mixed. Its **condition** is what the program saw last (FAILING, PASSING,
NOT_EVALUATED, NOT_APPLICABLE). Its **state** is where people and the program have got to with it. Only the moves
below exist. Rows of one state and trigger are tried from the top, the first whose conditions hold counts; a move
without a row is refused and changes nothing. Row numbers are those of the specification; a letter, or a number
from 19 on, marks a case that the specification leaves open.

`failing_same` and `failing_new` tell whether the check fails on the values that the last answer or decision was
about. They are told apart by a keyed fingerprint of the raw and the harmonised values that the check read and of
the major part of the check's version.
"""

_AFTER_ROWS = """\
A decision of a person about values (confirmed, data_unavailable, deviation_recorded, other, raised_in_error,
duplicate, rejected) is bound to their fingerprint: the same values are not asked about again, other values are.
`round` counts how often the site was asked; every move to OPEN adds one. A query at its last state is never
deleted, and its number is never given to another.
"""


def page() -> str:
    """Write the page: diagram, rows, and which row answers which state and trigger."""
    parts = [
        _INTRO,
        "## Diagram\n",
        "Moves that keep the state are left out.\n",
        _diagram(),
        "## Rows\n",
        _row_table(),
        _AFTER_ROWS,
        "## Every state, reason and trigger\n",
        "“·” is refused.\n",
        _matrix(),
        "## Who may\n",
        _who(),
    ]
    return "\n".join(parts)


def stands() -> tuple[tuple[State, Reason | None], ...]:
    """List every state, the closed and cancelled ones once for each reason."""
    live = ((state, None) for state in (State.CANDIDATE, State.OPEN, State.ANSWERED))
    closed = ((State.CLOSED, reason) for reason in CloseReason)
    cancelled = ((State.CANCELLED, reason) for reason in CancelReason)
    return (*live, *closed, *cancelled)


def _diagram() -> str:
    edges: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in transitions.ROWS:
        if row.source is row.target:
            continue
        pair = (str(row.source or "[*]"), str(row.target))
        numbers = edges.setdefault(pair, {}).setdefault(_short(row.trigger), [])
        if row.number not in numbers:
            numbers.append(row.number)
    lines = [
        f"    {source} --> {target} : "
        + ", ".join(f"{trigger} ({' '.join(numbers)})" for trigger, numbers in labels.items())
        for (source, target), labels in edges.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```\n"])


def _short(trigger: Trigger) -> str:
    """Write both failing triggers as one word in the diagram, where the rows are told apart by number."""
    return "failing" if trigger in (Trigger.FAILING_SAME, Trigger.FAILING_NEW) else str(trigger)


def _row_table() -> str:
    head = ["| # | from | trigger | only if | to | note |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_row_line(row) for row in transitions.ROWS)]) + "\n"


def _row_line(row: Row) -> str:
    source = str(row.source or "none")
    if row.among:
        source += f" ({', '.join(row.among)})"
    target = "stays" if row.source is row.target else str(row.target)
    if row.reason:
        target += f" ({row.reason})"
    trigger = f"{row.trigger} = {' + '.join(row.steps)}" if row.steps else str(row.trigger)
    return f"| {row.number} | {source} | {trigger} | {'; '.join(row.guards)} | {target} | {row.note} |"


def _matrix() -> str:
    stands_of = stands()
    head = "| state | " + " | ".join(Trigger) + " |"
    lines = [head, "|---" * (len(Trigger) + 1) + "|"]
    for state, reason in stands_of:
        cells = (_numbers(state, reason, trigger) for trigger in Trigger)
        lines.append(f"| {state}{f' ({reason})' if reason else ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _numbers(state: State, reason: Reason | None, trigger: Trigger) -> str:
    numbers = dict.fromkeys(row.number for row in transitions.rows_for(state, reason, trigger))
    return ", ".join(numbers) or "·"


def _who() -> str:
    head = ["| trigger | by |", "|---|---|"]
    lines = (f"| {trigger} | {', '.join(sorted(transitions.WHO[trigger]))} |" for trigger in Trigger)
    return "\n".join([*head, *lines]) + "\n"
