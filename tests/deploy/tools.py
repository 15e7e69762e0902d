"""Finds the programs and packages that check the files; a test that lacks one skips and says which.

Where ``CI`` is set, everything that ``.ci/run`` installs has to be there: a check that is skipped unseen is none.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RUN_TIMEOUT_S = 30.0


def missing(reason: str, *, allowed: bool = False) -> NoReturn:
    """Skip the test, or have it fail where nothing may be missing.

    Args:
        reason: what is missing, and where it comes from.
        allowed: it may be missing everywhere.
    """
    if os.environ.get("CI") and not allowed:
        pytest.fail(f"{reason}; .ci/run should have installed it")
    pytest.skip(reason)


def tool(name: str, source: str, *, allowed_to_miss: bool = False) -> str:
    """Return the path of a program, beside this Python or on PATH; skip the test if it is not installed.

    Args:
        name: the program.
        source: where it comes from, for whoever reads why the test was skipped.
        allowed_to_miss: no package manager has it, so that the test is skipped in CI as well.
    """
    found = shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if found is None:
        missing(f"{name} is not installed ({source})", allowed=allowed_to_miss)
    return found


def package(name: str) -> Any:
    """Return an imported package; skip the test if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"the Python package {name} is not installed (pip install '.[deploy]')")


def read_yaml(text: str) -> list[Any]:
    """Return every document of a YAML text."""
    return [document for document in package("yaml").safe_load_all(text) if document is not None]


def run(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and return what it said."""
    return subprocess.run(
        [str(word) for word in words],
        **{"capture_output": True, "text": True, "timeout": RUN_TIMEOUT_S, "check": False, **options},
    )


def succeeds(*words: str | Path, **options: Any) -> str:
    """Run a program that must end with 0; return what it printed."""
    done = run(*words, **options)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return str(done.stdout)
