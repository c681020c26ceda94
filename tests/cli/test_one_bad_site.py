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
    assert sync("run", config=served.config_path).code == 2
    return served


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_site_is_tried_and_each_trouble_told(broken, command):
    done = sync(*command, config=broken.config_path)
    assert done.code == 2, done.err
    told = done.out + done.err
    assert "jiangsu.toml" in told
    assert "yangzhou.token" in told
    document = sync(*command, "--json", config=broken.config_path).document
    sites = {each["site"] for each in document.get("sites", document.get("checks", ()))}
    assert {"drumtower", "zhenjiang", "jiangsu", "yangzhou"} <= sites


def test_the_gravest_of_all_sites_is_the_exit_code(broken):
    (broken.folder / "tokens" / "zhenjiang.token").write_text("F" * 32 + "\n")
    only = ("--site", "zhenjiang", "--site", "drumtower")
    for command in COMMANDS:
        assert sync(*command, *only, config=broken.config_path).code == 4, command
        assert sync(*command, config=broken.config_path).code == 2, command


@pytest.mark.parametrize("command", COMMANDS[:3], ids=" ".join)
def test_what_concerns_every_site_ends_at_once(broken, command):
    edit(broken, 'definition = "sle"', 'definition = "slee"')
    done = sync(*command, config=broken.config_path)
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("no study named") == 1, done.err


def test_what_is_stored_is_judged_of_the_sites_that_have_any(broken):
    done = sync("validate", "--stored", "--fail-on", "never", "--json", config=broken.config_path)
    assert done.code == 2
    found = {each["site"]: each for each in done.document["sites"]}
    assert found["drumtower"]["records"] > 0
    assert "sync run --site yangzhou" in found["yangzhou"]["error"]
    assert "jiangsu" in found
