"""Show the edit-check specification (`sync checks …`)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sync.commands import output
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.plural import counted

if TYPE_CHECKING:
    from schemas.study import Study


def _study(invocation: Invocation, name: str | None) -> "Study":
    """Give the study asked for: by name or folder, else the configured one, else the shipped one."""
    from schemas import loading
    from sync.bootstrap import load_study
    from sync.errors import ConfigError

    if name:
        return load_study(name)
    try:
        configured = invocation.app.study
    except ConfigError as error:
        if invocation.config_path is None and "there is no configuration file" in str(error):
            return loading.shipped_study("sle")
        raise
    if configured is None:
        raise ConfigError(
            ['study.definition is "dictionary": its checks follow from each site\'s project; name a study']
        )
    return configured


@click.group("checks")
def command() -> None:
    """List, show and lint the edit checks of a study."""


@command.command("list")
@click.option("--study", help="Shipped study or folder [the configured one].")
@output.listing_options
@pass_invocation
def list_checks(invocation: Invocation, study: str | None, as_json: bool, csv_path: Path | None) -> None:
    """List all checks: what each field is checked for by itself, and the study's own."""
    from schemas import builtin

    chosen = _study(invocation, study)
    rows = [
        {
            "check": spec.id,
            "version": spec.version,
            "severity": spec.severity.value,
            "category": spec.category,
            "form": spec.form or ("every form" if not spec.library and not spec.logic else "several"),
            "title": spec.title.get("en", ""),
            "rule": spec.logic or spec.library or "built in",
        }
        for spec in (*builtin.builtin_checks(), *chosen.checks)
    ]
    columns = [
        Column(key="check", title="Check", style="bold", whole=True),
        Column(key="severity", title="Severity"),
        Column(key="category", title="Category", gives_way=2),
        Column(key="form", title="Form"),
        Column(key="title", title="Title", least=20),
        Column(key="rule", title="Logic or library check", gives_way=1, least=20),
        Column(key="version", title="version", optional=True),
    ]
    output.show(
        name="checks", title=f"Checks of {chosen.name}", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path
    )


@command.command("show")
@click.argument("check_id")
@click.option("--study", help="Shipped study or folder [the configured one].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def show_check(invocation: Invocation, check_id: str, study: str | None, as_json: bool) -> None:
    """Show one check in full."""
    from dataclasses import asdict

    from schemas import builtin
    from sync.errors import ConfigError

    chosen = _study(invocation, study)
    found = [spec for spec in (*builtin.builtin_checks(), *chosen.checks) if spec.id == check_id]
    if not found:
        raise ConfigError([f"no check is called {check_id}; `sync checks list` shows them"])
    documents = [asdict(spec) for spec in found]
    if as_json:
        output.emit_json({"checks": documents})
        return
    for document in documents:
        click.secho(f"{document['id']} {document['title'].get('en', '')}", bold=True)
        for key, value in document.items():
            if key not in ("id", "title") and value not in (None, (), {}, ""):
                click.echo(f"  {key:22}{_shown(key, value)}")


def _shown(key: str, value: Any) -> str:
    """Write one part of a check on one line."""
    if key == "tests":
        fires = sum(bool(trial["fires"]) for trial in value)
        return f"{len(value)} trials, {fires} of which must fire"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {text}" for name, text in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@command.command("test")
@click.option("--study", help="Shipped study or folder [the configured one].")
@click.option("--check", "wanted", multiple=True, help="Check id; repeat for several. Without it: all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def test(invocation: Invocation, study: str | None, wanted: tuple[str, ...], as_json: bool) -> int:
    """Try the checks on the rows that stand beside them; exit 1 where one does not do what its row says."""
    from sync import clock
    from validators import trials

    chosen = _study(invocation, study)
    specs = [spec for spec in chosen.checks if not wanted or spec.id in wanted]
    tried = list(trials.run(chosen, specs, as_of=clock.SystemClock().now()))
    wrong = [each for each in tried if each.fired is not each.trial.fires]
    if as_json:
        output.emit_json(
            {
                "study": chosen.name,
                "trials": len(tried),
                "failed": [
                    {"check": each.check, "number": each.number, "fires": each.trial.fires, "fired": each.fired,
                     "reason": each.reason}
                    for each in wrong
                ],
            }
        )  # fmt: skip
    else:
        for each in wrong:
            did = "could not be evaluated" if each.fired is None else "fired" if each.fired else "did not fire"
            click.echo(f"{each.check} trial {each.number}: {did}{f' ({each.reason})' if each.reason else ''}")
        untried = sum(not spec.tests for spec in specs)
        without = counted(untried, "check has", "checks have")
        click.echo(f"{chosen.name}: {counted(len(tried), 'trial')}, {len(wrong)} failed; {without} none")
    return int(bool(wrong))


@command.command("lint")
@click.option("--study", help="Shipped study or folder [the configured one].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def lint(invocation: Invocation, study: str | None, as_json: bool) -> int:
    """Look for mistakes in a study: logic that does not parse or resolve, placeholders without an input …."""
    from validators import lint as linter

    chosen = _study(invocation, study)
    problems = linter.lint(chosen)
    if as_json:
        output.emit_json({"study": chosen.name, "problems": [str(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(f"{chosen.name}: {counted(len(chosen.checks), 'check')}, {counted(len(problems), 'problem')}")
    return 2 if problems else 0
