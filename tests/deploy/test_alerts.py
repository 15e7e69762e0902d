"""Each alert fires when it should and keeps quiet when it should, and says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.expressions import RULES, alerts
from tests.deploy.tools import DEPLOY, package, read_yaml, succeeds, tool

PROMETHEUS = "package prometheus"


def cases() -> dict[str, Any]:
    """Return the made-up series and what is expected of them."""
    (content,) = read_yaml((Path(__file__).parent / "alerts.yml").read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def test_prometheus_accepts_the_rules() -> None:
    """The file can be loaded."""
    succeeds(tool("promtool", PROMETHEUS), "check", "rules", RULES)


def test_prometheus_accepts_its_configuration() -> None:
    """The configuration of the example can be loaded, and finds the rules."""
    said = succeeds(tool("promtool", PROMETHEUS), "check", "config", DEPLOY / "prometheus/prometheus.yml")
    assert "1 rule files found" in said


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """Over made-up series each alert appears at the minute, and with the words, that are expected; and at no other."""
    runbooks = {rule["alert"]: rule["annotations"]["runbook"] for rule in alerts()}
    content = cases()
    for case in content["tests"]:
        for moment in case["alert_rule_test"]:
            for expected in moment["exp_alerts"]:
                expected["exp_annotations"]["runbook"] = runbooks[moment["alertname"]]
    complete = tmp_path / "alerts.yml"
    complete.write_text(package("yaml").safe_dump({**content, "rule_files": [str(RULES)]}), "utf-8")
    succeeds(tool("promtool", PROMETHEUS), "test", "rules", complete)


def test_every_alert_is_tried_both_ways() -> None:
    """No alert is added without a case in which it fires, and one in which it does not."""
    tried = {
        (moment["alertname"], bool(moment["exp_alerts"]))
        for case in cases()["tests"]
        for moment in case["alert_rule_test"]
    }
    assert tried == {(rule["alert"], fires) for rule in alerts() for fires in (True, False)}


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in alerts()])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """Whoever is woken learns how urgent it is, what happens, and where to look; a blip wakes nobody."""
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert "for" in rule
    assert len(rule["annotations"]["summary"]) < 100
    assert len(rule["annotations"]["runbook"]) > 100
