"""Programs in a network of their own, in which nothing that they do reaches anybody."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

__all__ = ["said_in_a_namespace"]


@functools.cache
def _namespace(*, with_mounts: bool) -> list[str] | None:
    """Return the command that runs another one in a network of its own, or ``None`` if we may not."""
    if any(
        shutil.which(program) is None for program in ("ip", "unshare", *(["mount"] if with_mounts else []))
    ):
        return None
    kinds = ["--net", *(["--mount"] if with_mounts else [])]
    for command in (["unshare", *kinds], ["unshare", "--map-root-user", *kinds]):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    return None


def said_in_a_namespace(module: str, *, with_mounts: bool = False) -> Any:
    """Run a module of the tests in a network of its own, and return the JSON that it prints.

    Args:
        module: by its full name.
        with_mounts: whether it puts files in the place of others.
    """
    namespace = _namespace(with_mounts=with_mounts)
    if namespace is None:
        pytest.skip("needs namespaces for network and mounts, and the programs ip, mount and unshare")
    command = [*namespace, sys.executable, "-m", module]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=80, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout)
