"""The dashboard loads, and every panel says something about the resolver."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.expressions import DASHBOARD, dashboard, expressions, panels
from tests.deploy.tools import DEPLOY, package, read_yaml, succeeds, tool

PANELS = [pytest.param(panel, id=panel["title"]) for panel in panels()]
MOUNTED = "/etc/grafana/dashboards"


def test_every_expression_is_promql(tmp_path: Path) -> None:
    """Prometheus understands what each panel asks."""
    rules = [{"record": f"panel:{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    file = tmp_path / "rules.yml"
    content = {"groups": [{"name": "dashboard", "rules": rules}]}
    file.write_text(package("yaml").safe_dump(content), "utf-8")
    said = succeeds(tool("promtool", "package prometheus"), "check", "rules", file)
    assert f"{len(rules)} rules found" in said


def test_panels_can_be_told_apart() -> None:
    """Nothing is shown twice or over something else."""
    ids = [panel["id"] for panel in dashboard()["panels"]]
    titles = [panel["title"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    cells = [cell for panel in dashboard()["panels"] for cell in _cells(panel["gridPos"])]
    assert len(set(cells)) == len(cells)
    assert all(0 <= x < 24 for x, _ in cells)


def _cells(position: dict[str, int]) -> list[tuple[int, int]]:
    return [
        (position["x"] + right, position["y"] + down)
        for right in range(position["w"])
        for down in range(position["h"])
    ]


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_can_be_read(panel: dict[str, Any]) -> None:
    """Curves have a unit and a name, and belong to the chosen job, instance and data source."""
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert target["expr"].count('job=~"$job", instance=~"$instance"') == target["expr"].count("{")
        # A fixed window would show nothing where Prometheus scrapes less often.
        assert set(re.findall(r"\[([^\]]*)\]", target["expr"])) <= {"$__rate_interval"}


def test_any_grafana_can_load_it() -> None:
    """The file names no data source of some installation, and no number that another dashboard may have."""
    assert "id" not in dashboard()
    uids = set(re.findall(r'"uid": "([^"]*)"', DASHBOARD.read_text("utf-8")))
    assert uids == {"${datasource}", "handle-resolver"}
    assert [variable["name"] for variable in dashboard()["templating"]["list"]] == [
        "datasource",
        "job",
        "instance",
    ]


def test_file_is_written_as_grafana_exports_it() -> None:
    """A change shows as that change alone."""
    assert DASHBOARD.read_text("utf-8") == json.dumps(dashboard(), indent=2) + "\n"


def test_the_example_loads_it() -> None:
    """Grafana of the example finds the dashboards where they are mounted, and Prometheus under its name there."""
    (provider,) = read_yaml(
        (DEPLOY / "grafana/provisioning/dashboards/handle-resolver.yaml").read_text("utf-8")
    )
    (source,) = read_yaml((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text("utf-8"))
    (example,) = read_yaml((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert [found["options"]["path"] for found in provider["providers"]] == [MOUNTED]
    assert f"./grafana/dashboards:{MOUNTED}:ro" in example["services"]["grafana"]["volumes"]
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    assert set(example["services"]["grafana"]["networks"]) & set(
        example["services"]["prometheus"]["networks"]
    )
