"""The real daemon reports a source that fails, to a real webhook."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from harvest_dagster_tests.daemon import dagster_dev, ticks, wait_until
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.orchestration.notifications.receivers import webhook

pytestmark = pytest.mark.slow


def test_the_daemon_reports_a_refused_source_with_a_link(tmp_path: Path, migrated_sqlite: Path) -> None:
    """The sensor must be on without a click, and read the environment of its code server."""
    (tmp_path / "harvest.db").write_bytes(migrated_sqlite.read_bytes())
    deployment = Deployment(tmp_path, f"sqlite:///{tmp_path / 'harvest.db'}")
    deployment.source("example", "http://127.0.0.1:1/", arguments={"set": "${A_KEY_THAT_IS_NOT_SET}"})
    with pytest.raises(Exception, match="A_KEY_THAT_IS_NOT_SET"):
        deployment.materialize("example", "2024-01-01", "2024-01-01")
    with webhook() as hook:
        environment = {
            "HARVEST_NOTIFY": hook.url("t0k3n"),
            "HARVEST_UI_URL": "http://127.0.0.1:3000",
            # The tick of a busy machine may take longer than the minute that Dagster gives it.
            "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "600",
        }
        with dagster_dev(deployment, **environment):
            wait_until(lambda: bool(hook.received))
            with dg.DagsterInstance.from_config(deployment.environment["DAGSTER_HOME"]) as instance:
                wait_until(lambda: bool(ticks(instance, "notify")))
                (tick,) = ticks(instance, "notify")
        (message,) = hook.received
    assert message["title"] == "example is refused"
    assert "example needs environment variables that are missing or empty" in message["message"]
    assert "See: http://127.0.0.1:3000/assets/raw/example" in message["message"]
    assert tick.skip_reason == "1 message was sent"
    log = (deployment.folder / "dev").read_text()
    assert "t0k3n" not in log
