"""Set the stage: a folder with a sandbox of four centres, tokens, mappings and a configuration that works on."""

import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from schemas import loading
from sync import bootstrap
from sync import clock as clocks
from sync.bootstrap import App
from sync.errors import ConfigError
from sync.sandbox.clock import ServerClock
from sync.sandbox.sandbox import Sandbox

MARK = ".syncline-demo"
"""A file of this name says that a folder is the demo's own and may be made anew."""

PORT = 8765

CENTRES = {
    "drumtower": ("Drum Tower Hospital, Nanjing (invented data)", "NJDT", "en"),
    "zhenjiang": ("Affiliated Hospital of Jiangsu University, Zhenjiang (invented data)", "ZJJU", "zh"),
    "jiangsu": ("Jiangsu Provincial People's Hospital, Nanjing (invented data)", "JSPH", "en"),
    "yangzhou": ("Subei People's Hospital, Yangzhou (invented data)", "YZSB", "zh"),
}
"""Slug -> name, subject prefix, language of the lists. The data say nothing about the real hospitals."""

ZONE = "Asia/Shanghai"


class StageClock:
    """Tell a time that the demo sets: it runs on from there as the real one does."""

    def __init__(self, start: datetime) -> None:
        """Start at an aware moment."""
        self._real = clocks.SystemClock()
        self.set(start)

    def set(self, moment: datetime) -> None:
        """Move the clock to an aware moment."""
        self._base = moment
        self._since = self._real.monotonic()

    def now(self) -> datetime:
        """Give the moment that the stage is at."""
        return self._base + timedelta(seconds=self.monotonic() - self._since)

    def monotonic(self) -> float:
        """Give the real steady counter."""
        return self._real.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pause for real."""
        self._real.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Hold what the demo plays on."""

    folder: Path
    sandbox: Sandbox
    clock: StageClock
    url: str
    port: int

    @property
    def config_path(self) -> Path:
        """Name the configuration that works on after the demo."""
        return self.folder / "config.toml"

    @property
    def serve_command(self) -> str:
        """Give the command that serves the same sandbox again."""
        return f"sync sandbox serve --state {self.folder / 'sandbox'} --port {self.port} --timezone {ZONE}"

    def app(self, warehouse_url: str | None = None) -> App:
        """Build the program on this stage's configuration."""
        return bootstrap.build(self.config_path, {}, cwd=self.folder, clock=self.clock)

    def at(self, moment: datetime) -> None:
        """Move the program's clock and the servers' to a moment."""
        self.clock.set(moment)
        self.sandbox.clock.set(moment, frozen=False)


def make_room(folder: Path) -> None:
    """Empty a folder of an earlier demo, or make it; ConfigError where it holds anything else."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise ConfigError([f"{folder} holds files that are not the demo's; choose another folder with --dir"])
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("Made by `sync demo`; the next demo in this folder replaces it.\n")


def set_up(
    folder: Path,
    projects: Mapping[str, str],
    *,
    start: datetime,
    warehouse_url: str | None = None,
    weekly_full: str = "sun",
) -> Stage:
    """Serve the centres' projects (slug -> project XML) and write tokens, mappings and configuration.

    ``weekly_full`` is the night of the week on which everything is pulled. The sandbox is running when this returns;
    the caller stops it.
    """
    make_room(folder)
    sandbox = Sandbox(clock=ServerClock(timezone=ZONE), state=folder / "sandbox")
    sandbox.clock.set(start, frozen=False)
    tokens = {slug: secrets.token_hex(16).upper() for slug in projects}
    for number, (slug, xml) in enumerate(projects.items(), start=11):
        sandbox.add_project(xml, slug=slug, token=tokens[slug], project_id=number)
    port = _free_port()
    url = sandbox.start("127.0.0.1", port)
    _write_tokens(folder / "tokens", tokens)
    shutil.copytree(loading.shipped_folder("sle") / "sites", folder / "sites")
    text = _config(url, tuple(projects), warehouse_url or "sqlite:///warehouse.sqlite", weekly_full)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return Stage(folder=folder, sandbox=sandbox, clock=StageClock(start), url=url, port=port)


def _free_port() -> int:
    """Take the sandbox's usual port, or any that is free."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigError(["no port of this machine is free to serve the sandbox on"])


def _write_tokens(folder: Path, tokens: Mapping[str, str]) -> None:
    folder.mkdir(mode=0o700)
    for slug, token in tokens.items():
        path = folder / f"{slug}.token"
        path.touch(mode=0o600)
        path.write_text(token + "\n", encoding="ascii")


def _config(url: str, slugs: tuple[str, ...], warehouse_url: str, weekly_full: str) -> str:
    """Write the configuration as a person would; config.example.toml explains every key."""
    head = f"""# Written by `sync demo`. Patients, values and centres' projects are invented.
# Serve the sandbox again before you use it; the demo printed the command.

[study]
definition = "sle"
timezone   = "{ZONE}"

[warehouse]
url = "{warehouse_url}"

[delivery]
folder = "queries"

[schedule]
weekly_full = "{weekly_full}"   # the other nights pull what changed

[transport]
requests_per_minute = 6000   # all four projects live on this machine
"""
    sites = [
        f"""
[[sites]]
slug           = "{slug}"
name           = "{CENTRES[slug][0]}"
subject_prefix = "{CENTRES[slug][1]}"
url            = "{url}"
project_id     = {number}
token_file     = "tokens/{slug}.token"
mapping        = "sites/{slug}.toml"
language       = "{CENTRES[slug][2]}"
"""
        for number, slug in enumerate(slugs, start=11)
    ]
    return head + "".join(sites)
