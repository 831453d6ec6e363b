"""The executors of clusters: definitions load with them, and their run config is validated.

No test starts a container or a pod with them: there is no daemon of Docker, and no cluster.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.executor import is_single_process
from harvest_dagster_tests.orchestration.deployment import config

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the clients of Docker and Kubernetes
]
# The run configs of docs/deployment.md.
EXECUTORS: dict[tuple[str, str], dict[str, Any]] = {
    ("dagster_docker", "docker_executor"): {
        "image": "harvest_dagster:0.1.0",
        "networks": ["harvest_storage", "harvest_sources"],
        "env_vars": ["HARVEST_DATABASE_URL", "HARVEST_SPOOL"],
        "max_concurrent": 1,
    },
    ("dagster_k8s", "k8s_job_executor"): {
        "max_concurrent": 1,
        "step_k8s_config": {"container_config": {"resources": {"limits": {"memory": "1Gi"}}}},
    },
    ("dagster_celery", "celery_executor"): {
        "broker": "redis://redis.example.org/0",
        "backend": "redis://redis.example.org/1",
        "config_source": {"worker_prefetch_multiplier": 1},
    },
}


@pytest.mark.parametrize(("module", "name"), EXECUTORS)
def test_the_definitions_load_and_the_run_config_is_validated(module: str, name: str) -> None:
    """A module of six lines must be enough, and a misspelt key must fail before the run."""
    executor: dg.ExecutorDefinition = getattr(import_module(module), name)
    given = EXECUTORS[module, name]
    defs = build_defs(Catalog((config("http://127.0.0.1:1/"),)), executor=executor)
    for job in (defs.resolve_implicit_global_asset_job_def(), defs.resolve_job_def("harvest")):
        assert job.executor_def.name == executor.name
    asset_job = defs.resolve_implicit_global_asset_job_def()
    run_config = {"ops": {"raw__demo": {"config": {"limit": 5}}}, "execution": {"config": given}}
    found = dg.validate_run_config(asset_job, run_config)
    assert found is not None
    assert (
        found["execution"][executor.name].items()
        >= {key: value for key, value in given.items() if not isinstance(value, dict)}.items()
    )
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(asset_job, {"execution": {"config": {**given, "misspelt": 1}}})


@pytest.mark.parametrize(("module", "name"), EXECUTORS)
def test_ops_of_these_executors_do_not_share_a_process(module: str, name: str) -> None:
    """Another run would take over the lease of a run whose next op only starts in another pod."""
    executor: dg.ExecutorDefinition = getattr(import_module(module), name)
    assert not is_single_process(executor, {"execution": {"config": EXECUTORS[module, name]}})


@pytest.mark.parametrize(
    ("module", "name"),
    [("dagster_docker", "DockerRunLauncher"), ("dagster_k8s", "K8sRunLauncher")],
)
def test_the_run_launchers_are_in_their_extras(module: str, name: str) -> None:
    """docs/deployment.md names them in dagster.yaml."""
    assert hasattr(import_module(module), name)
