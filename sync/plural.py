"""Say how many of a thing there are."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """Say a count with its noun, in the singular where it is one: ``1 query``, ``2 queries``.

    ``many``: the plural; without it ``one`` with an s.
    """
    return f"{count} {one if count == 1 else many or f'{one}s'}"
