"""Check what a night needs of this machine: the installation, the study, the warehouse, room on disk."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from sync import errors
from sync.commands.doctor_check import Check
from sync.plural import counted

if TYPE_CHECKING:
    from sync.bootstrap import App
    from sync.config import Config

OURS = ("sync", "schemas", "validators", "cli")
FREE_BYTES = 1 << 30
"""Less free disk than this is worth a warning: a night's lists and history need room."""


def installation(environ: Mapping[str, str]) -> Iterator[Check]:
    """Check version, packages of the same name, and which program the shell finds first."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    yield Check(name="version", detail=f"syncline {metadata.version('syncline')}, {python}")
    owners = metadata.packages_distributions()
    clashes = 0
    for name in OURS:
        others = sorted({owner for owner in owners.get(name, ()) if owner.lower() != "syncline"})
        if others:
            clashes += 1
            remedy = f"install Syncline into an environment of its own, without {', '.join(others)}"
            yield Check(
                name="package names", status="fail", detail=f"'{name}' also belongs to {others[0]}", remedy=remedy
            )
    if not clashes:
        yield Check(name="package names", detail=f"{', '.join(OURS)}: nobody else's")
    yield from _commands(environ.get("PATH"))


def _commands(path: str | None) -> Iterator[Check]:
    """See which program answers to our names: an operating system has a `sync`, an old installation both."""
    first = shutil.which("sync", path=path)
    if first is None:
        yield Check(name="command", detail="no `sync` on the PATH; called as python -m sync")
    elif _is_ours(first):
        yield Check(name="command", detail=first)
    else:
        owner = "coreutils" if Path(first).parent.resolve() in (Path("/bin").resolve(), Path("/usr/bin")) else "another"
        detail = f"{first} ({owner}) comes first on the PATH"
        yield Check(name="command", status="warn", detail=detail, remedy="call `syncline`, or `python -m sync`")
    other = shutil.which("syncline", path=path)
    if other is not None and not _is_ours(other):
        detail = f"{other} belongs to another installation than the one that runs now"
        remedy = f"remove it, or call {Path(sysconfig.get_path('scripts')) / 'syncline'}"
        yield Check(name="command", status="warn", detail=detail, remedy=remedy)


def _is_ours(program: str) -> bool:
    """Tell whether a program stands among the scripts of this environment, or is a link to one of them."""
    scripts = Path(sysconfig.get_path("scripts")).resolve()
    return scripts in (Path(program).parent.resolve(), Path(program).resolve().parent)


def study(app: "App") -> Iterator[Check]:
    """Check that the study loads, and lint it."""
    from validators import lint

    try:
        study = app.study
    except errors.ConfigError as error:
        for wrong in error.problems:
            yield Check(name="study", status="fail", detail=wrong, remedy="correct the study's files")
        return
    if study is None:
        yield Check(name="study", detail="REDCap's own dictionary, per project")
        return
    problems = lint.lint(study)
    for problem in problems:
        yield Check(name="study", status="warn", detail=str(problem), remedy="`sync checks lint` shows all")
    if not problems:
        yield Check(
            name="study",
            detail=f"{study.name} {study.version}: {counted(len(study.forms), 'form')}, "
            f"{counted(len(study.checks), 'check')}",
        )


def warehouse(app: "App") -> Check:
    """Check that the warehouse can be reached and has every migration; makes none, and no file."""
    upgrade = "`sync warehouse upgrade` (a run does it too)"
    file = _file_of(app.config.warehouse.url)
    if file is not None and not file.exists():
        if not file.parent.is_dir():
            remedy = "make the folder, or correct warehouse.url"
            return Check(name="warehouse", status="fail", detail=f"there is no folder {file.parent}", remedy=remedy)
        return Check(name="warehouse", status="warn", detail=f"there is no file {file} yet", remedy=upgrade)
    try:
        pending = app.warehouse().pending()
    except errors.SyncError as error:
        remedy = "see warehouse.url in the configuration"
        return Check(name="warehouse", status="fail", detail=str(error), remedy=remedy)
    if pending:
        detail = f"{counted(len(pending), 'step is', 'steps are')} due"
        return Check(name="warehouse", status="warn", detail=detail, remedy=upgrade)
    return Check(name="warehouse", detail="reachable and up to date")


def key(app: "App") -> Check:
    """Check that the key of the ledger is the one that the warehouse was written with; makes none."""
    try:
        app.warehouse().check_key()
        is_kept = app.has_key
    except errors.ConfigError as error:
        detail, _, remedy = str(error).rpartition("; ")
        return Check(name="ledger key", status="fail", detail=detail, remedy=remedy)
    except errors.SyncError:
        return Check(name="ledger key", status="warn", detail="not compared: the warehouse does not answer")
    except OSError as error:
        detail = f"{error.filename} cannot be read: {error.strerror}"
        return Check(name="ledger key", status="fail", detail=detail, remedy="give this user the right to")
    if not is_kept:
        detail = "there is none yet: the first run makes .syncline.key beside the configuration; keep a copy of it then"
        return Check(name="ledger key", detail=detail)
    return Check(name="ledger key", detail="fits the warehouse; keep a copy of .syncline.key with its backups")


def disk(config: "Config") -> Iterator[Check]:
    """Check that every folder that a night writes to can be written, and that each disk has room."""
    seen: set[int] = set()
    for folder in _folders(config):
        if not os.access(folder, os.W_OK | os.X_OK):
            detail = f"{folder} cannot be written"
            yield Check(name="disk", status="fail", detail=detail, remedy="give this user the right to")
            continue
        device = folder.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(folder).free
        status, remedy = ("ok", "") if free >= FREE_BYTES else ("warn", "make room: a night writes history and lists")
        yield Check(name="disk", status=status, detail=f"{free / (1 << 30):.1f} GiB free in {folder}", remedy=remedy)


def _folders(config: "Config") -> list[Path]:
    """List what is written to, each as the folder that exists already: key, warehouse, query lists."""
    home = config.path.resolve().parent
    file = _file_of(config.warehouse.url)
    wanted = [home, *([file.parent] if file else []), home / config.delivery.folder]
    found = (next(each for each in (folder, *folder.parents) if each.is_dir()) for folder in wanted)
    return list(dict.fromkeys(found))


def _file_of(url: str) -> Path | None:
    """Give the file of a SQLite warehouse; None for others, and for one in memory."""
    scheme, _, rest = url.partition("://")
    path = rest[1:].partition("?")[0]
    if scheme.partition("+")[0] != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
        return None
    return Path(path)
