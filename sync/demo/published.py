"""Read the abstract's printed figures."""

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMean:
    """Hold one printed mean and standard deviation (n - 1), with the decimals they were printed with."""

    measure: str
    visit: str
    n: int
    mean: Decimal
    sd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedResponse:
    """Hold one printed count of a response category; ``percent`` as printed."""

    visit: str
    category: str
    n: int
    denominator: int
    percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Hold all figures that the demo is set beside."""

    means: tuple[PublishedMean, ...]
    responses: tuple[PublishedResponse, ...]

    def mean(self, measure: str, visit: str) -> PublishedMean | None:
        """Find a printed mean; None where the abstract prints none."""
        return next((each for each in self.means if (each.measure, each.visit) == (measure, visit)), None)

    def count(self, visit: str, category: str) -> int:
        """Find a printed count; KeyError where the abstract prints none."""
        for each in self.responses:
            if (each.visit, each.category) == (visit, category):
                return each.n
        raise KeyError((visit, category))


@cache
def published() -> Published:
    """Read ``published.toml``, which ships with the package."""
    content = tomllib.loads((resources.files("sync.demo") / "published.toml").read_text("utf-8"))
    return Published(
        means=tuple(
            PublishedMean(**(each | {"mean": Decimal(each["mean"]), "sd": Decimal(each["sd"])}))
            for each in content["mean"]
        ),
        responses=tuple(
            PublishedResponse(**(each | {"percent": Decimal(each["percent"])})) for each in content["response"]
        ),
    )
