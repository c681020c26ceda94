"""Time pieces of work in turn, so that a busy machine disturbs all of them alike, and show medians and ratios."""

import gc
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def in_turn(works: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Do each piece of work once a round (A B A B …); seconds of wall clock by name."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            gc.collect()
            begun = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def show(seconds: Mapping[str, list[float]], *, against: str) -> dict[str, float]:
    """Print a table and give the median of the rounds' ratios by name."""
    ratios = {}
    print(f"{'':44}{'median s':>10}{'least s':>10}{'ratio':>8}")
    for name, taken in seconds.items():
        each = [mine / theirs for mine, theirs in zip(taken, seconds[against], strict=True)]
        ratios[name] = statistics.median(each)
        print(f"{name:44}{statistics.median(taken):10.3f}{min(taken):10.3f}{ratios[name]:8.2f}")
    return ratios


def peak_mib() -> float:
    """Give this process's peak resident memory in MiB (of which the start takes about 150)."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def verdict(figure: str, value: float, limit: float) -> bool:
    """Print whether a figure keeps to its limit."""
    kept = value <= limit
    print(f"{'ok  ' if kept else 'MISS'} {figure}: {value:.3g} (at most {limit:g})")
    return kept
