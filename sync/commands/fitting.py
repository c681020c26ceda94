"""Fit a listing to the width of a terminal: which columns are shown, and how wide each is. Pure.

No word is torn as long as anything else can give way: first the room between columns, then whole columns, in an order
that the listing states. Only then are words broken, in the widest texts first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from sync.commands.column import Column

GAPS = (3, 2)
"""Cells between two columns, where there is room and where there is not."""

LONGEST_WORD = 16
"""What is longer than this (an address, a path, Chinese text) may be broken."""

NARROWEST = 6


@dataclass(frozen=True, slots=True)
class Fitted:
    """Say what of a listing is shown."""

    #: positions of the columns
    shown: tuple[int, ...]
    #: in terminal cells, one for each shown column
    widths: tuple[int, ...]
    gap: int

    @property
    def taken(self) -> int:
        """Give the cells of a line."""
        return _taken(self.widths, self.gap)


def fit(columns: Sequence[Column], texts: Sequence[Sequence[str]], width: int) -> Fitted:
    """Choose columns and widths; ``texts``: the cells of each column, in the order of the columns."""
    wanted = [_widest([column.title, *cells]) for column, cells in zip(columns, texts, strict=True)]
    needed = [_needed(column, cells) for column, cells in zip(columns, texts, strict=True)]
    shown = list(range(len(columns)))
    gap = GAPS[0]
    while _taken([needed[at] for at in shown], gap) > width:
        if gap != GAPS[-1]:
            gap = GAPS[-1]
            continue
        weakest = max(shown, key=lambda at: columns[at].gives_way)
        if not columns[weakest].gives_way or len(shown) == 1:
            break
        shown.remove(weakest)
    room = width - _taken([0] * len(shown), gap)
    widths = {at: needed[at] for at in shown}
    _narrow(widths, [at for at in shown if not columns[at].whole], room, least=NARROWEST)
    _narrow(widths, shown, room, least=1)
    _widen(widths, wanted, room)
    return Fitted(tuple(shown), tuple(widths[at] for at in shown), gap)


def _needed(column: Column, cells: Sequence[str]) -> int:
    """Tell how narrow a column may become before it is torn."""
    if column.whole:
        return max(1, _widest(cells), _longest_word([column.title]))
    least = min(column.least, _widest(cells))
    return max(1, least, _longest_word([column.title, *cells]))


def _widest(texts: Iterable[str]) -> int:
    return max((cell_len(line) for text in texts for line in text.splitlines()), default=0)


def _longest_word(texts: Iterable[str]) -> int:
    return max((min(cell_len(word), LONGEST_WORD) for text in texts for word in text.split()), default=0)


def _taken(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * len(widths) + 1


def _narrow(widths: dict[int, int], breakable: Sequence[int], room: int, *, least: int) -> None:
    """Take from the widest breakable column until all fit or nothing can be taken."""
    while sum(widths.values()) > room:
        widest = max(breakable, key=lambda at: widths[at], default=None)
        if widest is None or widths[widest] <= least:
            return
        widths[widest] -= 1


def _widen(widths: dict[int, int], wanted: Sequence[int], room: int) -> None:
    """Share what is left, so that whoever wants little gets it whole."""
    left = room - sum(widths.values())
    short = sorted((at for at in widths if wanted[at] > widths[at]), key=lambda at: wanted[at] - widths[at])
    for number, at in enumerate(short):
        given = min(wanted[at] - widths[at], max(left, 0) // (len(short) - number))
        widths[at] += given
        left -= given
