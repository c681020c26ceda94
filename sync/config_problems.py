"""Find and word what is wrong with a configuration.

A problem is a place (key path) and a sentence; ``rendered`` adds file and line. No sentence holds a value of
the file except slugs and names of keys and variables.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from sync import toml_lines
from sync.addresses import is_loopback, normal, split_url
from sync.toml_lines import KeyPath

TOKEN_SOURCES = ("token_env", "token_file", "token_credential")
"""Keys of a site, exactly one of which says where its token is."""

Problem = tuple[KeyPath, str]

_LISTED = 40
"""Names that a hint lists."""

_PATTERNS: Mapping[str | int, str] = {
    "slug": "write up to 40 lower-case letters, digits, - or _, beginning with a letter",
    "subject_prefix": "write up to 16 letters and digits, beginning with a letter",
    "token_env": "write the name of an environment variable, not its value",
    "token_credential": "write the name of a credential, not its value",
    "proxy_env": "write the name of an environment variable, not its value",
    "webhook_env": "write the name of an environment variable, not its value",
    "smtp_password_env": "write the name of an environment variable, not its value",
    "smtp_password_credential": "write the name of a credential, not its value",
    "link": 'write the address of a page, "https://host/"',
}
"""Key -> what to write in it, in place of a regular expression."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")


def of_syntax(path: Path, error: tomllib.TOMLDecodeError) -> str:
    """Word a TOML error without its text, which may quote the file."""
    place = re.search(r"at line (\d+), column (\d+)", str(error))
    line = place.group(1) if place else "end"
    column = f" near column {place.group(2)}" if place else ""
    return f"{path}:{line}: this is not TOML{column}; look for a missing quote, bracket or a key given twice"


def across_sites(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Judge what concerns several keys or sites, on the raw data, so that no other error hides it."""
    sites = data.get("sites")
    if sites is None or sites == []:
        yield ("sites",), "there is no site; add a table [[sites]] for each centre"
    seen: dict[tuple[str, str], int] = {}
    for index, site in enumerate(sites if isinstance(sites, list) else ()):
        if not isinstance(site, dict):
            continue
        place: KeyPath = ("sites", index)
        if "token" in site:
            remedy = f"have it re-issued, and name the new one's source with {_any_of(TOKEN_SOURCES)}"
            yield (*place, "token"), f"a token must not stand in this file; remove it, {remedy}"
        yield from _token_source_problems(site, place)
        yield from _http_problems(site, place)
        for key in ("slug", "subject_prefix"):
            first = seen.setdefault((key, _comparable(site, key)), index) if key in site else index
            if first != index:
                yield (*place, key), f"is the same {key} as that of site #{first + 1}; each needs its own"
    yield from _shared_projects(data)


def _shared_projects(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Find sites that would pull the same rows: one project is shared by its data access groups only."""
    sites = data.get("sites")
    sharing: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for index, site in enumerate(sites if isinstance(sites, list) else ()):
        if isinstance(site, dict) and "url" in site:
            project = _comparable(site, "url"), _comparable(site, "project_id")
            sharing.setdefault(project, []).append((index, _comparable(site, "group")))
    for alike in sharing.values():
        whole = next((index for index, group in alike if not group), None)
        seen: dict[str, int] = {}
        for index, group in alike:
            first = seen.setdefault(group, index)
            if first != index:
                yield ("sites", index, "url"), f"is the same project as that of site #{first + 1}; each needs its own"
            elif group and whole is not None:
                other = _site_word(sites, whole)
                yield (
                    ("sites", index, "group"),
                    f"is a group of the project that site {other} takes as a whole, so that its rows would stand in "
                    f"both; give site {other} its group as well, or leave one of the two out",
                )


def _comparable(site: Mapping[str, Any], key: str) -> str:
    """Give a value in the form in which it is compared with those of other sites: case does not count."""
    text = str(site.get(key, ""))
    return (normal(text) if key == "url" else text).lower()


def _token_source_problems(site: Mapping[str, Any], place: KeyPath) -> Iterator[Problem]:
    given = [key for key in TOKEN_SOURCES if key in site]
    if len(given) > 1:
        yield (*place, given[1]), f"{' and '.join(given)} are both given; keep exactly one"
    elif not given and "token" not in site:
        yield (*place, "token_env"), f"the token's source is missing; give {_any_of(TOKEN_SOURCES)}"


def _http_problems(site: Mapping[str, Any], place: KeyPath) -> Iterator[Problem]:
    url = site.get("url")
    parts = split_url(url if isinstance(url, str) else "")
    if parts.scheme == "http" and site.get("allow_http") is not True and not is_loopback(parts.hostname or ""):
        yield (*place, "url"), "http:// sends the token in clear; use https:// (or set allow_http = true)"


def of_model(error: ValidationError, model: type[BaseModel], *, already: set[KeyPath]) -> Iterator[Problem]:
    """Reword pydantic's errors; ``already`` holds places that are reported otherwise."""
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place: KeyPath = each["loc"]
        if each["type"] == "extra_forbidden":
            if place not in already:
                yield place, _unknown_key(place, model)
        elif each["type"] == "missing":
            yield place, "is missing; add it"
        elif each["type"] == "string_pattern_mismatch" and place[-1] in _PATTERNS:
            yield place, _PATTERNS[place[-1]]
        elif place == ("sites",):
            yield place, "is not a list of tables; head each centre's keys with [[sites]], in double brackets"
        else:
            yield place, each["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _unknown_key(place: KeyPath, root: type[BaseModel]) -> str:
    return f"is not a known key; {hint(str(place[-1]), known_keys(root, place[:-1]))}"


def hint(name: str, known: Sequence[str]) -> str:
    """Name the nearest of the names that are known; where none is near all of them, of very many the first."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known[:_LISTED])}{more}"


def known_keys(root: type[BaseModel], place: KeyPath) -> list[str]:
    """List the keys that a model has at a place (``()``: at its top)."""
    model = root
    for key in place:
        if isinstance(key, str) and key in model.model_fields:
            annotation = model.model_fields[key].annotation
            candidates = (annotation, *get_args(annotation))
            model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return list(model.model_fields)


def rendered(path: Path, text: str, data: Mapping[str, Any], problems: Sequence[Problem]) -> list[str]:
    """Write problems as lines, in file order."""
    lines = toml_lines.key_lines(text)
    placed = [(toml_lines.line_of(lines, place), place, what) for place, what in problems]
    placed.sort(key=lambda each: each[0])
    return [f"{path}:{line}: {_dotted(place, data)}: {what}" for line, place, what in placed]


def _dotted(place: KeyPath, data: Mapping[str, Any]) -> str:
    if len(place) > 1 and place[0] == "sites" and isinstance(place[1], int):
        place = ("sites", _site_word(data["sites"], place[1]), *place[2:])
    return ".".join(str(part) for part in place)


def _site_word(sites: Any, index: int) -> str:
    """Name a site by its slug where it has a usable one, else by its position counted from 1."""
    slug = sites[index].get("slug") if isinstance(sites[index], dict) else None
    return slug if isinstance(slug, str) and _PLAIN_NAME.fullmatch(slug) else f"#{index + 1}"


def _any_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
