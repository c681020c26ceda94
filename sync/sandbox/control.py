"""Answer `/__sandbox__/`: faults, clock, guesses and projects, as JSON."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfoNotFoundError

from sync.sandbox import guesses, naming, quality_api, wire
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.project import Allocation, Randomization
from sync.sandbox.wire import Reply

if TYPE_CHECKING:
    from sync.sandbox.sandbox import Sandbox

Body = Mapping[str, object]
_DAY = 86400.0


def answer(sandbox: "Sandbox", method: str, path: str, body: bytes, local: bool) -> Reply:
    """Answer one request to the control pages; only this machine may ask."""
    if not local:
        return _json({"error": "loopback only"}, 403)
    name = path.partition("?")[0].removeprefix("/__sandbox__/").strip("/")
    handler = _HANDLERS.get((method, name))
    if handler is None:
        return _json({"error": "no such page"}, 404)
    try:
        given = json.loads(body) if body.strip() else {}
        if not isinstance(given, dict):
            raise ValueError("the body is not a JSON object")
        return _json(handler(sandbox, given))
    except (ValueError, TypeError, ZoneInfoNotFoundError) as error:
        return _json({"error": str(error)}, 400)


def _json(value: object, status: int = 200) -> Reply:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(body=body, content_type=wire.CONTENT_TYPES[wire.JSON], status=status)


def _show(fault: Fault) -> dict[str, object]:
    return {
        "mode": fault.mode.value,
        "modes": [mode.value for mode in fault.modes],
        "project": fault.project or None,
        "content": fault.content or None,
        "times": fault.times,
        "after": fault.after,
        "seconds": fault.seconds,
        "chance": fault.chance,
        "seed": fault.seed,
    }


def _add_fault(sandbox: "Sandbox", given: Body) -> object:
    times = given.get("times", 1)
    modes = _modes(given.get("modes"))
    fault = Fault(
        mode=modes[0] if modes else Mode(str(given.get("mode", ""))),
        modes=modes,
        project=str(given.get("project") or ""),
        content=str(given.get("content") or ""),
        times=None if times is None else _whole(times, "times"),
        after=_whole(given.get("after", 0), "after"),
        seconds=_amount(given.get("seconds", 130), "seconds", most=_DAY),
        chance=_amount(given.get("chance", 1), "chance", most=1.0),
        seed=_whole(given.get("seed", 0), "seed"),
    )
    sandbox.faults.add(fault)
    return _show(fault)


def _modes(given: object) -> tuple[Mode, ...]:
    """Read a list of modes; `all` means every one that does not keep the client waiting."""
    if given == "all":
        return tuple(mode for mode in Mode if mode is not Mode.SLOW)
    if given is None:
        return ()
    if not isinstance(given, list):
        raise ValueError("modes is a list of modes, or all")
    return tuple(Mode(str(mode)) for mode in given)


def _whole(given: object, name: str) -> int:
    number = None if isinstance(given, bool) or not isinstance(given, int | str) else naming.whole(str(given))
    if number is None:
        raise ValueError(f"{name} is not a whole number")
    return number


def _amount(given: object, name: str, *, most: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ValueError(f"{name} is not a number")
    value = float(given)
    if not 0 <= value <= most:
        raise ValueError(f"{name} is not between 0 and {most:g}")
    return value


def _traffic(sandbox: "Sandbox", _given: Body) -> object:
    return sandbox.traffic.shown()


def _set_traffic(sandbox: "Sandbox", given: Body) -> object:
    limit = given.get("requests_per_minute")
    sandbox.traffic.set(
        latency=_amount(given.get("latency", 0), "latency", most=_DAY),
        limit=None if limit is None else _whole(limit, "requests_per_minute"),
    )
    return _traffic(sandbox, given)


def _free_traffic(sandbox: "Sandbox", given: Body) -> object:
    sandbox.traffic.set()
    return _traffic(sandbox, given)


def _faults(sandbox: "Sandbox", _given: Body) -> object:
    return {"faults": [_show(fault) for fault in sandbox.faults.active()], "modes": [mode.value for mode in Mode]}


def _clear(sandbox: "Sandbox", given: Body) -> object:
    sandbox.faults.clear(str(given.get("project") or ""))
    return _faults(sandbox, given)


def _clock(sandbox: "Sandbox", _given: Body) -> object:
    return {"now": sandbox.clock.local().isoformat(sep=" ", timespec="seconds"), "timezone": sandbox.clock.timezone}


def _set_clock(sandbox: "Sandbox", given: Body) -> object:
    now = given.get("now")
    zone = given.get("timezone")
    sandbox.clock.set(
        datetime.fromisoformat(str(now)) if now else None,
        timezone=str(zone) if zone else None,
        frozen=given.get("frozen", True) is not False,
    )
    return _clock(sandbox, given)


def _release_clock(sandbox: "Sandbox", given: Body) -> object:
    sandbox.clock.release()
    return _clock(sandbox, given)


def _set_module(sandbox: "Sandbox", given: Body) -> object:
    handle = sandbox.project(_slug(sandbox, given))
    values: dict[str, object] = {}
    if "enabled" in given:
        prefix = str(given.get("prefix") or quality_api.PREFIX)
        values["quality_module"] = prefix if given["enabled"] is True else ""
    if "workflow" in given:
        values["data_resolution"] = int(_amount(given["workflow"], "workflow", most=2))
    handle.change_settings(**values)
    settings = handle.project.settings
    return {"module": settings.quality_module or None, "workflow": settings.data_resolution}


def _users(sandbox: "Sandbox", given: Body) -> object:
    slugs = [_slug(sandbox, given)] if given.get("project") else [str(row["slug"]) for row in sandbox.projects()]
    return {"users": [{"project": slug} | row for slug in slugs for row in sandbox.people(slug)]}


def _admit(sandbox: "Sandbox", given: Body) -> object:
    made = sandbox.admit(_slug(sandbox, given), {key: value for key, value in given.items() if key != "project"})
    return {"username": made.user.username, "token": made.token}


def _dismiss(sandbox: "Sandbox", given: Body) -> object:
    if "token" in given:
        sandbox.revoke_token(str(given["token"]))
        return {}
    sandbox.dismiss(_slug(sandbox, given), str(given.get("username") or ""))
    return _users(sandbox, {"project": given["project"]})


def _add_role(sandbox: "Sandbox", given: Body) -> object:
    name = sandbox.add_role(_slug(sandbox, given), {key: value for key, value in given.items() if key != "project"})
    return {"unique_role_name": name}


def _set_randomization(sandbox: "Sandbox", given: Body) -> object:
    """Add a randomization to a project: target, event, strata, concealed, allocations of target, alt and strata."""
    handle = sandbox.project(_slug(sandbox, given))
    rows = given.get("allocations")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "target" in row for row in rows):
        raise ValueError("allocations is not a list of objects with a target")
    known = handle.structure.field_by_name
    strata = _names(given.get("strata"))
    target, event = str(given.get("target") or ""), str(given.get("event") or "")
    if not {target, *strata} <= set(known) or (event and event not in handle.structure.event_by_name):
        raise ValueError("target, strata or event name nothing that the project has")
    before = handle.project.settings.randomizations
    made = Randomization(
        randomization_id=len(before) + 1, target=target, event=event, strata=strata,
        concealed=given.get("concealed") is True,
        allocations=tuple(
            Allocation(target=str(row["target"]), alt=str(row.get("alt", "")), strata=_names(row.get("strata")))
            for row in rows
        ),
    )  # fmt: skip
    handle.change_settings(randomizations=(*before, made), randomization=1)
    return {"randomization_id": made.randomization_id}


def _names(given: object) -> tuple[str, ...]:
    return tuple(str(name) for name in given) if isinstance(given, list) else ()


def _slug(sandbox: "Sandbox", given: Body) -> str:
    slug = str(given.get("project") or "")
    if slug not in [row["slug"] for row in sandbox.projects()]:
        raise ValueError("project names no project that is served")
    return slug


def _guesses(_sandbox: "Sandbox", _given: Body) -> object:
    return {"guesses": guesses.rows()}


def _projects(sandbox: "Sandbox", _given: Body) -> object:
    return {"projects": sandbox.projects()}


_HANDLERS: dict[tuple[str, str], Callable[["Sandbox", Body], object]] = {
    ("POST", "faults"): _add_fault,
    ("GET", "faults"): _faults,
    ("DELETE", "faults"): _clear,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _set_clock,
    ("DELETE", "clock"): _release_clock,
    ("GET", "traffic"): _traffic,
    ("POST", "traffic"): _set_traffic,
    ("DELETE", "traffic"): _free_traffic,
    ("POST", "module"): _set_module,
    ("POST", "randomization"): _set_randomization,
    ("GET", "users"): _users,
    ("POST", "users"): _admit,
    ("DELETE", "users"): _dismiss,
    ("POST", "roles"): _add_role,
    ("GET", "guesses"): _guesses,
    ("GET", "projects"): _projects,
}
