"""A real Prometheus, configured as shipped, scrapes a real resolver, and knows an answer to what the dashboard asks."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.deploy.expressions import GRAFANA, RULES, alerts, panels
from tests.deploy.fronts import free_port
from tests.deploy.tools import DEPLOY, package, read_yaml, tool
from tests.integration.processes import Program, fetch, run_network, run_program, wait_until

P = "20.500.12345"
# What there is to see of a resolver without Redis after some visits, of which none failed or was refused.
SEEN = {
    "Requests by outcome",
    "Requests by endpoint",
    "Time to answer",
    "Instances",
    "Hit rate by tier",
    "Records in memory",
    "Questions by transport and outcome",
    "Time of their answers",
    "Lookups at the Global Handle Registry",
    "Redis works",
    "Requests in flight",
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A resolver that runs."""
    with (
        run_network(tmp_path_factory.mktemp("network")) as (_, bootstrap),
        run_program("serve", "--bootstrap", str(bootstrap), "--allow-private-addresses") as running,
    ):
        yield running


@pytest.fixture(scope="module")
def prometheus(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prometheus with the shipped configuration: only faster, and with the address of this resolver."""
    executable = tool("prometheus", "package prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    (content,) = read_yaml((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    content["global"] = dict.fromkeys(content["global"], "1s")
    content["rule_files"] = [str(RULES)]
    (job,) = content["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [urlsplit(program.admin_url).netloc]}]
    file = folder / "prometheus.yml"
    file.write_text(package("yaml").safe_dump(content), "utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    words = [executable, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    process = subprocess.Popen(
        [*words, f"--web.listen-address={urlsplit(url).netloc}", "--log.level=error"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        wait_until(lambda: _answers(url), "Prometheus is ready", 30)
        wait_until(lambda: query(url, "up == 1") != [], "Prometheus has scraped", 30)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return fetch(f"{url}/-/ready")[0] == 200
    except OSError:
        return False


def query(url: str, expression: str) -> list[Any]:
    """Return what Prometheus answers now."""
    status, _, body = fetch(f"{url}/api/v1/query?query={urllib.parse.quote(expression)}")
    assert status == 200, (expression, body)
    found: list[Any] = json.loads(body)["data"]["result"]
    return found


def test_the_dashboard_has_something_to_show(prometheus: str, program: Program) -> None:
    """Every panel's question is understood, and after some visits those about them have an answer."""

    def empty() -> set[str]:
        # Rates need two scrapes with a change between them.
        assert program.fetch(f"/{P}/abc")[0] == 302
        assert program.fetch(f"/api/handles/{P}/letter")[0] == 200
        found = set()
        for panel in panels():
            for target in panel["targets"]:
                text = target["expr"]
                for variable, value in {**GRAFANA, "$__rate_interval": "1m"}.items():
                    text = text.replace(variable, value)
                if not query(prometheus, text):
                    found.add(panel["title"])
        return found

    wait_until(lambda: not empty() & SEEN, "the panels are filled", 30)


def test_rules_are_evaluated_and_keep_quiet(prometheus: str) -> None:
    """Each rule can be evaluated over what a resolver shows; one that works well alarms nobody."""

    def health() -> set[tuple[str, str, str]]:
        content = json.loads(fetch(f"{prometheus}/api/v1/rules")[2])
        groups = content["data"]["groups"]
        return {(rule["name"], rule["health"], rule["state"]) for group in groups for rule in group["rules"]}

    wait_until(lambda: all(state != "unknown" for _, state, _ in health()), "the rules are evaluated", 30)
    assert health() == {(rule["alert"], "ok", "inactive") for rule in alerts()}
