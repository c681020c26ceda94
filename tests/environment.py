"""The environment in which tests start programs: what an installation has, not what the dev set-up adds."""

from pathlib import Path

ROOT = Path(__file__).parents[1]

PATHS = f"{ROOT}:{ROOT / 'tests' / 'installed'}"

THREADS = {"POLARS_MAX_THREADS": "1"}
"""Tests run side by side on few cores, over small tables: more threads would only wait for each other."""

PLAIN = {"PATH": "/usr/bin:/bin", "PYTHONPATH": PATHS, "LANG": "C.UTF-8", **THREADS}
