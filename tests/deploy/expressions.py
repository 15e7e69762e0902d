"""Every PromQL expression of the alerts and of the dashboard, and what it relies on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.deploy.tools import DEPLOY, read_yaml

RULES = DEPLOY / "prometheus/handle-resolver.rules.yml"
DASHBOARD = DEPLOY / "grafana/dashboards/handle-resolver.json"

# What Grafana puts in the place of its variables.
GRAFANA = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}

_WORDS = {
    "and",
    "or",
    "unless",
    "bool",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
}
_TEXT = r'"(?:[^"\\]|\\.)*"'


def alerts() -> list[dict[str, Any]]:
    """Return the alerts."""
    (content,) = read_yaml(RULES.read_text("utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    content: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return content


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard that show something; rows only name what follows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Return each expression with where it stands, as Prometheus gets it."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"]
            for variable, value in GRAFANA.items():
                text = text.replace(variable, value)
            yield f"{panel['title']} {target['refId']}", text


def selectors(expression: str) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """Return each metric that ``expression`` asks for, with its matchers: label to operator and value."""
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", expression)
    pattern = rf"(?<![\w\"])([a-zA-Z_:][\w:]*)\s*(?:\{{((?:{_TEXT}|[^}}])*)\}})?(\s*\()?"
    for found in re.finditer(pattern, re.sub(r"\[[^\]]*\]", "", bare)):
        name, inside, call = found.groups()
        if call or name in _WORDS:
            continue
        matchers = re.findall(rf"(\w+)\s*(=~|!~|!=|=)\s*({_TEXT})", inside or "")
        yield name, {label: (operator, value[1:-1]) for label, operator, value in matchers}
