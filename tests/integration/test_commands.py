"""Commands for many handles and for the shell, as an operator runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner, Result

from resolver.cli import main
from tests.integration.processes import run_network, run_program

P = "20.500.12345"


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bootstrap file of a network that runs."""
    with run_network(tmp_path_factory.mktemp("network")) as (_, path):
        yield path


def run(
    *words: str, text: str = "", environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [sys.executable, "-m", "resolver", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def batch(bootstrap: Path, *words: str, text: str) -> Result:
    """Run ``batch`` over the test network."""
    options = ["--bootstrap", str(bootstrap), "--allow-private-addresses"]
    return CliRunner().invoke(main, ["batch", *words, *options], input=text)


@pytest.mark.parametrize(
    ("handles", "status", "codes"),
    [
        ([f"{P}/abc", "20.500.34567/article-7"], 0, [1, 1]),
        ([f"{P}/abc", f"{P}/missing", "20.99/x"], 1, [1, 100, 100]),
        ([f"{P}/missing", "20.500.56789/x"], 2, [2, 100]),
        ([f"{P}/abc", "x" * 3000], 2, [1, 102]),
        ([], 0, []),
    ],
)
def test_many_handles(bootstrap: Path, handles: list[str], status: int, codes: list[int]) -> None:
    """A line of JSON for each handle; the exit status is that of the worst."""
    done = batch(bootstrap, text="# handles\n\n" + "\n".join(f" {handle} " for handle in handles) + "\n")
    assert (done.exit_code, done.stderr) == (status, "")
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(line["responseCode"] for line in shown) == codes
    assert sorted(line["handle"] for line in shown) == sorted(handles)


def test_handles_from_a_file(bootstrap: Path, tmp_path: Path) -> None:
    """The list may be a file, handles may be pasted from anywhere, and values be chosen."""
    file = tmp_path / "handles.txt"
    file.write_text(f"https://hdl.handle.net/{P}/abc\ndoi:10.99999/demo.2026.1\n", "utf-8")
    done = batch(bootstrap, str(file), "--type", "URL", "--auth", text="")
    assert done.exit_code == 0
    shown = {line["asked"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(shown) == {f"https://hdl.handle.net/{P}/abc", "doi:10.99999/demo.2026.1"}
    assert {value["type"] for line in shown.values() for value in line["values"]} <= {"URL"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(shell: str) -> None:
    """The script for each shell calls back the program."""
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_HANDLE_RESOLVER_COMPLETE" in done.output
    assert CliRunner().invoke(main, ["completion", "sh"]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("handle-resolver ca", {"cache"}),
        ("handle-resolver cache ", {"show", "flush", "warm"}),
        ("handle-resolver serve --access-l", {"--access-log", "--access-log-file"}),
        ("handle-resolver serve --access-log ", {"off", "text", "json", "cnri"}),
        ("handle-resolver serve --log-level w", {"warning"}),
        ("handle-resolver serve --bootstrap ", {"file"}),
        ("handle-resolver serve --templates ", {"dir"}),
        ("handle-resolver completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_words_are_completed(words: str, expected: set[str]) -> None:
    """Commands, options and what can be chosen are offered; files and folders are left to the shell."""
    *before, last = words.split(" ")
    offered = BashComplete(main, {}, "handle-resolver", "").get_completions(before[1:], last)
    assert {item.value if item.type == "plain" else item.type for item in offered} == expected


@pytest.mark.parametrize(
    "words",
    [
        *([name] for name in sorted(main.commands)),
        *(["cache", name] for name in ("show", "flush", "warm")),
        [],
    ],
    ids=" ".join,
)
def test_help_of_every_command(words: list[str]) -> None:
    """Each command and each of its options says what it does."""
    done = CliRunner().invoke(main, [*words, "--help"], terminal_width=100)
    assert done.exit_code == 0
    assert done.output.split("\n\n")[1].strip().endswith(".")
    for line in done.output.splitlines():
        option = line.strip()
        if option.startswith("--") and "  " not in option:
            following = done.output.split(line)[1].lstrip("\n").splitlines()[0]
            assert following.startswith("    "), line


def test_commands_that_need_the_admin_listener_show_little() -> None:
    """Their help is not buried under settings that mean nothing to them, which they take nevertheless."""
    text = CliRunner().invoke(main, ["cache", "show", "--help"]).output
    assert "--admin-port" in text
    assert "--cache-max-ttl" not in text
    done = CliRunner().invoke(main, ["cache", "show", "--cache-max-ttl", "never"])
    assert (done.exit_code, "--cache-max-ttl='never'" in done.output) == (2, True)


def test_log_of_a_process_in_json(bootstrap: Path, tmp_path: Path) -> None:
    """With --log-format json every line on the error output is an object; access lines go to the file."""
    path = tmp_path / "access.log"
    options = ("--bootstrap", str(bootstrap), "--allow-private-addresses", "--log-format", "json")
    with run_program("serve", *options, "--access-log", "text", "--access-log-file", str(path)) as program:
        assert program.fetch(f"/{P}/abc")[0] == 302
        assert program.fetch("/20.500.56789/x")[0] == 502
    assert [line.split()[4] for line in path.read_text("utf-8").splitlines()] == ["302", "502"]


def test_check_config_builds_what_is_configured(tmp_path: Path) -> None:
    """What only shows when the parts are built is found as well; and no file is left behind."""
    log = tmp_path / "access.log"
    done = run("check-config", "--access-log", "json", "--access-log-file", str(log))
    assert (done.returncode, log.exists()) == (0, False)
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "values.html").write_text("{% broken", "utf-8")
    done = run("check-config", "--templates", str(templates))
    assert done.returncode == 2
    assert "template values.html" in done.stderr
    assert "Traceback" not in done.stderr
    (templates / "values.html").unlink()
    (templates / "languages").mkdir()
    (templates / "languages" / "nl.po").write_text('msgid "a', "utf-8")
    done = run("check-config", "--templates", str(templates))
    assert done.returncode == 2
    assert "nl.po" in done.stderr
