"""What a cluster gets, from the plain manifests and from the chart: valid, equal, and walled in."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from functools import cache
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from resolver.cli import main
from resolver.config import read_settings
from resolver.errors import AddressRefusedError
from resolver.transport.address_policy import AddressPolicy
from resolver.web.admin import create_admin_app
from resolver.web.draining import Draining
from resolver.web.server import DRAIN_S, SHUTDOWN_S
from tests.deploy.expressions import RULES
from tests.deploy.tools import DEPLOY, ROOT, package, read_yaml, succeeds, tool

CHART = DEPLOY / "helm/handle-resolver"
WAYS = ["manifests", "chart"]
OLDEST, NEWEST = "1.30", "1.37"
OF_THE_PROMETHEUS_OPERATOR = {"ServiceMonitor", "PrometheusRule"}

both = pytest.mark.parametrize("way", WAYS)


def manifests() -> list[Any]:
    """Return what ``kubectl apply -k`` sends, core and monitoring."""
    kubectl = tool("kubectl", "a client of Kubernetes", allowed_to_miss=True)
    return [
        document
        for folder in ("kubernetes", "kubernetes/monitoring")
        for document in read_yaml(succeeds(kubectl, "kustomize", DEPLOY / folder))
    ]


def chart(**values: Any) -> list[Any]:
    """Return what ``helm install`` sends; monitoring included unless ``values`` say otherwise."""
    helm = package("helm_python")
    with helm.Chart.load(CHART) as loaded:
        rendered = loaded.render({"monitoring": {"enabled": True}} | values, name="handle-resolver")
    return [document for text in rendered.values() for document in read_yaml(text)]


@cache
def documents(way: str) -> list[Any]:
    """Return every object."""
    return manifests() if way == "manifests" else chart()


def the(way: str, kind: str, name: str = "") -> Any:
    """Return the only object of a kind, or the one whose name begins so."""
    (found,) = [
        document
        for document in documents(way)
        if document["kind"] == kind and document["metadata"]["name"].endswith(name)
    ]
    return found


def pod(way: str) -> Any:
    """Return what the pods are."""
    return the(way, "Deployment")["spec"]["template"]["spec"]


def container(way: str) -> Any:
    """Return the only container of the pods."""
    (found,) = pod(way)["containers"]
    return found


@both
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_cluster_accepts_every_object(way: str, version: str) -> None:
    """Each object has only fields that the versions of Kubernetes we name know, with values of the right kind."""
    validator = package("kubernetes_validate")
    for document in documents(way):
        if document["kind"] not in OF_THE_PROMETHEUS_OPERATOR:
            validator.validate(document, version, strict=True)


@both
def test_objects_of_the_prometheus_operator_have_its_shape(way: str) -> None:
    """These are no part of Kubernetes, so what the operator reads is looked at here."""
    monitor, rule = the(way, "ServiceMonitor"), the(way, "PrometheusRule")
    assert monitor["apiVersion"] == rule["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(monitor["spec"]) == {"selector", "endpoints"}
    (endpoint,) = monitor["spec"]["endpoints"]
    assert set(endpoint) == {"port", "interval"}
    service = the(way, "Service", "-admin")
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
    assert not selects(
        monitor["spec"]["selector"]["matchLabels"], the(way, "Service", "resolver")["metadata"]["labels"]
    )


@both
def test_alerts_are_those_of_the_rule_file(way: str) -> None:
    """One file is tried with made-up series; the cluster gets the same."""
    (rules,) = read_yaml(RULES.read_text("utf-8"))
    assert the(way, "PrometheusRule")["spec"] == rules


def test_chart_has_nothing_to_complain_of() -> None:
    """The chart is well-formed, also to the strict."""
    report = package("helm_python").lint(CHART, strict=True)
    assert not report["errors"]
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


def test_chart_and_manifests_are_the_same() -> None:
    """Whichever way somebody chooses, the cluster gets the same; only labels and the hash of the settings differ."""
    assert bare(documents("manifests")) == bare(documents("chart"))


def bare(found: list[Any]) -> dict[str, Any]:
    """Return objects by kind and name, without what tells the two ways apart."""
    result = {}
    for document in found:
        name = re.sub(r"-[a-z0-9]{10}$", "", document["metadata"]["name"])
        kept = without_labels({key: value for key, value in document.items() if key != "metadata"})
        match document["kind"]:
            case "Namespace":
                continue
            case "ConfigMap":
                kept["data"] = {name: tomllib.loads(text) for name, text in kept["data"].items()}
            case "Service":
                kept["spec"].pop("type", None)
            case "Deployment":
                kept["spec"]["template"]["spec"]["containers"][0].pop("imagePullPolicy", None)
                kept["spec"]["template"].pop("metadata", None)
        result[document["kind"], name] = kept
    return result


def without_labels(value: Any) -> Any:
    """Return the same without the label by which a release of the chart tells its objects."""
    match value:
        case dict():
            if re.fullmatch("handle-resolver-[a-z0-9]{10}", str(value.get("name"))):
                value = {**value, "name": "handle-resolver"}
            return {
                key: without_labels(inner)
                for key, inner in value.items()
                if key not in {"app.kubernetes.io/instance", "app.kubernetes.io/managed-by"}
            }
        case list():
            return [without_labels(inner) for inner in value]
        case _:
            return value


@both
def test_everything_finds_the_pods(way: str) -> None:
    """Services, the disruption budget, the network policy and the spreading select what the deployment makes."""
    labels = the(way, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        the(way, "Deployment")["spec"]["selector"]["matchLabels"],
        the(way, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        the(way, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(the(way, "Service", name)["spec"]["selector"] for name in ("-admin", "resolver")),
        *(spread["labelSelector"]["matchLabels"] for spread in pod(way)["topologySpreadConstraints"]),
    ]
    assert all(selects(selector, labels) for selector in selectors)
    ports = {port["name"]: port["containerPort"] for port in container(way)["ports"]}
    for name in ("-admin", "resolver"):
        for port in the(way, "Service", name)["spec"]["ports"]:
            assert port["targetPort"] in ports
    scaled = the(way, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
    assert scaled == the(way, "Deployment")["metadata"]["name"]
    assert "replicas" not in the(way, "Deployment")["spec"]


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether objects with ``labels`` are meant by ``selector``."""
    return bool(selector) and selector.items() <= labels.items()


@both
def test_probes_ask_what_the_admin_listener_answers(way: str) -> None:
    """Liveness asks whether the loop answers; readiness whether visitors may come. Both paths exist."""
    paths = {
        resource.canonical
        for resource in create_admin_app(CollectorRegistry(), Draining()).router.resources()
        if isinstance(resource, web.Resource)
    }
    probes = {
        kind: container(way)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")
    }
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {probe["path"] for probe in probes.values()} <= paths
    assert {probe["port"] for probe in probes.values()} == {"admin"}


@both
def test_pods_have_no_rights(way: str) -> None:
    """Not root, nothing to write but /tmp, no capability nor a way to gain one, no token, a seccomp profile."""
    outer, inner = pod(way)["securityContext"], container(way)["securityContext"]
    assert outer["runAsNonRoot"] is True
    assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"USER {outer['runAsUser']}:{outer['runAsGroup']}" in (ROOT / "Dockerfile").read_text("utf-8")
    assert inner == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(way)["automountServiceAccountToken"] is False
    writable = [mount["mountPath"] for mount in container(way)["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp"]  # noqa: S108 - a path in the pod


@both
def test_pods_have_bounds(way: str) -> None:
    """The scheduler knows what a pod needs, and one that leaks is ended before its neighbours are."""
    resources = container(way)["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


@both
def test_pods_start_with_the_settings_of_the_file(way: str) -> None:
    """The program knows the arguments, and every setting of the file can be used."""
    arguments = container(way)["args"]
    (file,) = the(way, "ConfigMap")["data"]
    (mounted,) = [mount["mountPath"] for mount in container(way)["volumeMounts"] if mount["name"] == "config"]
    assert arguments == ["serve", "--config", f"{mounted}/{file}"]
    assert "--config" in CliRunner().invoke(main, ["serve", "--help"]).output


@both
def test_settings_of_the_file_can_be_used(way: str, tmp_path: Any) -> None:
    """The file is valid, and so is what its comments propose."""
    (text,) = the(way, "ConfigMap")["data"].values()
    for content in (text, re.sub(r"(?m)^# (?=[a-z-]+ = )", "", text)):
        file = tmp_path / "handle-resolver.toml"
        file.write_text(content, "utf-8")
        assert read_settings({}, {}, file).redis == "redis://redis:6379/0"


@both
def test_a_pod_that_ends_loses_nobody(way: str) -> None:
    """The time to end covers the pause before it and the longest that requests in hand may take."""
    pause = container(way)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(way)["terminationGracePeriodSeconds"] > pause + SHUTDOWN_S + DRAIN_S


@both
def test_name_servers_and_redis_can_be_reached(way: str) -> None:
    """The policy lets pass what the program cannot do without; labels of our own are not among what these must have."""
    peers = [
        peer
        for rule in the(way, "NetworkPolicy")["spec"]["egress"]
        for peer in rule["to"]
        if "podSelector" in peer
    ]
    assert [peer["podSelector"]["matchLabels"] for peer in peers] == [
        {"k8s-app": "kube-dns"},
        {"app.kubernetes.io/name": "redis"},
    ]


ADDRESSES = [
    *(
        "8.8.8.8",
        "132.151.1.179",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
    ),
    *(
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "223.255.255.255",
    ),
    *(
        "0.0.0.1",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
    ),
    *(
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
    ),
    *(
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
    ),
    *("240.0.0.1", "255.255.255.255"),
    *("2606:4700::1", "2a00:1450::1", "2001:200::1", "2001:4860:4860::8888"),
    *("::", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1"),
    *("2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1"),
]


@both
@pytest.mark.parametrize("address", ADDRESSES)
def test_network_policy_and_program_agree_on_addresses(way: str, address: str) -> None:
    """Neither wall has a hole that the other one covers by chance, and none keeps us from a public handle server."""
    assert passes_network_policy(way, address) == passes_program(address, 2641)


@both
@pytest.mark.parametrize("port", [80, 443, 1024, 2641, 8000, 65535, 1, 22, 25, 53, 81, 1023])
def test_network_policy_and_program_agree_on_ports(way: str, port: int) -> None:
    """The policy knows no single ports above 1023; of the rest it lets pass what the program asks."""
    ranges = [
        (allowed["port"], allowed.get("endPort", allowed["port"]))
        for allowed in public_rule(way)["ports"]
        if allowed.get("protocol", "TCP") == "TCP"
    ]
    assert any(low <= port <= high for low, high in ranges) == passes_program("8.8.8.8", port)


def public_rule(way: str) -> Any:
    """Return the rule of the policy that speaks of addresses."""
    (rule,) = [
        rule
        for rule in the(way, "NetworkPolicy")["spec"]["egress"]
        if any("ipBlock" in peer for peer in rule["to"])
    ]
    return rule


def passes_network_policy(way: str, address: str) -> bool:
    """Whether a packet to a handle server at ``address`` leaves the pod."""
    wanted = ipaddress.ip_address(address)

    def holds(network: str) -> bool:
        parsed = ipaddress.ip_network(network)
        return parsed.version == wanted.version and wanted in parsed

    return any(
        holds(block["ipBlock"]["cidr"]) and not any(map(holds, block["ipBlock"]["except"]))
        for block in public_rule(way)["to"]
    )


def passes_program(address: str, port: int) -> bool:
    """Whether the program itself would ask there."""
    try:
        AddressPolicy().check(ipaddress.ip_address(address), port)
    except AddressRefusedError:
        return False
    return True


def test_versions_are_those_of_the_package() -> None:
    """Chart, manifests and example run the version they came with."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    (about,) = read_yaml((CHART / "Chart.yaml").read_text("utf-8"))
    (kustomization,) = read_yaml((DEPLOY / "kubernetes/kustomization.yaml").read_text("utf-8"))
    (example,) = read_yaml((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert [about["version"], about["appVersion"], kustomization["images"][0]["newTag"]] == [version] * 3
    assert example["services"]["resolver"]["image"] == f"handle-resolver:{version}"


def test_chart_without_extras_is_accepted_everywhere() -> None:
    """By default nothing is sent that needs the Prometheus operator, and the network policy can be left out."""
    found = {
        document["kind"]
        for document in chart(monitoring={"enabled": False}, networkPolicy={"enabled": False})
    }
    assert not found & {*OF_THE_PROMETHEUS_OPERATOR, "NetworkPolicy"}
