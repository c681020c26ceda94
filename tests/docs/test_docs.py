"""What the documentation says exists: pages are fresh, links resolve, commands parse."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
import sqlalchemy as sa

import cli
from schemas import loading
from sync.warehouse.store import SqlWarehouse

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
PROGRAMS = ("sync", "syncline")


def _generator() -> ModuleType:
    found = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


generate = _generator()


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- generated pages


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_fresh(name: str) -> None:
    stands = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert stands == generate.PAGES[name](), "stale: run `python docs/generate.py`"


def test_every_command_has_a_heading() -> None:
    headings = re.findall(r"^#+ `(sync[^`]*)`$", (DOCS / "reference/cli.md").read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for name, _, _ in generate.commands()]
    assert {f"sync {name}" for name in cli.COMMANDS} <= set(names)
    assert headings == names


def test_every_configuration_key_is_explained() -> None:
    page = (DOCS / "reference/config.md").read_text(encoding="utf-8")
    silent = [
        f"{section}.{key}"
        for section, key, _ in generate.config_keys()
        if not re.search(rf"^\| `{key}` \| `[^|]+` \| [^| ][^|]* \|$", page.split(f"[{section}]", 1)[1], re.MULTILINE)
    ]
    assert not silent


def test_every_exit_code_is_explained() -> None:
    page = (DOCS / "reference/exit-codes.md").read_text(encoding="utf-8")
    assert {0, 1, 2, 3, 4, 5, 6, 70, 75} <= {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """Give a real warehouse of the shipped study, in SQLite, that holds nothing yet."""
    url = f"sqlite:///{tmp_path_factory.mktemp('docs') / 'warehouse.sqlite'}"
    warehouse = SqlWarehouse(url, loading.shipped_study("sle"), secret=b"invented")
    warehouse.upgrade()
    warehouse.close()
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def test_the_warehouse_page_names_what_a_warehouse_holds(empty: sa.Engine) -> None:
    """Form tables of the shipped study apart: the page describes them as one."""
    study = loading.shipped_study("sle")
    found = sa.inspect(empty)
    page = (DOCS / "reference/warehouse.md").read_text(encoding="utf-8")
    rows = {row[0]: row for row in re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE)}
    forms = {form.name for form in study.forms}
    forms |= {f"{name}__{kind}" for name in forms for kind in ("raw", "txt")}
    names = {*found.get_table_names(), *found.get_view_names()} - forms - {"alembic_version"}
    assert names == set(rows) & names, f"not described: {sorted(names - set(rows))}"
    for name in sorted(names):
        described = set(re.findall(r"`(\w+)`", rows[name][2]))
        assert described == {column["name"] for column in found.get_columns(name)}, name
        assert len(rows[name][1].strip()) > 10, f"{name} has no words"
    raw = {column["name"] for column in found.get_columns("vitals__raw")}
    harmonised = {column["name"] for column in found.get_columns("vitals")}
    own = {each for each in (raw | harmonised) if each not in {field.name for field in study.form("vitals").fields}}
    assert own <= set(re.findall(r"`(\w+)`", page))


def test_the_sandbox_page_names_every_fault() -> None:
    from sync.sandbox.faults import Mode

    page = (DOCS / "reference/sandbox.md").read_text(encoding="utf-8")
    assert not [mode.value for mode in Mode if f"`{mode.value}`" not in page]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_shown_sql_runs(page: Path, empty: sa.Engine) -> None:
    """On an empty warehouse; roles and rights (PostgreSQL's alone) are left out."""
    for block in re.findall(r"^```sql\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for statement in block.split(";"):
            bare = re.sub(r"^--.*$", "", statement, flags=re.MULTILINE).strip()
            if bare.upper().startswith(("SELECT", "WITH")):
                with empty.connect() as connection:
                    connection.exec_driver_sql(bare).fetchall()


def test_the_json_page_names_what_a_run_prints() -> None:
    from sync.workflows.results import SiteResult

    document = SiteResult(site="north").document()
    keys = {*document, *document["findings"], *document["queries"]}
    page = (DOCS / "reference/json.md").read_text(encoding="utf-8").split("## `run --json`")[1].split("##")[0]
    assert not keys - set(re.findall(r"\w+", page))


def test_the_source_tour_names_every_folder() -> None:
    page = (DOCS / "reference/source-tour.md").read_text(encoding="utf-8")
    below = [each for top in ("sync", "validators", "schemas") for each in (ROOT / top).iterdir() if each.is_dir()]
    folders = [each for each in below if any(each.glob("*.py")) or each.name == "studies"]
    assert not [_name(each) for each in folders if f"`{_name(each)}/`" not in page]


# --- links


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_internal_links_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    dead = [
        target
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if not re.match(r"[a-z]+:", target) and not target.startswith("#")
        if not (page.parent / target.partition("#")[0]).exists()
    ]
    assert not dead


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)\)", index)}
    missing = [
        _name(page)
        for page in DOCS.rglob("*.md")
        if page.parent.name != "decisions" and page.name != "README.md" and page.resolve() not in linked
    ]
    assert not missing


# --- commands that pages show


def _shown(page: Path) -> Iterator[str]:
    """Give each command line of a page's console blocks; lines that end in a backslash are joined."""
    text = page.read_text(encoding="utf-8")
    for language, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        if language not in ("", "bash", "console", "sh"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            bare = re.sub(r"^\s*(?:\$ )?", "", line).split(" # ")[0].split("  #")[0]
            for piece in re.split(r"\s*(?:\|\||&&|[|;])\s*", bare):
                words = piece.split()
                if len(words) > 1 and words[0].rsplit("/", maxsplit=1)[-1] in PROGRAMS:
                    yield piece.removesuffix("&").strip()


def _parse(words: list[str]) -> None:
    """Let click read a command line without running it; UsageError where it cannot."""
    command: click.Command = cli.root
    context = click.Context(cli.root, info_name="sync")
    while True:
        given = list(words)
        parser = command.make_parser(context)
        if not isinstance(command, click.Group):
            command.make_context(command.name, given, parent=context, resilient_parsing=False)
            return
        _, rest, _ = parser.parse_args(args=given)
        if not rest:
            return
        found = command.get_command(context, rest[0])
        if found is None:
            raise click.UsageError(f"no command {rest[0]}")
        context = click.Context(found, info_name=rest[0], parent=context)
        command, words = found, rest[1:]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_shown_commands_are_ones_that_the_program_takes(page: Path) -> None:
    for line in _shown(page):
        words = shlex.split(re.sub(r"\s\d?>{1,2}\s*\S+", "", line))[1:]
        if words and words != ["…"]:
            try:
                _parse(words)
            except click.exceptions.Exit:
                pass  # --help, --version
            except click.UsageError as error:
                pytest.fail(f"{line}: {error.format_message()}")


def test_the_parser_refuses_what_is_not_there() -> None:
    with pytest.raises(click.UsageError):
        _parse(["queries", "list", "--no-such-option"])
    with pytest.raises(click.UsageError):
        _parse(["queries", "no-such-command"])
    with pytest.raises(click.UsageError):
        _parse(["queries", "answer", "ZJJU-000001"])  # --code is missing


def test_the_tutorial_shows_commands() -> None:
    shown = list(_shown(DOCS / "tutorial/first-night.md"))
    assert len(shown) >= 10
    for word in ("demo", "sandbox serve", "validate", "run", "queries list", "queries answer", "queries accept"):
        assert any(f" {word}" in line for line in shown), word
