"""Work on queries (`sync queries …`): the data manager's desk."""

import getpass
from collections import Counter
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sync.commands import output
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.ports.stored import QueryFilter

if TYPE_CHECKING:
    from sync.bootstrap import App

STATES = ("CANDIDATE", "OPEN", "ANSWERED", "CLOSED", "CANCELLED")
SETTLED = ("CLOSED", "CANCELLED")
CONDITIONS = ("FAILING", "PASSING", "NOT_EVALUATED", "NOT_APPLICABLE")
ANSWERS = ("confirmed", "corrected", "data_unavailable", "deviation_recorded", "other")
CLOSE_REASONS = ("corrected", "confirmed", "data_unavailable", "not_applicable", "deviation_recorded", "other")
CANCEL_REASONS = ("raised_in_error", "duplicate", "check_retired", "check_changed")

COLUMNS = [
    Column(key="number", title="Query", style="bold", whole=True),
    Column(key="record", title="Patient", whole=True),
    Column(key="event", title="Visit"),
    Column(key="site_field", title="Field"),
    Column(key="raw", title="As entered", gives_way=2),
    Column(key="message", title="Question", least=28),
    Column(key="severity", title="Sev.", gives_way=3),
    Column(key="state", title="State"),
    Column(key="condition", title="Now", gives_way=4),
    Column(key="age_days", title="Days", right=True, gives_way=1),
    *(
        Column(key=name, title=name, optional=True)
        for name in (
            "site",
            "instrument",
            "instance",
            "field",
            "check",
            "reason",
            "round",
            "value",
            "unit",
            "opened",
            "last_evaluated",
            "answer",
            "assignee",
            "changed_since_answer",
            "ready_to_close",
            "link",
        )
    ),
]


@click.group("queries")
def command() -> None:
    """List queries, look into them, and decide on them."""


@command.command("list")
@click.option("--site", "sites", multiple=True, help="Site; repeat for several.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES, case_sensitive=False))
@click.option("--condition", "conditions", multiple=True, type=click.Choice(CONDITIONS, case_sensitive=False))
@click.option("--check", "checks", multiple=True, help="Check id, e.g. RG01.")
@click.option("--severity", "severities", multiple=True, type=click.Choice(["hard", "soft", "info"]))
@click.option("--record", "records", multiple=True, help="Record id.")
@click.option("--event", "events", multiple=True, help="Visit id.")
@click.option("--assignee", help="Whose queries.")
@click.option("--older-than", type=click.IntRange(0), metavar="DAYS", help="Asked at least so many days ago.")
@click.option("--all", "everything", is_flag=True, help="Closed and cancelled ones too.")
@output.listing_options
@pass_invocation
def list_queries(
    invocation: Invocation,
    sites: tuple[str, ...],
    states: tuple[str, ...],
    conditions: tuple[str, ...],
    checks: tuple[str, ...],
    severities: tuple[str, ...],
    records: tuple[str, ...],
    events: tuple[str, ...],
    assignee: str | None,
    older_than: int | None,
    everything: bool,
    as_json: bool,
    csv_path: Path | None,
) -> None:
    """List queries that wait for somebody; --all for every query ever raised."""
    from sync.workflows import desk

    app = invocation.app
    for slug in sites:
        app.config.site(slug)
    chosen = tuple(state.upper() for state in states) or (() if everything else ("CANDIDATE", "OPEN", "ANSWERED"))
    wanted = QueryFilter(
        sites=sites or None,
        states=chosen or None,
        conditions=tuple(each.upper() for each in conditions) or None,
        checks=checks or None,
        severities=severities or None,
        records=records or None,
        events=events or None,
        assignee=assignee,
        opened_before=desk.older_than(app.clock.now(), older_than),
    )
    shown = desk.show(app, wanted)
    language = app.config.study.language
    rows = [shown.document(query, language=language) for query in shown.queries]
    counts = Counter(row["state"] for row in rows)
    caption = ", ".join(f"{count} {state.lower()}" for state, count in counts.items())
    output.show(
        name="queries",
        title="Queries",
        columns=COLUMNS,
        rows=rows,
        as_json=as_json,
        csv_path=csv_path,
        more={"total": len(rows)},
        caption=caption,
        nothing=_nothing_waits(app, wanted) if not rows and not states and not everything else "none.",
    )


def _nothing_waits(app: "App", wanted: QueryFilter) -> str:
    """Say that no query waits for anybody, and how many of the same choice are settled."""
    settled = app.warehouse().reader().queries(replace(wanted, states=SETTLED))
    counts = Counter(query.state.value.lower() for query in settled)
    said = ", ".join(f"{counts[state]} {state}" for state in map(str.lower, SETTLED) if counts[state])
    return f"none waiting; {said} (--all)" if said else "none."


@command.command("show")
@click.argument("number")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def show_query(invocation: Invocation, number: str, as_json: bool) -> None:
    """Show one query: the question, its whole thread, and the life of its cell."""
    from schemas.coordinates import Coordinate
    from sync.errors import ConfigError
    from sync.workflows import desk

    app = invocation.app
    reader = app.warehouse().reader()
    thread = reader.thread(number)
    if thread is None:
        raise ConfigError([f"no query has the number {number}; `sync queries list --all` shows them"])
    shown = desk.show(app, QueryFilter(numbers=(number,)))
    document = shown.document(thread.query, language=app.config.study.language)
    document["events"] = [
        {
            "seq": event.seq,
            "at": event.at.isoformat(timespec="seconds"),
            "actor": event.actor,
            "actor_kind": event.actor_kind.value,
            "action": event.action.value,
            "from_state": event.from_state.value if event.from_state else None,
            "to_state": event.to_state.value,
            "reason": event.reason.value if event.reason else None,
            "answer": event.answer.value if event.answer else None,
            "round": event.round,
            "run_id": event.run_id,
            "comment": thread.values[event.seq].comment if event.seq in thread.values else None,
            "old_raw": thread.values[event.seq].old_raw if event.seq in thread.values else None,
            "new_raw": thread.values[event.seq].new_raw if event.seq in thread.values else None,
        }
        for event in thread.events
    ]
    versions = reader.history(Coordinate(row=thread.query.key.row, field=thread.query.key.field))
    document["history"] = [
        {
            "since": version.since.isoformat(timespec="seconds"),
            "run_id": version.run_id,
            "record": version.row.record,
            "change": version.change,
            "raw": version.raw,
            "value": version.value,
        }
        for version in versions
    ]
    if as_json:
        output.emit_json(document)
    else:
        _print_query(document, app.config.study.zone)


def _print_query(document: dict[str, Any], zone: tzinfo) -> None:
    unit = f" {document['unit']}" if document["unit"] and document["value"] is not None else ""
    click.secho(f"{document['number']}  {document['state']}", bold=True, nl=False)
    click.echo(f"  ({document['severity']}, {document['check']}, {document['condition']}, round {document['round']})")
    click.echo(f"  {document['message']}")
    place = " / ".join(str(document[key]) for key in ("record", "event", "instrument", "field") if document[key])
    click.echo(f"  where       {place}" + (f" #{document['instance']}" if document["instance"] > 1 else ""))
    click.echo(
        f"  as entered  {document['raw'] if document['raw'] is not None else '(blank)'}  in {document['site_field']}"
    )
    click.echo(f"  read as     {document['value'] if document['value'] is not None else '(nothing)'}{unit}")
    if document["link"]:
        click.echo(f"  page        {document['link']}")
    columns = [
        Column(key="at", title="When"),
        Column(key="actor", title="Who"),
        Column(key="action", title="What"),
        Column(key="to_state", title="State then"),
        Column(key="why", title="Reason or answer"),
        Column(key="comment", title="Comment"),
    ]
    rows = [{**event, "why": event["reason"] or event["answer"]} for event in document["events"]]
    output.table("Thread", columns, output.in_zone(rows, "at", zone))
    life = [
        Column(key="since", title="Since"),
        Column(key="raw", title="As entered"),
        Column(key="value", title="Read as"),
    ]
    life += [Column(key="change", title=""), Column(key="run_id", title="Run", style="dim")]
    output.table("The cell's life", life, output.in_zone(document["history"], "since", zone))


def _decision_command(
    name: str, summary: str, *, answer: bool = False, reasons: tuple[str, ...] = (), person: bool = False
) -> None:
    """Add one command that decides on queries by number; they differ in what else they ask for."""

    @click.argument("numbers", nargs=-1, required=True, metavar="NUMBER…")
    @click.option("--comment", help="Words that go into the thread.")
    @click.option("--as", "actor", help="Who decides [the user of this machine].")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @pass_invocation
    def decide(
        invocation: Invocation,
        numbers: tuple[str, ...],
        comment: str | None,
        actor: str | None,
        as_json: bool,
        code: str | None = None,
        reason: str | None = None,
        assignee: str | None = None,
    ) -> None:
        from sync.queries.model import ActorKind, AnswerCode, Trigger, reason_of
        from sync.workflows import desk

        app = invocation.app
        decision = desk.Decision(
            trigger=Trigger(name),
            actor=actor or getpass.getuser(),
            actor_kind=ActorKind.SITE if name == "answer" else ActorKind.DM,
            comment=comment,
            answer=AnswerCode(code) if code else None,
            reason=reason_of(reason),
            assignee=assignee,
        )
        after = desk.decide(app, list(dict.fromkeys(numbers)), decision)
        if as_json:
            shown = desk.show(app, QueryFilter(numbers=tuple(numbers)))
            language = app.config.study.language
            output.emit_json({"queries": [shown.document(query, language=language) for query in shown.queries]})
            return
        for query in after:
            reason_text = f" ({query.reason.value})" if query.reason else ""
            click.echo(f"{query.number}: {query.state.value}{reason_text}")

    if answer:
        decide = click.option("--code", required=True, type=click.Choice(ANSWERS), help="What the site says.")(decide)
    if reasons:
        decide = click.option("--reason", required=True, type=click.Choice(reasons), help="Why.")(decide)
    if person:
        decide = click.option("--to", "assignee", required=True, help="Who is to act.")(decide)
    command.command(name, help=summary)(decide)


_decision_command("answer", "Put in a site's answer, on its behalf.", answer=True)
_decision_command("accept", "Accept an answer and close the query.", reasons=CLOSE_REASONS)
_decision_command("confirm", "Answer on the site's behalf that the value is right, and accept that.")
_decision_command("requery", "Send an answer back and ask once more; needs --comment.")
_decision_command("reopen", "Open a closed query again; needs --comment.")
_decision_command("cancel", "Withdraw a query that should not have been asked.", reasons=CANCEL_REASONS)
_decision_command("release", "Let a candidate out to its site.")
_decision_command("reject", "Keep a candidate from its site.")
_decision_command("assign", "Say who is to act.", person=True)
_decision_command("comment", "Add words to the thread; needs --comment.")


@command.command("export")
@click.option("--site", "sites", multiple=True, help="Site; repeat for several. Without it: all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def export(invocation: Invocation, sites: tuple[str, ...], as_json: bool) -> None:
    """Write each site's list of open queries (CSV and workbook) again, as after a run."""
    from sync.workflows import desk

    app = invocation.app
    written = desk.export(app, [site.slug for site in app.sites(sites)])
    if as_json:
        output.emit_json({"lists": {site: list(paths) for site, paths in written.items()}})
        return
    for paths in written.values():
        for path in paths:
            click.echo(path)


@command.command("stats")
@click.option("--site", "sites", multiple=True, help="Site; repeat for several.")
@output.listing_options
@pass_invocation
def stats(invocation: Invocation, sites: tuple[str, ...], as_json: bool, csv_path: Path | None) -> None:
    """Count queries by site, check and state."""
    app = invocation.app
    queries = app.warehouse().reader().queries(QueryFilter(sites=sites or None))
    counts: Counter[tuple[str, str, str]] = Counter(
        (query.key.site, query.key.check, query.state.value) for query in queries
    )
    places = sorted({(site, check) for site, check, _ in counts})
    rows = [
        {
            "site": site,
            "check": check,
            **{state.lower(): counts[site, check, state] for state in STATES},
            "total": sum(counts[site, check, state] for state in STATES),
        }
        for site, check in places
    ]
    columns = [Column(key="site", title="Site"), Column(key="check", title="Check")]
    columns += [Column(key=state.lower(), title=state.capitalize(), right=True) for state in STATES]
    columns += [Column(key="total", title="Total", right=True)]
    output.show(name="stats", title="Queries by check", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path)
