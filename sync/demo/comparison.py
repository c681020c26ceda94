"""Set the warehouse's efficacy table beside the published one, digit by digit."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sync.demo.published import Published
from sync.ports.stored import EfficacyRow, ResponseRow


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanLine:
    """Compare one mean; texts as printed, None where not published or not to be computed."""

    measure: str
    visit: str
    n: int
    mean: str | None
    sd: str | None
    published_mean: str | None
    published_sd: str | None
    agrees: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLine:
    """Compare one count of responses."""

    visit: str
    category: str
    n: int
    denominator: int
    percent: str | None
    published_n: int
    published_percent: str
    agrees: bool


def printed(value: float | None, decimals: int) -> str | None:
    """Round half up in decimal, as the abstract does: 10.825 is printed 10.83.

    A float stands for the shortest decimal that reads back as it; several published means are exact ties.
    """
    if value is None:
        return None
    return str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP))


def means(rows: Iterable[EfficacyRow], published: Published) -> tuple[MeanLine, ...]:
    """Compare every mean that was published, and show the others of the same measures beside them."""
    measures = {each.measure for each in published.means}
    lines = []
    for row in rows:
        if row.measure not in measures:
            continue
        said = published.mean(row.measure, row.visit)
        mean, sd = printed(_exact(row.mean), 2), printed(_exact(row.sd), 2)
        lines.append(
            MeanLine(
                measure=row.measure,
                visit=row.visit,
                n=row.n,
                mean=mean,
                sd=sd,
                published_mean=str(said.mean) if said else None,
                published_sd=str(said.sd) if said else None,
                agrees=(mean, sd) == (str(said.mean), str(said.sd)) if said else None,
            )
        )
    return tuple(lines)


def responses(rows: Iterable[ResponseRow], published: Published) -> tuple[CountLine, ...]:
    """Compare every published count of responses."""
    found = {(row.visit, row.category): row for row in rows}
    lines = []
    for said in published.responses:
        row = found.get((said.visit, said.category))
        n, denominator = (row.n, row.denominator) if row else (0, 0)
        percent = printed(100 * n / denominator, 1) if denominator else None
        wanted = str(said.percent)
        lines.append(
            CountLine(
                visit=said.visit,
                category=said.category,
                n=n,
                denominator=denominator,
                percent=percent,
                published_n=said.n,
                published_percent=wanted,
                agrees=n == said.n and percent is not None and Decimal(percent) == Decimal(wanted),
            )
        )
    return tuple(lines)


def _exact(value: float | None) -> float | None:
    """Drop what binary arithmetic adds in the last places, so that a tie is a tie."""
    return None if value is None else float(f"{value:.12g}")
