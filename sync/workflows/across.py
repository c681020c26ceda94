"""Judge a whole site of which one part at a time stands in memory. Pure.

What is kept of a part are its findings and counts, and the few columns that checks across subjects read; these checks
are judged when all parts were seen.
"""

from collections.abc import Iterable, Mapping, Sequence

from schemas.frames import FormFrame
from sync.workflows.answers import NotedConditions
from sync.workflows.reading import Terms, judged
from validators import reach
from validators.findings import Conditions, Judgement
from validators.joining import Joint, Narrow


class Across:
    """Gather judgements part by part; holds no frame, but narrow ones."""

    def __init__(self, terms: Terms) -> None:
        """Begin with nothing."""
        self._terms = terms
        self.wide = reach.site_wide(terms.study)
        """Checks that look across subjects: parts are judged without them."""
        self._joint = Joint(terms.study, site=terms.plan.slug)
        self._narrow = Narrow(reach.inputs(terms.study))
        self.conditions: Mapping[str, Conditions] = {}
        """What the wide checks saw, by form; after ``look``."""

    def add(self, judgement: Judgement, frames: Sequence[FormFrame]) -> None:
        """Take the judgement of one part, with the frames that were judged."""
        self._joint.add_part(judgement, frames)
        if self.wide:
            self._narrow.add(frames)

    def look(self) -> Judgement | None:
        """Judge what looks across subjects, after the last part; None where no check does."""
        if not self.wide:
            return None
        frames = self._narrow.frames()
        judgement = judged(self._terms, frames, only=self.wide, subjects=self._joint.subjects)
        self._joint.add(judgement)
        self.conditions = {frame.form.name: judgement.conditions for frame in frames}
        return judgement

    def joined(self, conditions: Conditions) -> Judgement:
        """Give the judgement of all parts together; ``conditions`` answer for them."""
        return self._joint.joined(conditions)


def judge(terms: Terms, parts: Iterable[Sequence[FormFrame]]) -> Judgement:
    """Judge a whole site by all checks, part by part; its conditions know of nothing, nobody is asked."""
    across = Across(terms)
    for frames in parts:
        across.add(judged(terms, frames, leaving=across.wide), frames)
        del frames  # or it would stand beside the next one
    across.look()
    return across.joined(NotedConditions({}, {}, wide=across.wide, delivered=frozenset()))
