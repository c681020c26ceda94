"""Read who may do what from JSON: users with rights, groups, roles and tokens for a served project."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields

from sync.sandbox.people import FULL_RIGHTS, Role, User
from sync.sandbox.project import Project

_MOST = 255
_TEXTS = ("username", "email", "firstname", "lastname", "expiration", "dag", "role")
_USER_KEYS = frozenset({*_TEXTS, "token", "rights", "forms", "forms_export"})
_ROLE_KEYS = frozenset({"label", "unique_name", "rights", "forms", "forms_export"})
Given = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Hold a user and the token that was given or made for them."""

    user: User
    token: str


def admitted(project: Project, given: Given) -> Admitted:
    """Read one user: `username`, and where wanted `token`, `dag`, `role` (unique name or label), `expiration`,
    `rights`, `forms` and `forms_export`.

    Rights that are not named are given in full, as in `User`. Raises ValueError for what the project has not.
    """
    _check_keys(given, _USER_KEYS)
    texts = {name: _text(given, name) for name in _TEXTS}
    if not texts["username"]:
        raise ValueError("username is missing")
    if texts["dag"] and texts["dag"] not in project.structure.dag_by_name:
        raise ValueError(f"the project has no group {texts['dag']}")
    if texts["role"]:
        texts["role"] = _role_name(project, texts["role"])
    user = User(**texts, **_rights(project, given))  # type: ignore[arg-type]
    return Admitted(user=user, token=_text(given, "token") or secrets.token_hex(16).upper())


def role(project: Project, given: Given) -> Role:
    """Read one role: `label`, and where wanted `unique_name`, `rights`, `forms` and `forms_export`.

    Without a unique name it takes the place of the role with that label.
    """
    _check_keys(given, _ROLE_KEYS)
    label = _text(given, "label")
    if not label:
        raise ValueError("label is missing")
    known = [found.unique_name for found in project.roles.values() if found.label == label]
    name = _text(given, "unique_name") or (known[0] if known else "U-" + secrets.token_hex(5).upper())
    rights = _rights(project, given)
    return Role(
        unique_name=name, label=label, rights=rights["rights"], forms=rights["forms"],
        forms_export=rights["forms_export"],
    )  # fmt: skip


def _check_keys(given: Given, known: frozenset[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ValueError(f"not known: {', '.join(unknown)} (known are {', '.join(sorted(known))})")


def _text(given: Given, key: str) -> str:
    value = given.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{key} is not a text")
    return value.strip()


def _role_name(project: Project, given: str) -> str:
    found = [known.unique_name for known in project.roles.values() if given in (known.unique_name, known.label)]
    if not found:
        raise ValueError(f"the project has no role {given}")
    return found[0]


def _rights(project: Project, given: Given) -> dict[str, dict[str, int]]:
    return {
        "rights": {**FULL_RIGHTS, **_numbers(given, "rights", frozenset(FULL_RIGHTS))},
        "forms": _numbers(given, "forms", frozenset(project.structure.form_by_name)),
        "forms_export": _numbers(given, "forms_export", frozenset(project.structure.form_by_name)),
    }


def _numbers(given: Given, key: str, known: frozenset[str]) -> dict[str, int]:
    values = given.get(key) or {}
    if not isinstance(values, dict):
        raise ValueError(f"{key} is not an object of names and numbers")
    out: dict[str, int] = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{key} names {name}, which the project has not")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
            raise ValueError(f"{key}: {name} is not a number from 0 to {_MOST}")
        out[name] = value
    return out


def shown(user: User, tokens: int) -> dict[str, object]:
    """Return a user for the control pages, with the number of tokens in place of the tokens."""
    return {item.name: getattr(user, item.name) for item in fields(user)} | {"tokens": tokens}
