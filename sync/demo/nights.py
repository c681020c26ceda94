"""Play the nights: runs by the program, and between them what sites and data managers do.

The program is used exactly as a coordinating centre would use it: configuration, HTTP, warehouse, workflows. Only the
people are played.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from schemas import loading
from schemas.study import Study
from sync import telemetry
from sync.bootstrap import App
from sync.demo import comparison, errors, stage, trial
from sync.demo.comparison import CountLine, MeanLine
from sync.demo.errors import Score, SeededError
from sync.demo.published import published
from sync.demo.reactions import Action, Reaction
from sync.demo.stage import Stage
from sync.demo.trial import Trial
from sync.harmonise import mapping as mappings
from sync.ports.stored import QueryFilter
from sync.queries.model import ActorKind, AnswerCode, Query, State, Trigger
from sync.workflows import desk, run, validate
from sync.workflows.desk import Decision
from sync.workflows.past import WEEKDAYS
from sync.workflows.results import NightOptions
from sync.workflows.run import RunResult
from validators.findings import Finding

COORDINATOR, MANAGER = "site coordinator (invented)", "data manager (invented)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """Hold one night: what people did before it, what the run did, how the figures stood afterwards."""

    number: int
    at: datetime
    #: what people did before it, in words -> how often
    people: Mapping[str, int]
    run: RunResult
    means: tuple[MeanLine, ...]
    responses: tuple[CountLine, ...]
    #: site -> state -> queries
    queries: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Hold the whole demo."""

    folder: Path
    serve_command: str
    nights: tuple[Night, ...]
    score: Score

    @property
    def agrees(self) -> bool:
        """Tell whether every published figure is met in every printed digit."""
        last = self.nights[-1]
        return all(line.agrees is not False for line in last.means) and all(line.agrees for line in last.responses)


@dataclass(slots=True, kw_only=True)
class _Desk:
    """Find the queries that stand for a seeded error, by what was found on the first night."""

    app: App
    findings: list[Finding] = field(default_factory=list)

    def queries_of(self, error: SeededError, *states: State) -> list[str]:
        """Give the numbers of the error's queries in these states."""
        places = {(each.row, each.check, each.field) for each in self.findings if error.explains(each)}
        return [
            query.number
            for query in self._queries(error.place.site, states)
            if (query.key.row, query.key.check, query.key.field) in places
        ]

    def _queries(self, site: str, states: Sequence[State]) -> tuple[Query, ...]:
        wanted = QueryFilter(sites=(site,), states=tuple(state.value for state in states))
        return self.app.warehouse().reader().queries(wanted)

    def decide(self, numbers: Sequence[str], decision: Decision) -> int:
        """Decide on queries, if there are any; count them."""
        if numbers:
            desk.decide(self.app, numbers, decision)
        return len(numbers)


def play(
    folder: Path,
    *,
    nights: int,
    last_night: datetime,
    warehouse_url: str | None = None,
    tell: Callable[[Night], None] = lambda night: None,
) -> Play:
    """Play so many nights, the last one at ``last_night`` (aware); tell of each as it ends.

    The folder is made anew; what remains in it is described in the README of the interface. Raises ConfigError where
    the folder holds anything that is not an earlier demo's.
    """
    study = loading.shipped_study("sle")
    invented = trial.prepare(study, {slug: _mapping(study, slug) for slug in stage.CENTRES}, nights=nights)
    dates = [last_night - timedelta(days=nights - number) for number in range(1, nights + 1)]
    playing = stage.set_up(
        folder,
        invented.projects,
        start=dates[0] - timedelta(hours=8),
        warehouse_url=warehouse_url,
        # the first night pulls everything anyway; the ones played after it show what an ordinary night is like
        weekly_full=WEEKDAYS[(last_night.weekday() + 1) % 7],
    )
    app = playing.app()
    try:
        return _play(playing, app, invented, dates, tell)
    finally:
        app.close()
        playing.sandbox.stop()


def _play(playing: Stage, app: App, invented: Trial, dates: Sequence[datetime], tell: Callable[[Night], None]) -> Play:
    table = _Desk(app=app)
    logs = playing.folder / "logs"
    logs.mkdir()
    told: list[Night] = []
    for number, at in enumerate(dates, start=1):
        # people work in the afternoon before the night
        playing.at(at - timedelta(hours=10))
        people = _people(playing, table, invented.before_night(number))
        playing.at(at)
        with (logs / f"night-{number}.jsonl").open("w", encoding="utf-8") as log:
            telemetry.configure(form="json", stream=log)
            result = run.run(app, app.sites(), options=NightOptions())
        telemetry.configure(form="console", quiet=True)
        if number == 1 or number < len(dates):  # people have the findings before them in the next afternoon
            table.findings += _findings(app)
        night = Night(
            number=number,
            at=at,
            people=people,
            run=result,
            means=comparison.means(app.warehouse().reader().efficacy(), published()),
            responses=comparison.responses(app.warehouse().reader().responses(), published()),
            queries=_standing(app),
        )
        if number == 1:
            score = errors.score(invented.errors, table.findings)
        tell(night)
        told.append(night)
    return Play(folder=playing.folder, serve_command=playing.serve_command, nights=tuple(told), score=score)


def _people(playing: Stage, table: _Desk, planned: Sequence[Reaction]) -> dict[str, int]:
    """Let data managers and sites do what they do before a night; count it in words."""
    done: Counter[str] = Counter()
    again = Decision(
        trigger=Trigger.REQUERY, actor=MANAGER, comment="The source document says otherwise; please look again."
    )
    for error in {each.error.number: each.error for each in planned if each.action is Action.CORRECT}.values():
        done["answers sent back by the data manager"] += table.decide(table.queries_of(error, State.ANSWERED), again)
    for reaction in planned:
        _react(playing, table, reaction, done)
    return {what: count for what, count in done.items() if count}


def _react(playing: Stage, table: _Desk, reaction: Reaction, done: Counter[str]) -> None:
    error = reaction.error
    if reaction.texts:
        playing.sandbox.project(error.place.site).set(
            error.row.record,
            dict(reaction.texts),
            event=error.row.event,
            instrument=error.row.repeat_instrument,
            instance=error.row.repeat_instance or 0,
        )
    match reaction.action:
        case Action.CORRECT:
            done["entries corrected by the sites"] += 1
        case Action.CORRECT_WRONGLY:
            done["entries changed to another wrong value"] += 1
        case Action.REVERT:
            done["corrections undone again"] += 1
        case Action.CONFIRM:
            decision = Decision(
                trigger=Trigger.CONFIRM, actor=MANAGER, comment="The site has seen the source document."
            )
            done["queries confirmed: unusual, but right"] += table.decide(table.queries_of(error, State.OPEN), decision)
        case Action.INSIST:
            decision = Decision(
                trigger=Trigger.ANSWER,
                actor=COORDINATOR,
                actor_kind=ActorKind.SITE,
                answer=AnswerCode.CONFIRMED,
                comment="Correct as entered.",
            )
            done["queries answered without a correction"] += table.decide(table.queries_of(error, State.OPEN), decision)


def _findings(app: App) -> list[Finding]:
    """Read again what is wrong, as `sync validate` shows it."""
    return [finding for site in app.sites() for finding in validate.validate_site(app, site).findings]


def _standing(app: App) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {site.slug: Counter() for site in app.sites()}
    for query in app.warehouse().reader().queries():
        counts[query.key.site][query.state.value] += 1
    return {site: dict(states) for site, states in counts.items()}


def _mapping(study: Study, slug: str) -> mappings.SiteMapping:
    path = loading.shipped_folder(study.name) / "sites" / f"{slug}.toml"
    return mappings.parse(path.read_text(encoding="utf-8"), study)


def last_night(now: datetime) -> datetime:
    """Give the latest 02:00 in the centres' time zone that has passed."""
    local = now.astimezone(ZoneInfo(stage.ZONE))
    at = local.replace(hour=2, minute=0, second=0, microsecond=0)
    return at if at <= local else at - timedelta(days=1)
