"""Hand the demo all that it plays with: the truth, the spoilt projects, and what the centres will do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.study import Study
from sync.demo import odm
from sync.demo.errors import SeededError, seed_errors, spoil
from sync.demo.projects import build
from sync.demo.reactions import Reaction, react
from sync.demo.truth import SEED, Truth, truth
from sync.harmonise.mapping import SiteMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Hold the invented trial as the centres have typed it."""

    truth: Truth
    errors: tuple[SeededError, ...]
    reactions: tuple[Reaction, ...]
    #: site slug -> project XML, errors included
    projects: Mapping[str, str]

    def before_night(self, night: int) -> tuple[Reaction, ...]:
        """Give what the centres do before a night's run; nothing before night 1."""
        return tuple(each for each in self.reactions if each.before_night == night)


def prepare(study: Study, mappings: Mapping[str, SiteMapping], *, nights: int = 3, seed: int = SEED) -> Trial:
    """Prepare the trial for so many nights; ``mappings`` is site slug -> mapping, for the four centres."""
    invented = truth(seed)
    errors = seed_errors(study, mappings, invented, seed)
    projects = {
        site: odm.write(spoil(build(study, mapping, invented, site), errors)) for site, mapping in mappings.items()
    }
    return Trial(truth=invented, errors=errors, reactions=react(errors, nights=nights, seed=seed), projects=projects)
