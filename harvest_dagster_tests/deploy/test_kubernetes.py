"""deploy/kubernetes: the values for Dagster's chart and the manifests.

No registry of packages has the chart, and no test starts a cluster. So the tests check the parts that Kubernetes and
Dagster read: the pods that the chart builds from the values, and the settings of Dagster in them.
"""

from __future__ import annotations

import re
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from harvest_dagster_tests.deploy.files import documents, load, read

MANIFESTS = ("kubernetes/network-policies.yaml", "kubernetes/metrics.yaml")
IMAGE = "registry.example.org/harvest_dagster:0.1.0"


def validate(manifest: dict[str, Any]) -> None:
    """Raise an error if a manifest is not valid, or has a key that Kubernetes does not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kubernetes_validate, about pkg_resources
        import kubernetes_validate
    kubernetes_validate.validate(manifest, "1.33", strict=True)


def pod(values: dict[str, Any], **container: Any) -> dict[str, Any]:
    """Return the pod that the chart builds from the values of a service."""
    probes = {
        name: {
            "exec": {"command": ["x"]},
            **{key: value for key, value in values[name].items() if key != "enabled"},
        }
        if "httpGet" not in values[name]
        else {key: value for key, value in values[name].items() if key != "enabled"}
        for name in ("readinessProbe", "livenessProbe", "startupProbe")
        if values.get(name)
    }
    image = values["image"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "labels": values["labels"]},
        "spec": {
            "securityContext": values["podSecurityContext"],
            "volumes": values.get("volumes", []),
            "containers": [
                {
                    "name": "x",
                    "image": f"{image['repository']}:{image['tag']}",
                    "imagePullPolicy": image["pullPolicy"],
                    "env": values.get("env", []),
                    "envFrom": [{"secretRef": secret} for secret in values.get("envSecrets", [])],
                    "resources": values["resources"],
                    "securityContext": values["securityContext"],
                    "volumeMounts": values.get("volumeMounts", []),
                    **probes,
                    **container,
                }
            ],
        },
    }


def pods() -> dict[str, dict[str, Any]]:
    values = load("kubernetes/values.yaml")
    (code,) = values["dagster-user-deployments"]["deployments"]
    return {
        "code": pod(code),
        "webserver": pod(values["dagsterWebserver"]),
        "daemon": pod(values["dagsterDaemon"]),
    }


@pytest.mark.parametrize("file", MANIFESTS)
def test_the_manifests_are_valid(file: str) -> None:
    """kubectl would refuse the file, or ignore a misspelt key of a policy."""
    for manifest in documents(file):
        validate(manifest)


@pytest.mark.parametrize("name", ["code", "webserver", "daemon"])
def test_the_pods_of_the_chart_are_valid(name: str) -> None:
    """Helm passes these values on as they are, and the cluster refuses the pod."""
    validate(pods()[name])


def test_a_misspelt_key_is_found() -> None:
    """Without this, the two tests before it would prove nothing."""
    wrong = pods()["code"]
    wrong["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(Exception, match="resource"):
        validate(wrong)


@pytest.mark.parametrize("name", ["code", "webserver", "daemon"])
def test_the_pods_have_no_privileges_bounds_and_checks(name: str) -> None:
    """A cluster that enforces the restricted standard refuses other pods. A pod without bounds can stop its node."""
    spec = pods()[name]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["image"] == IMAGE
    assert "memory" in container["resources"]["limits"]
    assert "livenessProbe" in container


def test_no_value_is_a_secret() -> None:
    """The values are in a repository."""
    (code,) = load("kubernetes/values.yaml")["dagster-user-deployments"]["deployments"]
    secrets = {"HARVEST_DATABASE_URL", "HARVEST_NOTIFY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"}
    assert not {variable["name"] for variable in code["env"]} & secrets
    assert not re.search(r"(?i)password: \S", read("kubernetes/values.yaml"))
    text = read("README.md")
    assert all(f"--from-literal={name}=" in text for name in secrets - {"HARVEST_NOTIFY"})


def test_the_version_of_the_chart_is_that_of_dagster() -> None:
    """The chart of another version starts services with other options."""
    (chart,) = re.findall(r"--version (\S+)", read("kubernetes/values.yaml"))
    assert chart.split(".")[:2] == version("dagster").split(".")[:2]


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def test_the_settings_of_dagster_are_those_of_the_other_deployments() -> None:
    """A fix in one of the files would be missing in the other."""
    values, settings = load("kubernetes/values.yaml"), load("postgresql/dagster.yaml")
    daemon = values["dagsterDaemon"]
    assert daemon["runMonitoring"] == {camel(key): value for key, value in settings["run_monitoring"].items()}
    assert daemon["runCoordinator"] == {"enabled": False}  # `concurrency` below configures it
    assert values["retention"] == {
        "enabled": True,
        **{
            camel(kind): {"purgeAfterDays": kept["purge_after_days"]}
            for kind, kept in settings["retention"].items()
        },
    }
    assert values["additionalInstanceConfig"] == {name: settings[name] for name in ("concurrency", "nux")}
    assert values["telemetry"] == settings["telemetry"]
    assert values["pythonLogs"]["pythonLogLevel"] == settings["python_logs"]["python_log_level"]
    handler = load("compose/dagster.yaml")["python_logs"]["dagster_handler_config"]
    assert values["pythonLogs"]["dagsterHandlerConfig"] == handler
    # No key of the settings may be forgotten here.
    known = {"storage", "run_monitoring", "retention", "concurrency", "nux", "telemetry", "python_logs"}
    assert set(settings) == known


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: x, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: x, user: {token: x}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
current-context: x
"""


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the client of Kubernetes
def test_dagster_accepts_its_settings_and_those_of_the_run_launcher(tmp_path: Path) -> None:
    """The services would not start, or each run would fail when it is launched."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    values = load("kubernetes/values.yaml")
    given = values["runLauncher"]["config"]["k8sRunLauncher"]
    launcher = {_snake(key): value for key, value in given.items() if key != "loadInclusterConfig"}
    launcher["run_k8s_config"] = {_snake(key): value for key, value in given["runK8sConfig"].items()}
    settings = {
        **values["additionalInstanceConfig"],
        "run_monitoring": load("postgresql/dagster.yaml")["run_monitoring"],
        "python_logs": {"dagster_handler_config": values["pythonLogs"]["dagsterHandlerConfig"]},
        "telemetry": values["telemetry"],
        "compute_logs": {
            "module": "dagster.core.storage.noop_compute_log_manager",
            "class": values["computeLogManager"]["type"],
        },
        "run_launcher": {
            "module": "dagster_k8s",
            "class": values["runLauncher"]["type"],
            "config": {
                **launcher,
                "load_incluster_config": False,
                "kubeconfig_file": str(tmp_path / "kubeconfig"),
                # What the chart adds.
                "service_account_name": "harvest",
                "instance_config_map": "harvest-instance",
                "dagster_home": "/opt/dagster/dagster_home",
            },
        },
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_launcher).__name__ == "K8sRunLauncher"
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"


def test_the_jobs_of_runs_are_valid() -> None:
    """The run launcher passes these values on as they are, and the cluster refuses the Job."""
    given = load("kubernetes/values.yaml")["runLauncher"]["config"]["k8sRunLauncher"]
    run = given["runK8sConfig"]
    container = {"name": "x", "image": "x", "securityContext": given["securityContext"]}
    template = {
        "metadata": run["podTemplateSpecMetadata"],
        "spec": {**run["podSpecConfig"], "containers": [container], "restartPolicy": "Never"},
    }
    spec = {**run["jobSpecConfig"], "template": template}
    validate({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": spec})


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower().replace("k8_s", "k8s")


def test_each_role_of_the_policies_is_a_label_of_a_pod() -> None:
    """A policy for a misspelt label applies to no pod, and a pod without a label may connect to everything."""
    text = read("kubernetes/network-policies.yaml")
    (deployment, _) = documents("kubernetes/metrics.yaml")
    roles = {one["metadata"]["labels"]["harvest/role"] for one in pods().values()}
    roles.add(deployment["spec"]["template"]["metadata"]["labels"]["harvest/role"])
    used = set(re.findall(r"harvest/role: ([\w-]+)", text))
    for listed in re.findall(r"harvest/role, operator: In, values: \[(.*?)\]", text):
        used |= {role.strip() for role in listed.split(",")}
    assert used == roles


def test_only_code_may_connect_to_sources_and_not_to_private_addresses() -> None:
    """A source could redirect a run to the address that gives a cloud machine its keys."""
    open_to_all = [
        policy
        for policy in documents("kubernetes/network-policies.yaml")
        for rule in policy["spec"].get("egress", [])
        if any("ipBlock" in peer for peer in rule.get("to", []))
    ]
    (policy,) = open_to_all
    assert policy["spec"]["podSelector"] == {"matchLabels": {"harvest/role": "code"}}
    (block,) = policy["spec"]["egress"][0]["to"]
    assert {"169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} <= set(
        block["ipBlock"]["except"]
    )
