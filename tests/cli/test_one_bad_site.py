"""What is wrong in one site's own settings is told of that site; the commands over several sites try the others."""

import pytest

from tests.acceptance.program import sync
from tests.acceptance.test_run import edit

COMMANDS = [("validate", "--fail-on", "never"), ("sites", "check"), ("sites", "drift"), ("doctor",)]


@pytest.fixture
def broken(served):
    """Serve four centres; of one the mapping cannot be read, of another the token's file is gone."""
    (served.folder / "sites" / "jiangsu.toml").write_text("nonsense = [", encoding="utf-8")
    (served.folder / "tokens" / "yangzhou.token").unlink()
    return served


def test_every_site_is_tried_each_trouble_told_and_the_gravest_is_the_exit_code(broken):
    assert sync("run", config=broken.config_path).code == 4, "of a run: these sites' refusal"
    for command in COMMANDS:
        done = sync(*command, "--json", config=broken.config_path)
        assert done.code == 2, (command, done.err)
        told = done.out + done.err
        assert "jiangsu.toml" in told, command
        assert "yangzhou.token" in told, command
        sites = {each["site"] for each in done.document.get("sites", done.document.get("checks", ()))}
        assert {"drumtower", "zhenjiang", "jiangsu", "yangzhou"} <= sites, command
    stored = sync("validate", "--stored", "--fail-on", "never", "--json", config=broken.config_path)
    assert stored.code == 2
    found = {each["site"]: each for each in stored.document["sites"]}
    assert found["drumtower"]["records"] > 0
    assert "sync run --site yangzhou" in found["yangzhou"]["error"]
    assert "jiangsu" in found
    (broken.folder / "tokens" / "zhenjiang.token").write_text("F" * 32 + "\n")
    only = ("--site", "zhenjiang", "--site", "drumtower")
    for command in COMMANDS:
        assert sync(*command, *only, config=broken.config_path).code == 4, command


def test_what_concerns_every_site_ends_at_once(broken):
    edit(broken, 'definition = "sle"', 'definition = "slee"')
    for command in COMMANDS[:3]:
        done = sync(*command, config=broken.config_path)
        assert done.code == 2, command
        assert done.out == "", command
        assert done.err.count("no study named") == 1, done.err
