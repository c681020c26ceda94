"""Find whole numbers whose mean and standard deviation print as wanted.

The abstract prints two decimals and rounds half up; three of its SLEDAI means are exact ties (433/40 = 10.825), so
everything here counts in whole steps (points, hundredths of a gram) and rounds in decimal.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

WIDE = Context(prec=50)
MOST_MOVES = 200_000


def stream(seed: int, *names: object) -> random.Random:
    """Give the random numbers of one purpose, so that a new purpose never shifts those of another."""
    return random.Random("/".join(str(part) for part in (seed, *names)))  # noqa: S311 - invented data, no secret


def half_up(value: Decimal, places: int) -> Decimal:
    """Round half up, as printed tables do."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=WIDE)


def moments(values: Sequence[Decimal | int]) -> tuple[Decimal, Decimal]:
    """Compute mean and standard deviation (n - 1) to 50 digits; needs two values at least."""
    n = Decimal(len(values))
    total = sum((Decimal(value) for value in values), Decimal(0))
    squares = sum((Decimal(value) * Decimal(value) for value in values), Decimal(0))
    spread = WIDE.divide(WIDE.multiply(n, squares) - WIDE.multiply(total, total), n * (n - 1))
    return WIDE.divide(total, n), WIDE.sqrt(spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Say what the numbers are to print as; ``step`` is what one whole number stands for (1, or 0.01 g)."""

    mean: Decimal
    sd: Decimal
    step: Decimal = Decimal(1)

    def met(self, values: Sequence[int]) -> bool:
        """Tell whether the values print as wanted, in every digit."""
        mean, sd = moments([value * self.step for value in values])
        return half_up(mean, 2) == self.mean and half_up(sd, 2) == self.sd

    def total(self, n: int) -> int:
        """Find the sum of ``n`` values that lies nearest to the wanted mean and prints as it."""
        nearest = int((self.mean * n / self.step).to_integral_value())
        for distance in range(n):
            for total in (nearest + distance, nearest - distance):
                if half_up(WIDE.divide(total * self.step, Decimal(n)), 2) == self.mean:
                    return total
        raise ValueError("no sum of that many whole steps prints as the wanted mean")


def search(rng: random.Random, start: Sequence[int], bounds: Sequence[tuple[int, int]], target: Target) -> list[int]:
    """Move the start values, within their bounds, until they print as the target; ValueError where none is found.

    First the sum is brought right, then pairs are drawn together or apart, which leaves the sum alone, and each
    move is kept that brings the spread nearer.
    """
    values = [min(max(value, low), high) for value, (low, high) in zip(start, bounds, strict=True)]
    gap = target.total(len(values)) - sum(values)
    for _ in range(MOST_MOVES):
        if gap == 0:
            break
        step = 1 if gap > 0 else -1
        place = rng.randrange(len(values))
        if bounds[place][0] <= values[place] + step <= bounds[place][1]:
            values[place] += step
            gap -= step
    squares = sum(value * value for value in values)
    n, total = len(values), sum(values)
    wanted = float((target.sd / target.step) ** 2 * (n - 1)) + total * total / n
    for _ in range(MOST_MOVES):
        if gap == 0 and target.met(values):
            return values
        up, down = rng.sample(range(n), 2)
        if values[up] + 1 > bounds[up][1] or values[down] - 1 < bounds[down][0]:
            continue
        change = 2 * (values[up] - values[down] + 1)
        if abs(squares + change - wanted) <= abs(squares - wanted):
            values[up] += 1
            values[down] -= 1
            squares += change
    raise ValueError("no values within these bounds print as the wanted mean and standard deviation")
