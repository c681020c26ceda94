"""Hold the guess register and the code together: no guess without its row, no row without its place."""

import re
from pathlib import Path

from sync.sandbox import guesses

CODE = Path(guesses.__file__).parent


def test_every_guess_in_the_code_is_listed_and_every_listed_one_is_in_the_code():
    marked = {
        key
        for path in CODE.rglob("*.py")
        if path.name != "guesses.py"
        for key in re.findall(r"guess: ([a-z-]+)", path.read_text(encoding="utf-8"))
    }
    assert marked == {guess.key for guess in guesses.REGISTER}


def test_the_sandbox_shares_no_code_with_the_client_side():
    allowed = ("sync.sandbox", "validators.logic.parser", "validators.logic.tree", "validators.logic.errors")
    for path in CODE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for module in re.findall(r"^\s*(?:from|import) ((?:sync|schemas|validators)[\w.]*)", text, re.MULTILINE):
            names = re.findall(rf"^\s*from {re.escape(module)} import ([\w, ]+)", text, re.MULTILINE)
            full = [f"{module}.{name.strip()}" for line in names for name in line.split(",")] or [module]
            assert all(name.startswith(allowed) or module in allowed for name in full), (path.name, full)
