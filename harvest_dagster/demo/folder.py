"""The folder of the demo: the source in YAML, DAGSTER_HOME, and the environment of the commands.

The source has records for the five days before the first run of the demo. They are recent, so that Dagster's UI shows
all partitions, and they stay the same in later runs, so that harvested days stay complete.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from harvest_dagster.private_files import make_directory, write_file
from harvest_dagster.storage.database import default_database_url
from harvest_dagster.testing.simulator import Repository

LABEL = "demo"
DAYS = 5

_CONFIG = """\
# Written by `make demo`. A source of your own needs a file like this one.
label: {label}
name: {name}, simulated
home_page: {url}?verb=Identify
harvester: oai
harvester_kwargs:
  base_url: {url}
  metadata_prefix: oai_dc
transformer: oai_dc
rate_limit: {{calls: 20, period: 1}}
earliest_date: {first_day}
# A real source needs `settle` and `lookback`: 6h and 3d by default. The days of this one never change.
settle: 0s
lookback: 0s
# If `harvest_by_schedule` is switched on in the UI: harvest the missing days every five minutes.
schedule: "*/5 * * * *"
"""
# A symbolic link to the settings in the root of the repository; a wheel contains the file itself.
_DAGSTER_YAML = Path(__file__).with_name("dagster.yaml")


@dataclass(frozen=True)
class DemoFolder:
    """The paths of the demo.

    Attributes:
        root: the folder, absolute.
    """

    root: Path

    @property
    def config(self) -> Path:
        """The IngestConfig."""
        return self.root / "sources" / f"{LABEL}.yaml"

    def repository(self, today: date) -> Repository:
        """Return the simulated repository. Its records are the same on every machine, except for their dates."""
        config = self.config.read_text(encoding="utf-8") if self.config.exists() else ""
        known = re.search(r"^earliest_date: (\d{4}-\d{2}-\d{2})$", config, re.MULTILINE)
        first_day = date.fromisoformat(known[1]) if known else today - timedelta(days=DAYS)
        return Repository(first_day=first_day, days=DAYS, records_per_day=200, page_size=50)

    @property
    def port(self) -> int:
        """The port of the repository in an earlier run; 0 if there was none, or if another program uses it now.

        With another port, the repository would be another source, and its days would be harvested again.
        """
        config = self.config.read_text(encoding="utf-8") if self.config.exists() else ""
        known = re.search(r"^  base_url: http://127\.0\.0\.1:(\d+)/", config, re.MULTILINE)
        port = int(known[1]) if known else 0
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return 0
        return port

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME, which is also the default location of the harvest database."""
        return self.root / "dagster"

    @property
    def log(self) -> Path:
        """The output of the last Dagster command."""
        return self.root / "demo.log"

    @property
    def database_url(self) -> str:
        """The URL of the harvest database."""
        return default_database_url(self.environment, self.root)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the commands: that of the user, without other databases, spools and catalogs."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HARVEST_")}
        return kept | {
            "HARVEST_SOURCES": str(self.config.parent),
            "DAGSTER_HOME": str(self.dagster_home),
            # The command `dagster` prints a long warning that `dg` supersedes it.
            "PYTHONWARNINGS": "ignore::FutureWarning",
            # A proxy cannot reach the loopback of this machine. The lower-case name takes precedence.
            "no_proxy": ",".join(filter(None, [kept.get("no_proxy") or kept.get("NO_PROXY"), "127.0.0.1"])),
        }

    def prepare(self, url: str, repository: Repository) -> None:
        """Write the files. The database of earlier runs stays."""
        for folder in (self.config.parent, self.dagster_home):
            make_directory(folder)
        config = _CONFIG.format(label=LABEL, name=repository.name, url=url, first_day=repository.first_day)
        write_file(self.config, config.encode())
        write_file(self.dagster_home / "dagster.yaml", _DAGSTER_YAML.read_bytes())
