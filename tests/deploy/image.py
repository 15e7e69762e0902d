"""Builds the image without a container engine, and runs it: buildah, in a chroot instead of a container.

The base is not fetched: it is made of the Debian packages of this machine, as far as Python needs them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.tools import ROOT, missing, run, succeeds, tool

BASE = "localhost/debian-python"
BUILD_TIMEOUT_S = 300.0
PACKAGES = ("python3-venv", "ca-certificates", "dash", "coreutils")
LEFT_OUT = re.compile(r"/usr/share/(doc|locale|man|info)/")
# Where what is unpacked below /usr used to be, and is still looked for.
MERGED = ("bin", "lib", "lib64", "sbin")


@dataclass(frozen=True)
class Buildah:
    """buildah with a store of its own, of which nothing remains."""

    executable: str
    folder: Path

    @property
    def tree(self) -> Path:
        """A copy of what the image is made of, which nobody changes meanwhile."""
        return self.folder / "tree"

    def command(self, *words: str | Path) -> list[str | Path]:
        """Return the words that run a subcommand."""
        return [self.executable, *words]

    def run(self, *words: str | Path) -> str:
        """Run a subcommand that must succeed; return what it printed."""
        return succeeds(*self.command(*words), timeout=BUILD_TIMEOUT_S, env=self.environ()).strip()

    def environ(self) -> dict[str, str]:
        """Return the environment: no container is isolated further than by chroot."""
        chosen = {"BUILDAH_ISOLATION": "chroot", "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf")}
        return {**{name: value for name, value in os.environ.items() if name != "STORAGE_DRIVER"}, **chosen}


@contextlib.contextmanager
def store() -> Iterator[Buildah]:
    """Provide buildah; skip the test where it or the right to use it is missing."""
    executable = tool("buildah", "package buildah")
    if os.geteuid() != 0:
        missing("only root can build an image by chroot", allowed=True)
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    try:
        buildah = Buildah(executable, folder)
        # Layers that lie over each other, where the kernel lets us; else each is a copy of all below.
        for driver in ("overlay", "vfs"):
            places = f'graphroot = "{folder}/{driver}"\nrunroot = "{folder}/run-{driver}"\n'
            (folder / "storage.conf").write_text(f'[storage]\ndriver = "{driver}"\n{places}', "utf-8")
            if run(executable, "from", "scratch", env=buildah.environ()).returncode == 0:
                break
        _copy_tree(buildah.tree)
        yield buildah
    finally:
        run("umount", "--recursive", folder / "overlay/overlay")
        shutil.rmtree(folder, ignore_errors=True)


def _copy_tree(folder: Path) -> None:
    folder.mkdir()
    for name in (
        "Dockerfile",
        ".dockerignore",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "deploy/build-image.sh",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for name in ("resolver", "templates", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def make_base(buildah: Buildah) -> None:
    """Make the image that the Dockerfile builds on."""
    archive = buildah.folder / "base.tar"
    with tarfile.open(archive, "w") as tar:
        for name in MERGED:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
        for name, mode in (("tmp", 0o1777), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
        for path in sorted(_files_of_packages()):
            tar.add(path, arcname=str(path).lstrip("/"), recursive=False)
    container = buildah.run("from", "scratch")
    buildah.run("add", "--quiet", container, archive, "/")
    buildah.run("commit", "--quiet", "--rm", container, BASE)


def _files_of_packages() -> set[Path]:
    """Return every file and folder of the packages and of what they depend on."""
    depends = ["apt-cache", "depends", "--recurse", "--installed", "--no-recommends", "--no-suggests"]
    depends += [f"--no-{relation}" for relation in ("conflicts", "breaks", "replaces", "enhances")]
    if not shutil.which("apt-cache"):
        missing("the base is made of Debian's packages, and this is no Debian", allowed=True)
    if run("dpkg-query", "-L", *PACKAGES).returncode:
        missing(f"not all of Debian's packages {', '.join(PACKAGES)} are installed")
    names = set(re.findall(r"^[a-z0-9][a-z0-9+.-]*$", succeeds(*depends, *PACKAGES), re.MULTILINE))
    listed = run("dpkg-query", "-L", *sorted(names)).stdout.splitlines()
    certificates = Path("/etc/ssl/certs").iterdir()
    paths = [Path(line) for line in listed if line.startswith("/") and not LEFT_OUT.match(line)]
    paths += [Path("/usr/bin/sh"), Path("/etc/passwd"), Path("/etc/group"), *certificates]
    # A file that is said to be in /lib is in /usr/lib.
    return {path.parent.resolve() / path.name for path in paths if path.exists() and path != Path("/")} - {
        Path("/", name) for name in MERGED
    }


def pip_settings(folder: Path) -> Path:
    """Write where pip of this machine finds packages, for pip in the build; return the file."""
    shown = run(sys.executable, "-m", "pip", "config", "list").stdout
    kept = re.findall(
        r"^(?:global|:env:)\.(index-url|extra-index-url|trusted-host|proxy)='(.*)'$", shown, re.MULTILINE
    )
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt"]
    for name, value in kept:
        words = [word for word in value.replace("\\n", " ").split() if not word.startswith("file:")]
        if words:
            lines.append(f"{name} = {' '.join(words)}")
    file = folder / "pip.conf"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def build(buildah: Buildah, tag: str) -> None:
    """Build the image from the files of this tree, as an operator would."""
    done = run(
        buildah.tree / "deploy/build-image.sh",
        tag,
        *("--network", "host", "--pull-never", "--no-cache"),
        *("-v", f"{pip_settings(buildah.folder)}:/etc/pip.conf:ro"),
        timeout=BUILD_TIMEOUT_S,
        env=_environ_of_build(buildah),
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def _environ_of_build(buildah: Buildah) -> dict[str, str]:
    # Neither podman nor docker of this machine would know the base.
    hidden = buildah.folder / "bin"
    hidden.mkdir(exist_ok=True)
    for name in ("podman", "docker"):
        (hidden / name).write_text("#!/bin/sh\nexit 1\n", "utf-8")
        (hidden / name).chmod(0o755)
    return {
        **buildah.environ(),
        "BASE": BASE,
        "PATH": f"{hidden}:{os.environ['PATH']}",
        "SOURCE_DATE_EPOCH": "1700000000",
    }


@contextlib.contextmanager
def container(buildah: Buildah, tag: str) -> Iterator[str]:
    """Provide a container of the image."""
    name = buildah.run("from", "--pull-never", tag)
    try:
        yield name
    finally:
        buildah.run("rm", name)


def start(buildah: Buildah, name: str, *words: str) -> subprocess.Popen[str]:
    """Start a command in a container, as the user of the image."""
    return subprocess.Popen(
        [str(word) for word in buildah.command("run", name, "--", *words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=buildah.environ(),
    )
