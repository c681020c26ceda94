"""The human door: help, usage errors, exit codes, and instant start."""

import subprocess
import sys

import pytest

import cli
from tests.acceptance.program import ROOT, process, sync


def test_bare_sync_prints_help_and_exits_2():
    done = process()
    assert done.code == 2
    assert "Usage:" in done.out + done.err
    assert "validate" in done.out + done.err


def test_the_file_of_the_door_opens_it():
    done = subprocess.run(
        [sys.executable, "cli.py", "demo", "--help"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, "--nights" in done.stdout) == (0, True), done.stderr
    done = subprocess.run([sys.executable, "cli.py"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2


@pytest.mark.parametrize("option", ["-d", "-f", "--data", "--file-system"])
def test_an_option_of_the_other_sync_is_refused_aloud(option):
    done = sync(option)
    assert done.code == 2
    assert "No such option" in done.err


def test_an_unknown_command_names_the_known_ones():
    done = sync("vallidate")
    assert done.code == 2
    assert "No such command 'vallidate'" in done.err
    assert "validate" in done.err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name):
    done = sync(name, "--help")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) > 5


def test_help_loads_no_heavy_package():
    script = "import sys, cli; sys.argv = ['sync', '--help']; cli._run(); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    for heavy in ("polars", "pandera", "sqlalchemy", "redcap", "rich", "structlog", "pint"):
        assert f"'{heavy}'" not in done.stdout.rpartition("[")[2], heavy


def test_without_a_configuration_the_next_step_is_named(tmp_path):
    done = sync("validate", "--site", "zhenjiang", cwd=tmp_path)
    assert done.code == 2
    assert "--config" in done.err


def test_an_error_with_json_is_still_one_document(tmp_path):
    done = process("validate", "--json", cwd=tmp_path)
    assert done.code == 2
    assert done.document["exit_code"] == 2
    assert done.document["errors"]


def test_a_site_that_is_not_configured_is_named_with_those_that_are(served):
    done = sync("validate", "--site", "zhenjang", config=served.config_path)
    assert done.code == 2
    assert "zhenjiang" in done.err
