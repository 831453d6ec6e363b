"""deploy/compose: the files are valid, the commands exist, and nothing is open or secret.

No test starts the containers: there is no daemon of Docker. `end_to_end` starts the same commands as processes.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import dagster as dg
import pytest
import yaml
from jsonschema import Draft202012Validator

from harvest_dagster_tests.deploy.files import DEPLOY, ROOT, compose_schema, interpolate, load, read

SECRETS = {"POSTGRES_PASSWORD": "very-secret", "OBJECT_STORE_PASSWORD": "very-secret-too"}
OURS = ("prepare", "code-server", "webserver", "daemon", "metrics")


def compose(**environ: str) -> dict[str, Any]:
    return dict(interpolate(load("compose/compose.yaml"), {**SECRETS, **environ}))


def test_the_file_is_valid_by_the_compose_specification() -> None:
    """A misspelt key stops all services of a user, or is ignored."""
    assert [error.message for error in Draft202012Validator(compose_schema()).iter_errors(compose())] == []
    wrong = {**compose(), "services": {"daemon": {"image": "x", "comand": "y"}}}
    assert list(Draft202012Validator(compose_schema()).iter_errors(wrong))


def test_each_secret_comes_from_the_environment_and_is_required() -> None:
    """A default password would be that of every deployment."""
    for name in SECRETS:
        with pytest.raises(KeyError, match=name):
            compose(**{name: ""})
    text = read("compose/compose.yaml")
    for line in text.splitlines():
        if "PASSWORD:" in line or "SECRET_ACCESS_KEY:" in line:
            assert "${" in line, line
    example = dict(
        line.split("=", 1)
        for line in read("compose/.env.example").splitlines()
        if "=" in line and line[0] != "#"
    )
    assert all(not example[name] for name in SECRETS)
    assert "/deploy/compose/.env" in (ROOT / ".gitignore").read_text().split()


def test_ports_are_open_for_this_machine_only() -> None:
    """The UI, the code server and the metrics have no login."""
    ports = {name: service.get("ports", []) for name, service in compose()["services"].items()}
    assert {name for name, found in ports.items() if found} == {"webserver", "metrics"}
    assert all(port.startswith("127.0.0.1:") for found in ports.values() for port in found)


def test_only_the_code_server_reaches_other_hosts() -> None:
    """The database and the object store need no way out, and the UI needs no way to sources."""
    networks = compose()["networks"]
    reach = {name: set(service["networks"]) for name, service in compose()["services"].items()}
    assert networks["storage"]["internal"] is True
    assert [name for name, found in reach.items() if "sources" in found] == ["code-server"]
    for name in ("postgresql", "objectstore", "daemon", "prepare"):
        assert reach[name] == {"storage"}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_privileges(name: str) -> None:
    """A bug in the parser of a page must not become root."""
    service = compose()["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["image"].rpartition(":")[2] not in ("", "latest")
    mounts = [volume.split(":") for volume in service["volumes"]]
    assert [mount[0] for mount in mounts if mount[-1] != "ro"] == ["home"]


def test_images_and_volumes_are_declared() -> None:
    """An image without a version changes under a running deployment. A volume that is not named is lost."""
    document = compose()
    for service in document["services"].values():
        assert ":" in service["image"]
        assert not service["image"].endswith(":latest")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in document["volumes"] or (ROOT / "deploy/compose" / source).exists(), volume


@pytest.mark.parametrize("name", [*OURS, "postgresql", "objectstore"])
def test_each_service_restarts_and_is_checked(name: str) -> None:
    """A service that hangs would stay up, and nothing would harvest."""
    service = compose()["services"][name]
    if name == "prepare":
        assert service["restart"] == "no"
        return
    assert service["restart"] == "unless-stopped"
    if name != "objectstore":  # its image has no client for a check
        assert service["healthcheck"]["test"][0] == "CMD"


class _Parsed(Exception):
    """The command line was parsed."""


@pytest.mark.parametrize("name", ["code-server", "webserver", "daemon", "metrics"])
@pytest.mark.parametrize("part", ["command", "healthcheck"])
def test_the_commands_exist_with_these_options(name: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt option would first fail in the container of a user."""
    service = compose()["services"][name]
    program, *arguments = service["command"] if part == "command" else service["healthcheck"]["test"][1:]
    if program == "python":
        compile(arguments[1], "healthcheck", "exec")
        return
    (script,) = entry_points(group="console_scripts", name=program)

    def stop(*_: object) -> None:
        raise _Parsed

    mounted, here = "/etc/harvest_dagster/workspace.yaml", str(DEPLOY / "compose/workspace.yaml")
    monkeypatch.setattr(sys, "argv", [program, *(text.replace(mounted, here) for text in arguments)])
    command = script.load()
    # A group invokes its subcommand in another method, so only the last command stops here.
    monkeypatch.setattr(click.Command, "invoke", stop)
    with pytest.raises(_Parsed):
        command()


def test_one_service_prepares_the_databases_and_the_bucket_first() -> None:
    """All services created Dagster's tables at once, and one stopped: "table already exists"."""
    services = compose()["services"]
    script = services["prepare"]["command"][-1]
    assert "dagster instance info" in script
    assert "harvest db upgrade" in script
    assert services["code-server"]["depends_on"] == {
        "prepare": {"condition": "service_completed_successfully"}
    }
    for name in ("webserver", "daemon"):
        assert services[name]["depends_on"] == {"code-server": {"condition": "service_healthy"}}
    assert "CREATE DATABASE harvest" in read("compose/postgresql/databases.sql")


def test_the_command_of_the_bucket_creates_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else may create a bucket: a misspelt HARVEST_SPOOL would get one."""
    import s3fs
    from moto.server import ThreadedMotoServer

    (line,) = [one for one in compose()["services"]["prepare"]["command"][-1].splitlines() if "s3fs" in one]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environ = compose()["services"]["prepare"]["environment"]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            monkeypatch.setenv(name, environ[name])
        s3fs.S3FileSystem.clear_instance_cache()
        for _ in range(2):
            exec(line.removeprefix('python -c "').removesuffix('"'), {})  # noqa: S102
            assert s3fs.S3FileSystem().exists("harvest-spool")
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.stop()


def test_the_settings_of_dagster_are_those_for_several_machines() -> None:
    """A fix in one of the files would be missing in the other."""
    settings, others = load("compose/dagster.yaml"), load("postgresql/dagster.yaml")
    handler = settings["python_logs"].pop("dagster_handler_config")
    assert settings == others
    assert handler == {"handlers": {"json": {"class": "harvest_dagster.log_format.JsonHandler"}}}


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_dagster_accepts_its_settings(tmp_path: Path) -> None:
    """No service would start. The storage on PostgreSQL is tested with a server elsewhere."""
    settings = load("compose/dagster.yaml")
    del settings["storage"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        assert [type(handler).__name__ for handler in instance.get_handlers()][1:] == ["JsonHandler"]


def test_all_services_use_one_code_server() -> None:
    """With definitions of its own, the daemon knows a new source a minute later, and a backfill of it fails."""
    (server,) = load("compose/workspace.yaml")["load_from"]
    services = compose()["services"]
    assert server["grpc_server"]["host"] in services
    assert f"--port={server['grpc_server']['port']}" in services["code-server"]["command"]
    for name in ("webserver", "daemon"):
        assert "--workspace=/etc/harvest_dagster/workspace.yaml" in services[name]["command"]
