"""The loop around the schedule: who is worked on, when, and how it ends. No site, no network: work is played."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from sync import config, errors
from sync.config import SiteConfig
from sync.daemon import service
from sync.ports.stored import RunRow, SiteStatus
from sync.workflows.results import NightOptions, SiteResult
from sync.workflows.run import RunResult

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 3, 2, 1, 0, tzinfo=ZONE)


class HandClock:
    """A clock that only moves when it is told to."""

    def __init__(self, start: datetime) -> None:
        self.moment = start

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class TimedStop(threading.Event):
    """Let waiting move the clock in place of the world, and set itself at the end of the play."""

    def __init__(self, clock: HandClock, end: datetime) -> None:
        super().__init__()
        self.clock = clock
        self.end = end
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None, "a wait without an end gives no sign of life"
        self.waited.append(timeout)
        self.clock.sleep(max(timeout, 0.001))
        if self.clock.now() >= self.end:
            self.set()
        return self.is_set()


@dataclass
class Warehouse:
    """Know what was run; can be out of order."""

    clock: HandClock
    statuses: tuple[SiteStatus, ...] = ()
    broken_until: datetime = START

    def check_key(self) -> None:
        """Fit the key."""

    def upgrade(self) -> list[str]:
        if self.clock.now() < self.broken_until:
            raise errors.SyncError("the warehouse cannot be reached")
        return []

    def reader(self) -> "Warehouse":
        return self

    def status(self, *, aged_before: datetime) -> tuple[SiteStatus, ...]:
        return self.statuses


@dataclass
class Heard:
    """Hear what the daemon says of itself."""

    interval: float = 600
    said: list[str] = field(default_factory=list)

    def ready(self) -> None:
        self.said.append("ready")

    def status(self, text: str) -> None:
        self.said.append(text)

    def beat(self) -> None:
        self.said.append("beat")

    def stopping(self) -> None:
        self.said.append("stopping")


class Play:
    """Set a daemon up whose work is a function of (site, moment) -> exit code."""

    def __init__(self, folder: Path, text: str, *, hours: float, codes: Callable[[str, datetime], int]) -> None:
        path = folder / "config.toml"
        path.write_text(text, encoding="utf-8")
        loaded = config.load(path, {})
        self.clock = HandClock(START)
        self.stop = TimedStop(self.clock, START + timedelta(hours=hours))
        self.warehouse = Warehouse(self.clock)
        self.heard = Heard()
        self.codes = codes
        self.done: list[tuple[str, str]] = []
        self.options: list[bool] = []
        self.passes: list[list[int]] = []
        self.failures: list[Exception] = []
        self.app = SimpleNamespace(
            config=loaded,
            clock=self.clock,
            warehouse=lambda: self.warehouse,
            sites=lambda: tuple(site for site in loaded.sites if site.enabled),
        )
        self.daemon = service.Daemon(
            app=self.app,
            stop=self.stop,
            supervisor=self.heard,
            after_pass=lambda results: self.passes.append([each.exit_code for each in results]),
            after_failure=self.failures.append,
            since=START,
            work=self.work,
        )

    def work(self, app: object, sites: Sequence[SiteConfig], *, options: NightOptions) -> RunResult:
        (site,) = sites
        now = self.clock.now()
        self.done.append((site.slug, f"{now:%d %H:%M}"))
        self.options.append(options.full)
        code = self.codes(site.slug, now)
        return RunResult(
            run_id="R", started=now, finished=now, dry_run=False, sites=(SiteResult(site=site.slug, exit_code=code),)
        )

    def run(self) -> list[tuple[str, str]]:
        assert service.run_forever(self.daemon) == 0
        return self.done


def text(*slugs: str, schedule: str = "", threads: int = 1) -> str:
    sites = [
        f"""
[[sites]]
slug = "{slug.partition(" ")[0]}"
name = "{slug.partition(" ")[0]} (invented)"
subject_prefix = "{slug[0].upper()}"
url = "https://{slug.partition(" ")[0]}.example.org/api/"
project_id = 1
token_env = "T"
{slug.partition(" ")[2]}
"""
        for slug in slugs
    ]
    return f"[run]\nthreads = {threads}\n[schedule]\n{schedule}\n" + "".join(sites)


def fine(site: str, now: datetime) -> int:
    return 0


def test_each_site_runs_at_once_and_then_at_its_own_time(tmp_path: Path) -> None:
    play = Play(tmp_path, text("north", 'south cron = "30 4 * * *"'), hours=48, codes=fine)
    assert sorted(play.run()) == [
        ("north", "02 01:00"),
        ("north", "02 02:00"),
        ("north", "03 02:00"),
        ("south", "02 01:00"),
        ("south", "02 04:30"),
        ("south", "03 04:30"),
    ]


def test_it_waits_on_the_stop_and_never_longer_than_a_sign_of_life(tmp_path: Path) -> None:
    play = Play(tmp_path, text("north"), hours=30, codes=fine)
    play.run()
    assert max(play.stop.waited) <= play.heard.interval
    assert min(play.stop.waited) >= 0
    assert play.heard.said[0] == "ready"
    assert play.heard.said[-1] == "stopping"
    assert "next: north at 2026-03-02 02:00 CST" in play.heard.said
    assert "at work on north" in play.heard.said
    # 30 hours at a sign of life each 10 minutes, and a few for the passes
    assert 180 <= play.heard.said.count("beat") <= 200


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (datetime(2026, 3, 2, 0, 30, tzinfo=ZONE), "2 sites; next: north 2026-03-02 02:00 CST. Ctrl-C ends it."),
        (datetime(2026, 2, 28, 2, 0, tzinfo=ZONE), "2 sites; next: north, now. Ctrl-C ends it."),
    ],
)
def test_it_says_at_the_start_what_comes_next_as_the_warehouse_knows_it(
    tmp_path: Path, last: datetime, said: str
) -> None:
    play = Play(tmp_path, text("north", 'south cron = "30 4 * * *"'), hours=0.1, codes=fine)
    play.warehouse.statuses = (status("north", last), status("south", datetime(2026, 3, 2, 0, 30, tzinfo=ZONE)))
    greetings: list[str] = []
    service.run_forever(replace(play.daemon, greet=greetings.append))
    assert greetings == [said]


def test_a_failing_site_is_tried_after_growing_pauses_and_the_others_are_left_alone(tmp_path: Path) -> None:
    play = Play(
        tmp_path, text("north", "south"), hours=6, codes=lambda site, now: 3 if site == "south" and now.hour < 4 else 0
    )
    done = play.run()
    assert [at for site, at in done if site == "north"] == ["02 01:00", "02 02:00"]
    assert [at for site, at in done if site == "south"] == [
        "02 01:00",
        "02 01:05",
        "02 01:15",
        "02 01:35",
        "02 02:00",
        "02 03:20",
        "02 06:00",
    ]


@pytest.mark.parametrize("code", [4, 5])
def test_a_brake_or_a_refusal_is_not_tried_again_that_night(tmp_path: Path, code: int) -> None:
    play = Play(tmp_path, text("north"), hours=30, codes=lambda site, now: code)
    assert [at for _, at in play.run()] == ["02 01:00", "02 02:00", "03 02:00"]


def test_a_site_at_which_another_run_works_is_tried_later(tmp_path: Path) -> None:
    play = Play(
        tmp_path, text("north"), hours=3, codes=lambda site, now: 75 if now.minute == 0 and now.hour == 1 else 0
    )
    assert [at for _, at in play.run()] == ["02 01:00", "02 01:05", "02 02:00"]


def test_what_the_warehouse_knows_counts(tmp_path: Path) -> None:
    """The last run was yesterday's: the daemon was down for the night before it came up at 01:00? No: none missed."""
    play = Play(tmp_path, text("north"), hours=2, codes=fine)
    play.warehouse.statuses = (status("north", datetime(2026, 3, 1, 2, 0, tzinfo=ZONE)),)
    assert play.run() == [("north", "02 02:00")]


def test_downtime_is_made_up_once(tmp_path: Path) -> None:
    play = Play(tmp_path, text("north"), hours=2, codes=fine)
    play.warehouse.statuses = (status("north", datetime(2026, 2, 20, 2, 0, tzinfo=ZONE)),)
    assert play.run() == [("north", "02 01:00"), ("north", "02 02:00")]
    assert play.options == [True, False], "more than a week was missed: everything is pulled"


def test_without_catch_up_nothing_is_made_up(tmp_path: Path) -> None:
    play = Play(tmp_path, text("north", schedule="catch_up = false"), hours=2, codes=fine)
    play.warehouse.statuses = (status("north", datetime(2026, 2, 20, 2, 0, tzinfo=ZONE)),)
    assert play.run() == [("north", "02 02:00")]


def test_a_warehouse_out_of_order_is_told_and_tried_again(tmp_path: Path) -> None:
    play = Play(tmp_path, text("north", "south"), hours=1.5, codes=fine)
    play.warehouse.broken_until = START + timedelta(minutes=12)
    done = play.run()
    assert [str(each) for each in play.failures] == ["the warehouse cannot be reached"] * 2
    assert sorted(set(done)) == [
        ("north", "02 01:15"),
        ("north", "02 02:00"),
        ("south", "02 01:15"),
        ("south", "02 02:00"),
    ]


def test_a_wrong_mapping_or_a_fault_is_that_sites_failure(tmp_path: Path) -> None:
    play = Play(tmp_path, text("north", "south", "west"), hours=0.02, codes=fine)

    def work(app: object, sites: Sequence[SiteConfig], *, options: NightOptions) -> RunResult:
        if sites[0].slug == "north":
            raise errors.SiteMisconfigured(["north.toml: wrong"])
        if sites[0].slug == "south":
            raise RuntimeError("a value that must not be told: 12.5")
        return play.work(app, sites, options=options)

    told: list[SiteResult] = []
    daemon = service.Daemon(
        app=play.app,
        stop=play.stop,
        supervisor=play.heard,
        after_pass=lambda results: told.extend(each for result in results for each in result.sites),
        after_failure=play.failures.append,
        since=START,
        work=work,
    )
    service.run_forever(daemon)
    by_site = {each.site: each for each in told}
    assert (by_site["north"].exit_code, by_site["north"].reason) == (4, "north.toml: wrong")
    assert by_site["south"].exit_code == 70
    assert "12.5" not in str(by_site["south"].reason)
    assert by_site["west"].exit_code == 0


def test_after_the_stop_no_site_is_begun_and_the_one_at_work_is_finished(tmp_path: Path) -> None:
    play = Play(tmp_path, text("a", "b", "c", "d", "e", threads=2), hours=24, codes=fine)
    together = threading.Barrier(2)
    released = threading.Event()

    def codes(site: str, now: datetime) -> int:
        together.wait(5)
        play.stop.set()
        released.wait(0.05)
        return 0

    play.codes = codes
    done = play.run()
    assert len(done) == 2
    assert play.passes == [[0, 0]], "what was finished is told"


def test_a_site_that_hangs_holds_up_no_other_and_no_alert(tmp_path: Path) -> None:
    play = Play(tmp_path, text("slow", 'north cron = "* * * * *"', threads=2), hours=1, codes=fine)
    released = threading.Event()
    told_meanwhile: list[list[list[int]]] = []

    def codes(site: str, now: datetime) -> int:
        if site == "slow":
            assert released.wait(20)
            return 3
        play.clock.sleep(61)
        if len(play.done) > 8:
            told_meanwhile.append(list(play.passes))
            released.set()
            play.stop.set()
        return 4

    play.codes = codes
    done = play.run()
    assert [site for site, _ in done].count("north") == 8
    assert [site for site, _ in done].count("slow") == 1
    assert told_meanwhile[0], "what north gave was told while slow was at work"
    assert set(told_meanwhile[0][0]) == {4}
    assert sorted(code for each in play.passes for code in each) == [3, *[4] * 8], "all of it was told, once"
    assert "at work on slow, north" in play.heard.said


def test_once_works_on_what_is_due_and_gives_the_gravest_code(tmp_path: Path) -> None:
    play = Play(tmp_path, text("a", "b"), hours=24, codes=lambda site, now: {"a": 3, "b": 4}[site])
    assert service.run_once(play.daemon) == 4
    assert service.run_once(play.daemon) == 0, "nothing is due a moment later"
    assert play.passes == [[3, 4]] or play.passes == [[4, 3]]


def status(site: str, at: datetime, code: int = 0) -> SiteStatus:
    row = RunRow(
        site=site,
        run_id="R",
        kind="full",
        started=at,
        finished=at + timedelta(minutes=1),
        outcome="ok" if code == 0 else "failed",
        exit_code=code,
    )
    return SiteStatus(
        site=site,
        name=site,
        last_success=row.finished if code == 0 else None,
        last_run=row,
        queries={},
        aged=0,
        parked=0,
        lease=None,
    )
