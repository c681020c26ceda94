"""Time pieces of work in turn, so that a busy machine disturbs all of them alike, and show medians and ratios."""

import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Hold what one piece of work took, or a ratio of two."""

    wall: float
    #: of this process alone; hardly disturbed by what else the machine does
    cpu: float


def in_turn(works: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[Taken]]:
    """Do each piece of work once a round (A B A B …); seconds by name, on the wall and of this process's CPU."""
    taken: dict[str, list[Taken]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            gc.collect()
            begun, cpu = time.perf_counter(), time.process_time()
            work()
            taken[name].append(Taken(wall=time.perf_counter() - begun, cpu=time.process_time() - cpu))
    return taken


def median(taken: Iterable[Taken]) -> float:
    """Give the median of the wall clock's seconds."""
    return statistics.median(each.wall for each in taken)


def show(taken: Mapping[str, list[Taken]], *, against: str) -> dict[str, Taken]:
    """Print a table and give the median of the rounds' ratios by name."""
    ratios = {}
    print(f"{'':44}{'median s':>10}{'least s':>10}{'CPU s':>8}{'ratio':>8}{'by CPU':>8}")
    for name, mine in taken.items():
        pairs = list(zip(mine, taken[against], strict=True))
        ratio = Taken(
            wall=statistics.median(one.wall / other.wall for one, other in pairs),
            cpu=statistics.median(one.cpu / other.cpu for one, other in pairs),
        )
        least = min(each.wall for each in mine)
        cpu = statistics.median(each.cpu for each in mine)
        print(f"{name:44}{median(mine):10.3f}{least:10.3f}{cpu:8.2f}{ratio.wall:8.2f}{ratio.cpu:8.2f}")
        ratios[name] = ratio
    return ratios


def peak_mib() -> float:
    """Give this process's peak resident memory in MiB (of which the start takes about 150)."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    """Let :func:`peak_mib` begin anew, where the system can do that (Linux)."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def verdict(figure: str, value: float, limit: float) -> bool:
    """Print whether a figure keeps to its limit."""
    kept = value <= limit
    print(f"{'ok  ' if kept else 'MISS'} {figure}: {value:.3g} (at most {limit:g})")
    return kept
