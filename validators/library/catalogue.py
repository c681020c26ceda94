"""List every check of the library by its name: the one table that specifications, lint and documentation read."""

from collections.abc import Mapping

from validators.library.registry import LibraryCheck

_CHECKS: tuple[LibraryCheck, ...] = ()

CHECKS: Mapping[str, LibraryCheck] = {each.name: each for each in _CHECKS}
"""Every library check by its name."""
