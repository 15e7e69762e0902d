"""What is installed is locked by version and hash: complete, of nobody's machine, and not given up in silence."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.tools import ROOT, run

LOCKS = ROOT / "requirements"
pytestmark = pytest.mark.xdist_group("requirements")
NAMES = ["runtime", "test", "build"]
FOR_TESTS = {"test", "deploy", "lint"}
FOR_DEVELOPERS = FOR_TESTS | {"fuzz"}


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions of each package in a lock file; more than one where it depends on the Python."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(
        r"^([\w.-]+)==([^\s;]+)", (LOCKS / f"{name}.txt").read_text("utf-8"), re.MULTILINE
    ):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


def wanted(name: str) -> list[Requirement]:
    """Return what ``pyproject.toml`` asks for where a lock file is installed."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    if name == "build":
        return [Requirement(text) for text in content["build-system"]["requires"]]
    extras = content["project"]["optional-dependencies"]
    chosen = FOR_TESTS if name == "test" else set(extras) - FOR_DEVELOPERS
    texts = [*content["project"]["dependencies"], *(text for extra in chosen for text in extras[extra])]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", NAMES)
def test_lock_holds_what_the_project_asks_for(name: str) -> None:
    """Otherwise what is missing would be installed in whichever version there is: run "make lock"."""
    versions = locked(name)
    for requirement in wanted(name):
        chosen = versions.get(canonicalize_name(requirement.name), set())
        assert chosen, f"{name}.txt lacks {requirement}: run make lock"
        assert all(requirement.specifier.contains(version) for version in chosen), requirement


@pytest.mark.parametrize("name", NAMES)
def test_every_package_has_its_hashes(name: str) -> None:
    """Otherwise pip refuses the file, but only when it comes to that package."""
    for entry in re.split(r"\n(?=\S)", (LOCKS / f"{name}.txt").read_text("utf-8").rstrip("\n")):
        assert entry.startswith("#") or re.fullmatch(
            r"[\w.-]+==[^\s;]+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", entry
        ), entry[:200]


@pytest.mark.parametrize("name", NAMES)
def test_lock_names_no_place(name: str) -> None:
    """Where packages come from is the business of whoever installs them."""
    assert not re.search(r"://|--(extra-)?index|--find-links| @ ", (LOCKS / f"{name}.txt").read_text("utf-8"))


def test_what_runs_is_what_was_tested() -> None:
    """The image has the versions that the tests ran on."""
    tested = locked("test")
    for name in ("runtime", "build"):
        for package, versions in locked(name).items():
            assert versions == tested.get(package, versions), package


BACKEND = """
import zipfile
from pathlib import Path
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "sample-1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder) / name, "w") as wheel:
        wheel.writestr("sample.py", "")
        wheel.writestr("sample-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: sample\\nVersion: 1.0\\n"
                       "Provides-Extra: test\\nRequires-Dist: tiny; extra == 'test'\\n")
        wheel.writestr("sample-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("sample-1.0.dist-info/RECORD", "")
    return name
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that needs one package, which lies in a folder, and a Python to install both into."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "requirements").mkdir()
    shutil.copy(LOCKS / "install.sh", folder / "requirements")
    (folder / "requirements/build.txt").write_text("# nothing\n", "utf-8")
    (folder / "backend.py").write_text(BACKEND, "utf-8")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "sample"\nversion = "1.0"\n',
        "utf-8",
    )
    (folder / "packages").mkdir()
    with zipfile.ZipFile(folder / "packages/tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(
            "tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    venv.create(folder / "venv", with_pip=True)
    return folder


def install(sample: Path, version: str, digest: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Install the project from a lock file that asks for a version of the package, with a hash."""
    wheel = sample / "packages/tiny-1.0-py3-none-any.whl"
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    (sample / "requirements/test.txt").write_text(f"tiny=={version} --hash=sha256:{digest}\n", "utf-8")
    python = sample / "venv/bin/python"
    run(python, "-m", "pip", "uninstall", "--yes", "--quiet", "tiny", "sample")
    return run(
        sample / "requirements/install.sh",
        *(python, "test", "[test]"),
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "yes",
            "PIP_FIND_LINKS": str(sample / "packages"),
            **environ,
        },
    )


def installed(sample: Path) -> set[str]:
    """Return what is installed of the two."""
    shown = run(sample / "venv/bin/python", "-m", "pip", "list", "--format=json").stdout
    return {package["name"] for package in json.loads(shown)} & {"tiny", "sample"}


def test_locked_packages_are_installed_without_a_word(sample: Path) -> None:
    """The usual case."""
    done = install(sample, "1.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert installed(sample) == {"tiny", "sample"}


def test_a_package_that_was_changed_is_not_installed(sample: Path) -> None:
    """Another hash is never a reason to go on without hashes."""
    done = install(sample, "1.0", "0" * 64)
    assert done.returncode == 1
    assert "WARNING" not in done.stderr
    assert "is not the one" in done.stderr
    assert not installed(sample)


def test_a_version_that_cannot_be_had_is_replaced_aloud(sample: Path) -> None:
    """A registry that lacks one, or a platform without it, stops nobody from trying the project; LOCKED does."""
    done = install(sample, "2.0")
    assert done.returncode == 0
    assert "WARNING: The packages of requirements/test.txt cannot be installed here." in done.stderr
    assert installed(sample) == {"tiny", "sample"}
    done = install(sample, "2.0", LOCKED="yes")
    assert done.returncode == 1
    assert "WARNING" not in done.stderr
    assert not installed(sample)


FIXED = {"id": "PYSEC-2099-1", "fix_versions": ["1.1"]}
UNFIXED = {"id": "PYSEC-2099-2", "fix_versions": []}


@pytest.mark.parametrize(
    ("answer", "status", "expected"),
    [
        (
            [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "x"}],
            0,
            "audited 1 of 2 packages, 0 known",
        ),
        ([{"name": "a", "version": "1.0", "vulns": [FIXED]}], 1, "a 1.0: PYSEC-2099-1, mended in 1.1"),
        (
            [{"name": "a", "version": "1.0", "vulns": [UNFIXED]}],
            0,
            "a 1.0: PYSEC-2099-2, mended in no version yet",
        ),
        ([{"name": "a", "skip_reason": "not found"}], 0, "audit skipped, this registry has no database"),
        (
            None,
            0,
            "audit skipped, the database of vulnerabilities cannot be reached: name or service not known",
        ),
    ],
)
def test_audit_says_what_it_found(answer: Any, status: int, expected: str, tmp_path: Path) -> None:
    """What could be mended stops the check; a database that cannot be reached is told, and stops nothing."""
    # In the place of pip-audit, whose database has something else to say each day.
    speak = f"print({json.dumps(json.dumps({'dependencies': answer}))})"
    fail = "import sys; sys.exit('name or service not known')"
    (tmp_path / "pip_audit.py").write_text(fail if answer is None else speak, "utf-8")
    done = run(sys.executable, LOCKS / "audit.py", "x.txt", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == status, done.stderr
    assert expected in done.stdout
