"""Alerts and dashboard ask for nothing that does not exist: a wrong name would show nothing, and never fire."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from resolver.telemetry import Metrics
from tests.deploy.expressions import dashboard, expressions, selectors
from tests.deploy.tools import run, tool
from tests.integration.processes import Program, fetch, run_network, run_program, wait_until
from tests.unit.test_telemetry import LABELS

# Added by Prometheus itself, to each target.
OF_PROMETHEUS = {"up"}
LABELS_OF_PROMETHEUS = {"job", "instance"}

ALL = list(expressions())
NAMES = {name for _, expression in ALL for name, _ in selectors(expression)}


def exported() -> set[str]:
    """Return every name under which ``Metrics`` may show a sample."""
    registry = CollectorRegistry()
    Metrics(registry, "0")
    suffixes = {
        "counter": ("_total",),
        "gauge": ("",),
        "histogram": ("_bucket", "_count", "_sum"),
    }
    return {metric.name + suffix for metric in registry.collect() for suffix in suffixes[metric.type]}


def test_every_name_exists() -> None:
    """Each metric of an alert or a panel is one that the resolver counts."""
    assert exported() >= NAMES - OF_PROMETHEUS


def test_expressions_are_read_whole() -> None:
    """The reader of expressions misses no metric: what it is blind to would not be checked."""
    for where, expression in ALL:
        assert list(selectors(expression)), where
        mentioned = set(re.findall(r"\bresolver_\w+", expression))
        assert mentioned == {name for name, _ in selectors(expression)} - OF_PROMETHEUS, where


@pytest.mark.parametrize(("where", "expression"), ALL, ids=[where for where, _ in ALL])
def test_every_label_and_value_exists(where: str, expression: str) -> None:
    """Nobody waits for an outcome that is spelt otherwise."""
    for name, matchers in selectors(expression):
        known = LABELS.get(re.sub("_(total|bucket|count|sum)$", "", name), {})
        for label, (operator, value) in matchers.items():
            if label in LABELS_OF_PROMETHEUS:
                continue
            assert label in known, f"{where}: {name} has no label {label}"
            for word in value.split("|") if "~" in operator else [value]:
                assert word in known[label], f"{where}: {label} of {name} is never {word}"


@pytest.mark.parametrize(("where", "expression"), ALL, ids=[where for where, _ in ALL])
def test_every_grouping_exists(where: str, expression: str) -> None:
    """Sums are by labels that the metrics have."""
    grouped = {
        label
        for inside in re.findall(r"\bby\s*\(([^)]*)\)", expression)
        for label in re.findall(r"\w+", inside)
    }
    known = {
        label
        for name, _ in selectors(expression)
        for label in LABELS.get(re.sub("_(total|bucket|count|sum)$", "", name), {})
    }
    assert grouped <= known | LABELS_OF_PROMETHEUS | {"le"}, where


def test_variables_of_the_dashboard_ask_for_what_exists() -> None:
    """The lists of jobs and instances are made from a metric that is always there."""
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            assert "resolver_build_info" in variable["definition"]


@pytest.fixture(scope="module", params=["1", "2"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A process of the program, with one worker and with two."""
    folder = tmp_path_factory.mktemp("network")
    options = ("--allow-private-addresses", "--workers", request.param)
    with (
        run_network(folder) as (_, bootstrap),
        run_program("serve", "--bootstrap", str(bootstrap), *options) as running,
    ):
        for _ in range(3):
            running.fetch("/20.500.12345/abc")
        wait_until(lambda: 'resolver_requests_total{endpoint="redirect"' in metrics(running), "counted")
        yield running


def metrics(program: Program) -> str:
    """Return what Prometheus would get."""
    return fetch(program.admin_url + "/metrics")[2].decode()


def test_a_running_process_shows_them(program: Program) -> None:
    """What both kinds of process show after a few visits is named as the dashboard expects, and well-formed."""
    text = metrics(program)
    shown = set(re.findall(r"^(resolver_\w+)", text, re.MULTILINE))
    assert {"resolver_requests_total", "resolver_request_seconds_bucket", "resolver_in_flight"} <= shown
    assert shown <= exported()
    done = run(tool("promtool", "package prometheus"), "check", "metrics", input=text)
    assert "error" not in (done.stdout + done.stderr).lower(), done.stderr


def test_each_worker_at_rest_shows_that_it_serves(program: Program) -> None:
    """The alert on missing workers rests on this: a worker shows its requests in flight, also if there are none."""
    assert "\nresolver_in_flight 0.0" in metrics(program)


def test_no_worker_shows_nothing_of_itself(tmp_path: Path) -> None:
    """Where every worker ends as soon as it starts, the metric that the alert on missing workers looks for is gone."""
    templates = tmp_path / "templates"
    templates.mkdir()
    with run_program("serve", "--workers", "2", "--templates", str(templates)) as program:
        (templates / "values.html").write_text("{% broken", "utf-8")
        pid = program.process.pid
        # The admin process was started first, and goes on.
        _, *workers = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        for worker in workers:
            os.kill(int(worker), signal.SIGKILL)
        wait_until(
            lambda: "\nresolver_in_flight " not in metrics(program),
            "the last worker's metric disappears",
            timeout_s=20,
        )
        assert "\nresolver_build_info" in metrics(program)
        assert fetch(program.admin_url + "/readyz")[0] == 503
