# Two commands do everything: `make demo` and `make test`.
# The set-up needs Python 3.11 or newer with its venv module, and nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test check lint types setup clean

demo: setup  ## run the main job on embedded parts: four centres, three nights, the efficacy table
	$(BIN)/sync demo --dir demo

test: setup check  ## every check and every test, PostgreSQL included
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

check: setup lint types  ## what a reviewer would ask before reading

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: setup
	$(BIN)/mypy

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Syncline needs Python 3.11 or newer; '$(PYTHON)' is older. Try: make PYTHON=python3.11 …"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv module is missing. On Debian: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . --group dev
	@touch $@

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
