"""Describe a column of a listing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Describe one column of a listing."""

    #: key of the row
    key: str
    title: str
    right: bool = False
    style: str | None = None
    #: in CSV alone
    optional: bool = False
    #: never broken over lines: something to be copied
    whole: bool = False
    #: 0: always shown; else left out where the terminal is narrow, the highest first
    gives_way: int = 0
    #: cells without which its texts make no lines that one can read
    least: int = 0
