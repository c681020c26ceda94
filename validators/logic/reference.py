"""Read one chain of brackets, such as `[baseline_arm_1][visit_date][2]`, into a Field or a Smart variable.

A field's name holds letters, digits and underscores only, so a dash marks a smart variable. From the right:
a number or one of the instance words is the instance; the part before it is the field or smart variable; a
part before that is the event. The parts are not looked up here: whether they exist is the resolver's matter.
"""

import re
from dataclasses import dataclass

from validators.logic import tree
from validators.logic.errors import LogicSyntaxError

INSTANCE_WORDS = frozenset(
    {
        "current-instance",
        "previous-instance",
        "next-instance",
        "first-instance",
        "last-instance",
        "new-instance",
    }
)
RELATIVE_EVENTS = frozenset(
    {"event-name", "previous-event-name", "next-event-name", "first-event-name", "last-event-name"}
)

_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_PART = re.compile(
    r"""\s*
    (?P<name>[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*)
    (?:\(\s*(?P<code>[^()]+?)\s*\))?
    (?::(?P<modifier>[^()]+?))?
    \s*""",
    re.VERBOSE,
)
_LONGEST_CHAIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    name: str
    code: str | None
    modifier: str | None
    at: int

    @property
    def smart(self) -> bool:
        return "-" in self.name

    @property
    def plain(self) -> str:
        return self.name if self.modifier is None else f"{self.name}:{self.modifier}"

    @property
    def instance(self) -> bool:
        return self.code is None and (self.name.isdigit() or self.name in INSTANCE_WORDS)


def read(chain: str, *, text: str, start: int) -> tree.Reference:
    """Read a chain of brackets that stands at offset `start` of the logic `text`.

    Raises LogicSyntaxError with the place inside the chain that cannot be read.
    """
    span = tree.Span(start, start + len(chain))
    parts = [_part(bracket.group(1), at=start + bracket.start(1), text=text) for bracket in _BRACKET.finditer(chain)]
    if len(parts) > _LONGEST_CHAIN:
        reason = "A reference has at most an event, a field and an instance, each in its own brackets."
        raise LogicSyntaxError(reason, text=text, position=parts[_LONGEST_CHAIN].at)

    instance = parts.pop().plain if len(parts) > 1 and parts[-1].instance else None
    if len(parts) == _LONGEST_CHAIN:
        reason = f"'{parts[-1].plain}' is not an instance: write a number or a word such as last-instance."
        raise LogicSyntaxError(reason, text=text, position=parts[-1].at)

    event = _event(parts[0], text=text) if len(parts) == 2 else None
    target = parts[-1]
    if target.smart:
        if target.code is not None:
            reason = f"The smart variable '{target.name}' takes no code in parentheses."
            raise LogicSyntaxError(reason, text=text, position=target.at)
        parameters = () if target.modifier is None else tuple(target.modifier.split(":"))
        return tree.Smart(name=target.name, parameters=parameters, event=event, instance=instance, span=span)
    if target.name.isdigit():
        reason = f"'{target.name}' is not a field's name: a number needs no brackets."
        raise LogicSyntaxError(reason, text=text, position=target.at)
    return tree.Field(
        name=target.name,
        event=event,
        code=target.code,
        instance=instance,
        modifier=target.modifier,
        span=span,
    )


def _part(inside: str, *, at: int, text: str) -> _Part:
    found = _PART.fullmatch(inside)
    if found is None:
        shown = inside.strip()
        reason = f"'{shown}' is not a field's name." if shown else "There is no name between these brackets."
        raise LogicSyntaxError(reason, text=text, position=at)
    return _Part(name=found["name"], code=found["code"], modifier=found["modifier"], at=at)


def _event(part: _Part, *, text: str) -> str:
    if part.code is not None:
        reason = "An event's name takes no code in parentheses; the code belongs to the field after it."
        raise LogicSyntaxError(reason, text=text, position=part.at)
    if part.smart and part.name not in RELATIVE_EVENTS:
        reason = f"'{part.name}' does not name an event, so no field can follow it directly."
        raise LogicSyntaxError(reason, text=text, position=part.at)
    return part.plain
